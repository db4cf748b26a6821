use model::{
    digest::Digest,
    name::{EnrichmentName, LogSourceName, TableName},
    object::Position,
};

use crate::{ProgramKind, VrlDiagnostics};

/// Why an object could not be transformed, or a release not be used. What is wrong with single records is no error but a
/// reject.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    /// The release names no such log source.
    #[error("log source `{0}` is not in the release")]
    UnknownSource(LogSourceName),
    /// A log source names a table that the release does not have.
    #[error("log source `{log_source}` has no table `{table}` in the release")]
    UnknownTable {
        /// The log source.
        log_source: LogSourceName,
        /// The table it names.
        table: TableName,
    },
    /// The manifest names a resource that is not in the bundle, or is no text.
    #[error("resource {digest} of the release is missing or is not text")]
    MissingResource {
        /// Its name.
        digest: Digest,
    },
    /// A program of the release does not compile with this version of VRL.
    #[error("the {kind:?} program of `{owner}` does not compile: {diagnostics}")]
    Program {
        /// What it is for.
        kind: ProgramKind,
        /// The table or log source it belongs to.
        owner: String,
        /// What VRL says.
        diagnostics: VrlDiagnostics,
    },
    /// A row of a project's enrichment data is no JSON.
    #[error("line {line} of the data of enrichment table `{table}` is not JSON: {error}")]
    EnrichmentData {
        /// The table.
        table: EnrichmentName,
        /// Counted from one.
        line: usize,
        /// What is wrong.
        error: String,
    },
    /// The object could not be read to its end for a reason outside of it: the same object may be read later.
    #[error("cannot read the object: {0}")]
    Read(#[from] std::io::Error),
    /// A file could not be written.
    #[error(transparent)]
    Columns(#[from] columns::ColumnsError),
    /// VRL or its functions failed in a way that they must not.
    #[error("the transform of record {} panicked: {message}", position.0)]
    Panic {
        /// The record.
        position: Position,
        /// What the panic said.
        message: String,
    },
}

impl TransformError {
    /// Whether another attempt may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Read(_) => true,
            Self::Columns(error) => error.is_retryable(),
            Self::UnknownSource(_)
            | Self::UnknownTable { .. }
            | Self::MissingResource { .. }
            | Self::Program { .. }
            | Self::EnrichmentData { .. }
            | Self::Panic { .. } => false,
        }
    }
}
