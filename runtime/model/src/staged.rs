//! What functions tell each other about files on their way into the lake.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    name::TableName,
    object::{ObjectId, SourceObject},
    release::ReleaseId,
    time::Timestamp,
};

/// One Parquet file of one table, written once, not yet committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    /// The table its rows belong to.
    pub table: TableName,
    /// Where it lies in the staging area. Derived from object, table and part, so a second attempt overwrites the first.
    pub key: String,
    /// How many rows.
    pub rows: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The earliest and the latest `ts` in it.
    pub ts_range: (Timestamp, Timestamp),
    /// The object its rows came from.
    pub object: ObjectId,
    /// The release that made it.
    pub release: ReleaseId,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectReport {
    /// The object.
    pub object: SourceObject,
    /// How many records stood in it.
    pub records: u64,
    /// How many became rows.
    pub rows: u64,
    /// How many became rejects.
    pub rejects: u64,
    /// How many the programs dropped on purpose (`abort`).
    pub dropped: u64,
    /// Decompressed bytes.
    pub bytes: u64,
}

/// One commit of one table: the marker in the snapshot summary under [`BatchId::PROPERTY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(pub Digest);

impl BatchId {
    /// The key in an Iceberg snapshot's summary.
    pub const PROPERTY: &'static str = "matano.batch";

    /// Same table, same staged files: same batch.
    pub fn of(table: &TableName, files: &[StagedFile]) -> Self {
        let mut keys: Vec<&str> = files.iter().map(|file| file.key.as_str()).collect();
        keys.sort_unstable();
        let parts = std::iter::once(table.as_str()).chain(keys).map(str::as_bytes);
        Self(Digest::of_parts(parts))
    }
}
