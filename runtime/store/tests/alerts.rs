//! The contract of [`AlertStore`]: every implementation runs all of it.
#![allow(clippy::unwrap_used)] // a test may panic

use std::{collections::BTreeSet, num::NonZeroU32, path::Path, sync::Arc};

use model::{
    alert::{Alert, AlertId, MatchId, RuleMatch, Severity},
    delivery::{Delivery, DeliveryKey, DeliveryKind, Fate},
    digest::Digest,
    name::{DestinationName, DetectionName, TableName},
    release::ReleaseId,
    time::Timestamp,
};
use serde_json::json;
use store::{
    alerts::{AlertFilter, AlertStore, Fold, Folded, Folding, Leased, Redrive},
    alerts_sqlite::SqliteAlerts,
    error::StoreError,
};

/// A fold that keeps nothing but ids, and refuses the destination `gone`.
struct Ids;

impl Fold for Ids {
    fn fold(&self, folding: Folding<'_>) -> Result<Folded, String> {
        let Folding { state, match_count, activated_at, new, told, now } = folding;
        if new.iter().any(|found| found.title == "poison") {
            return Err("poison".to_owned());
        }
        let mut ids: Vec<String> = state.map_or(Ok(Vec::new()), serde_json::from_slice).map_err(|e| e.to_string())?;
        assert_eq!(ids.len() as u64, match_count, "the count is that of the state");
        ids.extend(new.iter().map(|found| found.record_id.clone()));
        let alert = alert(new, ids.len() as u64);
        let deliveries = alert.destinations.iter().map(|destination| Delivery {
            key: DeliveryKey::of(alert.id, destination, alert.match_count),
            alert: alert.id,
            destination: destination.clone(),
            kind: if told.contains_key(destination) { DeliveryKind::Update } else { DeliveryKind::New },
            fate: if destination.as_str() == "gone" { Fate::Refuse("unknown".to_owned()) } else { Fate::Send },
        });
        Ok(Folded {
            state: serde_json::to_vec(&ids).unwrap(),
            deliveries: deliveries.collect(),
            activated_at: activated_at.or(Some(now)),
            rows: new.iter().map(|found| json!({"record": found.record_id})).collect(),
            alert,
        })
    }
}

fn alert(matches: &[RuleMatch], match_count: u64) -> Alert {
    let last = matches.last().unwrap();
    Alert {
        id: last.alert_id(),
        detection: last.detection.clone(),
        dedupe: last.dedupe.clone(),
        window: last.window(),
        title: last.title.clone(),
        severity: last.severity,
        description: None,
        runbook: None,
        references: Vec::new(),
        false_positives: Vec::new(),
        destinations: last.destinations.iter().cloned().collect(),
        tables: BTreeSet::from([last.table.clone()]),
        match_count,
        threshold: last.threshold,
        first_matched_at: last.ts,
        last_matched_at: last.ts,
        context: Default::default(),
        context_more: Default::default(),
        release: last.release,
    }
}

