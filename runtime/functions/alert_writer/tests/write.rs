//! From matches to stored alerts, rows and deliveries, through a real store.
#![allow(clippy::unwrap_used)] // a test may panic

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use alert_writer::AlertWriter;
use model::{
    alert::{MatchId, RuleMatch, Severity},
    delivery::DeliveryKind,
    digest::Digest,
    name::{DestinationName, DetectionName, TableName},
    release::{Destination, DestinationKind, FORMAT, Release, ReleaseId},
    time::Timestamp,
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};
use store::{
    alerts::{AlertFilter, AlertStore},
    alerts_sqlite::SqliteAlerts,
};

fn name(text: &str) -> DestinationName {
    DestinationName::parse(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(seconds)
}

fn found(record: &str, threshold: u32) -> RuleMatch {
    let detection = DetectionName::parse("brute_force").unwrap();
    RuleMatch {
        id: MatchId::of(&detection, record),
        detection,
        release: ReleaseId(Digest::of(b"release")),
        table: TableName::parse("okta_system").unwrap(),
        record_id: record.to_owned(),
        ts: at(10),
        title: "Brute force".to_owned(),
        dedupe: "eve".to_owned(),
        severity: Severity::Medium,
        description: None,
        runbook: None,
        references: Vec::new(),
        false_positives: Vec::new(),
        destinations: vec![name("ops")],
        context: json!({}),
        event: json!({"user": {"name": record}}),
        threshold: NonZeroU32::new(threshold).unwrap(),
        window_seconds: NonZeroU32::new(3600).unwrap(),
    }
}

struct Setup {
    writer: AlertWriter,
    store: Arc<SqliteAlerts>,
    _directory: tempfile::TempDir,
}

fn setup() -> Setup {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteAlerts::open(&directory.path().join("alerts.db")).unwrap());
    let release = Release {
        format: FORMAT,
        log_sources: BTreeMap::new(),
        tables: BTreeMap::new(),
        detections: BTreeMap::new(),
        enrichment: BTreeMap::new(),
        destinations: BTreeMap::from([(name("ops"), Destination { name: name("ops"), kind: DestinationKind::Stdout })]),
    };
    let writer = AlertWriter::new(Arc::clone(&store) as Arc<dyn AlertStore>, &release);
    Setup { writer, store, _directory: directory }
}

async fn rows(writer: &AlertWriter) -> Vec<Value> {
    let Some(batch) = writer.next_rows(1000).await.unwrap() else { return Vec::new() };
    writer.rows_done(batch.id).await.unwrap();
    batch.rows
}

#[tokio::test]
async fn a_threshold_that_is_crossed_by_a_later_batch_delivers_everything() {
    let Setup { writer, store, _directory } = setup();
    for (record, now) in [("a", 100), ("b", 200)] {
        writer.write(vec![found(record, 3)], at(now)).await.unwrap();
        assert_eq!(store.due(at(now)).await.unwrap(), []);
    }
    let absorbed = writer.write(vec![found("c", 3)], at(300)).await.unwrap();
    assert_eq!((absorbed[0].alert.activated_at, absorbed[0].new_matches), (Some(at(300)), 1));
    let leased = store.lease(&name("ops"), at(300), 60).await.unwrap().unwrap();
    assert_eq!((leased.delivery.kind, leased.before.is_none()), (DeliveryKind::New, true));
    assert_eq!(leased.after.match_count, 3);
    let mut users = leased.after.context["user.name"].clone();
    users.sort_by_key(ToString::to_string);
    assert_eq!(users, ["a", "b", "c"]);
    store.done(&leased, at(301)).await.unwrap();

    // what follows is an update, with the time of activation kept
    let absorbed = writer.write(vec![found("d", 3)], at(400)).await.unwrap();
    assert_eq!(absorbed[0].alert.activated_at, Some(at(300)));
    let leased = store.lease(&name("ops"), at(400), 60).await.unwrap().unwrap();
    assert_eq!((leased.delivery.kind, leased.before.unwrap().match_count), (DeliveryKind::Update, 3));
}

#[tokio::test]
async fn rows_say_how_the_alert_stood_and_come_once_a_match() {
    let Setup { writer, store: _, _directory } = setup();
    writer.write(vec![found("a", 2)], at(100)).await.unwrap();
    writer.write(vec![found("a", 2), found("b", 2)], at(200)).await.unwrap();
    writer.write(vec![found("a", 2), found("b", 2)], at(300)).await.unwrap();
    let rows = rows(&writer).await;
    let said: Vec<_> = rows
        .iter()
        .map(|row| (&row["ts"], &row["matano"]["record_id"], &row["matano"]["alert"]["created"]))
        .map(|(ts, record, created)| (ts.clone(), record.clone(), created.clone()))
        .collect();
    assert_eq!(said, [(json!(at(100)), json!("a"), Value::Null), (json!(at(200)), json!("b"), json!(at(200)))]);
    assert_eq!(rows[0]["matano"]["alert"]["id"], rows[1]["matano"]["alert"]["id"]);
}

#[tokio::test]
async fn an_unknown_destination_is_a_dead_letter_and_the_other_is_served() {
    let Setup { writer, store, _directory } = setup();
    let mut found = found("a", 1);
    found.destinations.push(name("typo"));
    writer.write(vec![found], at(0)).await.unwrap();
    assert_eq!(store.due(at(0)).await.unwrap(), [name("ops")]);
    let dead = store.dead_letters().await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].reason.starts_with("destination `typo` is not in the project"), "{}", dead[0].reason);
}

#[tokio::test]
async fn no_matches_change_nothing() {
    let Setup { writer, store: _, _directory } = setup();
    assert_eq!(writer.write(Vec::new(), at(0)).await.unwrap(), []);
    assert!(writer.next_rows(1).await.unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The stored alert is the fold of the set of matches, and each match has one row, however they were delivered.
    #[test]
    fn any_delivery_of_the_same_matches_stores_the_same_alert(
        count in 1..12_usize,
        arrivals in prop::collection::vec(prop::collection::vec(any::<Index>(), 1..8), 1..8),
    ) {
        let all: Vec<RuleMatch> = (0..count).map(|n| found(&n.to_string(), 3)).collect();
        let mut batches: Vec<Vec<RuleMatch>> =
            arrivals.iter().map(|batch| batch.iter().map(|index| index.get(&all).clone()).collect()).collect();
        batches.push(all.iter().rev().cloned().collect());
        let expected = alert::fold::fold(&all).into_values().next().unwrap().alert();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (alerts, rows) = runtime.block_on(async {
            let Setup { writer, store, _directory } = setup();
            for (now, batch) in (0..).zip(batches) {
                writer.write(batch, at(now)).await.unwrap();
            }
            (store.alerts(&AlertFilter::default()).await.unwrap(), rows(&writer).await)
        });
        prop_assert_eq!(alerts.len(), 1);
        prop_assert_eq!(&alerts[0].alert, &expected);
        prop_assert_eq!(alerts[0].activated_at.is_some(), expected.is_active());
        let mut records: Vec<_> = rows.iter().map(|row| row["matano"]["record_id"].as_str().unwrap().to_owned()).collect();
        records.sort();
        let mut once: Vec<_> = all.iter().map(|found| found.record_id.clone()).collect();
        once.sort();
        prop_assert_eq!(records, once);
    }
}
