use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray, UInt32Array},
    compute::{SortOptions, concat_batches, sort_to_indices, take_record_batch},
    datatypes::{DataType, SchemaRef, TimestampMicrosecondType},
};
use model::time::Timestamp;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    file::{
        metadata::{KeyValue, ParquetMetaData, SortingColumn},
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};

use crate::{ColumnsError, schema::join};

/// The column by which rows lie and are pruned.
const TIME: &str = "ts";

/// Columns that people look single values up in.
const LOOKED_UP: &[&str] = &["source.ip", "user.name", "event.id"];
const LOOKED_UP_BELOW: &str = "related.";

/// Columns with long texts of their own on every row: neither a dictionary nor the least and the greatest of them is of
/// use, and both cost.
const UNLIKE: &[&str] = &["event.original", "matano.record_id", "message", "raw"];

/// A column with fewer bytes of values in a file's first rows is not compressed: a compressor, and on reading a decompressor,
/// costs tens of microseconds to set up, and most columns of a wide table have few values or none.
const WORTH_COMPRESSING: usize = 8 * 1024;

/// A file that is not meant to last says so under this key.
const READ_ONCE: &str = "matano.read_once";

/// Rows of a page: as many as detections are shown at a time, so that no page is decoded twice for them.
const PAGE_ROWS: usize = 8 * 1024;

/// How files are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOptions {
    /// A row group is closed at this many rows,
    pub row_group_rows: usize,
    /// or at about this many bytes of values. This bounds memory.
    pub row_group_bytes: usize,
    /// Bloom filters are written where the first row group has as many rows; in smaller ones they cost more than they save.
    pub bloom_filter_rows: usize,
    /// What becomes of the file.
    pub keep: Keep,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It lasts: sorted by `ts` so that a stretch of time is found in few pages, compressed, with statistics, synced to disk.
    ForGood,
    /// It is sorted and synced, and will be merged with others before it lasts. So where it does not fill a row group, nothing
    /// is spent on its size or its statistics: see [`crate::FileReader::lasts`].
    UntilMerged,
    /// It is read once and gone: rows lie as they were written, so that one can be found again by its number, and nothing is
    /// spent on their size. A compressor for each of a wide table's columns takes more memory than the rows of many tests.
    ForNow,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            row_group_rows: 512 * 1024,
            row_group_bytes: 64 << 20,
            bloom_filter_rows: 16 * 1024,
            keep: Keep::ForGood,
        }
    }
}

/// What is in a finished file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStats {
    /// How many rows.
    pub rows: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The earliest and the latest `ts`; `None` without rows or without such a column.
    pub ts_range: Option<(Timestamp, Timestamp)>,
}

/// Writes one Parquet file, unless told otherwise as the lake stores it: zstd level 1, rows sorted by `ts` within each row
/// group, statistics and page index, bloom filters on the columns that people look single values up in.
///
/// The file appears under its name when it is complete, and on disk if it lasts; dropped unfinished, it leaves nothing behind.
pub struct FileWriter {
    path: PathBuf,
    partial: PathBuf,
    schema: SchemaRef,
    options: FileOptions,
    writer: Option<ArrowWriter<BufWriter<File>>>,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    rows: u64,
    ts_range: Option<(i64, i64)>,
    finished: bool,
}

impl FileWriter {
    /// Starts a file for batches of this schema. Its directory must exist.
    pub fn create(path: &Path, schema: SchemaRef, options: FileOptions) -> Self {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        Self {
            path: path.to_owned(),
            partial: path.with_file_name(name),
            schema,
            options,
            writer: None,
            pending: Vec::new(),
            pending_rows: 0,
            pending_bytes: 0,
            rows: 0,
            ts_range: None,
            finished: false,
        }
    }