fn name(text: &str) -> DestinationName {
    DestinationName::parse(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(seconds)
}

fn found(dedupe: &str, record: &str, destinations: &[&str]) -> RuleMatch {
    let detection = DetectionName::parse("d").unwrap();
    RuleMatch {
        id: MatchId::of(&detection, record),
        detection,
        release: ReleaseId(Digest::of(b"release")),
        table: TableName::parse("t").unwrap(),
        record_id: record.to_owned(),
        ts: at(0),
        title: "title".to_owned(),
        dedupe: dedupe.to_owned(),
        severity: Severity::High,
        description: None,
        runbook: None,
        references: Vec::new(),
        false_positives: Vec::new(),
        destinations: destinations.iter().map(|text| name(text)).collect(),
        context: json!({}),
        event: json!({}),
        threshold: NonZeroU32::MIN,
        window_seconds: NonZeroU32::new(3600).unwrap(),
    }
}

type Store = Arc<dyn AlertStore>;

async fn absorb(store: &Store, matches: &[RuleMatch], now: i64) -> Vec<u64> {
    let absorbed = store.absorb(matches.to_vec(), Arc::new(Ids), at(now)).await.unwrap();
    absorbed.into_iter().map(|absorbed| absorbed.new_matches).collect()
}

async fn lease(store: &Store, destination: &str, now: i64) -> Option<Leased> {
    store.lease(&name(destination), at(now), 60).await.unwrap()
}

fn said(leased: &Leased) -> (DeliveryKind, Option<u64>, u64) {
    (leased.delivery.kind, leased.before.as_ref().map(|alert| alert.match_count), leased.after.match_count)
}

async fn a_match_goes_in_once(store: Store, _: Reopen<'_>) {
    let (one, two) = (found("k", "r1", &[]), found("k", "r2", &[]));
    assert_eq!(absorb(&store, &[one.clone(), one.clone()], 0).await, [1]);
    assert_eq!(absorb(&store, &[two.clone(), one.clone()], 1).await, [1]);
    assert_eq!(absorb(&store, &[one.clone(), two], 2).await, [] as [u64; 0]);
    let stored = store.alert(one.alert_id()).await.unwrap().unwrap();
    assert_eq!((stored.alert.match_count, stored.created_at, stored.updated_at), (2, at(0), at(1)));
    assert_eq!(stored.activated_at, Some(at(0)));
    assert_eq!(store.alert(AlertId(Digest::of(b"no"))).await.unwrap(), None);
}

async fn a_fold_that_fails_leaves_nothing_behind(store: Store, _: Reopen<'_>) {
    let mut poison = found("other", "r2", &["ops"]);
    poison.title = "poison".to_owned();
    let matches = vec![found("k", "r1", &["ops"]), poison];
    let error = store.absorb(matches, Arc::new(Ids), at(0)).await.unwrap_err();
    assert!(matches!(error, StoreError::Fold(_)) && !error.is_retryable(), "{error}");
    assert_eq!(store.alerts(&AlertFilter::default()).await.unwrap(), []);
    assert_eq!(store.next_rows(9).await.unwrap(), None);
    assert_eq!(store.due(at(0)).await.unwrap(), []);
    assert_eq!(absorb(&store, &[found("k", "r1", &["ops"])], 0).await, [1]);
}

async fn alerts_are_found_by_every_filter(store: Store, _: Reopen<'_>) {
    let mut low = found("low", "r1", &[]);
    low.severity = Severity::Low;
    let mut other = found("other", "r2", &[]);
    other.detection = DetectionName::parse("e").unwrap();
    absorb(&store, &[low.clone()], 1).await;
    absorb(&store, &[other.clone()], 2).await;
    let ids = async |filter: AlertFilter| -> Vec<AlertId> {
        store.alerts(&filter).await.unwrap().into_iter().map(|stored| stored.alert.id).collect()
    };
    let (low_id, other_id) = (low.alert_id(), other.alert_id());
    assert_eq!(ids(AlertFilter::default()).await, [other_id, low_id]);
    assert_eq!(ids(AlertFilter { limit: Some(1), ..AlertFilter::default() }).await, [other_id]);
    assert_eq!(ids(AlertFilter { since: Some(at(2)), ..AlertFilter::default() }).await, [other_id]);
    assert_eq!(ids(AlertFilter { severity: Some(Severity::High), ..AlertFilter::default() }).await, [other_id]);
    assert_eq!(ids(AlertFilter { detection: Some(low.detection), ..AlertFilter::default() }).await, [low_id]);
    assert_eq!(ids(AlertFilter { activated: true, ..AlertFilter::default() }).await.len(), 2);
    let prefix = low_id.0.short(12).to_uppercase();
    assert_eq!(ids(AlertFilter { id_prefix: Some(prefix), ..AlertFilter::default() }).await, [low_id]);
    assert!(ids(AlertFilter { id_prefix: Some("%".to_owned()), ..AlertFilter::default() }).await.is_empty());
}

async fn a_batch_of_rows_stays_as_it_is_until_it_is_done(store: Store, reopen: Reopen<'_>) {
    absorb(&store, &[found("k", "r1", &[]), found("k", "r2", &[]), found("k", "r3", &[])], 0).await;
    let first = store.next_rows(2).await.unwrap().unwrap();
    assert_eq!(first.rows, [json!({"record": "r1"}), json!({"record": "r2"})]);
    absorb(&store, &[found("k", "r4", &[])], 0).await;
    let store = reopen(store);
    assert_eq!(store.next_rows(100).await.unwrap(), Some(first.clone()));
    store.rows_done(first.id).await.unwrap();
    store.rows_done(first.id).await.unwrap();
    let second = store.next_rows(100).await.unwrap().unwrap();
    assert_eq!(second.rows, [json!({"record": "r3"}), json!({"record": "r4"})]);
    assert_ne!(second.id, first.id);
    store.rows_done(second.id).await.unwrap();
    assert_eq!(store.next_rows(100).await.unwrap(), None);
}

async fn a_delivery_is_leased_to_one_at_a_time(store: Store, reopen: Reopen<'_>) {
    absorb(&store, &[found("k", "r1", &["ops"])], 0).await;
    assert_eq!(store.due(at(0)).await.unwrap(), [name("ops")]);
    let leased = lease(&store, "ops", 0).await.unwrap();
    assert_eq!(said(&leased), (DeliveryKind::New, None, 1));
    assert_eq!((leased.attempt, &leased.delivery.fate), (1, &Fate::Send));
    assert_eq!(lease(&store, "ops", 59).await, None);
    assert_eq!(store.due(at(59)).await.unwrap(), []);
    assert_eq!(store.next_due().await.unwrap(), Some(at(60)));

    let store = reopen(store);
    let again = lease(&store, "ops", 60).await.unwrap();
    assert_eq!((again.attempt, again.delivery.key), (2, leased.delivery.key));
    for late in [
        store.done(&leased, at(61)).await,
        store.retry(&leased, at(61), "slow").await,
        store.bury(&leased, "slow", at(61)).await,
        store.remember(&leased, &json!(1)).await,
    ] {
        assert!(matches!(late, Err(StoreError::LeaseLost(_))), "{late:?}");
    }
    store.done(&again, at(61)).await.unwrap();
    assert!(matches!(store.done(&again, at(61)).await, Err(StoreError::LeaseLost(_))));
    assert_eq!(store.next_due().await.unwrap(), None);
}

async fn growth_goes_into_an_untried_delivery_and_follows_a_tried_one(store: Store, _: Reopen<'_>) {
    absorb(&store, &[found("k", "r1", &["ops"])], 0).await;
    absorb(&store, &[found("k", "r2", &["ops"])], 1).await;
    let first = lease(&store, "ops", 2).await.unwrap();
    assert_eq!(said(&first), (DeliveryKind::New, None, 2));

    absorb(&store, &[found("k", "r3", &["ops"])], 3).await;
    absorb(&store, &[found("k", "r4", &["ops"])], 4).await;
    assert_eq!(lease(&store, "ops", 5).await, None, "order is kept");
    store.retry(&first, at(10), "busy").await.unwrap();
    assert_eq!(lease(&store, "ops", 9).await, None, "what is behind waits too");
    let again = lease(&store, "ops", 10).await.unwrap();
    assert_eq!((again.delivery.key, said(&again)), (first.delivery.key, said(&first)), "every attempt says the same");
    store.remember(&again, &json!({"ts": "1"})).await.unwrap();
    store.done(&again, at(11)).await.unwrap();

    let second = lease(&store, "ops", 11).await.unwrap();
    assert_eq!(said(&second), (DeliveryKind::Update, Some(2), 4));
    assert_eq!(second.provider, Some(json!({"ts": "1"})));
    store.done(&second, at(12)).await.unwrap();
    assert_eq!(lease(&store, "ops", 99).await, None);
}

async fn destinations_and_alerts_do_not_wait_for_each_other(store: Store, _: Reopen<'_>) {
    absorb(&store, &[found("a", "r1", &["one", "two"]), found("b", "r2", &["one"])], 0).await;
    let first = lease(&store, "one", 0).await.unwrap();
    let second = lease(&store, "one", 0).await.unwrap();
    assert_ne!(first.delivery.alert, second.delivery.alert);
    let other = lease(&store, "two", 0).await.unwrap();
    assert_eq!(other.provider, None);
    store.retry(&first, at(100), "busy").await.unwrap();
    store.done(&second, at(1)).await.unwrap();
    store.done(&other, at(1)).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(100)));
}

