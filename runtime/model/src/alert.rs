//! Rule matches and alerts: what a detection found, and what people are told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroU32,
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    digest::Digest,
    name::{DestinationName, DetectionName, TableName},
    release::ReleaseId,
    time::Timestamp,
};

/// How bad it is, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Kept, sent nowhere.
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

impl Severity {
    /// All, least first.
    pub const ALL: [Self; 6] = [Self::Info, Self::Notice, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word a project writes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no severity: expected info, notice, low, medium, high or critical")]
pub struct SeverityError(String);

impl FromStr for Severity {
    type Err = SeverityError;
    fn from_str(word: &str) -> Result<Self, SeverityError> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| SeverityError(word.to_owned()))
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Digest);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// Of detection, dedupe key and window.
    AlertId;
    /// Of detection and record.
    MatchId;
}

impl MatchId {
    /// Same detection, same record: same match, however often either arrives.
    pub fn of(detection: &DetectionName, record_id: &str) -> Self {
        Self(Digest::of_parts([detection.as_str().as_bytes(), record_id.as_bytes()]))
    }
}

impl AlertId {
    /// Same detection, key and window: same alert, however often the match arrives.
    pub fn of(detection: &DetectionName, dedupe: &str, window: Window) -> Self {
        Self(Digest::of_parts([
            detection.as_str().as_bytes(),
            dedupe.as_bytes(),
            &window.start.micros().to_le_bytes(),
            &window.seconds.get().to_le_bytes(),
        ]))
    }
}

/// A fixed stretch of event time, aligned to the Unix epoch, its start included and its end not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first moment.
    pub start: Timestamp,
    /// The length.
    pub seconds: NonZeroU32,
}

impl Window {
    /// The window of this length that holds `time`.
    pub fn around(time: Timestamp, seconds: NonZeroU32) -> Self {
        let length = i64::from(seconds.get()) * 1_000_000;
        let start = time.micros().div_euclid(length) * length;
        Self { start: Timestamp::from_micros(start).unwrap_or(Timestamp::MIN), seconds }
    }

    /// The first moment after it.
    pub fn end(self) -> Timestamp {
        self.start.plus_seconds(i64::from(self.seconds.get()))
    }
}

/// One row that one detection fired on, with everything its code and its YAML say about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleMatch {
    /// Of detection and record.
    pub id: MatchId,
    /// The detection.
    pub detection: DetectionName,
    /// The release that found it.
    pub release: ReleaseId,
    /// The table of the row.
    pub table: TableName,
    /// `matano.record_id` of the row; of a scheduled detection a digest of window and row.
    pub record_id: String,
    /// The row's `ts`.
    pub ts: Timestamp,
    /// `title()`, else the display name, else the name.
    pub title: String,
    /// `dedupe()`, else the title.
    pub dedupe: String,
    /// `severity()`, else that of the policy.
    pub severity: Severity,
    /// `description()`, else that of the YAML.
    pub description: Option<String>,
    /// `runbook()`, else that of the YAML.
    pub runbook: Option<String>,
    /// `reference()`, else those of the YAML.
    pub references: Vec<String>,
    /// Those of the YAML.
    pub false_positives: Vec<String>,
    /// `destinations()`, else those of the policy; empty for severity info.
    pub destinations: Vec<DestinationName>,
    /// `alert_context()`, a JSON object.
    pub context: Value,
    /// The row as nested JSON without nulls.
    pub event: Value,
    /// How many matches make an alert.
    pub threshold: NonZeroU32,
    /// The fixed window, in seconds.
    pub window_seconds: NonZeroU32,
}

impl RuleMatch {
    /// The window it falls in.
    pub fn window(&self) -> Window {
        Window::around(self.ts, self.window_seconds)
    }

    /// The alert it belongs to.
    pub fn alert_id(&self) -> AlertId {
        AlertId::of(&self.detection, &self.dedupe, self.window())
    }
}

/// All matches of one detection, dedupe key and window, folded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Of detection, dedupe key and window.
    pub id: AlertId,
    /// The detection.
    pub detection: DetectionName,
    /// The key that its matches share.
    pub dedupe: String,
    /// The time they share.
    pub window: Window,
    /// That of the earliest match.
    pub title: String,
    /// The highest of its matches.
    pub severity: Severity,
    /// That of the earliest match.
    pub description: Option<String>,
    /// That of the earliest match.
    pub runbook: Option<String>,
    /// Of all matches, in order of first appearance.
    pub references: Vec<String>,
    /// Of all matches, in order of first appearance.
    pub false_positives: Vec<String>,
    /// Of all matches.
    pub destinations: BTreeSet<DestinationName>,
    /// The tables its rows stand in.
    pub tables: BTreeSet<TableName>,
    /// How many different matches there are.
    pub match_count: u64,
    /// How many it takes.
    pub threshold: NonZeroU32,
    /// `ts` of the earliest match.
    pub first_matched_at: Timestamp,
    /// `ts` of the latest match.
    pub last_matched_at: Timestamp,
    /// Flattened fields of all matches, each with its distinct values in order of first appearance.
    pub context: BTreeMap<String, Vec<Value>>,
    /// How many more distinct values a field has than `context` lists; fields listed in full are absent.
    #[serde(default)]
    pub context_more: BTreeMap<String, u64>,
    /// The release of the latest match.
    pub release: ReleaseId,
}

impl Alert {
    /// Whether it has reached its threshold.
    pub fn is_active(&self) -> bool {
        self.match_count >= u64::from(self.threshold.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        let time: Timestamp = "2023-07-10T11:42:36Z".parse().unwrap();
        let window = Window::around(time, seconds(3600));
        assert_eq!(window.start.to_string(), "2023-07-10T11:00:00.000000Z");
        assert_eq!(Window::around(window.start, seconds(3600)), window);
        assert_ne!(Window::around(window.end(), seconds(3600)), window);
    }

    #[test]
    fn windows_before_the_epoch_are_aligned_too() {
        let time = Timestamp::from_micros(-1).unwrap();
        assert_eq!(Window::around(time, seconds(60)).end(), Timestamp::EPOCH);
        assert!(Window::around(Timestamp::MIN, seconds(7)).start <= Timestamp::MIN);
    }

    #[test]
    fn ids_depend_on_content_alone() {
        let name = DetectionName::parse("root_login").unwrap();
        assert_eq!(MatchId::of(&name, "r1"), MatchId::of(&name, "r1"));
        assert_ne!(MatchId::of(&name, "r1"), MatchId::of(&name, "r2"));
        let hour = Window::around(Timestamp::EPOCH, seconds(3600));
        let day = Window::around(Timestamp::EPOCH, seconds(86400));
        assert_ne!(AlertId::of(&name, "k", hour), AlertId::of(&name, "k", day));
    }

    #[test]
    fn severities_are_ordered_and_read_in_any_case() {
        assert!(Severity::Info < Severity::Critical);
        assert_eq!("HIGH".parse::<Severity>().unwrap(), Severity::High);
        assert!("urgent".parse::<Severity>().is_err());
    }
}
