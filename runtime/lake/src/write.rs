//! Staged files whose rows do something to those that are there: an enrichment table's.
//!
//! Whatever the effect, it is one snapshot: a reader sees the table before or after. It carries the batch id like any other,
//! so a batch takes effect once, however often it is tried and whatever came after it.

use std::{collections::HashMap, num::NonZeroU64};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, make_array},
    buffer::NullBuffer,
    compute::filter_record_batch,
    error::ArrowError,
    row::{OwnedRow, RowConverter, SortField},
};
use columns::{FileOptions, FileReader, FileWriter, Projection};
use futures::TryStreamExt as _;
use iceberg::{spec::DataFile, table::Table};
use model::{name::TableName, staged::BatchId};
use tracing::info;

use crate::{
    CommitOutcome, Lake, LakeError, LocalFile,
    base::has_batch,
    conform::conform,
    merge,
    overwrite::{self, Prepared},
    read::{Files, Reading, read},
};

/// What new rows do to those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: they are added.
    Append,
    /// They take the place of all of them.
    Overwrite,
    /// They take the place of those with the same values in these columns, given by dotted path. A row that has no value in
    /// one of them is like no other. Of new rows that are alike the last counts. For tables without partitions.
    Merge(Vec<String>),
}

/// The snapshot that a table is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its id.
    pub snapshot: i64,
    /// The one before it.
    pub parent: Option<i64>,
    /// The batch it brought, unless something else than matano made it.
    pub batch: Option<BatchId>,
}

/// How often a change is prepared anew because another process changed the table in the meantime.
const ATTEMPTS: usize = 20;

/// How many rows are in memory at a time while files are copied.
const BATCH_ROWS: usize = 16 * 1024;

impl Lake {
    /// The snapshot that a table is at; `None` before the first.
    pub async fn head(&self, name: &TableName) -> Result<Option<Head>, LakeError> {
        let table = self.load(name).await?;
        Ok(table.metadata().current_snapshot().map(|snapshot| Head {
            snapshot: snapshot.snapshot_id(),
            parent: snapshot.parent_snapshot_id(),
            batch: crate::expire::batch(snapshot),
        }))
    }

    /// Every row of a table under its current columns, those that came last at the end.
    pub async fn rows(&self, name: &TableName) -> Result<Vec<RecordBatch>, LakeError> {
        rows(&self.load(name).await?).await
    }

    /// Like [`Lake::commit`], with an effect on the rows that are there.
    pub async fn write(
        &self,
        name: &TableName,
        files: &[LocalFile],
        batch: BatchId,
        target_file_bytes: NonZeroU64,
        effect: &Effect,
    ) -> Result<CommitOutcome, LakeError> {
        let keys = match effect {
            Effect::Append => return self.commit(name, files, batch, target_file_bytes).await,
            Effect::Overwrite => None,
            Effect::Merge(keys) => Some(keys),
        };
        let lock = self.lock(name).await;
        let _committing = lock.lock().await;
        for _ in 0..ATTEMPTS {
            let table = self.load(name).await?;
            if has_batch(table.metadata(), batch) {
                return Ok(CommitOutcome::AlreadyCommitted);
            }
            let added = match keys {
                None => self.data_files(&table, files, batch, target_file_bytes).await?,
                Some(keys) => merged(&table, files, batch, keys).await?,
            };
            self.step("commit: data files written")?;
            let prepared = overwrite::prepare(&table, added.clone(), batch).await?;
            self.step("commit: snapshot prepared")?;
            if self.swap(name, &table, &prepared).await? {
                self.step("commit: snapshot committed")?;
                let rows = added.iter().map(DataFile::record_count).sum();
                let bytes = added.iter().map(DataFile::file_size_in_bytes).sum();
                info!(table = %name, batch = %batch.0.short(12), files = added.len(), rows, bytes, "rows replaced");
                return Ok(CommitOutcome::Committed {
                    snapshot: Some(prepared.snapshot),
                    files: added.len(),
                    rows,
                    bytes,
                });
            }
            self.discard(&added).await;
        }
        Err(LakeError::Contended(name.clone()))
    }

    /// Whether the prepared version is the table's now; if not, another writer was first.
    async fn swap(&self, name: &TableName, before: &Table, prepared: &Prepared) -> Result<bool, LakeError> {
        let Prepared { base, location, snapshot: _ } = prepared;
        if self.pointer.swap(name, base, location).await? {
            self.clean(before, &self.load(name).await?).await;
            return Ok(true);
        }
        // nothing names it
        if let Err(error) = before.file_io().delete(location).await {
            tracing::warn!(file = location, %error, "a metadata file that was not used stays");
        }
        Ok(false)
    }
}

