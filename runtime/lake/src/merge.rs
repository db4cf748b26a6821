//! From staged files to data files in the table's location: which go together, and how their bytes get there.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{AsArray, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::{SchemaRef, TimestampMicrosecondType},
};
use bytes::Bytes;
use columns::{FileOptions, FileReader, FileWriter, Projection};
use iceberg::{
    spec::{DataFile, PrimitiveLiteral, Struct},
    table::Table,
};
use model::{staged::BatchId, time::Timestamp};
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use crate::{
    LakeError, LocalFile,
    conform::{conform, fits},
    data_file::{describe, partition, partition_path},
    disk::{local_path, sync_directory, temporary_for},
    schema,
};

/// How many rows are in memory at a time while files are merged.
const BATCH_ROWS: usize = 16 * 1024;

/// How much is sent to a bucket at a time.
const CHUNK_BYTES: usize = 8 << 20;

/// Staged files that become one data file, or one in each partition where they span several.
#[derive(Debug)]
pub(crate) struct Part {
    files: Vec<LocalFile>,
    /// The partition of all rows, where it is known to be one.
    partition: Option<Struct>,
}

/// Groups files by partition and packs each group into parts of at most the target size. Same files, same parts.
pub(crate) fn plan(table: &Table, files: &[LocalFile], target: NonZeroU64) -> Result<Vec<Part>, LakeError> {
    let spec = table.metadata().default_partition_spec();
    let mut files: Vec<&LocalFile> = files.iter().filter(|file| file.staged.rows > 0).collect();
    files.sort_by(|left, right| left.staged.key.cmp(&right.staged.key));
    let mut groups: BTreeMap<String, (Option<Struct>, Vec<&LocalFile>)> = BTreeMap::new();
    for file in files {
        let (first, last) = file.staged.ts_range;
        let (first, last) = (partition(spec, first)?, partition(spec, last)?);
        let one = (first == last).then_some(first);
        let key = one.as_ref().map(|one| format!("one {}", partition_path(table, one)));
        groups.entry(key.unwrap_or_else(|| "several".to_owned())).or_insert_with(|| (one, Vec::new())).1.push(file);
    }
    let pack = |(partition, files): (Option<Struct>, Vec<&LocalFile>)| {
        bins(&files, target).into_iter().map(move |files| Part { files, partition: partition.clone() })
    };
    Ok(groups.into_values().flat_map(pack).collect())
}

fn bins(files: &[&LocalFile], target: NonZeroU64) -> Vec<Vec<LocalFile>> {
    let (mut bins, mut bin, mut bytes) = (Vec::new(), Vec::new(), 0);
    for file in files {
        if !bin.is_empty() && bytes + file.staged.bytes > target.get() {
            bins.push(std::mem::take(&mut bin));
            bytes = 0;
        }
        bytes += file.staged.bytes;
        bin.push((*file).clone());
    }
    bins.extend((!bin.is_empty()).then_some(bin));
    bins
}

/// Brings the rows of a part into the table's location; `added` has the files also where it fails on the way.
pub(crate) async fn write(
    table: &Table,
    part: Part,
    batch: BatchId,
    added: &mut Vec<DataFile>,
) -> Result<(), LakeError> {
    let want = arrow_schema(table)?;
    for piece in pieces(table, part, &want).await? {
        added.push(bring(table, &piece, batch).await?);
    }
    Ok(())
}

/// Puts one file into the table's location and describes it.
pub(crate) async fn bring(table: &Table, piece: &Piece, batch: BatchId) -> Result<DataFile, LakeError> {
    let location = location(table, &piece.partition, batch);
    place(table, piece, &location).await?;
    let data_file = describe(table, location, &piece.path, piece.partition.clone())?;
    check_partition(table, piece, &data_file)?;
    Ok(data_file)
}

