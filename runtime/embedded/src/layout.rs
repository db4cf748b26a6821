//! Where everything of the embedded target lies: one directory.
//!
//! ```text
//! .matano/
//!   release/current          the pointer: which release everything runs, switched last
//!   release/manifests/<id>   manifests, content-addressed
//!   release/resources/<id>   programs, Python sources, data, content-addressed
//!   state.db                 ledger, alerts, remote cache, schedule (SQLite)
//!   catalog.db               Iceberg catalog (SQLite)
//!   lake/                    Iceberg tables, unless the project names another warehouse
//!   processes/               which processes are at work
//!   staging/                 Parquet files between transform and commit
//!   secrets.json             secrets of destinations, if the user puts them here (mode 0600)
//! ```

use std::path::{Path, PathBuf};

/// The paths within one target directory.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Of the target in this directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Releases and the pointer.
    pub fn releases(&self) -> PathBuf {
        self.root.join("release")
    }

    /// Ledger, alerts, remote cache, schedule.
    pub fn state(&self) -> PathBuf {
        self.root.join("state.db")
    }

    /// The Iceberg catalog.
    pub fn catalog(&self) -> PathBuf {
        self.root.join("catalog.db")
    }

    /// The default warehouse.
    pub fn lake(&self) -> PathBuf {
        self.root.join("lake")
    }

    /// Files on their way into the lake.
    pub fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    /// One file for each process at work.
    pub fn owners(&self) -> PathBuf {
        self.root.join("processes")
    }

    /// Secrets that the user keeps beside the lake.
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets.json")
    }
}
