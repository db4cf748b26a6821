//! What a target says it has. There is no state file: this is read anew for every plan.

use std::collections::BTreeMap;

use model::{
    digest::Digest,
    name::TableName,
    release::{Partition, Release},
    schema::TableSchema,
};
use serde::Serialize;

/// The target as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Observed {
    /// The release that the pointer names.
    pub release: Option<Release>,
    /// Every table of the catalog, detached ones included.
    pub tables: BTreeMap<TableName, ObservedTable>,
}

/// A table of the catalog.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObservedTable {
    /// Its columns.
    pub schema: TableSchema,
    /// How it is partitioned.
    pub partition: Partition,
    /// How many rows it has. No part of the fingerprint: rows come in while a plan is being read.
    pub rows: u64,
}

impl Observed {
    /// The same as long as nothing that a plan depends on has changed.
    pub fn fingerprint(&self) -> Digest {
        let release = self.release.as_ref().map(Release::to_json).unwrap_or_default();
        let tables: Vec<(&TableName, &TableSchema, Partition)> = self
            .tables
            .iter()
            .map(|(name, ObservedTable { schema, partition, rows: _ })| (name, schema, *partition))
            .collect();
        let tables = serde_json::to_vec(&tables).expect("schemas have string keys");
        Digest::of_parts([release.as_slice(), &tables])
    }
}
