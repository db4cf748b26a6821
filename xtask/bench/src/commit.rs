//! Commits of one small file: the first of a table against the 800th.

use std::{
    num::NonZeroU64,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use columns::{FileOptions, FileWriter, arrow_schema, json_rows};
use lake::{CommitOutcome, Lake, LakeConfig, LocalFile, Warehouse};
use model::{
    digest::Digest,
    name::TableName,
    object::ObjectId,
    release::{ReleaseId, Storage},
    schema::TableSchema,
    staged::{BatchId, StagedFile},
    system,
};

/// What the commits took.
#[derive(Debug, Clone, Copy)]
pub struct Commits {
    /// How many there were.
    pub count: u32,
    /// The quickest of the first five.
    pub first: Duration,
    /// The quickest of the last five.
    pub last: Duration,
}

/// Commits so many times and times the first and the last ones.
pub fn measure(count: u32) -> Result<Commits> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(commits(count))
}

async fn commits(count: u32) -> Result<Commits> {
    let directory = tempfile::tempdir().context("make a temporary directory")?;
    let config = LakeConfig {
        catalog: directory.path().join("catalog.db"),
        warehouse: Warehouse::Directory(directory.path().join("warehouse")),
        properties: Default::default(),
    };
    let lake = Lake::open(&config).await?;
    let (table, schema, storage) = (TableName::parse("bench_commits")?, system::row_columns(), Storage::default());
    lake.ensure_table(&table, &schema, &storage).await?;
    let path = directory.path().join("staged.parquet");
    let staged = write(&lake, &table, &schema, &path).await?;
    let mut times = Vec::new();
    for number in 0..count {
        let file = StagedFile { key: format!("{number}.parquet"), ..staged.clone() };
        let batch = BatchId::of(&table, std::slice::from_ref(&file));
        let files = [LocalFile { path: path.clone(), staged: file }];
        let start = Instant::now();
        let outcome = lake.commit(&table, &files, batch, target(&storage)).await?;
        times.push(start.elapsed());
        if !matches!(outcome, CommitOutcome::Committed { files: 1, .. }) {
            bail!("expected commit `{number}` to add a file, found {outcome:?}");
        }
    }
    let least = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
    let five = times.len().min(5);
    Ok(Commits { count, first: least(&times[..five]), last: least(&times[times.len() - five..]) })
}

fn target(storage: &Storage) -> NonZeroU64 {
    storage.target_file_bytes
}

/// One staged file of one row.
async fn write(lake: &Lake, table: &TableName, schema: &TableSchema, path: &Path) -> Result<StagedFile> {
    let row = serde_json::json!({"ts": "2026-03-02T09:00:00Z", "message": "a row", "related": {"ip": ["192.0.2.1"]}});
    let (batch, misfits) = json_rows(schema, &[row])?;
    if !misfits.is_empty() {
        bail!("expected a row that fits, found {misfits:?}");
    }
    let batch = batch.with_schema(arrow_schema(schema, Some(&lake.field_ids(table).await?)))?;
    let mut writer = FileWriter::create(path, batch.schema(), FileOptions::default());
    writer.write(batch)?;
    let stats = writer.finish()?;
    Ok(StagedFile {
        table: table.clone(),
        key: String::new(),
        rows: stats.rows,
        bytes: stats.bytes,
        ts_range: stats.ts_range.context("the row has a time")?,
        object: ObjectId(Digest::of(b"bench")),
        release: ReleaseId(Digest::of(b"bench")),
    })
}
