use std::path::PathBuf;

use columns::ColumnsError;
use model::{name::TableName, release::Partition, schema::FieldType, staged::BatchId};

/// What can go wrong with the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The catalog or the warehouse refused or could not be reached.
    #[error("cannot {action}: {source}")]
    Iceberg {
        /// What was tried: "commit to table `x`".
        action: String,
        /// Why it failed.
        source: Box<iceberg::Error>,
    },
    /// The catalog's file could not be opened.
    #[error("cannot open the catalog `{}`: {source}", path.display())]
    Catalog {
        /// Its path.
        path: PathBuf,
        /// Why it failed.
        source: sqlx::Error,
    },
    /// A file of the warehouse or a staged file could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// What was tried: "link".
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A Parquet file could not be read or written.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// The warehouse is neither a directory nor a bucket.
    #[error("warehouse `{0}`: expected a directory or `s3://bucket/prefix`")]
    Warehouse(String),
    /// The table is not in the catalog.
    #[error("table `{0}` does not exist in the lake: deploy the project first")]
    UnknownTable(TableName),
    /// A change that would lose or misread data.
    #[error(
        "column `{path}` of table `{table}`: expected `{from}`, which its rows have, found `{to}`: \
         a column keeps its type; give the new values a column of another name"
    )]
    Incompatible {
        /// The table.
        table: TableName,
        /// Dotted path of the column; `[]` stands for a list's element.
        path: String,
        /// What it is.
        from: FieldType,
        /// What was asked for.
        to: FieldType,
    },
    /// The table is there and partitioned otherwise.
    #[error(
        "table `{table}`: expected partition `{}`, which its rows lie in, found `{}`: \
         the partitions of a table cannot be changed",
        partition_word(*have),
        partition_word(*want)
    )]
    Partitioned {
        /// The table.
        table: TableName,
        /// How it is partitioned.
        have: Partition,
        /// What was asked for.
        want: Partition,
    },
    /// A partition by time needs the column `ts`.
    #[error("table `{0}`: expected a column `ts` of type `timestamp` to partition by, found none")]
    NoTimestamp(TableName),
    /// The table was made by something else, in a shape that matano does not write.
    #[error("table `{table}`: {problem}")]
    Foreign {
        /// The table.
        table: TableName,
        /// What is unknown about it.
        problem: String,
    },
    /// A staged file is not what its message says.
    #[error("staged file `{}`: {problem}", path.display())]
    Staged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The catalog accepted a commit and then did not have it: its disk may be full.
    #[error("table `{table}`: the catalog lost the commit of batch {batch}: check the disk of the catalog and try again", batch = batch.0.short(12))]
    Lost {
        /// The table.
        table: TableName,
        /// The batch.
        batch: BatchId,
    },
    /// The catalog's word for where a table is could not be changed.
    #[error("cannot replace the rows of table `{table}`: {source}")]
    Swap {
        /// The table.
        table: TableName,
        /// Why it failed.
        source: sqlx::Error,
    },
    /// Others changed the table faster than this process could.
    #[error("table `{0}` was changed by other processes again and again: try again later")]
    Contended(TableName),
    /// A file that the table names is not in the warehouse.
    #[error(
        "table `{table}`: expected the data file `{file}`, which its current snapshot names, found none: restore it from a backup"
    )]
    Missing {
        /// The table.
        table: TableName,
        /// Where it should be.
        file: String,
    },
    /// The files of a bucket could not be listed.
    #[error("cannot list `{location}`: {source}")]
    Listing {
        /// Which prefix.
        location: String,
        /// Why it failed.
        source: Box<opendal::Error>,
    },
    /// A failpoint of a test.
    #[error("stopped at failpoint `{0}`")]
    Failpoint(&'static str),
}

impl LakeError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Iceberg { source, .. } => source.retryable() || is_transient(source),
            Self::Catalog { .. }
            | Self::File { .. }
            | Self::Lost { .. }
            | Self::Swap { .. }
            | Self::Contended(_)
            | Self::Failpoint(_) => true,
            Self::Listing { source, .. } => source.is_temporary(),
            Self::Columns(error) => error.is_retryable(),
            Self::Warehouse(_)
            | Self::UnknownTable(_)
            | Self::Incompatible { .. }
            | Self::Partitioned { .. }
            | Self::NoTimestamp(_)
            | Self::Foreign { .. }
            | Self::Missing { .. }
            | Self::Staged { .. } => false,
        }
    }

    pub(crate) fn iceberg(action: impl Into<String>) -> impl FnOnce(iceberg::Error) -> Self {
        let action = action.into();
        move |source| Self::Iceberg { action, source: Box::new(source) }
    }

    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

/// A locked catalog, a full disk, a lost connection: iceberg calls all of these unexpected.
fn is_transient(error: &iceberg::Error) -> bool {
    error.kind() == iceberg::ErrorKind::Unexpected
}

fn partition_word(partition: Partition) -> &'static str {
    match partition {
        Partition::Hour => "hour",
        Partition::Day => "day",
        Partition::Month => "month",
        Partition::None => "none",
    }
}
