use std::path::Path;

use pyo3::{PyErr, exceptions::PyOSError};

/// A file of rows that can't be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("could not read `{path}`: {reason}")]
pub struct FileError {
    path: String,
    reason: String,
}

impl FileError {
    pub(crate) fn new(path: &Path, reason: impl ToString) -> Self {
        Self { path: path.display().to_string(), reason: reason.to_string() }
    }
}

impl From<FileError> for PyErr {
    fn from(error: FileError) -> Self {
        PyOSError::new_err(error.to_string())
    }
}