/// A row in the wrong partition would be there and never be found. The footer says what the rows say.
fn check_partition(table: &Table, piece: &Piece, data_file: &DataFile) -> Result<(), LakeError> {
    let metadata = table.metadata();
    let Some(ts) = metadata.current_schema().field_id_by_name(schema::TS) else { return Ok(()) };
    for bound in [data_file.lower_bounds().get(&ts), data_file.upper_bounds().get(&ts)].into_iter().flatten() {
        let micros = match bound.literal() {
            PrimitiveLiteral::Long(micros) => Timestamp::from_micros(*micros),
            _ => None,
        };
        let found = micros.map(|ts| partition(metadata.default_partition_spec(), ts)).transpose()?;
        if found.as_ref() != Some(&piece.partition) {
            let problem = format!("expected rows of {}, found `ts` {bound}", partition_path(table, &piece.partition));
            return Err(LakeError::Staged { path: piece.path.clone(), problem });
        }
    }
    Ok(())
}

/// Rows of one partition, ready in one local file.
#[derive(Debug)]
pub(crate) struct Piece {
    path: PathBuf,
    partition: Struct,
    /// Kept for as long as `path` is in it.
    _scratch: Option<Arc<Scratch>>,
}

impl Piece {
    /// The rows of an unpartitioned table.
    pub(crate) fn whole(path: PathBuf, scratch: Scratch) -> Self {
        Self { path, partition: Struct::empty(), _scratch: Some(Arc::new(scratch)) }
    }
}

/// A directory that goes away with its last file.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