/// The rows of a snapshot. One file after the other: their order says which came last.
async fn rows(table: &Table) -> Result<Vec<RecordBatch>, LakeError> {
    read(table, Reading { files: Files::InOrder, ..Reading::default() }).await?.try_collect().await
}

/// The table's rows with the new ones in place of those that have their keys, as one data file.
async fn merged(
    table: &Table,
    files: &[LocalFile],
    batch: BatchId,
    keys: &[String],
) -> Result<Vec<DataFile>, LakeError> {
    let want = merge::arrow_schema(table)?;
    let broken = |path: &std::path::Path, error: ArrowError| LakeError::Staged {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let mut new = Vec::new();
    for file in files {
        for rows in FileReader::open(&file.path)?.batches(Projection::All, BATCH_ROWS)? {
            new.push(conform(&rows?, &want).map_err(|error| broken(&file.path, error))?);
        }
    }
    let path = files.first().map(|file| file.path.clone()).unwrap_or_default();
    let old = rows(table).await?.iter().map(|rows| conform(rows, &want)).collect::<Result<Vec<_>, _>>();
    let all = old.and_then(|old| newest(old, new, keys)).map_err(|error| broken(&path, error))?;
    let scratch = merge::scratch(table)?;
    let path = scratch.path().join("0.parquet");
    let mut writer = FileWriter::create(&path, want, FileOptions::default());
    for rows in all {
        writer.write(rows)?;
    }
    let rows = writer.finish()?.rows;
    if rows == 0 {
        return Ok(Vec::new());
    }
    let piece = merge::Piece::whole(path, scratch);
    Ok(vec![merge::bring(table, &piece, batch).await?])
}

/// Old rows and new ones, without those for which a later new one stands.
fn newest(old: Vec<RecordBatch>, new: Vec<RecordBatch>, keys: &[String]) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut last: HashMap<OwnedRow, usize> = HashMap::new();
    let mut converter = None;
    let mut place = 0;
    for rows in &new {
        for key in row_keys(rows, keys, &mut converter)? {
            if let Some(key) = key {
                last.insert(key, place);
            }
            place += 1;
        }
    }
    let mut out = Vec::with_capacity(old.len() + new.len());
    for rows in old {
        let found = row_keys(&rows, keys, &mut converter)?;
        let stays: BooleanArray =
            found.iter().map(|key| Some(key.as_ref().is_none_or(|key| !last.contains_key(key)))).collect();
        out.push(filter_record_batch(&rows, &stays)?);
    }
    let mut place = 0;
    for rows in new {
        let found = row_keys(&rows, keys, &mut converter)?;
        let counts: BooleanArray = found
            .iter()
            .enumerate()
            .map(|(row, key)| Some(key.as_ref().is_none_or(|key| last.get(key) == Some(&(place + row)))))
            .collect();
        place += rows.num_rows();
        out.push(filter_record_batch(&rows, &counts)?);
    }
    Ok(out)
}

/// The key of each row; `None` where a part of it has no value.
fn row_keys(
    rows: &RecordBatch,
    keys: &[String],
    converter: &mut Option<RowConverter>,
) -> Result<Vec<Option<OwnedRow>>, ArrowError> {
    let columns = keys.iter().map(|key| leaf(rows, key)).collect::<Result<Vec<ArrayRef>, _>>()?;
    let converter = match converter {
        Some(converter) => converter,
        None => {
            let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
            converter.insert(RowConverter::new(fields)?)
        }
    };
    let converted = converter.convert_columns(&columns)?;
    let key = |row: usize| {
        let is_whole = columns.iter().all(|column| column.is_valid(row));
        is_whole.then(|| converted.row(row).owned())
    };
    Ok((0..rows.num_rows()).map(key).collect())
}

/// The column at a dotted path, null where a struct on the way is.
fn leaf(rows: &RecordBatch, path: &str) -> Result<ArrayRef, ArrowError> {
    let missing = || ArrowError::SchemaError(format!("the table has no column `{path}`"));
    let mut names = path.split('.');
    let first = names.next().unwrap_or_default();
    let mut array = rows.column_by_name(first).ok_or_else(missing)?.clone();
    for name in names {
        let parent = array.as_struct_opt().ok_or_else(missing)?;
        let child = parent.column_by_name(name).ok_or_else(missing)?;
        let nulls = NullBuffer::union(parent.nulls(), child.nulls());
        array = make_array(child.to_data().into_builder().nulls(nulls).build()?);
    }
    Ok(array)
}
