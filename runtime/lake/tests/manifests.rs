//! A table of many commits lists few manifests.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

mod support;

use std::{collections::BTreeSet, path::Path};

use iceberg::transaction::{ApplyTransactionAction as _, Transaction};
use lake::{CommitOutcome, Expiry, Lake, LakeError};
use model::time::Timestamp;
use support::*;

/// A lake whose table merges four manifests.
async fn merging_lake(root: &Path) -> Lake {
    let lake = with_table(root, &plain()).await;
    let table = lake.load(&table()).await.unwrap();
    let transaction = Transaction::new(&table);
    let merge = transaction.update_table_properties().set("commit.manifest.min-count-to-merge".into(), "4".into());
    merge.apply(transaction).unwrap().commit(lake.catalog().as_ref()).await.unwrap();
    lake
}

async fn commit(lake: &Lake, root: &Path, number: usize) -> Result<CommitOutcome, LakeError> {
    let ids = lake.field_ids(&table()).await.unwrap();
    let time = format!("2026-01-01T{:02}:00:00Z", number % 24);
    let object = format!("o{number}");
    let files = [stage(root, &object, &plain(), Some(&ids), &rows(&object, &[&time]))];
    lake.commit(&table(), &files, batch(&files), TARGET).await
}

/// The manifests of the current snapshot: of how many files each says that they are there.
async fn manifests(lake: &Lake) -> Vec<usize> {
    let table = lake.load(&table()).await.unwrap();
    let list = table.manifest_list_reader(table.metadata().current_snapshot().unwrap()).load().await.unwrap();
    let mut out = Vec::new();
    for manifest in list.entries() {
        let manifest = manifest.load_manifest(table.file_io()).await.unwrap();
        out.push(manifest.entries().iter().filter(|entry| entry.is_alive()).count());
    }
    out
}

#[tokio::test]
async fn many_commits_list_few_manifests_and_every_row_once() {
    let root = tempfile::tempdir().unwrap();
    let lake = merging_lake(root.path()).await;
    for number in 0..14 {
        commit(&lake, root.path(), number).await.unwrap();
        assert_eq!(manifests(&lake).await.iter().sum::<usize>(), number + 1);
        assert!(manifests(&lake).await.len() <= 4, "{:?}", manifests(&lake).await);
    }
    let ids: BTreeSet<String> = strings(&lake, "id").await.into_iter().collect();
    assert_eq!((ids.len(), planned(&lake, None).await.len()), (14, 14));
    assert_eq!(lake.tables().await.unwrap()[&table()].rows, 14);
    // earlier snapshots are read as they were
    let table_now = lake.load(&table()).await.unwrap();
    let early = table_now.metadata().snapshots().find(|snapshot| snapshot.sequence_number() == 3).unwrap();
    let scan = table_now.scan().snapshot_id(early.snapshot_id()).build().unwrap();
    let tasks: Vec<_> = futures::TryStreamExt::try_collect(scan.plan_files().await.unwrap()).await.unwrap();
    assert_eq!(tasks.len(), 3);
    // and go, while the rows stay
    let expiry = Expiry { newer_than: Timestamp::now().plus_seconds(60), at_least: 1 };
    let old: Vec<i64> = lake.expirable(&table(), &expiry).await.unwrap().iter().map(|one| one.snapshot).collect();
    assert_eq!(lake.expire(&table(), &old).await.unwrap(), 13);
    assert_eq!(strings(&lake, "id").await.len(), 14);
    // a file is found by its partition, also in a merged manifest
    let from = iceberg::spec::Datum::timestamp_from_str("2026-01-01T13:00:00").unwrap();
    let filter = iceberg::expr::Reference::new("ts").greater_than_or_equal_to(from);
    assert_eq!(planned(&lake, Some(filter)).await.len(), 1);
}

#[tokio::test]
async fn a_crash_while_manifests_are_merged_is_made_good() {
    for step in ["commit: data files written", "commit: snapshot committed"] {
        let root = tempfile::tempdir().unwrap();
        let lake = merging_lake(root.path()).await;
        for number in 0..4 {
            commit(&lake, root.path(), number).await.unwrap();
        }
        let failing = lake.clone().with_failpoint(failing_once(step));
        assert!(matches!(commit(&failing, root.path(), 4).await, Err(LakeError::Failpoint(_))), "{step}");
        commit(&open(root.path()).await, root.path(), 4).await.unwrap();
        assert_eq!(manifests(&lake).await, [4, 1], "{step}");
        assert_eq!(strings(&lake, "id").await.len(), 5, "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_merge_at_the_same_time_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    merging_lake(root.path()).await;
    let mut running = Vec::new();
    for process in 0..3 {
        let (lake, root) = (open(root.path()).await, root.path().to_owned());
        running.push(tokio::spawn(async move {
            for number in 0..5 {
                commit(&lake, &root, process * 5 + number).await.unwrap();
            }
        }));
    }
    for one in running {
        one.await.unwrap();
    }
    let lake = open(root.path()).await;
    assert_eq!(strings(&lake, "id").await.len(), 15);
    assert_eq!(manifests(&lake).await.iter().sum::<usize>(), 15);
}
