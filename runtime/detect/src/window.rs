use std::{
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    buffer::NullBuffer,
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
        RowSelection,
    },
};
use parquet::file::metadata::PageIndexPolicy;

use pyo3::{prelude::*, sync::PyOnceLock, types::PyString};

use crate::{
    error::FileError,
    habits::Habits,
    tree::{NodeId, Tree},
};

/// Rows that are decoded together. Large enough that decoding is not felt, small enough that a column of raw events of
/// two kilobytes each stays below 20 MB.
pub const WINDOW: usize = 8192;

/// A Parquet file, of which a column is read when somebody asks for it.
pub struct RowFile {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    tree: Tree,
    /// Windows are counted from here.
    first: u64,
    readers: Vec<Mutex<Option<Reader>>>,
    /// Of each struct, the column that is cheapest to read, to learn where the struct is null.
    cheapest: Vec<NodeId>,
    touched: Vec<AtomicBool>,
    /// By node: its name as Python has it, once somebody asked for it.
    names: Vec<PyOnceLock<Py<PyString>>>,
    habits: Habits,
}

/// Reads one column, window after window.
struct Reader {
    batches: ParquetRecordBatchReader,
    /// The window that comes next.
    next: usize,
}

impl RowFile {
    /// Opens a file whose rows are wanted from `first` on.
    pub fn open(path: &Path, first: u64) -> Result<Self, FileError> {
        let failed = |error: &dyn ToString| FileError::new(path, error.to_string());
        let file = File::open(path).map_err(|error| failed(&error))?;
        // where pages begin: a part of a large file must not cost all pages before it
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(|error| failed(&error))?;
        let tree = Tree::new(metadata.schema().fields());
        let sizes = column_sizes(&metadata);
        let cheapest = (0..tree.len())
            .map(|node| {
                let bytes = |leaf: &NodeId| -> i64 {
                    tree.stored(*leaf).into_iter().map(|column| sizes.get(column).copied().unwrap_or(0)).sum()
                };
                tree.leaves(node).into_iter().min_by_key(bytes).unwrap_or(node)
            })
            .collect();
        Ok(Self {
            path: path.to_owned(),
            first,
            readers: (0..tree.len()).map(|_| Mutex::new(None)).collect(),
            touched: (0..tree.len()).map(|_| AtomicBool::new(false)).collect(),
            names: (0..tree.len()).map(|_| PyOnceLock::new()).collect(),
            habits: Habits::new(&tree),
            cheapest,
            tree,
            metadata,
        })
    }

    /// How many rows the file has.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Its columns.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Dotted paths of the columns that were decoded.
    pub fn touched(&self) -> Vec<String> {
        let touched = self.touched.iter().enumerate().filter(|(_, touched)| touched.load(Ordering::Relaxed));
        touched.map(|(node, _)| self.tree.node(node).path.clone()).collect()
    }

    /// Only these rows of these Parquet columns, in batches.
    pub fn rows_at(
        &self,
        rows: &[u64],
        columns: Option<Vec<usize>>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, FileError>> + use<>, FileError> {
        let ranges = rows.iter().filter_map(|row| usize::try_from(*row).ok()).map(|row| row..row + 1);
        let total = usize::try_from(self.rows()).unwrap_or(usize::MAX);
        let mut builder = self.builder()?.with_row_selection(RowSelection::from_consecutive_ranges(ranges, total));
        if let Some(columns) = columns {
            let mask = ProjectionMask::leaves(builder.parquet_schema(), columns);
            builder = builder.with_projection(mask);
        }
        let path = self.path.clone();
        let reader = builder.with_batch_size(512).build().map_err(|error| FileError::new(&path, error))?;
        Ok(reader.map(move |batch| batch.map_err(|error| FileError::new(&path, error))))
    }

    fn builder(&self) -> Result<ParquetRecordBatchReaderBuilder<File>, FileError> {
        // every reader has a descriptor of its own: duplicates would share one position
        let file = File::open(&self.path).map_err(|error| FileError::new(&self.path, error))?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone()))
    }

    /// One column of one window, still inside its structs.
    fn read(&self, leaf: NodeId, window: usize) -> Result<RecordBatch, FileError> {
        self.touched[leaf].store(true, Ordering::Relaxed);
        let failed = |error: &dyn ToString| FileError::new(&self.path, error.to_string());
        let mut reader = self.readers[leaf].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut at = match reader.take() {
            Some(at) if at.next == window => at,
            Some(_) | None => {
                let builder = self.builder()?;
                let mask = ProjectionMask::leaves(builder.parquet_schema(), self.tree.stored(leaf));
                let offset = usize::try_from(self.first).unwrap_or(usize::MAX).saturating_add(window * WINDOW);
                let builder = builder.with_projection(mask).with_batch_size(WINDOW).with_offset(offset);
                Reader { batches: builder.build().map_err(|error| failed(&error))?, next: window }
            }
        };
        let batch = at.batches.next().ok_or_else(|| failed(&"it has fewer rows than its footer says"))?;
        at.next += 1;
        *reader = Some(at);
        batch.map_err(|error| failed(&error))
    }
}

