//! One match to start from.
#![allow(dead_code)] // each test file uses a part of it

use std::num::NonZeroU32;

use model::{
    alert::{Alert, MatchId, RuleMatch, Severity},
    digest::Digest,
    name::{DestinationName, DetectionName, TableName},
    release::ReleaseId,
    time::Timestamp,
};
use serde_json::{Value, json};

/// 2023-07-10T11:00:00Z and so many seconds.
pub fn at(seconds: i64) -> Timestamp {
    "2023-07-10T11:00:00Z".parse::<Timestamp>().unwrap().plus_seconds(seconds)
}

pub fn found(record: &str, seconds: i64, event: Value) -> RuleMatch {
    let detection = DetectionName::parse("aws_root_login").unwrap();
    RuleMatch {
        id: MatchId::of(&detection, record),
        detection,
        release: ReleaseId(Digest::of(b"release")),
        table: TableName::parse("aws_cloudtrail").unwrap(),
        record_id: record.to_owned(),
        ts: at(seconds),
        title: "Root signed in".to_owned(),
        dedupe: "123456789012".to_owned(),
        severity: Severity::High,
        description: None,
        runbook: None,
        references: Vec::new(),
        false_positives: Vec::new(),
        destinations: vec![DestinationName::parse("ops").unwrap()],
        context: json!({}),
        event,
        threshold: NonZeroU32::MIN,
        window_seconds: NonZeroU32::new(3600).unwrap(),
    }
}

pub fn alert_of(matches: &[RuleMatch]) -> Alert {
    let alerts = alert::fold::fold(matches);
    assert_eq!(alerts.len(), 1, "the matches make one alert");
    alerts.values().next().unwrap().alert()
}
