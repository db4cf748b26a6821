//! Rows that take the place of others.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

mod support;

use std::path::Path;

use lake::{CommitOutcome, Effect, Lake, LakeError, LocalFile};
use model::{
    release::{Partition, Storage},
    schema::TableSchema,
};
use serde_json::{Value, json};
use support::*;

fn hosts() -> TableSchema {
    schema(json!([
        {"name": "host", "type": {"type": "struct", "fields": [
            {"name": "name", "type": "string"}, {"name": "port", "type": "int"}]}},
        {"name": "owner", "type": "string"}
    ]))
}

async fn hosts_lake(root: &Path) -> Lake {
    let lake = open(root).await;
    let storage = Storage { partition: Partition::None, ..Storage::default() };
    lake.ensure_table(&table(), &hosts(), &storage).await.unwrap();
    lake
}

fn host(name: Option<&str>, port: i64, owner: &str) -> Value {
    json!({"host": {"name": name, "port": port}, "owner": owner})
}

fn upload(root: &Path, object: &str, rows: &[Value]) -> [LocalFile; 1] {
    [stage(root, object, &hosts(), None, rows)]
}

async fn write(lake: &Lake, files: &[LocalFile], effect: &Effect) -> CommitOutcome {
    lake.write(&table(), files, batch(files), TARGET, effect).await.unwrap()
}

/// Owners in the order of their rows.
async fn owners(lake: &Lake) -> Vec<String> {
    let batches = lake.rows(&table()).await.unwrap();
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| columns::row_json(batch, row)));
    rows.map(|row| row["owner"].as_str().unwrap().to_owned()).collect()
}

fn merge() -> Effect {
    Effect::Merge(vec!["host.name".to_owned(), "host.port".to_owned()])
}

#[tokio::test]
async fn an_overwrite_leaves_the_new_rows_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let lake = hosts_lake(root.path()).await;
    for (object, names) in [("a", vec!["a", "b"]), ("b", vec!["c"]), ("c", vec!["d", "e", "f"])] {
        let rows: Vec<Value> = names.iter().map(|name| host(Some(name), 1, name)).collect();
        write(&lake, &upload(root.path(), object, &rows), &Effect::Overwrite).await;
        assert_eq!(owners(&lake).await, names);
    }
    let observed = &lake.tables().await.unwrap()[&table()];
    assert_eq!((observed.rows, observed.files, observed.snapshots), (3, 1, 3));
    assert_eq!(planned(&lake, None).await.len(), 1);
    // a snapshot says what it took away
    let loaded = lake.load(&table()).await.unwrap();
    let summary = loaded.metadata().current_snapshot().unwrap().summary();
    assert_eq!(summary.operation, iceberg::spec::Operation::Overwrite);
    assert_eq!(summary.additional_properties["deleted-records"], "1");
    // and rows can be added again
    let files = upload(root.path(), "d", &[host(Some("g"), 1, "g")]);
    write(&lake, &files, &Effect::Append).await;
    assert_eq!(owners(&lake).await, ["d", "e", "f", "g"]);
    assert_eq!(lake.tables().await.unwrap()[&table()].rows, 4);
}

#[tokio::test]
async fn a_batch_takes_effect_once_also_after_a_later_one() {
    let root = tempfile::tempdir().unwrap();
    let lake = hosts_lake(root.path()).await;
    for effect in [Effect::Overwrite, merge()] {
        let [first, second] = ["first", "second"]
            .map(|name| upload(root.path(), &format!("{name} {effect:?}"), &[host(Some("a"), 1, name)]));
        write(&lake, &first, &effect).await;
        write(&lake, &second, &effect).await;
        assert_eq!(write(&lake, &first, &effect).await, CommitOutcome::AlreadyCommitted);
        assert_eq!(owners(&lake).await, ["second"]);
    }
}

#[tokio::test]
async fn a_merge_replaces_rows_with_the_same_key_and_keeps_the_others() {
    let root = tempfile::tempdir().unwrap();
    let lake = hosts_lake(root.path()).await;
    let before = [host(Some("a"), 1, "old a1"), host(Some("a"), 2, "old a2"), host(None, 1, "nameless")];
    write(&lake, &upload(root.path(), "before", &before), &merge()).await;
    let after = [
        host(Some("a"), 2, "overtaken"),
        host(Some("b"), 1, "new b1"),
        host(None, 1, "nameless too"),
        host(Some("a"), 2, "new a2"),
    ];
    write(&lake, &upload(root.path(), "after", &after), &merge()).await;
    assert_eq!(owners(&lake).await, ["old a1", "nameless", "new b1", "nameless too", "new a2"]);
    assert_eq!(lake.tables().await.unwrap()[&table()].rows, 5);
}

#[tokio::test]
async fn a_merge_takes_rows_of_an_older_schema() {
    let root = tempfile::tempdir().unwrap();
    let lake = hosts_lake(root.path()).await;
    write(&lake, &upload(root.path(), "a", &[host(Some("a"), 1, "a"), host(Some("b"), 1, "b")]), &merge()).await;
    let wider = schema(json!([
        {"name": "host", "type": {"type": "struct", "fields": [
            {"name": "name", "type": "string"}, {"name": "port", "type": "long"}]}},
        {"name": "owner", "type": "string"},
        {"name": "note", "type": "string"}
    ]));
    let storage = Storage { partition: Partition::None, ..Storage::default() };
    lake.ensure_table(&table(), &wider, &storage).await.unwrap();
    let row = json!({"host": {"name": "a", "port": 1}, "owner": "new a", "note": "n"});
    let files = [stage(root.path(), "b", &wider, None, &[row])];
    write(&lake, &files, &merge()).await;
    assert_eq!(owners(&lake).await, ["b", "new a"]);
    assert_eq!(strings(&lake, "note").await, ["n"]);
}

