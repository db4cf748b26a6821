//! One thing that would change on a target.

use std::fmt;

use model::{
    name::TableName,
    release::{Partition, ReleaseId},
    schema::SchemaChange,
};
use serde::Serialize;

use crate::difference::Difference;

/// One thing that would change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A table that the lake lacks.
    CreateTable {
        /// Its name.
        table: TableName,
        /// How many leaf columns it gets.
        columns: usize,
        /// How it is partitioned.
        partition: Partition,
    },
    /// Columns added or widened in place. No row is rewritten.
    EvolveTable {
        /// Its name.
        table: TableName,
        /// What happens to its columns.
        changes: Vec<SchemaChange>,
        /// How many rows it has.
        rows: u64,
    },
    /// Nothing is written to it any more. Its rows stay and can be queried.
    DetachTable {
        /// Its name.
        table: TableName,
        /// How many rows it has.
        rows: u64,
    },
    /// Something that the deployed release does not have.
    Add {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Something that differs from the deployed release.
    Update {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// What differs.
        why: Vec<Difference>,
    },
    /// Something that only the deployed release has.
    Remove {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// The last step: from here on everything runs the new release.
    SwitchRelease {
        /// The release before; none at the first deploy.
        from: Option<ReleaseId>,
        /// The release after.
        to: ReleaseId,
    },
}

impl Change {
    /// Whether it takes something away.
    pub fn is_deletion(&self) -> bool {
        match self {
            Self::DetachTable { .. } => true,
            // a table that goes is counted once, where it is detached
            Self::Remove { kind, .. } => *kind != Kind::Table,
            Self::CreateTable { .. }
            | Self::EvolveTable { .. }
            | Self::Add { .. }
            | Self::Update { .. }
            | Self::SwitchRelease { .. } => false,
        }
    }
}

/// What a definition defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A log source.
    LogSource,
    /// How rows of a table are made.
    Table,
    /// An enrichment table.
    Enrichment,
    /// A detection.
    Detection,
    /// A destination.
    Destination,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogSource => "log source",
            Self::Table => "table",
            Self::Enrichment => "enrichment table",
            Self::Detection => "detection",
            Self::Destination => "destination",
        })
    }
}