async fn a_held_destination_rests_and_so_does_what_comes_in(store: Store, _: Reopen<'_>) {
    absorb(&store, &[found("a", "r1", &["one", "two"])], 0).await;
    store.hold(&name("one"), at(30)).await.unwrap();
    store.hold(&name("one"), at(20)).await.unwrap();
    absorb(&store, &[found("b", "r2", &["one"])], 1).await;
    assert_eq!(store.due(at(29)).await.unwrap(), [name("two")]);
    assert_eq!(lease(&store, "one", 29).await, None);
    let other = lease(&store, "two", 1).await.unwrap();
    store.done(&other, at(1)).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(30)));
    assert!(lease(&store, "one", 30).await.is_some());
}

async fn a_refused_delivery_is_a_dead_letter_and_others_go_on(store: Store, _: Reopen<'_>) {
    absorb(&store, &[found("k", "r1", &["gone", "ops"])], 5).await;
    assert_eq!(store.due(at(5)).await.unwrap(), [name("ops")]);
    let dead = store.dead_letters().await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].reason.as_str(), dead[0].attempts, dead[0].at), ("unknown", 0, at(5)));
    assert_eq!((&dead[0].delivery.destination, dead[0].alert.match_count), (&name("gone"), 1));
    assert_eq!(store.redrive(&Redrive::Destination(name("ops")), at(6)).await.unwrap(), 0);
    assert_eq!(store.redrive(&Redrive::Delivery(dead[0].delivery.key), at(6)).await.unwrap(), 1);
    let leased = lease(&store, "gone", 6).await.unwrap();
    assert_eq!(said(&leased), (DeliveryKind::New, None, 1));
    store.bury(&leased, "still unknown", at(7)).await.unwrap();
    assert_eq!(store.dead_letters().await.unwrap()[0].reason, "still unknown");
    assert_eq!(store.redrive(&Redrive::All, at(8)).await.unwrap(), 1);
    assert_eq!(store.dead_letters().await.unwrap(), []);
}

