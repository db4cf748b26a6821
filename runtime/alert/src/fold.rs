//! Folds matches into alerts. An alert is a function of the set of its matches: batches, order and repetition don't show.
//!
//! [`AlertState`] is that fold as a value that can be absorbed into and merged. [`Summary`] is the part of it without the
//! ids, for a store that keeps ids by itself and knows which matches it has seen.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    alert::{Alert, AlertId, MatchId, RuleMatch, Severity, Window},
    name::{DestinationName, DetectionName, TableName},
    release::ReleaseId,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::num::NonZeroU32;

use crate::context::{Context, Values};

/// The stored format that this code writes.
pub const FORMAT: u32 = 1;

/// Everything about an alert save how many matches it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    format: u32,
    id: AlertId,
    detection: DetectionName,
    dedupe: String,
    window: Window,
    earliest: Earliest,
    latest: Latest,
    severity: Severity,
    destinations: BTreeSet<DestinationName>,
    tables: BTreeSet<TableName>,
    lists: Context,
    context: Context,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Earliest {
    ts: Timestamp,
    id: MatchId,
    title: String,
    description: Option<String>,
    runbook: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Latest {
    ts: Timestamp,
    id: MatchId,
    release: ReleaseId,
    threshold: NonZeroU32,
}

const REFERENCES: &str = "references";
const FALSE_POSITIVES: &str = "false_positives";

impl Summary {
    /// Of an alert's first match to arrive.
    pub fn of(found: &RuleMatch) -> Self {
        let mut summary = Self {
            format: FORMAT,
            id: found.alert_id(),
            detection: found.detection.clone(),
            dedupe: found.dedupe.clone(),
            window: found.window(),
            earliest: Earliest {
                ts: found.ts,
                id: found.id,
                title: found.title.clone(),
                description: found.description.clone(),
                runbook: found.runbook.clone(),
            },
            latest: Latest { ts: found.ts, id: found.id, release: found.release, threshold: found.threshold },
            severity: found.severity,
            destinations: BTreeSet::new(),
            tables: BTreeSet::new(),
            lists: Context::default(),
            context: Context::default(),
        };
        summary.absorb(found);
        summary
    }

    /// Takes in a match of the same alert. Of two matches with one id the first to arrive counts.
    pub fn absorb(&mut self, found: &RuleMatch) {
        debug_assert_eq!(self.id, found.alert_id(), "a match belongs to the alert of its detection, key and window");
        if (found.ts, found.id) < (self.earliest.ts, self.earliest.id) {
            self.earliest = Earliest {
                ts: found.ts,
                id: found.id,
                title: found.title.clone(),
                description: found.description.clone(),
                runbook: found.runbook.clone(),
            };
        }
        if (found.ts, found.id) > (self.latest.ts, self.latest.id) {
            self.latest = Latest { ts: found.ts, id: found.id, release: found.release, threshold: found.threshold };
        }
        self.severity = self.severity.max(found.severity);
        self.destinations.extend(found.destinations.iter().cloned());
        self.tables.insert(found.table.clone());
        for (nth, text) in found.references.iter().enumerate() {
            self.lists.absorb_value(found, nth, REFERENCES, Value::from(text.as_str()));
        }
        for (nth, text) in found.false_positives.iter().enumerate() {
            self.lists.absorb_value(found, nth, FALSE_POSITIVES, Value::from(text.as_str()));
        }
        self.context.absorb(found);
    }

    /// Takes in all that `other`, a summary of the same alert, holds.
    pub fn merge(&mut self, other: &Self) {
        debug_assert_eq!(self.id, other.id, "summaries of one alert are merged");
        if (other.earliest.ts, other.earliest.id) < (self.earliest.ts, self.earliest.id) {
            self.earliest = other.earliest.clone();
        }
        if (other.latest.ts, other.latest.id) > (self.latest.ts, self.latest.id) {
            self.latest = other.latest.clone();
        }
        self.severity = self.severity.max(other.severity);
        self.destinations.extend(other.destinations.iter().cloned());
        self.tables.extend(other.tables.iter().cloned());
        self.lists.merge(&other.lists);
        self.context.merge(&other.context);
    }

    /// As it is stored.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a summary has string keys and JSON values")
    }

    /// What [`Summary::to_json`] wrote, in this release or an earlier one; the error is for the reader.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let summary: Self = serde_json::from_slice(bytes).map_err(|error| format!("summary is unreadable: {error}"))?;
        if summary.format > FORMAT {
            return Err(format!("summary has format {}, expected at most {FORMAT}", summary.format));
        }
        Ok(summary)
    }

    /// The alert, given how many different matches went in.
    pub fn alert(&self, match_count: u64) -> Alert {
        let mut context = BTreeMap::new();
        let mut context_more = BTreeMap::new();
        for (field, values) in self.context.fields() {
            let first: Vec<Value> = values.first().cloned().collect();
            let more = values.distinct().saturating_sub(first.len() as u64);
            if more > 0 {
                context_more.insert(field.clone(), more);
            }
            context.insert(field.clone(), first);
        }
        Alert {
            id: self.id,
            detection: self.detection.clone(),
            dedupe: self.dedupe.clone(),
            window: self.window,
            title: self.earliest.title.clone(),
            severity: self.severity,
            description: self.earliest.description.clone(),
            runbook: self.earliest.runbook.clone(),
            references: self.list(REFERENCES),
            false_positives: self.list(FALSE_POSITIVES),
            destinations: self.destinations.clone(),
            tables: self.tables.clone(),
            match_count,
            threshold: self.latest.threshold,
            first_matched_at: self.earliest.ts,
            last_matched_at: self.latest.ts,
            context,
            context_more,
            release: self.latest.release,
        }
    }

    fn list(&self, name: &str) -> Vec<String> {
        let values = self.lists.fields().get(name).into_iter().flat_map(Values::first);
        values.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// An alert in the making: which matches went in, and what they say together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertState {
    matches: BTreeSet<MatchId>,
    summary: Summary,
}

impl AlertState {
    /// Of one match.
    pub fn of(found: &RuleMatch) -> Self {
        Self { matches: BTreeSet::from([found.id]), summary: Summary::of(found) }
    }

    /// Takes in a match of the same alert; says whether it was new.
    pub fn absorb(&mut self, found: &RuleMatch) -> bool {
        let new = self.matches.insert(found.id);
        if new {
            self.summary.absorb(found);
        }
        new
    }

    /// Takes in another part of the same alert. Associative, commutative and idempotent.
    pub fn merge(&mut self, other: &Self) {
        self.matches.extend(&other.matches);
        self.summary.merge(&other.summary);
    }

    /// The alert so far.
    pub fn alert(&self) -> Alert {
        self.summary.alert(self.matches.len() as u64)
    }
}

/// All alerts of some matches.
pub fn fold<'a>(matches: impl IntoIterator<Item = &'a RuleMatch>) -> BTreeMap<AlertId, AlertState> {
    let mut alerts: BTreeMap<AlertId, AlertState> = BTreeMap::new();
    for found in matches {
        alerts
            .entry(found.alert_id())
            .and_modify(|state| {
                state.absorb(found);
            })
            .or_insert_with(|| AlertState::of(found));
    }
    alerts
}
