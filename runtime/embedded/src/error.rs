//! What can go wrong on the embedded target.

use std::path::PathBuf;

/// Why something did not happen.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Ledger, alerts, objects, staging or secrets.
    #[error(transparent)]
    Store(#[from] store::error::StoreError),
    /// The lake.
    #[error(transparent)]
    Lake(#[from] lake::LakeError),
    /// Releases.
    #[error(transparent)]
    Release(#[from] crate::releases::ReleaseError),
    /// Columns of rows made here.
    #[error(transparent)]
    Columns(#[from] columns::ColumnsError),
    /// A program of the release, or an object that cannot be read.
    #[error(transparent)]
    Transform(#[from] transform::TransformError),
    /// The log sources of a release.
    #[error(transparent)]
    Sources(#[from] transformer::SourcesError),
    /// Committing rows.
    #[error(transparent)]
    Write(#[from] lake_writer::WriteError),
    /// The host of the detections.
    #[error(transparent)]
    Detections(#[from] detections::HostError),
    /// A scheduled query.
    #[error(transparent)]
    Sql(#[from] crate::sql::SqlError),
    /// A schedule of a release that this code cannot read.
    #[error(transparent)]
    Cadence(#[from] crate::schedule::CadenceError),
    /// A directory of the target.
    #[error("cannot use `{}`: {source}", .path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no release yet.
    #[error("nothing is deployed here: run `matano deploy` first")]
    NothingDeployed,
    /// The table is not in the release.
    #[error("table `{0}` is not in the release")]
    UnknownTable(model::name::TableName),
    /// The log source is not in the release.
    #[error("log source `{name}` is not deployed: the deployed ones are {deployed}")]
    UnknownSource {
        /// What was asked for.
        name: String,
        /// What there is.
        deployed: String,
    },
    /// A thread of ours ended early.
    #[error("work was stopped: {0}")]
    Stopped(String),
}