async fn a_dead_letter_is_replaced_by_the_next_delivery_which_says_it_all(store: Store, _: Reopen<'_>) {
    absorb(&store, &[found("k", "r1", &["ops"])], 0).await;
    let first = lease(&store, "ops", 0).await.unwrap();
    store.bury(&first, "no channel", at(1)).await.unwrap();
    absorb(&store, &[found("k", "r2", &["ops"])], 2).await;
    assert_eq!(store.dead_letters().await.unwrap(), []);
    let next = lease(&store, "ops", 2).await.unwrap();
    assert_eq!(said(&next), (DeliveryKind::New, None, 2));

    // and so it is where the next one was already waiting
    absorb(&store, &[found("k", "r3", &["ops"])], 3).await;
    store.bury(&next, "no channel", at(4)).await.unwrap();
    assert_eq!(store.dead_letters().await.unwrap(), []);
    let last = lease(&store, "ops", 4).await.unwrap();
    assert_eq!(said(&last), (DeliveryKind::New, None, 3));
    store.done(&last, at(5)).await.unwrap();
    absorb(&store, &[found("k", "r4", &["ops"])], 6).await;
    assert_eq!(said(&lease(&store, "ops", 6).await.unwrap()), (DeliveryKind::Update, Some(3), 4));
}

