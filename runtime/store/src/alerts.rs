//! Alerts and what is on its way to destinations.
//!
//! Three things change together, in one transaction: the alert, its rows for the lake, and its deliveries (an outbox).
//! Deliveries of one alert to one destination are a lane: one is tried at a time, in order. While a delivery waits
//! untried, further growth of the alert goes into it; once it was tried it stays as it is, so that every attempt of one
//! key says the same. A dead letter holds up nothing: when the alert grows, its next delivery says what the dead one
//! would have said, and takes its place.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::{
    alert::{Alert, AlertId, RuleMatch, Severity},
    delivery::{Delivery, DeliveryKey},
    digest::Digest,
    name::{DestinationName, DetectionName},
    time::Timestamp,
};
use serde_json::Value;

use crate::error::StoreError;

/// One alert with its new matches, for [`Fold::fold`].
#[derive(Debug)]
pub struct Folding<'a> {
    /// What the fold returned last, if the alert is known.
    pub state: Option<&'a [u8]>,
    /// How many matches went in before.
    pub match_count: u64,
    /// When it reached its threshold.
    pub activated_at: Option<Timestamp>,
    /// Matches that never went in before: at least one, all of this alert, each id once.
    pub new: &'a [RuleMatch],
    /// The alert as each destination knows it, or will once what has been tried arrives.
    pub told: &'a BTreeMap<DestinationName, Alert>,
    /// The time of the call.
    pub now: Timestamp,
}

/// What becomes of one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// For the next fold; the store does not look into it.
    pub state: Vec<u8>,
    /// The alert.
    pub alert: Alert,
    /// When it reached its threshold.
    pub activated_at: Option<Timestamp>,
    /// A row for `matano_alerts` for each new match, in the order of the matches.
    pub rows: Vec<Value>,
    /// What destinations are to hear.
    pub deliveries: Vec<Delivery>,
}

/// Decides what becomes of an alert. Pure: the store may call it again for the same matches.
pub trait Fold: Send + Sync {
    /// The error is for the reader.
    fn fold(&self, folding: Folding<'_>) -> Result<Folded, String>;
}

/// An alert with the times of its processing.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredAlert {
    /// The alert.
    pub alert: Alert,
    /// When its first match went in.
    pub created_at: Timestamp,
    /// When its latest match went in.
    pub updated_at: Timestamp,
    /// When it reached its threshold.
    pub activated_at: Option<Timestamp>,
}

/// What a call of [`AlertStore::absorb`] did to one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Absorbed {
    /// The alert after it.
    pub alert: StoredAlert,
    /// How many of its matches were new.
    pub new_matches: u64,
}

/// Which alerts; all that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Whose latest match went in at this time or later.
    pub since: Option<Timestamp>,
    /// At least this bad.
    pub severity: Option<Severity>,
    /// Of this detection.
    pub detection: Option<DetectionName>,
    /// Whose id starts with these hex digits.
    pub id_prefix: Option<String>,
    /// Only those that reached their threshold.
    pub activated: bool,
    /// At most so many.
    pub limit: Option<u32>,
}

/// A delivery that is ours to send until the lease runs out.
#[derive(Debug, Clone, PartialEq)]
pub struct Leased {
    /// What goes where.
    pub delivery: Delivery,
    /// 1 for the first; names the lease.
    pub attempt: u32,
    /// The alert as the destination knows it.
    pub before: Option<Alert>,
    /// The alert as the destination is to know it.
    pub after: Alert,
    /// What the destination's kind wanted remembered of this alert: Slack's channel and message.
    pub provider: Option<Value>,
}

/// A delivery that could not be made.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// What was to go where.
    pub delivery: Delivery,
    /// The alert as it was to be told.
    pub alert: Alert,
    /// Why it was given up.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// Which dead letters are tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redrive {
    /// Every one.
    All,
    /// Those for one destination.
    Destination(DestinationName),
    /// One.
    Delivery(DeliveryKey),
}

/// Rows of `matano_alerts` that are not in the lake yet. The same batch comes back, with the same rows and the same id,
/// until it is done: a committer that finds the id in the lake already has nothing to commit.
#[derive(Debug, Clone, PartialEq)]
pub struct RowBatch {
    /// Of the matches in it.
    pub id: Digest,
    /// One a match, in the order they went in.
    pub rows: Vec<Value>,
}

/// Where alerts, their deliveries and their rows are kept.
#[async_trait]
pub trait AlertStore: Send + Sync + std::fmt::Debug {
    /// Takes in matches. A match whose id went in before changes nothing, so the call may be repeated after any failure.
    async fn absorb(
        &self,
        matches: Vec<RuleMatch>,
        fold: std::sync::Arc<dyn Fold>,
        now: Timestamp,
    ) -> Result<Vec<Absorbed>, StoreError>;

    /// One alert.
    async fn alert(&self, id: AlertId) -> Result<Option<StoredAlert>, StoreError>;

    /// Alerts, latest change first.
    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<StoredAlert>, StoreError>;

    /// The oldest rows that are not in the lake, at most `limit` of them.
    async fn next_rows(&self, limit: u32) -> Result<Option<RowBatch>, StoreError>;

    /// The rows of this batch are in the lake.
    async fn rows_done(&self, batch: Digest) -> Result<(), StoreError>;

    /// Destinations with something to send now.
    async fn due(&self, now: Timestamp) -> Result<Vec<DestinationName>, StoreError>;

    /// When there will be something to send, if nothing else happens.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Takes the longest due delivery to this destination for `seconds`.
    async fn lease(
        &self,
        destination: &DestinationName,
        now: Timestamp,
        seconds: u32,
    ) -> Result<Option<Leased>, StoreError>;

    /// Remembers something about the alert at this destination before the delivery is complete.
    async fn remember(&self, lease: &Leased, provider: &Value) -> Result<(), StoreError>;

    /// The destination has it.
    async fn done(&self, lease: &Leased, now: Timestamp) -> Result<(), StoreError>;

    /// To be tried again at `at`. Only what is behind it in its lane waits with it.
    async fn retry(&self, lease: &Leased, at: Timestamp, reason: &str) -> Result<(), StoreError>;

    /// Nothing is due at this destination before `until`, whatever comes in: it needs rest.
    async fn hold(&self, destination: &DestinationName, until: Timestamp) -> Result<(), StoreError>;

    /// Given up.
    async fn bury(&self, lease: &Leased, reason: &str, now: Timestamp) -> Result<(), StoreError>;

    /// What was given up, oldest first.
    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError>;

    /// Tries dead letters again; returns how many.
    async fn redrive(&self, which: &Redrive, now: Timestamp) -> Result<u64, StoreError>;

    /// Forgets alerts, and that their matches were seen, where the latest match went in before `before` and nothing is
    /// waiting or dead; returns how many. Keep them for longer than anything upstream can be delivered twice.
    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError>;
}
