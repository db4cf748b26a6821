//! Old snapshots and unused files go while a table is written, from process to process.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

mod world;

use std::{fs, sync::Arc};

use lake_writer::Retention;
use model::time::Timestamp;
use world::{World, table, write_raw};

const DAY: i64 = 24 * 3600;

#[tokio::test]
async fn processes_that_commit_once_each_drop_what_is_old() {
    let root = tempfile::tempdir().unwrap();
    let orphan = root.path().join("state/lake/matano").join(table("a").as_str()).join("data/orphan.parquet");
    let retention = Retention { seconds: 60, snapshots: 2, at_a_time: 3, orphan_seconds: 3600 };
    let mut counts = Vec::new();
    for files in 1..=6 {
        write_raw(root.path(), files);
        let mut world = World::open(root.path(), &format!("p{files}"), None).await;
        if files == 1 {
            fs::create_dir_all(orphan.parent().unwrap()).unwrap();
            fs::write(&orphan, "nobody's").unwrap();
        }
        // a day later than the snapshots say
        world.writer.clock = Arc::new(|| Timestamp::now().plus_seconds(DAY));
        world.writer.retention = retention.clone();
        world.work().await.unwrap();
        counts.push((world.lake.tables().await.unwrap()[&table("a")].snapshots, orphan.exists()));
    }
    // the fifth commit leaves three to drop besides the two that stay
    assert_eq!(counts, [(1, true), (2, true), (3, true), (4, true), (2, false), (3, false)]);
    let world = World::open(root.path(), "after", None).await;
    world.check(6).await;
}

#[tokio::test]
async fn snapshots_of_today_take_no_files_with_them() {
    let root = tempfile::tempdir().unwrap();
    let orphan = root.path().join("state/lake/matano").join(table("a").as_str()).join("data/orphan.parquet");
    for files in 1..=3 {
        write_raw(root.path(), files);
        let mut world = World::open(root.path(), &format!("p{files}"), None).await;
        fs::create_dir_all(orphan.parent().unwrap()).unwrap();
        fs::write(&orphan, "nobody's").unwrap();
        let made = Timestamp::now().day() * DAY * 1_000_000;
        let noon = Timestamp::from_micros(made).unwrap().plus_seconds(DAY - 1);
        world.writer.clock = Arc::new(move || noon);
        world.writer.retention = Retention { seconds: 0, snapshots: 1, at_a_time: 1, orphan_seconds: 0 };
        world.work().await.unwrap();
        assert_eq!(world.lake.tables().await.unwrap()[&table("a")].snapshots, 1);
    }
    assert!(orphan.exists());
    World::open(root.path(), "after", None).await.check(3).await;
}

/// The rows of a commit are written, whatever the tidying after it meets.
#[tokio::test]
async fn what_can_not_be_tidied_is_told_and_is_no_failure_to_write() {
    let root = tempfile::tempdir().unwrap();
    write_raw(root.path(), 1);
    World::open(root.path(), "p1", None).await.work().await.unwrap();
    let data = root.path().join("state/lake/matano").join(table("a").as_str()).join("data");
    let partition = fs::read_dir(&data).unwrap().next().unwrap().unwrap().path();
    let named = fs::read_dir(partition).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&named).unwrap();
    write_raw(root.path(), 2);
    let mut world = World::open(root.path(), "p2", None).await;
    world.writer.clock = Arc::new(|| Timestamp::now().plus_seconds(DAY));
    world.writer.retention = Retention { seconds: 0, snapshots: 1, at_a_time: 1, orphan_seconds: 3600 };
    world.ingest().await.unwrap();
    let report = world.writer.flush(lake_writer::Flush::All).await.unwrap();
    assert!(report.failures.is_empty() && !report.commits.is_empty(), "{report:?}");
    let [(name, error)] = report.untidy.as_slice() else { panic!("{report:?}") };
    assert_eq!(*name, table("a"));
    assert!(error.to_string().contains(named.file_name().unwrap().to_str().unwrap()), "{error}");
}