async fn what_is_old_and_settled_is_forgotten(store: Store, _: Reopen<'_>) {
    let (settled, waiting, recent) = (found("a", "r1", &[]), found("b", "r2", &["ops"]), found("c", "r3", &[]));
    absorb(&store, &[settled.clone(), waiting.clone()], 0).await;
    absorb(&store, std::slice::from_ref(&recent), 10).await;
    assert_eq!(store.forget(at(10)).await.unwrap(), 1);
    assert_eq!(store.alert(settled.alert_id()).await.unwrap(), None);
    assert!(store.alert(waiting.alert_id()).await.unwrap().is_some());
    assert!(store.alert(recent.alert_id()).await.unwrap().is_some());
    assert_eq!(absorb(&store, &[settled, waiting, recent], 11).await, [1], "only the forgotten one is new");
}

async fn many_at_once_count_every_match_once(store: Store, _: Reopen<'_>) {
    let mut tasks = Vec::new();
    for offset in 0..4 {
        let store = Arc::clone(&store);
        // overlapping batches: each record arrives two or three times
        let matches: Vec<_> = (offset * 5..offset * 5 + 15).map(|n| found("k", &n.to_string(), &["ops"])).collect();
        tasks.push(tokio::spawn(async move { absorb(&store, &matches, 0).await.into_iter().sum::<u64>() }));
    }
    let mut new = 0;
    for task in tasks {
        new += task.await.unwrap();
    }
    assert_eq!(new, 30);
    assert_eq!(store.alerts(&AlertFilter::default()).await.unwrap()[0].alert.match_count, 30);
    assert_eq!(store.next_rows(100).await.unwrap().unwrap().rows.len(), 30);
    assert_eq!(said(&lease(&store, "ops", 0).await.unwrap()).2, 30);
}

/// Closes a store and opens it anew, as after a crash.
type Reopen<'a> = &'a (dyn Fn(Store) -> Store + Send + Sync);

/// One test for each promise and implementation.
macro_rules! contract {
    ($open:path: $($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $promise() {
            let directory = tempfile::tempdir().unwrap();
            let open = || $open(directory.path());
            super::$promise(open(), &|store| { drop(store); open() }).await;
        }
    )*};
}

macro_rules! implementations {
    ($($name:ident = $open:path;)*) => {$(
        mod $name {
            contract! { $open:
                a_match_goes_in_once
                a_fold_that_fails_leaves_nothing_behind
                alerts_are_found_by_every_filter
                a_batch_of_rows_stays_as_it_is_until_it_is_done
                a_delivery_is_leased_to_one_at_a_time
                growth_goes_into_an_untried_delivery_and_follows_a_tried_one
                destinations_and_alerts_do_not_wait_for_each_other
                a_held_destination_rests_and_so_does_what_comes_in
                a_refused_delivery_is_a_dead_letter_and_others_go_on
                a_dead_letter_is_replaced_by_the_next_delivery_which_says_it_all
                what_is_old_and_settled_is_forgotten
                many_at_once_count_every_match_once
            }
        }
    )*};
}

fn open_sqlite(directory: &Path) -> Store {
    Arc::new(SqliteAlerts::open(&directory.join("matano.db")).unwrap())
}

implementations! {
    sqlite = super::open_sqlite;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let stores = [open_sqlite(directory.path()), open_sqlite(directory.path())];
    let tasks = (0..8).map(|n| {
        let store = Arc::clone(&stores[n % 2]);
        tokio::spawn(async move {
            let matches = [found("k", &n.to_string(), &["ops"]), found("k", "shared", &["ops"])];
            let new = absorb(&store, &matches, 0).await.into_iter().sum::<u64>();
            (new, lease(&store, "ops", 0).await.is_some())
        })
    });
    let (mut new, mut leases) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let (one, leased) = task.await.unwrap();
        new += one;
        leases += u32::from(leased);
    }
    assert_eq!((new, leases), (9, 1), "each match counts once, and the lane has one holder");
}

#[test]
fn a_file_of_a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("matano.db");
    drop(SqliteAlerts::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("update store_formats set version = 99 where name = 'alerts'", []).unwrap();
    drop(connection);
    let error = SqliteAlerts::open(&path).unwrap_err().to_string();
    assert!(error.starts_with("the alerts store has format 99, expected at most 1"), "{error}");
}
