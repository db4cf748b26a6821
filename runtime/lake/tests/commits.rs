//! Staged files reach a table once, whatever happens in between.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

mod support;

use std::{num::NonZeroU64, os::unix::fs::MetadataExt as _};

use columns::{FileReader, Keep};
use iceberg::{expr::Reference, spec::Datum};
use lake::{CommitOutcome, Expiry, LakeError};
use model::{release::Storage, schema::FieldType, staged::BatchId, time::Timestamp};
use serde_json::json;
use support::*;

#[tokio::test]
async fn small_files_of_one_hour_become_one_file_and_hours_stay_apart() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let files = [
        stage(root.path(), "a", &plain(), Some(&ids), &rows("a", &["2026-01-01T00:30:00Z", "2026-01-01T00:10:00Z"])),
        stage(root.path(), "b", &plain(), Some(&ids), &rows("b", &["2026-01-01T00:20:00Z"])),
        stage(root.path(), "c", &plain(), Some(&ids), &rows("c", &["2026-01-01T01:00:00Z"])),
    ];
    let outcome = lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    let CommitOutcome::Committed { files: added, rows: count, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((added, count), (2, 4));
    let observed = &lake.tables().await.unwrap()[&table()];
    assert_eq!((observed.rows, observed.files, observed.snapshots), (4, 2, 1));
    assert!(observed.last_commit.is_some() && observed.bytes > 0);
    let planned = planned(&lake, None).await;
    assert!(planned[0].to_str().unwrap().contains("/data/ts_hour=2026-01-01-00/"), "{planned:?}");
    let merged = columns::read_file(&planned[0], columns::Projection::Columns(&["ts"])).unwrap();
    assert_eq!(merged.num_rows(), 3);
    let ts = merged.column(0).as_any().downcast_ref::<arrow::array::TimestampMicrosecondArray>().unwrap();
    assert!(ts.values().is_sorted(), "{ts:?}");
    assert_eq!(parquet_files(&root.path().join("lake with space")), planned, "nothing else lies in the table");
}

#[tokio::test]
async fn a_file_that_needs_no_merging_is_not_written_again() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let large = |object| {
        stage_to(Keep::ForGood, root.path(), object, &plain(), Some(&ids), &rows(object, &["2026-01-01T00:30:00Z"]))
    };
    let files = [large("a")];
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    let inode = |path: &std::path::Path| std::fs::metadata(path).unwrap().ino();
    assert_eq!(inode(&planned(&lake, None).await[0]), inode(&files[0].path));
    // files that together exceed the target are not merged either
    let files = ["b", "c"].map(large);
    lake.commit(&table(), &files, batch(&files), NonZeroU64::MIN).await.unwrap();
    assert_eq!(planned(&lake, None).await.len(), 3);
}

#[tokio::test]
async fn a_file_that_is_not_made_to_last_is_written_again() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let files = [stage(root.path(), "a", &plain(), Some(&ids), &rows("a", &["2026-01-01T00:30:00Z"]))];
    assert!(!FileReader::open(&files[0].path).unwrap().lasts());
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    let file = FileReader::open(&planned(&lake, None).await[0]).unwrap();
    assert!(file.lasts());
    assert_eq!(file.rows(), 1);
}

#[tokio::test]
async fn a_file_that_spans_hours_is_divided() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let times = ["2026-01-01T00:59:59Z", "2026-01-01T02:00:00Z", "2026-01-01T00:00:00Z", "1969-12-31T23:59:59Z"];
    let files = [stage(root.path(), "a", &plain(), Some(&ids), &rows("a", &times))];
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    assert_eq!(planned(&lake, None).await.len(), 3);
    assert_eq!(strings(&lake, "id").await.len(), 4);
}

#[tokio::test]
async fn files_of_an_older_schema_and_without_ids_are_taken() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let old = lake.field_ids(&table()).await.unwrap();
    let staged_before = stage(root.path(), "before", &plain(), Some(&old), &rows("before", &["2026-01-01T00:00:00Z"]));
    let want = schema(json!([
        {"name": "ts", "type": "timestamp"}, {"name": "id", "type": "string"},
        {"name": "n", "type": "long"}, {"name": "extra", "type": "string"}
    ]));
    lake.ensure_table(&table(), &want, &Storage::default()).await.unwrap();
    let new = lake.field_ids(&table()).await.unwrap();
    let row = json!({"ts": "2026-01-01T00:00:01Z", "id": "new", "n": 5_000_000_000_i64, "extra": "x"});
    let files = [
        staged_before.clone(),
        stage(root.path(), "new", &want, Some(&new), &[row]),
        stage(root.path(), "bare", &plain(), None, &rows("bare", &["2026-01-01T05:00:00Z"])),
    ];
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    assert_eq!(strings(&lake, "id").await.len(), 3);
    assert_eq!(strings(&lake, "extra").await, ["x"]);
    // alone, the older file stands as it is, its narrow numbers read as wide ones
    let alone = [stage(root.path(), "alone", &plain(), Some(&old), &rows("alone", &["2026-01-02T00:00:00Z"]))];
    lake.commit(&table(), &alone, batch(&alone), TARGET).await.unwrap();
    let zero = Reference::new("n")
        .equal_to(Datum::long(0))
        .and(Reference::new("ts").greater_than_or_equal_to(Datum::timestamp_from_str("2026-01-02T00:00:00").unwrap()));
    assert_eq!(planned(&lake, Some(zero)).await.len(), 1);
}

