//! detections/<dir>/detection.yml

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use model::alert::Severity;

use super::{quantity::DurationSpec, test::DetectionTestSpec};

/// What is looked for, and what happens when it is found. The code is in detect.py next to this file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "detection.yml")]
pub struct DetectionSpec {
    /// The detection's name.
    #[schemars(required, example = &"aws_root_login")]
    pub name: Option<String>,
    /// The tables whose rows it sees, by their names in the lake. A scheduled detection may leave them out.
    #[schemars(extend("examples" = [["aws_cloudtrail"]]))]
    pub tables: Option<Vec<String>>,
    /// Whether it runs.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// What people call it; the title of its alerts, where `title()` says nothing.
    pub display_name: Option<String>,
    /// What it finds.
    pub description: Option<String>,
    /// What to do about it.
    pub runbook: Option<String>,
    /// Where to read more.
    pub reference: Option<String>,
    /// Where to read more, several places.
    pub references: Option<Vec<String>>,
    /// What else looks like it.
    pub false_positives: Option<Vec<String>>,
    /// ATT&CK ids and free words.
    #[schemars(extend("examples" = [["attack.t1078"]]))]
    pub tags: Option<Vec<String>>,
    /// How matches become alerts, and where these go.
    pub alert: Option<AlertSpec>,
    /// Runs `query` by the clock, in UTC, instead of looking at each row: `rate(1 hour)`, `cron(0 * * * *)`.
    #[schemars(example = &"rate(1 hour)", example = &"cron(0 * * * *)")]
    pub schedule: Option<String>,
    /// How long after the end of a window the query runs, so that late rows are in.
    #[schemars(extend("default" = "5 minutes"))]
    pub lateness: Option<DurationSpec>,
    /// SQL over the lake; each row it returns is a match. `:start` and `:end` are the bounds of the window.
    pub query: Option<String>,
    /// Events by name, for tests: column names, nested or dotted.
    #[serde(default)]
    pub fixtures: BTreeMap<String, Map<String, Value>>,
    /// Events and whether the detection must fire. `matano test` runs them.
    #[serde(default)]
    pub tests: Vec<DetectionTestSpec>,
    /// For people. Not used.
    pub id: Option<Value>,
    /// For people. Not used.
    pub created: Option<Value>,
    /// For people. Not used.
    pub modified: Option<Value>,
    /// For people. Not used.
    pub date: Option<Value>,
    /// For people. Not used.
    pub author: Option<Value>,
    /// For people, as Sigma has it. Not used: `alert.severity` counts.
    pub level: Option<Value>,
    /// For people. Not used: `enabled` counts.
    pub status: Option<Value>,
    /// For people. Not used: `tags` goes into alerts.
    pub reports: Option<ReportsSpec>,
}

/// Ids of other bodies of knowledge.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reports")]
pub struct ReportsSpec {
    /// ATT&CK ids. Not used: `tags` goes into alerts.
    pub attack: Option<Value>,
}

/// How matches become alerts, and where these go.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Alert")]
pub struct AlertSpec {
    /// How bad it is, where `severity()` says nothing. Default: `notice` with destinations, else `info`, which is sent
    /// nowhere.
    pub severity: Option<SeveritySpec>,
    /// How many matches with one dedupe key in one window make an alert.
    #[schemars(extend("default" = 1), range(min = 1))]
    pub threshold: Option<u32>,
    /// The window in which matches with one dedupe key are one alert: seconds, or a time such as `1 hour`.
    #[schemars(extend("default" = "1 hour"))]
    pub deduplication_window: Option<DurationSpec>,
    /// The same in minutes.
    #[schemars(range(min = 1))]
    pub deduplication_window_minutes: Option<u32>,
    /// Names of destinations, where `destinations()` says nothing.
    pub destinations: Option<Vec<String>>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Severity")]
pub enum SeveritySpec {
    /// Kept in the lake, sent nowhere.
    Info,
    /// Worth knowing.
    Notice,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl From<SeveritySpec> for Severity {
    fn from(severity: SeveritySpec) -> Self {
        match severity {
            SeveritySpec::Info => Self::Info,
            SeveritySpec::Notice => Self::Notice,
            SeveritySpec::Low => Self::Low,
            SeveritySpec::Medium => Self::Medium,
            SeveritySpec::High => Self::High,
            SeveritySpec::Critical => Self::Critical,
        }
    }
}
