//! Deliveries: which alert goes to which destination, and how far that has come.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{alert::AlertId, digest::Digest, name::DestinationName};

/// Of alert, destination and how many matches the alert had. Receivers know a repeated delivery by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryKey(pub Digest);

impl DeliveryKey {
    /// Same alert, same destination, same number of matches: same delivery, however often it is tried.
    pub fn of(alert: AlertId, destination: &DestinationName, match_count: u64) -> Self {
        Self(Digest::of_parts([
            alert.0.as_bytes().as_slice(),
            destination.as_str().as_bytes(),
            &match_count.to_le_bytes(),
        ]))
    }
}

impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether the destination has heard of the alert before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryKind {
    /// It has not.
    New,
    /// It has: there are more matches.
    Update,
}

impl DeliveryKind {
    /// The word in stored and sent JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Update => "update",
        }
    }
}

impl fmt::Display for DeliveryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One alert on its way to one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The same for every attempt.
    pub key: DeliveryKey,
    /// The alert.
    pub alert: AlertId,
    /// Where it goes.
    pub destination: DestinationName,
    /// Whether the destination has heard of it.
    pub kind: DeliveryKind,
    /// What is to happen to it.
    pub fate: Fate,
}

/// What is to happen to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is sent.
    Send,
    /// It cannot be sent: a dead letter, with the reason.
    Refuse(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_growth_of_an_alert_is_a_delivery_of_its_own() {
        let (alert, ops) = (AlertId(Digest::of(b"alert")), DestinationName::parse("ops").unwrap());
        assert_eq!(DeliveryKey::of(alert, &ops, 1), DeliveryKey::of(alert, &ops, 1));
        assert_ne!(DeliveryKey::of(alert, &ops, 1), DeliveryKey::of(alert, &ops, 2));
    }
}
