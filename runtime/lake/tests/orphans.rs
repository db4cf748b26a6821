//! Files that nothing names go, and no others.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use lake::{Effect, Expiry, Lake, LakeError};
use model::{
    release::{Partition, Storage},
    time::Timestamp,
};
use support::*;

fn location(root: &Path) -> PathBuf {
    root.join("lake with space/matano/events")
}

/// Every file below the table's location.
fn files_of(root: &Path) -> BTreeSet<PathBuf> {
    let (mut out, mut waiting) = (BTreeSet::new(), vec![location(root)]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                out.insert(path);
            }
        }
    }
    out
}

async fn commit(lake: &Lake, root: &Path, object: &str) {
    let ids = lake.field_ids(&table()).await.unwrap();
    let files = [stage(root, object, &plain(), Some(&ids), &rows(object, &["2026-01-01T00:30:00Z"]))];
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
}

#[tokio::test]
async fn what_a_crash_left_goes_and_what_is_named_stays() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    commit(&lake, root.path(), "a").await;
    let before = files_of(root.path());
    let failing = open(root.path()).await.with_failpoint(failing_once("commit: data files written"));
    let lost = [stage(root.path(), "b", &plain(), None, &rows("b", &["2026-01-01T00:30:00Z"]))];
    failing.commit(&table(), &lost, batch(&lost), TARGET).await.unwrap_err();
    let left = files_of(root.path());
    assert_eq!(left.difference(&before).count(), 1);
    // directories of a killed merge, one of them empty, and half a metadata file
    let scratch = [".merge.1-0.tmp", ".merge.1-1.tmp"].map(|name| location(root.path()).join("data").join(name));
    scratch.iter().for_each(|directory| fs::create_dir(directory).unwrap());
    fs::write(scratch[0].join("0.parquet"), "half").unwrap();
    fs::write(location(root.path()).join("metadata/.00001.metadata.json.1-2.tmp"), "half").unwrap();
    // all of that is too young
    let long_ago = Timestamp::now().plus_seconds(-3600);
    assert_eq!(lake.remove_orphans(&table(), long_ago).await.unwrap(), 0);
    assert_eq!(lake.remove_orphans(&table(), Timestamp::MAX).await.unwrap(), 4);
    assert_eq!(files_of(root.path()), before);
    assert!(scratch.iter().all(|directory| !directory.exists()));
    assert_eq!(lake.remove_orphans(&table(), Timestamp::MAX).await.unwrap(), 0);
    assert_eq!(strings(&lake, "id").await.len(), 1);
    commit(&lake, root.path(), "c").await;
    assert_eq!(strings(&lake, "id").await.len(), 2);
}

/// A staged file that is old when it is linked into the table is new there.
#[tokio::test]
async fn a_file_that_was_staged_long_ago_is_young_in_the_table() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let staged = [stage(root.path(), "a", &plain(), Some(&ids), &rows("a", &["2026-01-01T00:30:00Z"]))];
    let old = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().append(true).open(&staged[0].path).unwrap().set_modified(old).unwrap();
    let failing = open(root.path()).await.with_failpoint(failing_once("commit: data files written"));
    failing.commit(&table(), &staged, batch(&staged), TARGET).await.unwrap_err();
    let long_ago = Timestamp::now().plus_seconds(-3600);
    assert_eq!(lake.remove_orphans(&table(), long_ago).await.unwrap(), 0);
    assert_eq!(lake.remove_orphans(&table(), Timestamp::MAX).await.unwrap(), 1);
    assert!(staged[0].path.exists(), "the staged file has a name of its own");
}

#[tokio::test]
async fn what_only_dropped_snapshots_had_goes() {
    let root = tempfile::tempdir().unwrap();
    let lake = open(root.path()).await;
    let storage = Storage { partition: Partition::None, ..Storage::default() };
    lake.ensure_table(&table(), &plain(), &storage).await.unwrap();
    for object in ["a", "b", "c"] {
        let files = [stage(root.path(), object, &plain(), None, &rows(object, &["2026-01-01T00:30:00Z"]))];
        lake.write(&table(), &files, batch(&files), TARGET, &Effect::Overwrite).await.unwrap();
    }
    let data = || parquet_files(&location(root.path())).len();
    // earlier snapshots can still be read
    assert_eq!((lake.remove_orphans(&table(), Timestamp::MAX).await.unwrap(), data()), (0, 3));
    let expiry = Expiry { newer_than: Timestamp::MAX, at_least: 1 };
    let old: Vec<i64> = lake.expirable(&table(), &expiry).await.unwrap().into_iter().map(|one| one.snapshot).collect();
    assert_eq!(lake.expire(&table(), &old).await.unwrap(), 2);
    assert!(lake.remove_orphans(&table(), Timestamp::MAX).await.unwrap() >= 2);
    assert_eq!(data(), 1);
    assert_eq!(strings(&lake, "id").await.len(), 1);
    commit(&lake, root.path(), "d").await;
    assert_eq!(strings(&lake, "id").await.len(), 2);
}

#[tokio::test]
async fn nothing_is_deleted_where_a_named_file_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    commit(&lake, root.path(), "a").await;
    commit(&lake, root.path(), "b").await;
    let missing = planned(&lake, None).await.remove(0);
    fs::remove_file(&missing).unwrap();
    let orphan = location(root.path()).join("data/orphan.parquet");
    fs::write(&orphan, "nobody's").unwrap();
    let error = lake.remove_orphans(&table(), Timestamp::MAX).await.unwrap_err();
    assert!(matches!(error, LakeError::Missing { .. }), "{error}");
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    assert!(orphan.exists());
}

/// Others commit while files are looked for: whatever the order, nothing of theirs goes.
#[tokio::test(flavor = "multi_thread")]
async fn committers_at_work_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let mut work = tokio::task::JoinSet::new();
    for n in 0..2 {
        let root = root.path().to_owned();
        work.spawn(async move {
            let lake = open(&root).await;
            for round in 0..10 {
                commit(&lake, &root, &format!("o{n}-{round}")).await;
            }
        });
    }
    let now = Timestamp::now();
    let mut removed = 0;
    while !work.is_empty() {
        removed += lake.remove_orphans(&table(), now).await.unwrap();
        work.try_join_next().transpose().unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(removed, 0);
    assert_eq!(strings(&lake, "id").await.len(), 20);
}
