//! What every [`Ledger`] must do. One suite, run on each implementation.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

use std::{path::Path, sync::Arc};

use model::{
    digest::Digest,
    name::TableName,
    object::SourceObject,
    release::ReleaseId,
    staged::{BatchId, ObjectReport, StagedFile},
    time::Timestamp,
};
use store::{
    error::StoreError,
    ledger::{Claim, Counts, Lease, Ledger},
    ledger_sqlite::SqliteLedger,
};

fn ledger(root: &Path) -> Arc<dyn Ledger> {
    Arc::new(SqliteLedger::open(&root.join("state.db")).unwrap())
}

fn object(key: &str) -> SourceObject {
    SourceObject { bucket: "b".into(), key: key.into(), version: "1".into(), size: 3 }
}

fn report(key: &str) -> ObjectReport {
    ObjectReport { object: object(key), records: 2, rows: 2, rejects: 0, dropped: 0, bytes: 9 }
}

fn table() -> TableName {
    TableName::parse("events").unwrap()
}

fn file(key: &str) -> StagedFile {
    StagedFile {
        table: table(),
        key: key.to_owned(),
        rows: 2,
        bytes: 9,
        ts_range: (Timestamp::EPOCH, Timestamp::EPOCH),
        object: object(key).id(),
        release: ReleaseId(Digest::of(b"r")),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(seconds)
}

fn lease(owner: &str, now: i64) -> Lease {
    Lease::new(owner, at(now), 60)
}

/// Claims an object and stages one file of its name.
async fn stage(ledger: &dyn Ledger, key: &str, now: i64) {
    let claim = ledger.claim(&object(key), &lease("w", now), at(now)).await.unwrap();
    assert_eq!(claim, Claim::Claimed { attempt: 1 });
    ledger.staged(&report(key), 1, &[file(key)], at(now)).await.unwrap();
}

fn keys(files: &[StagedFile]) -> Vec<&str> {
    files.iter().map(|file| file.key.as_str()).collect()
}

#[tokio::test]
async fn an_object_is_claimed_by_one_and_done_once() {
    let root = tempfile::tempdir().unwrap();
    let ledger = ledger(root.path());
    let claim = |owner: &str, now| {
        let (ledger, lease) = (ledger.clone(), lease(owner, now));
        async move { ledger.claim(&object("o"), &lease, at(now)).await.unwrap() }
    };
    assert_eq!(claim("a", 0).await, Claim::Claimed { attempt: 1 });
    assert_eq!(claim("b", 59).await, Claim::Busy { until: at(60) });
    assert_eq!(ledger.unfinished(at(59)).await.unwrap(), []);
    assert_eq!(ledger.report(object("o").id()).await.unwrap(), None);
    ledger.staged(&report("o"), 1, &[file("f")], at(1)).await.unwrap();
    // the same call again, after an answer that got lost
    ledger.staged(&report("o"), 1, &[file("f")], at(2)).await.unwrap();
    assert_eq!(claim("b", 500).await, Claim::Done(report("o")));
    assert_eq!(ledger.report(object("o").id()).await.unwrap(), Some(report("o")));
    assert_eq!(ledger.pending().await.unwrap().len(), 1);
    // another version of it is another object
    let newer = SourceObject { version: "2".into(), ..object("o") };
    assert_eq!(ledger.claim(&newer, &lease("b", 0), at(0)).await.unwrap(), Claim::Claimed { attempt: 1 });
}

#[tokio::test]
async fn an_attempt_that_was_taken_over_cannot_record_anything() {
    let root = tempfile::tempdir().unwrap();
    let ledger = ledger(root.path());
    ledger.claim(&object("o"), &lease("a", 0), at(0)).await.unwrap();
    assert_eq!(ledger.unfinished(at(60)).await.unwrap(), [object("o")]);
    assert_eq!(ledger.claim(&object("o"), &lease("b", 60), at(60)).await.unwrap(), Claim::Claimed { attempt: 2 });
    let lost = ledger.staged(&report("o"), 1, &[file("stale")], at(61)).await.unwrap_err();
    assert!(matches!(lost, StoreError::ClaimLost(id) if id == object("o").id()), "{lost}");
    assert!(ledger.renew(object("o").id(), 1, &lease("a", 61)).await.is_err());
    assert!(!ledger.failed(object("o").id(), 1, "stale", 1).await.unwrap());
    assert_eq!(ledger.counts().await.unwrap().pending, 0);
    ledger.renew(object("o").id(), 2, &lease("b", 100)).await.unwrap();
    assert_eq!(
        ledger.claim(&object("o"), &lease("a", 159), at(159)).await.unwrap(),
        Claim::Busy { until: at(160) },
        "the lease was prolonged"
    );
    ledger.staged(&report("o"), 2, &[file("f")], at(110)).await.unwrap();
    assert!(ledger.staged(&report("o"), 1, &[file("stale")], at(111)).await.is_err());
    assert_eq!(ledger.pending().await.unwrap()[0].file.key, "f");
}

#[tokio::test]
async fn a_failure_frees_the_object_at_once_until_there_were_too_many() {
    let root = tempfile::tempdir().unwrap();
    let ledger = ledger(root.path());
    let id = object("o").id();
    for attempt in 1..=2 {
        let claim = ledger.claim(&object("o"), &lease(&attempt.to_string(), 0), at(0)).await.unwrap();
        assert_eq!(claim, Claim::Claimed { attempt });
        assert_eq!(ledger.failed(id, attempt, "no network", 2).await.unwrap(), attempt == 2);
    }
    let claim = ledger.claim(&object("o"), &lease("x", 0), at(0)).await.unwrap();
    assert_eq!(claim, Claim::Dead { attempts: 2, reason: "no network".into() });
    let dead = ledger.dead().await.unwrap();
    assert_eq!((dead[0].object.clone(), dead[0].attempts, dead[0].reason.as_str()), (object("o"), 2, "no network"));
    assert!(ledger.revive(id).await.unwrap());
    assert!(!ledger.revive(id).await.unwrap());
    assert_eq!(ledger.claim(&object("o"), &lease("x", 0), at(0)).await.unwrap(), Claim::Claimed { attempt: 3 });
    assert!(!ledger.failed(id, 3, "no network", 2).await.unwrap(), "failures before are forgiven");
}

#[tokio::test]
async fn a_file_is_in_one_batch() {
    let root = tempfile::tempdir().unwrap();
    let ledger = ledger(root.path());
    for (key, now) in [("x", 5), ("y", 3), ("z", 9)] {
        stage(ledger.as_ref(), key, now).await;
    }
    let pending = ledger.pending().await.unwrap();
    assert_eq!(
        pending.iter().map(|one| (one.file.key.as_str(), one.since)).collect::<Vec<_>>(),
        [("y", at(3)), ("x", at(5)), ("z", at(9))]
    );
    let open = |keys: &[&str], owner: &str| {
        let (ledger, lease) = (ledger.clone(), lease(owner, 10));
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        async move { ledger.open_batch(&table(), &keys, &lease, at(10)).await.unwrap() }
    };
    let first = open(&["y", "x", "x"], "a").await.unwrap();
    assert_eq!((keys(&first.files), first.id), (vec!["x", "y"], BatchId::of(&table(), &[file("x"), file("y")])));
    let second = open(&["x", "z"], "b").await.unwrap();
    assert_eq!(keys(&second.files), ["z"]);
    assert_eq!(open(&["x", "y", "z", "unknown"], "b").await, None);
    let other = TableName::parse("other").unwrap();
    assert_eq!(ledger.open_batch(&other, &["x".into()], &lease("a", 10), at(10)).await.unwrap(), None);
    assert_eq!(ledger.open_batches(&table()).await.unwrap().len(), 2);
    ledger.commit_done(first.id, at(11)).await.unwrap();
    ledger.commit_done(first.id, at(12)).await.unwrap();
    assert_eq!(ledger.open_batches(&table()).await.unwrap(), [second.id]);
}

#[tokio::test]
async fn a_batch_that_was_left_open_is_taken_over_when_its_lease_ends() {
    let root = tempfile::tempdir().unwrap();
    let ledger = ledger(root.path());
    stage(ledger.as_ref(), "x", 0).await;
    let batch = ledger.open_batch(&table(), &["x".into()], &lease("a", 0), at(0)).await.unwrap().unwrap();
    assert_eq!(ledger.take_batches(&lease("b", 59), at(59)).await.unwrap(), []);
    assert!(ledger.renew_batch(batch.id, &lease("a", 10)).await.unwrap());
    assert_eq!(ledger.take_batches(&lease("b", 60), at(60)).await.unwrap(), []);
    assert_eq!(
        ledger.take_batches(&lease("a", 60), at(60)).await.unwrap(),
        std::slice::from_ref(&batch),
        "one's own at any time"
    );
    ledger.abandon("a").await.unwrap();
    assert_eq!(ledger.take_batches(&lease("b", 61), at(61)).await.unwrap(), std::slice::from_ref(&batch));
    assert!(!ledger.renew_batch(batch.id, &lease("a", 62)).await.unwrap());
    ledger.commit_done(batch.id, at(63)).await.unwrap();
    assert_eq!(ledger.take_batches(&lease("b", 500), at(500)).await.unwrap(), []);
    assert!(!ledger.renew_batch(batch.id, &lease("b", 64)).await.unwrap());
}

#[tokio::test]
async fn where_order_counts_a_batch_waits_for_what_was_staged_before_it() {
    let root = tempfile::tempdir().unwrap();
    let ledger = ledger(root.path());
    for (key, now) in [("b", 0), ("a", 5), ("c", 5)] {
        stage(ledger.as_ref(), key, now).await;
    }
    let open = |key: &str| {
        let (ledger, keys) = (ledger.clone(), [key.to_owned()]);
        async move { ledger.open_batch(&table(), &keys, &lease("w", 9), at(9)).await.unwrap().unwrap().id }
    };
    // opened in another order, and one is in no batch yet
    let (c, a) = (open("c").await, open("a").await);
    let next = |batch| ledger.is_next(batch);
    assert!(!next(a).await.unwrap() && !next(c).await.unwrap(), "`b` waits");
    let b = open("b").await;
    assert!(next(b).await.unwrap());
    ledger.commit_done(b, at(10)).await.unwrap();
    assert!(next(a).await.unwrap() && !next(c).await.unwrap());
    ledger.commit_done(a, at(10)).await.unwrap();
    assert!(next(c).await.unwrap());
}

#[tokio::test]
async fn a_file_goes_when_it_is_committed_and_seen() {
    let root = tempfile::tempdir().unwrap();
    let ledger = ledger(root.path());
    for key in ["x", "y", "z"] {
        stage(ledger.as_ref(), key, 0).await;
    }
    let taken = ledger.take_unseen(&lease("a", 0), at(0), 2).await.unwrap();
    assert_eq!(keys(&taken), ["x", "y"]);
    assert_eq!(keys(&ledger.take_unseen(&lease("b", 1), at(1), 9).await.unwrap()), ["z"], "the others are held");
    ledger.seen(&["x".into(), "z".into()]).await.unwrap();
    assert_eq!(keys(&ledger.take_unseen(&lease("b", 60), at(60), 9).await.unwrap()), ["y"], "a lease ended");
    let batch = ledger.open_batch(&table(), &["x".into(), "y".into()], &lease("a", 0), at(0)).await.unwrap().unwrap();
    assert_eq!(ledger.disposable(9).await.unwrap(), []);
    ledger.commit_done(batch.id, at(1)).await.unwrap();
    assert_eq!(keys(&ledger.disposable(9).await.unwrap()), ["x"]);
    // an entry that is still needed is not forgotten by mistake
    ledger.disposed(&["x".into(), "y".into(), "z".into()]).await.unwrap();
    ledger.disposed(&["x".into()]).await.unwrap();
    let counts = ledger.counts().await.unwrap();
    assert_eq!(counts, Counts { done: 3, pending: 1, unseen: 1, ..Counts::default() });
    ledger.seen(&["y".into()]).await.unwrap();
    assert_eq!(keys(&ledger.disposable(9).await.unwrap()), ["y"]);
    // what was disposed of does not come back
    assert!(matches!(ledger.claim(&object("x"), &lease("a", 0), at(0)).await.unwrap(), Claim::Done(_)));
}

#[tokio::test]
async fn what_a_dead_process_held_is_free_at_once() {
    let root = tempfile::tempdir().unwrap();
    let ledger = ledger(root.path());
    ledger.claim(&object("o"), &lease("dead", 0), at(0)).await.unwrap();
    stage(ledger.as_ref(), "x", 0).await;
    ledger.take_unseen(&lease("dead", 0), at(0), 9).await.unwrap();
    assert_eq!(ledger.take_unseen(&lease("b", 0), at(0), 9).await.unwrap(), []);
    ledger.abandon("dead").await.unwrap();
    assert_eq!(ledger.unfinished(at(0)).await.unwrap(), [object("o")]);
    assert_eq!(ledger.claim(&object("o"), &lease("b", 0), at(0)).await.unwrap(), Claim::Claimed { attempt: 2 });
    assert_eq!(keys(&ledger.take_unseen(&lease("b", 0), at(0), 9).await.unwrap()), ["x"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_claim_at_once_one_wins() {
    let root = tempfile::tempdir().unwrap();
    let mut claims = tokio::task::JoinSet::new();
    for n in 0..8 {
        let root = root.path().to_owned();
        claims.spawn(async move {
            // a connection of its own, as another process has
            let ledger = ledger(&root);
            let mut won = 0;
            for key in 0..20 {
                let claim = ledger.claim(&object(&key.to_string()), &lease(&n.to_string(), 0), at(0)).await.unwrap();
                won += usize::from(matches!(claim, Claim::Claimed { .. }));
            }
            won
        });
    }
    assert_eq!(claims.join_all().await.into_iter().sum::<usize>(), 20);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    stage(ledger(root.path()).as_ref(), "x", 0).await;
    let again = ledger(root.path());
    assert_eq!(again.counts().await.unwrap(), Counts { done: 1, pending: 1, unseen: 1, ..Counts::default() });
    assert_eq!(again.pending().await.unwrap()[0].file, file("x"));
}
