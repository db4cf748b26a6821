use std::path::{Path, PathBuf};

use model::name::DetectionName;

/// What can go wrong with the host itself. Detections that go wrong are no errors, see [`crate::DetectionFailure`].
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no extension module.
    #[error("the Python module of matano is not there: looked for {}; build it with `cargo build -p detect`, or set `MATANO_DETECT_MODULE` to its path", list(.looked))]
    NoModule {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// There is no usable interpreter.
    #[error("`{}` can't run detections: {reason}; install Python 3.11 or newer, or name another interpreter", python.display())]
    Python {
        /// What was tried.
        python: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Isolation is required, and this machine has not all of it.
    #[error("detections are not run, because isolation is required and this machine lacks some: {missing}")]
    Isolation {
        /// What is not held, and why.
        missing: String,
    },
    /// A file or a process could not be made.
    #[error("could not {action} `{path}`: {source}")]
    Io {
        /// What was tried: "write".
        action: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The release is incomplete or has parts that can't be laid out as files.
    #[error("release: {0}")]
    Release(String),
    /// Nothing was loaded, or not this detection.
    #[error("no detection `{0}` is loaded")]
    NotLoaded(DetectionName),
    /// A worker ended or spoke nonsense without a detection being at fault.
    #[error("a worker failed: {0}")]
    Worker(String),
    /// A file of rows could not be read.
    #[error("{0}")]
    File(String),
}

impl HostError {
    /// Whether another attempt may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Worker(_) | Self::File(_) => true,
            Self::NoModule { .. }
            | Self::Python { .. }
            | Self::Isolation { .. }
            | Self::Release(_)
            | Self::NotLoaded(_) => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io { action, path, source }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}