#[tokio::test]
async fn rows_of_files_with_fewer_members_are_filled_up() {
    let root = tempfile::tempdir().unwrap();
    let lake = hosts_lake(root.path()).await;
    write(&lake, &upload(root.path(), "a", &[host(Some("a"), 1, "a"), json!({"owner": "none"})]), &Effect::Append)
        .await;
    let grown = schema(json!([
        {"name": "host", "type": {"type": "struct", "fields": [
            {"name": "name", "type": "string"}, {"name": "port", "type": "long"},
            {"name": "os", "type": {"type": "struct", "fields": [{"name": "name", "type": "string"}]}}]}},
        {"name": "owner", "type": "string"},
        {"name": "ports", "type": {"type": "list", "element": {"type": "struct", "fields": [{"name": "n", "type": "int"}]}}}
    ]));
    let storage = Storage { partition: Partition::None, ..Storage::default() };
    lake.ensure_table(&table(), &grown, &storage).await.unwrap();
    let row = json!({"host": {"name": "b", "os": {"name": "linux"}}, "owner": "b", "ports": [{"n": 1}]});
    write(&lake, &[stage(root.path(), "b", &grown, None, &[row])], &Effect::Append).await;
    let read = lake.rows(&table()).await.unwrap();
    let rows: Vec<Value> =
        read.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| columns::row_json(batch, row))).collect();
    assert_eq!(
        rows,
        [
            json!({"host": {"name": "a", "port": 1}, "owner": "a"}),
            json!({"owner": "none"}),
            json!({"host": {"name": "b", "os": {"name": "linux"}}, "owner": "b", "ports": [{"n": 1}]}),
        ]
    );
    let want = lake::arrow_schema(&lake.load(&table()).await.unwrap()).unwrap();
    assert!(read.iter().all(|batch| batch.schema() == want));
    // and some columns alone
    let reading = lake::Reading { columns: Some(vec!["ports".into(), "host".into()]), ..lake::Reading::default() };
    let rows = lake::read(&lake.load(&table()).await.unwrap(), reading).await.unwrap();
    let batches: Vec<_> = futures::TryStreamExt::try_collect(rows).await.unwrap();
    assert!(batches.iter().all(|batch: &arrow::array::RecordBatch| batch.num_columns() == 2));
}

#[tokio::test]
async fn an_attempt_after_a_crash_at_any_step_has_the_same_result() {
    for effect in [Effect::Overwrite, merge()] {
        for step in ["commit: data files written", "commit: snapshot prepared", "commit: snapshot committed"] {
            let root = tempfile::tempdir().unwrap();
            let lake = hosts_lake(root.path()).await;
            write(&lake, &upload(root.path(), "a", &[host(Some("a"), 1, "old")]), &effect).await;
            let files = upload(root.path(), "b", &[host(Some("a"), 1, "new")]);
            let failing = lake.clone().with_failpoint(failing_once(step));
            let crashed = failing.write(&table(), &files, batch(&files), TARGET, &effect).await;
            assert!(matches!(crashed, Err(LakeError::Failpoint(_))), "{crashed:?}");
            let is_done = step == "commit: snapshot committed";
            assert_eq!(owners(&lake).await, [if is_done { "new" } else { "old" }], "one or the other: {step}");
            let again = open(root.path()).await;
            let outcome = write(&again, &files, &effect).await;
            assert_eq!(outcome == CommitOutcome::AlreadyCommitted, is_done, "{step}");
            assert_eq!(owners(&again).await, ["new"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_merge_at_the_same_time_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    hosts_lake(root.path()).await;
    let mut running = Vec::new();
    for number in 0..6 {
        let files = upload(root.path(), &format!("o{number}"), &[host(Some(&format!("h{number}")), 1, "o")]);
        let lake = open(root.path()).await;
        running.push(tokio::spawn(async move { write(&lake, &files, &merge()).await }));
    }
    for one in running {
        assert!(matches!(one.await.unwrap(), CommitOutcome::Committed { .. }));
    }
    assert_eq!(owners(&open(root.path()).await).await.len(), 6);
}

#[tokio::test]
async fn an_overwrite_with_nothing_empties_the_table() {
    let root = tempfile::tempdir().unwrap();
    let lake = hosts_lake(root.path()).await;
    write(&lake, &upload(root.path(), "a", &[host(Some("a"), 1, "a")]), &Effect::Overwrite).await;
    let nothing = model::staged::BatchId(model::digest::Digest::of(b"nothing"));
    lake.write(&table(), &[], nothing, TARGET, &Effect::Overwrite).await.unwrap();
    assert!(owners(&lake).await.is_empty());
    assert_eq!(lake.tables().await.unwrap()[&table()].rows, 0);
    assert_eq!(lake.head(&table()).await.unwrap().unwrap().batch, Some(nothing));
}
