//! Decides which destinations hear of an alert.

use std::collections::BTreeMap;

use model::{
    alert::{Alert, Severity},
    delivery::{Delivery, DeliveryKey, DeliveryKind, Fate},
    name::DestinationName,
    release::Destination,
};

/// What each of the alert's destinations is to hear.
///
/// `told` is the alert as each destination last heard of it, or will have once what is under way has arrived. An alert
/// of severity info goes nowhere, and so does one below its threshold; the delivery that follows the crossing says
/// everything so far, however many batches that took. A destination that is not in `known` gets a refusal of its own
/// and holds up no other.
pub fn deliveries(
    told: &BTreeMap<DestinationName, Alert>,
    after: &Alert,
    known: &BTreeMap<DestinationName, Destination>,
) -> Vec<Delivery> {
    let each = after.destinations.iter();
    each.filter_map(|destination| delivery(told.get(destination), after, destination, known)).collect()
}

/// What one destination is to hear; `before` is the alert as it last heard of it.
pub fn delivery(
    before: Option<&Alert>,
    after: &Alert,
    destination: &DestinationName,
    known: &BTreeMap<DestinationName, Destination>,
) -> Option<Delivery> {
    if after.severity == Severity::Info {
        return None;
    }
    let kind = match before {
        Some(before) if after.match_count > before.match_count => DeliveryKind::Update,
        Some(_) => return None,
        None if after.is_active() => DeliveryKind::New,
        None => return None,
    };
    let fate = if known.contains_key(destination) { Fate::Send } else { Fate::Refuse(unknown(destination)) };
    Some(Delivery {
        key: DeliveryKey::of(after.id, destination, after.match_count),
        alert: after.id,
        destination: destination.clone(),
        kind,
        fate,
    })
}

/// Why nothing can be sent to a destination that the release does not have.
pub fn unknown(destination: &DestinationName) -> String {
    format!(
        "destination `{destination}` is not in the project: declare it under `integrations/destinations`, or take it out of the detection"
    )
}