#[tokio::test]
async fn partitions_and_columns_are_pruned() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    for hour in 0..4 {
        let times: Vec<String> = (0..=hour).map(|n| format!("2026-01-01T{hour:02}:00:{n:02}Z")).collect();
        let times: Vec<&str> = times.iter().map(String::as_str).collect();
        let files = [stage(root.path(), &format!("o{hour}"), &plain(), Some(&ids), &rows("o", &times))];
        lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    }
    assert_eq!(planned(&lake, None).await.len(), 4);
    let from = Datum::timestamp_from_str("2026-01-01T03:00:00").unwrap();
    assert_eq!(planned(&lake, Some(Reference::new("ts").greater_than_or_equal_to(from))).await.len(), 1);
    // `n` reaches 3 in the last file only
    assert_eq!(planned(&lake, Some(Reference::new("n").equal_to(Datum::int(3)))).await.len(), 1);
    assert_eq!(planned(&lake, Some(Reference::new("n").equal_to(Datum::int(9)))).await.len(), 0);
    assert_eq!(planned(&lake, Some(Reference::new("id").is_null())).await.len(), 0);
}

#[tokio::test]
async fn a_batch_is_committed_once() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let files = [stage(root.path(), "a", &plain(), Some(&ids), &rows("a", &["2026-01-01T00:30:00Z"]))];
    assert!(!lake.has_batch(&table(), batch(&files)).await.unwrap());
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    assert!(lake.has_batch(&table(), batch(&files)).await.unwrap());
    let again = lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    assert_eq!(again, CommitOutcome::AlreadyCommitted);
    assert_eq!(strings(&lake, "id").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_committers_of_one_batch_one_wins() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    for round in 0..5 {
        let files: Vec<_> = ["x", "y"]
            .iter()
            .map(|part| {
                let object = format!("{part}{round}");
                stage(root.path(), &object, &plain(), Some(&ids), &rows(&object, &["2026-01-01T00:30:00Z"]))
            })
            .collect();
        let mut committers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (config, files) = (config(root.path()), files.clone());
            committers.spawn(async move {
                let lake = lake::Lake::open(&config).await.unwrap();
                lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap()
            });
        }
        let outcomes = committers.join_all().await;
        let won = outcomes.iter().filter(|outcome| **outcome != CommitOutcome::AlreadyCommitted).count();
        assert_eq!(won, 1, "{outcomes:?}");
        assert_eq!(parquet_files(&root.path().join("lake with space")), planned(&lake, None).await, "losers tidy up");
        let mut ids = strings(&lake, "id").await;
        ids.dedup();
        assert_eq!(ids.len(), 2 * (round + 1));
        assert_eq!(strings(&lake, "id").await.len(), ids.len());
    }
}

/// The control of the tests around it: nothing but the look at the batch id keeps rows from coming twice.
#[tokio::test]
async fn an_append_that_does_not_look_doubles_rows() {
    use iceberg::transaction::{ApplyTransactionAction as _, Transaction};
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let files = [stage(root.path(), "a", &plain(), Some(&ids), &rows("a", &["2026-01-01T00:30:00Z"]))];
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    let loaded = lake.catalog().load_table(&ident()).await.unwrap();
    let list = loaded.manifest_list_reader(loaded.metadata().current_snapshot().unwrap()).load().await.unwrap();
    let manifest = list.entries()[0].load_manifest(loaded.file_io()).await.unwrap();
    let data_file = manifest.entries()[0].data_file().clone();
    let transaction = Transaction::new(&loaded);
    let append = transaction.fast_append().with_check_duplicate(false).add_data_files([data_file]);
    append.apply(transaction).unwrap().commit(lake.catalog().as_ref()).await.unwrap();
    let found = strings(&lake, "id").await;
    assert_eq!((found.len(), found[0] == found[1]), (2, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn committers_of_different_batches_all_land() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let mut committers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let object = format!("o{n}");
        let files = vec![stage(root.path(), &object, &plain(), Some(&ids), &rows(&object, &["2026-01-01T00:30:00Z"]))];
        let config = config(root.path());
        committers.spawn(async move {
            let lake = lake::Lake::open(&config).await.unwrap();
            lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap()
        });
    }
    committers.join_all().await;
    let mut ids = strings(&lake, "id").await;
    assert_eq!(ids.len(), 8);
    ids.dedup();
    assert_eq!(ids.len(), 8);
}

#[tokio::test]
async fn a_commit_that_stops_at_any_step_is_finished_by_the_next() {
    for step in ["commit: data files written", "commit: snapshot committed"] {
        let root = tempfile::tempdir().unwrap();
        let lake = with_table(root.path(), &plain()).await;
        let ids = lake.field_ids(&table()).await.unwrap();
        let files = ["a", "b"]
            .map(|object| stage(root.path(), object, &plain(), Some(&ids), &rows(object, &["2026-01-01T00:30:00Z"])));
        let failing = open(root.path()).await.with_failpoint(failing_once(step));
        let error = failing.commit(&table(), &files, batch(&files), TARGET).await.unwrap_err();
        assert!(matches!(error, LakeError::Failpoint(at) if at == step), "{error}");
        failing.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
        assert_eq!(strings(&lake, "id").await.len(), 2, "{step}");
        lake.remove_orphans(&table(), Timestamp::MAX).await.unwrap();
        assert_eq!(parquet_files(&root.path().join("lake with space")), planned(&lake, None).await, "{step}");
    }
}

#[tokio::test]
async fn rows_that_do_not_add_up_are_not_committed() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let mut file = stage(root.path(), "a", &plain(), Some(&ids), &rows("a", &["2026-01-01T00:30:00Z"]));
    file.staged.rows = 2;
    let error = lake.commit(&table(), &[file.clone()], batch(&[file.clone()]), TARGET).await.unwrap_err();
    assert!(error.to_string().contains("expected 2 rows in the batch, found 1"), "{error}");
    // and a column that the table lacks is not dropped
    let mut wide = plain();
    wide.insert("unknown", FieldType::String).unwrap();
    let file = stage(root.path(), "b", &wide, None, &rows("b", &["2026-01-01T00:30:00Z"]));
    let error = lake
        .commit(&table(), std::slice::from_ref(&file), batch(std::slice::from_ref(&file)), TARGET)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no column `unknown`"), "{error}");
    assert_eq!(lake.tables().await.unwrap()[&table()].rows, 0);
}