async fn pieces(table: &Table, part: Part, want: &SchemaRef) -> Result<Vec<Piece>, LakeError> {
    if let ([file], Some(partition)) = (part.files.as_slice(), &part.partition) {
        let reader = FileReader::open(&file.path)?;
        if reader.lasts() && fits(reader.schema().fields(), want.fields()) {
            return Ok(vec![Piece { path: file.path.clone(), partition: partition.clone(), _scratch: None }]);
        }
    }
    let (table, want) = (table.clone(), want.clone());
    let merged = tokio::task::spawn_blocking(move || merge(&table, &part, &want));
    merged.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Reads all rows of a part and writes one file for each partition they fall into.
fn merge(table: &Table, part: &Part, want: &SchemaRef) -> Result<Vec<Piece>, LakeError> {
    let scratch = Arc::new(scratch(table)?);
    let mut writers: BTreeMap<String, (Struct, FileWriter, PathBuf)> = BTreeMap::new();
    for file in &part.files {
        let broken =
            |error: arrow::error::ArrowError| LakeError::Staged { path: file.path.clone(), problem: error.to_string() };
        for rows in FileReader::open(&file.path)?.batches(Projection::All, BATCH_ROWS)? {
            let rows = conform(&rows?, want).map_err(broken)?;
            for (partition, rows) in split(table, part, &file.path, rows)? {
                let key = partition_path(table, &partition);
                let count = writers.len();
                let (_, writer, _) = writers.entry(key).or_insert_with(|| {
                    let path = scratch.0.join(format!("{count}.parquet"));
                    (partition, FileWriter::create(&path, want.clone(), FileOptions::default()), path)
                });
                writer.write(rows)?;
            }
        }
    }
    let finish = |(partition, writer, path): (Struct, FileWriter, PathBuf)| {
        writer.finish()?;
        Ok(Piece { path, partition, _scratch: Some(scratch.clone()) })
    };
    writers.into_values().map(finish).collect()
}

/// Rows by partition; all of them in one piece where the part is known to have one.
fn split(table: &Table, part: &Part, path: &Path, rows: RecordBatch) -> Result<Vec<(Struct, RecordBatch)>, LakeError> {
    if let Some(partition) = &part.partition {
        return Ok(vec![(partition.clone(), rows)]);
    }
    let bad = |problem: &str| LakeError::Staged { path: path.to_owned(), problem: problem.to_owned() };
    let times = rows.column_by_name(schema::TS).and_then(|ts| ts.as_primitive_opt::<TimestampMicrosecondType>());
    let times = times.ok_or_else(|| bad("expected a column `ts` of type `timestamp`, found none"))?;
    let mut by_partition: BTreeMap<String, (Struct, Vec<u32>)> = BTreeMap::new();
    for (row, micros) in times.iter().enumerate() {
        let ts = micros.and_then(Timestamp::from_micros).ok_or_else(|| bad("a row has no `ts`"))?;
        let value = partition(table.metadata().default_partition_spec(), ts)?;
        by_partition.entry(partition_path(table, &value)).or_insert_with(|| (value, Vec::new())).1.push(row as u32);
    }
    let take = |(value, rows_of): (Struct, Vec<u32>)| {
        let taken = take_record_batch(&rows, &UInt32Array::from(rows_of)).map_err(|error| bad(&error.to_string()))?;
        Ok((value, taken))
    };
    by_partition.into_values().map(take).collect()
}

/// Beside the data of a directory warehouse, so that a rename is enough; else among the machine's temporary files.
pub(crate) fn scratch(table: &Table) -> Result<Scratch, LakeError> {
    let parent = match local_path(table.metadata().location()) {
        Some(directory) => directory.join("data"),
        None => std::env::temp_dir(),
    };
    fs::create_dir_all(&parent).map_err(LakeError::file("create", &parent))?;
    let path = temporary_for(&parent.join("merge"));
    fs::create_dir(&path).map_err(LakeError::file("create", &path))?;
    Ok(Scratch(path))
}

/// No two attempts use one name: what the table does not name now, it never will (see [`crate::orphans`]).
fn location(table: &Table, partition: &Struct, batch: BatchId) -> String {
    let path = partition_path(table, partition);
    let directory = if path.is_empty() { String::new() } else { format!("{path}/") };
    let base = table.metadata().location();
    format!("{base}/data/{directory}{}-{}.parquet", batch.0.short(12), Uuid::new_v4().simple())
}

/// Puts a piece at its location.
async fn place(table: &Table, piece: &Piece, location: &str) -> Result<(), LakeError> {
    if let Some(target) = local_path(location) {
        return link(&piece.path, &target);
    }
    // a PUT shows the whole object or none
    let failed = || LakeError::iceberg(format!("write `{location}`"));
    let mut writer = table.file_io().new_output(location).map_err(failed())?.writer().await.map_err(failed())?;
    let opened = tokio::fs::File::open(&piece.path).await;
    let mut file = opened.map_err(LakeError::file("open", &piece.path))?;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let mut limited = (&mut file).take(CHUNK_BYTES as u64);
        let read = limited.read_to_end(&mut chunk).await.map_err(LakeError::file("read", &piece.path))?;
        if read == 0 {
            break;
        }
        writer.write(Bytes::from(chunk)).await.map_err(failed())?;
    }
    writer.close().await.map_err(failed())?;
    Ok(())
}

/// A second name for the file where that is possible, else a copy.
fn link(from: &Path, to: &Path) -> Result<(), LakeError> {
    let directory = to.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory).map_err(LakeError::file("create", directory))?;
    // another file system, or one without links
    if fs::hard_link(from, to).is_err() {
        let temporary = temporary_for(to);
        let copy = || {
            fs::copy(from, &temporary)?;
            fs::File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, to)
        };
        let copied = copy();
        fs::remove_file(&temporary).ok();
        copied.map_err(LakeError::file("copy", to))?;
    }
    sync_directory(to).map_err(LakeError::file("sync", directory))
}

/// The table's columns with their ids, as its data files have them.
pub(crate) fn arrow_schema(table: &Table) -> Result<SchemaRef, LakeError> {
    let current = table.metadata().current_schema();
    let columns = crate::table::columns_of(table)?;
    Ok(columns::arrow_schema(&columns, Some(&schema::field_ids(current))))
}