    /// Takes rows in. They are written when a row group is full.
    pub fn write(&mut self, batch: RecordBatch) -> Result<(), ColumnsError> {
        let mut rest = batch;
        while self.pending_rows + rest.num_rows() > self.options.row_group_rows {
            let room = self.options.row_group_rows - self.pending_rows;
            let first = rest.slice(0, room);
            rest = rest.slice(room, rest.num_rows() - room);
            self.pend(first);
            self.flush()?;
        }
        self.pend(rest);
        if self.pending_bytes >= self.options.row_group_bytes {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is left, syncs the file to disk and gives it its name.
    pub fn finish(mut self) -> Result<FileStats, ColumnsError> {
        if self.options.keep == Keep::UntilMerged && self.writer.is_none() {
            self.writer = Some(self.open(READ_ONCE_PROPERTIES.clone())?);
        }
        self.flush()?;
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.open(self.properties(&RecordBatch::new_empty(self.schema.clone())))?,
        };
        let failed = |action| ColumnsError::io(action, &self.partial);
        let buffer = writer.into_inner().map_err(ColumnsError::parquet("write", &self.partial))?;
        let file = buffer.into_inner().map_err(|error| failed("write")(error.into_error()))?;
        if self.options.keep != Keep::ForNow {
            file.sync_all().map_err(failed("sync"))?;
        }
        let bytes = file.metadata().map_err(failed("measure"))?.len();
        drop(file);
        std::fs::rename(&self.partial, &self.path).map_err(failed("rename"))?;
        self.finished = true;
        let directory = self.path.parent().filter(|path| !path.as_os_str().is_empty());
        if let Some(directory) = directory.filter(|_| self.options.keep != Keep::ForNow) {
            // the rename is on disk only when the directory is
            let synced = File::open(directory).and_then(|directory| directory.sync_all());
            synced.map_err(ColumnsError::io("sync", directory))?;
        }
        let ts_range = self
            .ts_range
            .and_then(|(first, last)| Some((Timestamp::from_micros(first)?, Timestamp::from_micros(last)?)));
        Ok(FileStats { rows: self.rows, bytes, ts_range })
    }

    fn pend(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.pending_rows += batch.num_rows();
            self.pending_bytes += batch.get_array_memory_size();
            self.pending.push(batch);
        }
    }

    /// Writes the pending rows as one row group; does nothing where there are none.
    fn flush(&mut self) -> Result<(), ColumnsError> {
        let pending = std::mem::take(&mut self.pending);
        let rows = std::mem::take(&mut self.pending_rows);
        self.pending_bytes = 0;
        let batch = match <[RecordBatch; 1]>::try_from(pending) {
            Ok([batch]) => batch,
            Err(batches) if batches.is_empty() => return Ok(()),
            Err(batches) => concat_batches(&self.schema, &batches)?,
        };
        let batch = self.sorted(batch)?;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.open(self.properties(&batch))?,
        };
        let failed = || ColumnsError::parquet("write", &self.partial);
        writer.write(&batch).map_err(failed())?;
        writer.flush().map_err(failed())?;
        self.rows += rows as u64;
        self.writer = Some(writer);
        Ok(())
    }

    fn sorted(&mut self, batch: RecordBatch) -> Result<RecordBatch, ColumnsError> {
        let Some(times) = times(&batch) else { return Ok(batch) };
        if let (Some(first), Some(last)) = (arrow::compute::min(times), arrow::compute::max(times)) {
            let range = self.ts_range.get_or_insert((first, last));
            *range = (range.0.min(first), range.1.max(last));
        }
        match self.options.keep {
            Keep::ForGood | Keep::UntilMerged => sorted_by_time(batch),
            Keep::ForNow => Ok(batch),
        }
    }

    /// How the file is written whose first row group has these rows.
    fn properties(&self, first: &RecordBatch) -> WriterProperties {
        match self.options.keep {
            Keep::ForGood | Keep::UntilMerged => lasting(first, &self.options),
            Keep::ForNow => READ_ONCE_PROPERTIES.clone(),
        }
    }

    fn open(&self, properties: WriterProperties) -> Result<ArrowWriter<BufWriter<File>>, ColumnsError> {
        let file = File::create(&self.partial).map_err(ColumnsError::io("create", &self.partial))?;
        // a missing bit of buffer costs a system call for every page
        let buffer = BufWriter::with_capacity(1 << 16, file);
        // Parquet's own types say all that Arrow's do of a table's columns
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        ArrowWriter::try_new_with_options(buffer, self.schema.clone(), options)
            .map_err(ColumnsError::parquet("write", &self.partial))
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.finished {
            // nobody can be told here; a leftover `.partial` is overwritten by the next attempt
            drop(std::fs::remove_file(&self.partial));
        }
    }
}

/// The rows in order of `ts`, those of the same time as they were; a batch without that column as it is.
pub fn sorted_by_time(batch: RecordBatch) -> Result<RecordBatch, ColumnsError> {
    match times(&batch) {
        Some(times) if times.null_count() > 0 || !times.values().is_sorted() => {
            let indices = stable_order(times)?;
            Ok(take_record_batch(&batch, &indices)?)
        }
        Some(_) | None => Ok(batch),
    }
}

