//! The tests that users write next to their log sources and detections.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::detection::SeveritySpec;

/// Raw records and the rows they must become.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LogSourceTest")]
pub struct LogSourceTestSpec {
    /// What is tested, as a sentence.
    #[schemars(required)]
    pub name: Option<String>,
    /// The key of the object, where the choice of the table depends on it.
    #[schemars(example = &"AWSLogs/1/CloudTrail/x.json")]
    pub key: Option<String>,
    /// The object's content: one record a line, or what the log source expands.
    pub raw: Option<String>,
    /// A file with the object's content, relative to this one.
    #[schemars(example = &"fixtures/console_login.json")]
    pub raw_file: Option<String>,
    /// The table of the rows below, where there are several.
    pub table: Option<String>,
    /// The rows, in order. Only the columns that are named are compared; `null` means that nothing is there.
    pub rows: Option<Vec<Map<String, Value>>>,
    /// How many records must become no row.
    #[schemars(extend("default" = 0))]
    pub rejects: Option<u64>,
}

/// Events, raw records or tables, and whether the detection must fire.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DetectionTest")]
pub struct DetectionTestSpec {
    /// What is tested, as a sentence.
    #[schemars(required)]
    pub name: Option<String>,
    /// The table of the events. Without it, the first of the detection's `tables`.
    pub table: Option<String>,
    /// One row: column names, nested or dotted.
    pub event: Option<Map<String, Value>>,
    /// Several rows.
    pub events: Option<Vec<Map<String, Value>>>,
    /// Raw records, which go through the log source first.
    pub raw: Option<String>,
    /// A file with raw records, relative to this one.
    #[schemars(example = &"fixtures/root_login.json")]
    pub raw_file: Option<String>,
    /// The key of the raw object, where the choice of the table depends on it.
    pub key: Option<String>,
    /// For a scheduled detection: the rows of each table.
    pub rows: Option<BTreeMap<String, Vec<Map<String, Value>>>>,
    /// For a scheduled detection: what `:start` and `:end` are.
    pub window: Option<WindowSpec>,
    /// Whether it must fire.
    #[schemars(extend("default" = true))]
    pub fires: Option<bool>,
    /// How many rows it must fire on.
    pub matches: Option<u64>,
    /// How many alerts must come of it, after deduplication and threshold.
    pub alerts: Option<u64>,
    /// What the alert must say. Only what is named is compared.
    pub expect: Option<ExpectSpec>,
}

/// The bounds of a scheduled detection's window.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Window")]
pub struct WindowSpec {
    /// The first moment.
    #[schemars(required, example = &"2026-01-01T00:00:00Z")]
    pub start: Option<String>,
    /// The first moment after it.
    #[schemars(required, example = &"2026-01-01T01:00:00Z")]
    pub end: Option<String>,
}

/// What an alert must say.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
pub struct ExpectSpec {
    /// Its title.
    pub title: Option<String>,
    /// Its severity.
    pub severity: Option<SeveritySpec>,
    /// Its dedupe key.
    pub dedupe: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its runbook.
    pub runbook: Option<String>,
    /// Its references.
    pub references: Option<Vec<String>>,
    /// Where it goes.
    pub destinations: Option<Vec<String>>,
    /// What `alert_context` returns.
    pub context: Option<Map<String, Value>>,
}
