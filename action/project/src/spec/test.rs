//! The tests that users write next to their log sources and detections.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{detection::SeveritySpec, quantity::DurationSpec};

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
    /// What the event, or each event below, is laid over: a name of `fixtures` or of a file in `fixtures/`, or a file.
    #[schemars(example = &"console_login", example = &"fixtures/console_login.json")]
    pub fixture: Option<String>,
    /// One row: column names, nested or dotted. Over a fixture, only what differs from it.
    pub event: Option<Map<String, Value>>,
    /// Several rows.
    pub events: Option<Vec<Map<String, Value>>>,
    /// Several rows on a clock, with what must hold after each.
    pub sequence: Option<Vec<StepSpec>>,
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
    /// What stands in for what the detection uses.
    pub mocks: Option<MocksSpec>,
    /// Other detections that are meant to fire on these rows too.
    pub also_fires: Option<Vec<String>>,
    /// What the alert must say: only what is named is compared. Or `snapshot`: all that it said when `matano test
    /// --update` was last run.
    pub expect: Option<ExpectationSpec>,
}

/// One row of a sequence, or the same one several times.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step")]
pub struct StepSpec {
    /// What the event is laid over, in place of the test's `fixture`.
    pub fixture: Option<String>,
    /// The row: column names, nested or dotted.
    pub event: Option<Map<String, Value>>,
    /// When it happens. Without it, and without `after`, at the same time as the row before.
    #[schemars(example = &"2026-03-02T09:00:00Z")]
    pub ts: Option<String>,
    /// How long after the row before it happens.
    pub after: Option<DurationSpec>,
    /// How often; each time `after` later.
    #[schemars(extend("default" = 1), range(min = 1, max = 10000))]
    pub repeat: Option<u32>,
    /// Whether the detection must fire on it, each time.
    pub fires: Option<bool>,
    /// How many alerts there must be when it has happened.
    pub alerts: Option<u64>,
}

/// What stands in for what a detection uses.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Mocks")]
pub struct MocksSpec {
    /// Rows in place of those of enrichment tables: a list, or a mapping from the lookup key to the rest of the row.
    #[schemars(example = &"trusted_addresses: [{source.ip: 192.0.2.10}]")]
    pub enrichment: Option<BTreeMap<String, TableMockSpec>>,
    /// What `remotecache` holds at the first row, by namespace and key. `{strings: [a, b]}` is a set of strings.
    pub remotecache: Option<BTreeMap<String, Map<String, Value>>>,
    /// Attributes by dotted path, `detect.` for those of detect.py: a value, `{returns: ...}`, `{returns_time: ...}` or
    /// `{raises: "ValueError: why"}`.
    #[schemars(example = &"detect.now: {returns_time: 2026-03-02T09:00:00Z}")]
    pub attributes: Option<Map<String, Value>>,
}

/// Rows in place of those of an enrichment table.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum TableMockSpec {
    /// All rows.
    Rows(Vec<Map<String, Value>>),
    /// By lookup key.
    ByKey(BTreeMap<String, Map<String, Value>>),
}

impl JsonSchema for TableMockSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TableMock".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["array", "object"],
            "items": { "type": "object" },
            "additionalProperties": { "type": "object" },
        })
    }
}

/// What an alert must say, or that it must say what it said before.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Expectation")]
pub enum ExpectationSpec {
    /// All that it said before.
    Snapshot(SnapshotSpec),
    /// Part by part.
    Parts(Box<ExpectSpec>),
}

/// The word `snapshot`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotSpec {
    /// `snapshot`
    Snapshot,
}

impl JsonSchema for SnapshotSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Snapshot".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["snapshot"] })
    }
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
    /// Its false positives.
    pub false_positives: Option<Vec<String>>,
    /// What destinations hear, by name: a text or texts that must occur in the message, or parts of its JSON. `null`
    /// where one must hear nothing.
    pub messages: Option<Map<String, Value>>,
}