fn times(batch: &RecordBatch) -> Option<&TimestampMicrosecondArray> {
    batch.column_by_name(TIME)?.as_primitive_opt::<TimestampMicrosecondType>()
}

/// Rows of the same time keep their order.
fn stable_order(times: &TimestampMicrosecondArray) -> Result<UInt32Array, ColumnsError> {
    if times.null_count() > 0 {
        return Ok(sort_to_indices(times, Some(SortOptions { descending: false, nulls_first: false }), None)?);
    }
    let values = times.values();
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_by_key(|&row| values[row as usize]);
    Ok(UInt32Array::from(order))
}

/// How a file is written that is not to last.
static READ_ONCE_PROPERTIES: LazyLock<WriterProperties> = LazyLock::new(|| {
    WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(vec![KeyValue::new(READ_ONCE.to_owned(), None)]))
        .build()
});

/// Whether a file with this footer may stay as it is.
pub(crate) fn lasts(footer: &ParquetMetaData) -> bool {
    let read_once = |pairs: &Vec<KeyValue>| pairs.iter().any(|pair| pair.key == READ_ONCE);
    !footer.file_metadata().key_value_metadata().is_some_and(read_once)
}

/// How a file is written that lasts and whose first row group has these rows.
fn lasting(first: &RecordBatch, options: &FileOptions) -> WriterProperties {
    let (schema, first_rows) = (first.schema(), first.num_rows());
    let mut leaves = Vec::new();
    for (field, array) in schema.fields().iter().zip(first.columns()) {
        leaf(field.name(), &[field.name().clone()], array, &mut leaves);
    }
    let time = leaves.iter().position(|leaf| leaf.dotted == TIME).filter(|_| times(first).is_some());
    let sorting = time
        .and_then(|index| i32::try_from(index).ok())
        .map(|column_idx| vec![SortingColumn { column_idx, descending: false, nulls_first: false }]);
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default());
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("matano ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_max_row_group_row_count(Some(options.row_group_rows))
        .set_sorting_columns(sorting);
    for Leaf { dotted, path, bytes } in leaves {
        if bytes >= WORTH_COMPRESSING {
            builder = builder.set_column_compression(path.clone(), zstd);
        }
        if UNLIKE.contains(&dotted.as_str()) {
            builder = builder.set_column_statistics_enabled(path, EnabledStatistics::None);
            continue;
        }
        if bytes == 0 {
            continue;
        }
        // before it has a value, a dictionary takes 70 kB
        builder = builder.set_column_dictionary_enabled(path.clone(), true);
        if first_rows >= options.bloom_filter_rows
            && (LOOKED_UP.contains(&dotted.as_str()) || dotted.starts_with(LOOKED_UP_BELOW))
        {
            builder = builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), 0.01)
                .set_column_bloom_filter_ndv(path, first_rows as u64);
        }
    }
    builder.build()
}

/// A column of Parquet.
struct Leaf {
    /// As the table knows it.
    dotted: String,
    /// As Parquet knows it.
    path: ColumnPath,
    /// Of values in memory; 0 where no row has one.
    bytes: usize,
}

fn leaf(dotted: &str, parts: &[String], array: &ArrayRef, out: &mut Vec<Leaf>) {
    let below =
        |more: &[&str]| parts.iter().cloned().chain(more.iter().map(|part| (*part).to_owned())).collect::<Vec<_>>();
    match array.data_type() {
        DataType::Struct(members) => {
            for (member, array) in members.iter().zip(array.as_struct().columns()) {
                leaf(&join(dotted, member.name()), &below(&[member.name()]), array, out);
            }
        }
        DataType::List(element) => {
            // a slice of a list array has the elements of all of it
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
            leaf(dotted, &below(&["list", element.name()]), &list.values().slice(first, last - first), out);
        }
        _ => {
            let path = ColumnPath::new(parts.to_vec());
            let bytes = match array.null_count() == array.len() {
                true => 0,
                // an array that cannot say so is taken for a large one
                false => array.to_data().get_slice_memory_size().unwrap_or(usize::MAX),
            };
            out.push(Leaf { dotted: dotted.to_owned(), path, bytes });
        }
    }
}

/// Shared by whoever reads what was written.
pub(crate) fn open(path: &Path) -> Result<File, ColumnsError> {
    File::open(path).map_err(ColumnsError::io("open", path))
}
