use std::path::{Path, PathBuf};

/// What can go wrong with columns and files. Values that do not fit are no errors, see [`Misfit`].
#[derive(Debug, thiserror::Error)]
pub enum ColumnsError {
    /// A file could not be opened, written, synced or renamed.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried: "write".
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Parquet refused to write, or found no Parquet to read.
    #[error("cannot {action} Parquet file `{}`: {source}", path.display())]
    Parquet {
        /// What was tried: "read".
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: parquet::errors::ParquetError,
    },
    /// Arrow refused, for columns that do not belong together.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    /// A column of a file has a type that no table of ours has.
    #[error("column `{path}` has type `{found}`, which no table of the lake can have")]
    UnknownType {
        /// Dotted path.
        path: String,
        /// The Arrow type.
        found: String,
    },
}

impl ColumnsError {
    /// Whether another attempt may succeed: a full disk or an interrupted call, not a broken file.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io { .. } => true,
            Self::Parquet { .. } | Self::Arrow(_) | Self::UnknownType { .. } => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn parquet(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(parquet::errors::ParquetError) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Parquet { action, path, source }
    }
}

/// A value that its column cannot hold: the field is null, and this says what was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The row, counted from the first of its batch.
    pub row: usize,
    /// Dotted path of the column.
    pub column: String,
    /// What was expected and what was found.
    pub error: String,
    /// The value as JSON or text, cut to [`Misfit::VALUE_BYTES`].
    pub value: String,
}

impl Misfit {
    /// How much of a value is kept.
    pub const VALUE_BYTES: usize = 256;
}