#[tokio::test]
async fn a_file_whose_rows_are_of_another_hour_than_it_says_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let mut file = stage(root.path(), "a", &plain(), Some(&ids), &rows("a", &["2026-01-01T00:30:00Z"]));
    let other: Timestamp = "2026-01-01T01:30:00Z".parse().unwrap();
    file.staged.ts_range = (other, other);
    let error = lake.commit(&table(), &[file.clone()], batch(&[file]), TARGET).await.unwrap_err();
    assert!(error.to_string().contains("expected rows of ts_hour=2026-01-01-01"), "{error}");
    assert_eq!(lake.tables().await.unwrap()[&table()].rows, 0);
}

#[tokio::test]
async fn a_batch_without_rows_makes_no_snapshot() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let outcome = lake.commit(&table(), &[], BatchId::of(&table(), &[]), TARGET).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { snapshot: None, files: 0, rows: 0, bytes: 0 });
    assert_eq!(lake.tables().await.unwrap()[&table()].snapshots, 0);
}

#[tokio::test]
async fn snapshots_expire_but_not_those_of_unmarked_batches() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let mut batches = Vec::new();
    for n in 0..6 {
        let object = format!("o{n}");
        let files = [stage(root.path(), &object, &plain(), Some(&ids), &rows(&object, &["2026-01-01T00:30:00Z"]))];
        lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
        batches.push(batch(&files));
    }
    let keep_all = Expiry { newer_than: Timestamp::MIN, at_least: 1 };
    assert_eq!(lake.expirable(&table(), &keep_all).await.unwrap(), []);
    let keep_two = Expiry { newer_than: Timestamp::MAX, at_least: 2 };
    let expirable = lake.expirable(&table(), &keep_two).await.unwrap();
    let offered: Vec<BatchId> = expirable.iter().filter_map(|one| one.batch).collect();
    assert_eq!(offered, batches[..4]);
    let marked: Vec<i64> =
        expirable.iter().filter(|one| one.batch != Some(batches[1])).map(|one| one.snapshot).collect();
    assert_eq!(lake.expire(&table(), &marked).await.unwrap(), 3);
    assert_eq!(lake.expire(&table(), &marked).await.unwrap(), 0);
    let mut known = Vec::new();
    for batch in &batches {
        known.push(lake.has_batch(&table(), *batch).await.unwrap());
    }
    assert_eq!(known, [false, true, false, false, true, true]);
    assert_eq!(strings(&lake, "id").await.len(), 6);
    let keep_one = Expiry { newer_than: Timestamp::MAX, at_least: 0 };
    let rest: Vec<i64> = lake.expirable(&table(), &keep_one).await.unwrap().iter().map(|one| one.snapshot).collect();
    assert_eq!(lake.expire(&table(), &rest).await.unwrap(), 2);
    assert_eq!(strings(&lake, "id").await.len(), 6);
    let metadata = root.path().join("lake with space/matano/events/metadata");
    let count = |suffix: &str, prefix: &str| {
        let names =
            std::fs::read_dir(&metadata).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(suffix) && name.starts_with(prefix)).count()
    };
    assert_eq!(count(".avro", "snap-"), 1, "manifest lists of dropped snapshots are deleted");
    assert!(count(".metadata.json", "") <= 11, "metadata files that the log dropped are deleted");
}