/// Compressed bytes of each Parquet column.
fn column_sizes(metadata: &ArrowReaderMetadata) -> Vec<i64> {
    let mut sizes = vec![0; metadata.parquet_schema().num_columns()];
    for group in metadata.metadata().row_groups() {
        for (size, column) in sizes.iter_mut().zip(group.columns()) {
            *size += column.compressed_size();
        }
    }
    sizes
}

/// A stretch of rows whose columns are decoded at first touch.
pub struct Window {
    file: Arc<RowFile>,
    number: usize,
    /// By node; of leaves only.
    columns: Vec<OnceLock<ArrayRef>>,
    /// By node, of structs only: where the struct is null. Known when anything below it is decoded.
    nulls: Vec<OnceLock<Option<NullBuffer>>>,
}

impl Window {
    /// The windows of `rows`, which must begin where the file was opened to begin, with the rows of each.
    pub fn all(file: &Arc<RowFile>, rows: Range<u64>) -> impl Iterator<Item = (Arc<Self>, Range<u64>)> + use<> {
        let (file, step) = (file.clone(), WINDOW as u64);
        let starts = (rows.start..rows.end).step_by(WINDOW);
        starts.enumerate().map(move |(number, start)| {
            let nodes = file.tree.len();
            let window = Self {
                file: file.clone(),
                number,
                columns: (0..nodes).map(|_| OnceLock::new()).collect(),
                nulls: (0..nodes).map(|_| OnceLock::new()).collect(),
            };
            (Arc::new(window), start..rows.end.min(start + step))
        })
    }

    /// The file's columns.
    pub fn tree(&self) -> &Tree {
        &self.file.tree
    }

    /// What detections ask for in the file.
    pub fn habits(&self) -> &Habits {
        &self.file.habits
    }

    /// A column's name.
    pub fn name<'py>(&self, py: Python<'py>, node: NodeId) -> &Bound<'py, PyString> {
        self.file.names[node]
            .get_or_init(py, || PyString::intern(py, &self.file.tree.node(node).name).unbind())
            .bind(py)
    }

    /// A leaf's values.
    pub fn column(&self, leaf: NodeId) -> Result<&ArrayRef, FileError> {
        if let Some(array) = self.columns[leaf].get() {
            return Ok(array);
        }
        let batch = self.file.read(leaf, self.number)?;
        let mut array = batch.column(0).clone();
        for group in self.file.tree.around(leaf) {
            let within = array.as_struct();
            self.nulls[group].get_or_init(|| within.nulls().cloned());
            array = within.column(0).clone();
        }
        Ok(self.columns[leaf].get_or_init(|| array))
    }

    /// Whether a struct is null at a row of the window.
    pub fn is_null(&self, group: NodeId, row: usize) -> Result<bool, FileError> {
        if group == Tree::ROOT {
            return Ok(false);
        }
        if self.nulls[group].get().is_none() {
            self.column(self.file.cheapest[group])?;
        }
        let nulls = self.nulls[group].get().and_then(Option::as_ref);
        Ok(nulls.is_some_and(|nulls| nulls.is_null(row)))
    }

    /// Whether nothing below a struct was decoded yet.
    pub fn is_untouched(&self, group: NodeId) -> bool {
        self.nulls[group].get().is_none()
    }
}
