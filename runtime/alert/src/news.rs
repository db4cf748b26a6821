//! What is new about an alert since a destination last heard of it.

use std::collections::BTreeMap;

use model::{
    alert::{Alert, Severity},
    delivery::DeliveryKind,
};
use serde_json::Value;

/// An alert, and how it differs from what the destination knows.
#[derive(Debug, Clone, PartialEq)]
pub struct News<'a> {
    /// Whether the destination has heard of the alert.
    pub kind: DeliveryKind,
    /// The alert as it is now.
    pub alert: &'a Alert,
    /// How many matches the destination has not heard of.
    pub new_matches: u64,
    /// The severity that the destination knows, where it has risen since.
    pub raised_from: Option<Severity>,
    /// The values that the destination has not seen; all of them when the alert is new.
    pub new_context: BTreeMap<String, Vec<Value>>,
    /// How many more new values a field has than `new_context` lists.
    pub new_context_more: BTreeMap<String, u64>,
}

impl<'a> News<'a> {
    /// From what the destination knows to what there is.
    pub fn between(before: Option<&Alert>, after: &'a Alert) -> Self {
        let Some(before) = before else {
            return Self {
                kind: DeliveryKind::New,
                alert: after,
                new_matches: after.match_count,
                raised_from: None,
                new_context: after.context.clone(),
                new_context_more: after.context_more.clone(),
            };
        };
        let mut new_context = BTreeMap::new();
        let mut new_context_more = BTreeMap::new();
        for (field, values) in &after.context {
            let known = before.context.get(field).map_or(&[][..], Vec::as_slice);
            let new: Vec<Value> = values.iter().filter(|value| !known.contains(value)).cloned().collect();
            let more =
                (total(after, field) - total(before, field).min(total(after, field))).saturating_sub(new.len() as u64);
            if more > 0 {
                new_context_more.insert(field.clone(), more);
            }
            if !new.is_empty() || more > 0 {
                new_context.insert(field.clone(), new);
            }
        }
        Self {
            kind: DeliveryKind::Update,
            alert: after,
            new_matches: after.match_count.saturating_sub(before.match_count),
            raised_from: (after.severity > before.severity).then_some(before.severity),
            new_context,
            new_context_more,
        }
    }
}

fn total(alert: &Alert, field: &str) -> u64 {
    let listed = alert.context.get(field).map_or(0, Vec::len) as u64;
    listed + alert.context_more.get(field).copied().unwrap_or(0)
}
