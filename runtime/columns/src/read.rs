use std::path::{Path, PathBuf};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    file::metadata::ParquetMetaData,
};

use crate::{ColumnsError, file};

/// Which columns to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection<'a> {
    /// All.
    All,
    /// These, by dotted path; a struct's or a list's path takes all below it. Paths that the file lacks give nothing.
    Columns(&'a [&'a str]),
}

/// A Parquet file whose footer is read. Clones share it; each read opens the file anew.
#[derive(Debug, Clone)]
pub struct FileReader {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

impl FileReader {
    /// Opens a file and reads its footer.
    pub fn open(path: &Path) -> Result<Self, ColumnsError> {
        let file = file::open(path)?;
        let metadata =
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(ColumnsError::parquet("read", path))?;
        Ok(Self { path: path.to_owned(), metadata })
    }

    /// The Arrow schema of all columns.
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// The footer: row groups, statistics, sorting.
    pub fn footer(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// Whether it was written to last: compressed, and with the statistics by which queries leave files out.
    pub fn lasts(&self) -> bool {
        file::lasts(self.footer())
    }

    /// Batches of at most `rows` rows, in order, one row group after the other.
    pub fn batches(
        &self,
        projection: Projection<'_>,
        rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ColumnsError>> + use<>, ColumnsError> {
        let failed = |path: &Path| ColumnsError::parquet("read", path);
        // a duplicate of one descriptor would share its position with every other read
        let file = file::open(&self.path)?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        if let Projection::Columns(paths) = projection {
            let mask = ProjectionMask::columns(builder.parquet_schema(), paths.iter().copied());
            builder = builder.with_projection(mask);
        }
        let reader = builder.with_batch_size(rows.max(1)).build().map_err(failed(&self.path))?;
        Ok(reader.map(|batch| Ok(batch?)))
    }

    /// All rows of some columns as one batch: for a column or a struct at a time.
    pub fn read(&self, projection: Projection<'_>) -> Result<RecordBatch, ColumnsError> {
        let batches: Vec<RecordBatch> = self.batches(projection, self.rows())?.collect::<Result<_, _>>()?;
        match <[RecordBatch; 1]>::try_from(batches) {
            Ok([batch]) => Ok(batch),
            Err(batches) => {
                let schema = batches.first().map_or_else(|| self.schema().clone(), RecordBatch::schema);
                Ok(arrow::compute::concat_batches(&schema, &batches)?)
            }
        }
    }
}

/// All rows of some columns of a file.
pub fn read_file(path: &Path, projection: Projection<'_>) -> Result<RecordBatch, ColumnsError> {
    FileReader::open(path)?.read(projection)
}
