//! Tables are created, evolved, observed and dropped in a real catalog.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

mod support;

use lake::{Data, Ensured, LakeError, Warehouse};
use model::{
    name::TableName,
    release::{Partition, Storage},
    schema::{FieldType, SchemaChange},
};
use serde_json::json;
use support::*;

fn storage(partition: Partition) -> Storage {
    Storage { partition, ..Storage::default() }
}

#[tokio::test]
async fn a_new_table_has_the_schema_it_was_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let lake = open(root.path()).await;
    for (name, partition) in
        [("a", Partition::Hour), ("b", Partition::Day), ("c", Partition::Month), ("d", Partition::None)]
    {
        let name = TableName::parse(name).unwrap();
        let ensured = lake.ensure_table(&name, &model::system::row_columns(), &storage(partition)).await.unwrap();
        assert_eq!(ensured, Ensured::Created);
        let observed = &lake.tables().await.unwrap()[&name];
        assert_eq!((observed.partition, &observed.schema), (partition, &model::system::row_columns()));
        assert_eq!((observed.rows, observed.files, observed.snapshots, observed.last_commit), (0, 0, 0, None));
        let again = lake.ensure_table(&name, &model::system::row_columns(), &storage(partition)).await.unwrap();
        assert_eq!(again, Ensured::Unchanged);
    }
}

#[tokio::test]
async fn the_alerts_table_with_all_of_ecs_can_be_made() {
    let root = tempfile::tempdir().unwrap();
    let lake = open(root.path()).await;
    let name = TableName::alerts();
    lake.ensure_table(&name, &model::system::alerts(), &Storage::default()).await.unwrap();
    assert_eq!(lake.tables().await.unwrap()[&name].schema, model::system::alerts());
}

#[tokio::test]
async fn ids_are_found_by_dotted_path_and_stay() {
    let root = tempfile::tempdir().unwrap();
    let have = schema(json!([
        {"name": "ts", "type": "timestamp"},
        {"name": "a", "type": {"type": "list", "element": {"type": "struct", "fields": [{"name": "b", "type": "int"}]}}}
    ]));
    let lake = with_table(root.path(), &have).await;
    let before = lake.field_ids(&table()).await.unwrap();
    for path in ["ts", "a", "a.element", "a.element.b"] {
        assert!(before.get(path).is_some(), "{path}");
    }
    let mut want = schema(json!([{"name": "first", "type": "string"}]));
    want.fields.extend(have.fields.clone());
    lake.ensure_table(&table(), &want, &Storage::default()).await.unwrap();
    let after = lake.field_ids(&table()).await.unwrap();
    assert!(before.iter().all(|(path, id)| after.get(path) == Some(id)));
    assert_eq!(after.len(), before.len() + 1);
}

#[tokio::test]
async fn columns_are_added_and_widened_at_any_depth() {
    let root = tempfile::tempdir().unwrap();
    let have = schema(json!([
        {"name": "ts", "type": "timestamp"},
        {"name": "n", "type": "int"},
        {"name": "s", "type": {"type": "struct", "fields": [{"name": "f", "type": "float"}]}},
        {"name": "l", "type": {"type": "list", "element": {"type": "struct", "fields": [{"name": "n", "type": "int"}]}}},
        {"name": "m", "type": {"type": "list", "element": "int"}}
    ]));
    let want = schema(json!([
        {"name": "ts", "type": "timestamp"},
        {"name": "n", "type": "long"},
        {"name": "s", "type": {"type": "struct", "fields": [
            {"name": "f", "type": "double"}, {"name": "new", "type": {"type": "struct", "fields": [{"name": "x", "type": "date"}]}}]}},
        {"name": "l", "type": {"type": "list", "element": {"type": "struct", "fields": [
            {"name": "n", "type": "long"}, {"name": "tags", "type": {"type": "list", "element": "string"}}]}}},
        {"name": "m", "type": {"type": "list", "element": "long"}},
        {"name": "late", "type": "boolean"}
    ]));
    let lake = with_table(root.path(), &have).await;
    let before = lake.field_ids(&table()).await.unwrap();
    let Ensured::Evolved(changes) = lake.ensure_table(&table(), &want, &Storage::default()).await.unwrap() else {
        panic!("nothing changed")
    };
    assert_eq!(changes, have.changes_to(&want));
    assert_eq!(lake.tables().await.unwrap()[&table()].schema, want);
    let after = lake.field_ids(&table()).await.unwrap();
    assert!(before.iter().all(|(path, id)| after.get(path) == Some(id)), "a widened column keeps its id");
    // narrower rows fit, and a column left out stays
    assert_eq!(lake.ensure_table(&table(), &have, &Storage::default()).await.unwrap(), Ensured::Unchanged);
    assert_eq!(lake.tables().await.unwrap()[&table()].schema, want);
}

#[tokio::test]
async fn a_change_that_would_lose_data_names_the_column_and_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let want = schema(json!([
        {"name": "new", "type": "string"},
        {"name": "ts", "type": "timestamp"},
        {"name": "n", "type": "string"}
    ]));
    let error = lake.ensure_table(&table(), &want, &Storage::default()).await.unwrap_err();
    let LakeError::Incompatible { path, from, to, .. } = &error else { panic!("{error}") };
    assert_eq!((path.as_str(), from, to), ("n", &FieldType::Int, &FieldType::String));
    assert!(error.to_string().starts_with("column `n` of table `events`: expected `int`"), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(lake.tables().await.unwrap()[&table()].schema, plain());
}

