//! A lake in a temporary directory, and staged files to commit to it.

#![allow(dead_code)] // each test file uses some of it

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
};

use columns::{FieldIds, FileOptions, FileWriter, Keep, RowBuilder, arrow_schema};
use futures::TryStreamExt as _;
use lake::{Ensured, Lake, LakeConfig, LocalFile, Warehouse};
use model::{
    digest::Digest,
    name::TableName,
    object::{ObjectId, Position, RecordId},
    release::{ReleaseId, Storage},
    schema::TableSchema,
    staged::{BatchId, StagedFile},
    time::Timestamp,
};
use serde_json::{Value, json};

pub fn config(root: &Path) -> LakeConfig {
    LakeConfig {
        catalog: root.join("catalog.db"),
        warehouse: Warehouse::Directory(root.join("lake with space")),
        properties: Default::default(),
    }
}

pub async fn open(root: &Path) -> Lake {
    Lake::open(&config(root)).await.unwrap()
}

pub fn table() -> TableName {
    TableName::parse("events").unwrap()
}

pub fn schema(fields: Value) -> TableSchema {
    serde_json::from_value(json!({ "fields": fields })).unwrap()
}

pub fn plain() -> TableSchema {
    schema(json!([
        {"name": "ts", "type": "timestamp"},
        {"name": "id", "type": "string"},
        {"name": "n", "type": "int"}
    ]))
}

pub async fn with_table(root: &Path, schema: &TableSchema) -> Lake {
    let lake = open(root).await;
    assert_eq!(lake.ensure_table(&table(), schema, &Storage::default()).await.unwrap(), Ensured::Created);
    lake
}

pub const TARGET: NonZeroU64 = NonZeroU64::new(128 << 20).unwrap();

/// Rows of `plain()`: one a timestamp, each with the id of its record.
pub fn rows(object: &str, times: &[&str]) -> Vec<Value> {
    let object = ObjectId(Digest::of(object.as_bytes()));
    let row = |(at, ts): (usize, &&str)| json!({"ts": ts, "id": RecordId::of(object, Position(at as u64)).to_string(), "n": at});
    times.iter().enumerate().map(row).collect()
}

/// A small staged file as the transformer writes it.
pub fn stage(root: &Path, object: &str, schema: &TableSchema, ids: Option<&FieldIds>, rows: &[Value]) -> LocalFile {
    stage_to(Keep::UntilMerged, root, object, schema, ids, rows)
}

/// A staged file, written for what becomes of it.
pub fn stage_to(
    keep: Keep,
    root: &Path,
    object: &str,
    schema: &TableSchema,
    ids: Option<&FieldIds>,
    rows: &[Value],
) -> LocalFile {
    let path = root.join(format!("staged-{object}.parquet"));
    let mut builder = RowBuilder::new(schema, ids);
    for row in rows {
        builder.push_event::<columns::Json>(row);
        builder.end_row();
    }
    let options = FileOptions { keep, ..FileOptions::default() };
    let mut writer = FileWriter::create(&path, arrow_schema(schema, ids), options);
    writer.write(builder.finish().unwrap()).unwrap();
    assert_eq!(builder.take_misfits(), []);
    let stats = writer.finish().unwrap();
    let staged = StagedFile {
        table: table(),
        key: format!("{object}/events.parquet"),
        rows: stats.rows,
        bytes: stats.bytes,
        ts_range: stats.ts_range.unwrap_or((Timestamp::EPOCH, Timestamp::EPOCH)),
        object: ObjectId(Digest::of(object.as_bytes())),
        release: ReleaseId(Digest::of(b"release")),
    };
    LocalFile { path, staged }
}

pub fn batch(files: &[LocalFile]) -> BatchId {
    let staged: Vec<StagedFile> = files.iter().map(|file| file.staged.clone()).collect();
    BatchId::of(&table(), &staged)
}

/// All values of a string column, sorted.
pub async fn strings(lake: &Lake, column: &str) -> Vec<String> {
    use arrow::array::AsArray as _;
    let table = lake.catalog().load_table(&ident()).await.unwrap();
    let scan = table.scan().select([column]).build().unwrap();
    let batches: Vec<_> = scan.to_arrow().await.unwrap().try_collect().await.unwrap();
    let mut out: Vec<String> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    out.sort();
    out
}

pub fn ident() -> iceberg::TableIdent {
    iceberg::TableIdent::from_strs([lake::NAMESPACE, table().as_str()]).unwrap()
}

/// Data files of the current snapshot that a filter does not exclude.
pub async fn planned(lake: &Lake, filter: Option<iceberg::expr::Predicate>) -> Vec<PathBuf> {
    let table = lake.catalog().load_table(&ident()).await.unwrap();
    let mut scan = table.scan();
    if let Some(filter) = filter {
        scan = scan.with_filter(filter);
    }
    let tasks: Vec<_> = scan.build().unwrap().plan_files().await.unwrap().try_collect().await.unwrap();
    let mut paths: Vec<PathBuf> =
        tasks.iter().map(|task| PathBuf::from(task.data_file_path().strip_prefix("file://").unwrap())).collect();
    paths.sort();
    paths
}

/// Every Parquet file below the warehouse.
pub fn parquet_files(root: &Path) -> Vec<PathBuf> {
    let (mut out, mut waiting) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

/// Stops once at the named step.
pub fn failing_once(at: &'static str) -> lake::Failpoint {
    let hit = std::sync::atomic::AtomicBool::new(false);
    Arc::new(move |step| step == at && !hit.swap(true, std::sync::atomic::Ordering::SeqCst))
}
