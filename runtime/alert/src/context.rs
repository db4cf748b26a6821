//! What the events of an alert have in common: flattened fields with their distinct values in order of first appearance.
//!
//! Every number here is bounded, and yet the result depends on the set of matches alone: each structure keeps the
//! smallest entries under a total order, and the smallest of two sets' smallest are the smallest of both.

use std::collections::{BTreeMap, BTreeSet};

use model::{alert::RuleMatch, digest::Digest, time::Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plain::clip;

/// How many values a field keeps: those that appeared first.
pub const VALUES_PER_FIELD: usize = 100;
/// How many fields a context keeps: the first by name.
pub const FIELDS: usize = 1000;
/// Longer strings are cut, in UTF-16 units.
pub const VALUE_LENGTH: usize = 1024;
/// Up to here distinct values are counted exactly, beyond with an error of some six percent.
pub const COUNTED_EXACTLY: usize = 256;
/// Values of `alert_context()` stand under this name, apart from those of the events.
pub const FROM_DETECTION: &str = "alert_context";

/// Differ in every event, or say nothing about it.
const LEFT_OUT: [&str; 9] = [
    "matano",
    "ts",
    "message",
    "ecs.version",
    "event.id",
    "event.created",
    "event.kind",
    "event.duration",
    "event.original",
];

/// When a value was seen: event time, then match, then place within the match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Order(Timestamp, u64, u32);

/// Distinct values of one field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// Those that appeared first, in that order.
    first: Vec<(Order, Value)>,
    /// The smallest hashes of all values; empty until `first` overflows.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    hashes: BTreeSet<u64>,
}

impl Values {
    fn insert(&mut self, order: Order, value: Value) {
        if let Some(at) = self.first.iter().position(|(_, have)| *have == value) {
            if order < self.first[at].0 {
                self.first[at].0 = order;
                self.sort();
            }
            return;
        }
        if self.first.len() == VALUES_PER_FIELD {
            if self.hashes.is_empty() {
                self.hashes = self.first.iter().map(|(_, value)| hash(value)).collect();
            }
            self.count(hash(&value));
            if self.first.last().is_some_and(|(last, _)| order > *last) {
                return;
            }
        }
        self.first.push((order, value));
        self.sort();
        self.first.truncate(VALUES_PER_FIELD);
    }

    fn merge(&mut self, other: &Self) {
        if !other.hashes.is_empty() && self.hashes.is_empty() {
            self.hashes = self.first.iter().map(|(_, value)| hash(value)).collect();
        }
        for (order, value) in &other.first {
            self.insert(*order, value.clone());
        }
        // where there are any, they are those of all its values, `first` included
        for hash in &other.hashes {
            self.count(*hash);
        }
    }

    fn sort(&mut self) {
        // two matches with one order differ in the value at least
        self.first.sort_by(|(left, a), (right, b)| left.cmp(right).then_with(|| a.to_string().cmp(&b.to_string())));
    }

    fn count(&mut self, hash: u64) {
        self.hashes.insert(hash);
        while self.hashes.len() > COUNTED_EXACTLY {
            self.hashes.pop_last();
        }
    }

    /// How many distinct values there are, exact up to [`COUNTED_EXACTLY`].
    pub fn distinct(&self) -> u64 {
        let counted = self.hashes.len().max(self.first.len()) as u64;
        match self.hashes.last() {
            // hashes are spread evenly: the k-th smallest of n stands at about k/n of their range
            Some(largest) if self.hashes.len() == COUNTED_EXACTLY => {
                let share = *largest as f64 / u64::MAX as f64;
                counted.max(((COUNTED_EXACTLY - 1) as f64 / share) as u64)
            }
            Some(_) | None => counted,
        }
    }

    /// The first values, in order.
    pub fn first(&self) -> impl Iterator<Item = &Value> {
        self.first.iter().map(|(_, value)| value)
    }
}

/// Equal values have equal hashes, on every machine and in every release.
fn hash(value: &Value) -> u64 {
    leading(&Digest::of(value.to_string().as_bytes()))
}

fn leading(digest: &Digest) -> u64 {
    digest.as_bytes()[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Fields with their values; absorbing is associative, commutative and idempotent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Context {
    fields: BTreeMap<String, Values>,
}

impl Context {
    /// Takes in the fields of the event and of `alert_context()`.
    pub fn absorb(&mut self, found: &RuleMatch) {
        let mut leaves = Vec::new();
        flatten("", &found.event, &mut leaves);
        flatten(FROM_DETECTION, &found.context, &mut leaves);
        for (nth, (path, value)) in leaves.into_iter().enumerate() {
            self.insert(path, order(found, nth), value);
        }
    }

    /// Takes in one value of one field.
    pub(crate) fn absorb_value(&mut self, found: &RuleMatch, nth: usize, field: &str, value: Value) {
        self.insert(field.to_owned(), order(found, nth), shortened(&value));
    }

    fn insert(&mut self, field: String, order: Order, value: Value) {
        self.fields.entry(field).or_default().insert(order, value);
        while self.fields.len() > FIELDS {
            self.fields.pop_last();
        }
    }

    /// Takes in all that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (field, values) in &other.fields {
            self.fields.entry(field.clone()).or_default().merge(values);
        }
        while self.fields.len() > FIELDS {
            self.fields.pop_last();
        }
    }

    /// The fields, by name.
    pub fn fields(&self) -> &BTreeMap<String, Values> {
        &self.fields
    }
}

fn order(found: &RuleMatch, nth: usize) -> Order {
    Order(found.ts, leading(&found.id.0), u32::try_from(nth).unwrap_or(u32::MAX))
}

/// Scalars by dotted path; members of a list share the list's path.
fn flatten(path: &str, value: &Value, leaves: &mut Vec<(String, Value)>) {
    match value {
        Value::Null => (),
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if !LEFT_OUT.contains(&path.as_str()) {
                    flatten(&path, value, leaves);
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| flatten(path, element, leaves)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => leaves.push((path.to_owned(), shortened(value))),
    }
}

fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(clip(text, VALUE_LENGTH)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    }
}