#[tokio::test]
async fn other_partitions_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let error = lake.ensure_table(&table(), &plain(), &storage(Partition::Day)).await.unwrap_err();
    assert!(matches!(error, LakeError::Partitioned { have: Partition::Hour, want: Partition::Day, .. }), "{error}");
    let name = TableName::parse("lookup").unwrap();
    let without = schema(json!([{"name": "k", "type": "string"}]));
    let error = lake.ensure_table(&name, &without, &Storage::default()).await.unwrap_err();
    assert!(matches!(error, LakeError::NoTimestamp(_)), "{error}");
    lake.ensure_table(&name, &without, &storage(Partition::None)).await.unwrap();
}

#[tokio::test]
async fn a_detached_table_comes_back_with_its_rows() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let files = [stage(root.path(), "o", &plain(), Some(&ids), &rows("o", &["2026-01-01T00:00:00Z"]))];
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    assert!(lake.drop_table(&table(), Data::Keep).await.unwrap());
    assert!(!lake.drop_table(&table(), Data::Keep).await.unwrap());
    assert!(matches!(lake.field_ids(&table()).await, Err(LakeError::UnknownTable(_))));
    assert!(lake.tables().await.unwrap().is_empty());
    let mut want = plain();
    want.insert("more", FieldType::String).unwrap();
    let ensured = lake.ensure_table(&table(), &want, &Storage::default()).await.unwrap();
    assert_eq!(ensured, Ensured::Attached(vec![SchemaChange::Add { path: "more".into(), kind: FieldType::String }]));
    assert_eq!(strings(&lake, "id").await.len(), 1);
    // the batch is still known
    assert!(lake.has_batch(&table(), batch(&files)).await.unwrap());
}

#[tokio::test]
async fn a_purged_table_leaves_no_file_and_starts_empty() {
    let root = tempfile::tempdir().unwrap();
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let files = [stage(root.path(), "o", &plain(), Some(&ids), &rows("o", &["2026-01-01T00:00:00Z"]))];
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    lake.drop_table(&table(), Data::Purge).await.unwrap();
    assert!(!root.path().join("lake with space/matano/events").exists());
    assert_eq!(lake.ensure_table(&table(), &plain(), &Storage::default()).await.unwrap(), Ensured::Created);
    assert_eq!(lake.tables().await.unwrap()[&table()].rows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_deploy_at_once_agree() {
    let root = tempfile::tempdir().unwrap();
    let mut deploys = tokio::task::JoinSet::new();
    for n in 0..4 {
        let config = config(root.path());
        deploys.spawn(async move {
            // each opens the catalog for itself, as a process would
            let lake = lake::Lake::open(&config).await.unwrap();
            let mut want = plain();
            want.insert("common", FieldType::String).unwrap();
            want.insert(&format!("own_{n}"), FieldType::String).unwrap();
            lake.ensure_table(&table(), &want, &Storage::default()).await.unwrap();
        });
    }
    deploys.join_all().await;
    let schema = open(root.path()).await.tables().await.unwrap()[&table()].schema.clone();
    assert_eq!(schema.fields.len(), plain().fields.len() + 1 + 4, "{schema:?}");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_to_is_named() {
    let root = tempfile::tempdir().unwrap();
    // nobody can make files there, not even root
    let nowhere = std::path::PathBuf::from("/proc/matano");
    let warehouse = lake::LakeConfig { warehouse: Warehouse::Directory(nowhere.clone()), ..config(root.path()) };
    let catalog = lake::LakeConfig { catalog: nowhere.join("catalog.db"), ..config(root.path()) };
    for config in [warehouse, catalog] {
        let error = lake::Lake::open(&config).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot create `/proc/matano`: "), "{error}");
    }
    // a warehouse that becomes one while the table is open
    let lake = with_table(root.path(), &plain()).await;
    let ids = lake.field_ids(&table()).await.unwrap();
    let files = [stage(root.path(), "o", &plain(), Some(&ids), &rows("o", &["2026-01-01T00:00:00Z"]))];
    let data = root.path().join("lake with space/matano/events/data");
    std::os::unix::fs::symlink("/proc/matano", &data).unwrap();
    let error = lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap_err();
    assert!(error.to_string().contains(data.to_str().unwrap()), "{error}");
    assert_eq!(lake.tables().await.unwrap()[&table()].rows, 0);
    std::fs::remove_file(&data).unwrap();
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    assert_eq!(strings(&lake, "id").await.len(), 1);
}

#[test]
fn a_warehouse_is_a_directory_or_a_bucket() {
    assert_eq!(Warehouse::parse("s3://b/p/").unwrap(), Warehouse::Bucket("s3://b/p".into()));
    assert_eq!(Warehouse::parse("lake").unwrap(), Warehouse::Directory("lake".into()));
    for text in ["", "s3://", "s3:///p", "gs://b"] {
        assert!(Warehouse::parse(text).is_err(), "{text}");
    }
}
