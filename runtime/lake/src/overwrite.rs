//! A snapshot in which every row of the table is new: the manifest of what it adds, manifests of what it takes away, and
//! the metadata that names it.
//!
//! iceberg 0.10 makes snapshots that add files and no others, so this one is put together from its parts.

use std::{collections::HashMap, str::FromStr as _};

use chrono::Utc;
use iceberg::{
    MetadataLocation,
    spec::{
        DataFile, MAIN_BRANCH, ManifestContentType, ManifestFile, Operation, Snapshot, SnapshotSummaryCollector,
        Summary,
    },
    table::Table,
};
use model::staged::BatchId;

use crate::{
    LakeError,
    manifests::{self, Writer},
};

/// Metadata that was written and that no catalog names yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The version of the table that it follows.
    pub(crate) base: String,
    /// Where it lies.
    pub(crate) location: String,
    /// The snapshot that it makes the current one.
    pub(crate) snapshot: i64,
}

/// Writes everything that makes `added` the only data files of the table, up to the metadata file.
pub(crate) async fn prepare(table: &Table, added: Vec<DataFile>, batch: BatchId) -> Result<Prepared, LakeError> {
    let failed = LakeError::iceberg(format!("prepare a snapshot of table `{}`", table.identifier().name()));
    write(table, added, batch).await.map_err(failed)
}

async fn write(table: &Table, added: Vec<DataFile>, batch: BatchId) -> iceberg::Result<Prepared> {
    let base = table.metadata_location_result()?;
    let writer = Writer::of_next(table);
    let (manifests, mut properties) = changes(table, &writer, added).await?;
    properties.insert(BatchId::PROPERTY.to_owned(), batch.0.to_string());
    let summary = Summary { operation: Operation::Overwrite, additional_properties: properties };
    let list = writer.list(manifests).await?;
    let metadata = table.metadata();
    // iceberg stamps its own snapshots by this clock, and those of one table must not go back in time
    let now = Utc::now().timestamp_millis().max(metadata.last_updated_ms());
    let snapshot = Snapshot::builder()
        .with_snapshot_id(writer.snapshot())
        .with_parent_snapshot_id(metadata.current_snapshot_id())
        .with_sequence_number(metadata.next_sequence_number())
        .with_timestamp_ms(now)
        .with_manifest_list(list)
        .with_summary(summary)
        .with_schema_id(metadata.current_schema_id())
        .build();
    let next = metadata.clone().into_builder(Some(base.to_owned()));
    let next = next.set_branch_snapshot(snapshot, MAIN_BRANCH)?.build()?.metadata;
    let location = MetadataLocation::from_str(base)?.with_next_version().with_new_metadata(&next);
    next.write_to(table.file_io(), &location).await?;
    Ok(Prepared { base: base.to_owned(), location: location.to_string(), snapshot: writer.snapshot() })
}

/// A manifest of what comes, one of what goes for each that is there, and what the snapshot's summary says of both.
async fn changes(
    table: &Table,
    writer: &Writer<'_>,
    added: Vec<DataFile>,
) -> iceberg::Result<(Vec<ManifestFile>, HashMap<String, String>)> {
    let metadata = table.metadata();
    let of = || (metadata.current_schema().clone(), metadata.default_partition_spec().clone());
    let (mut summary, mut totals) = (SnapshotSummaryCollector::default(), Totals::default());
    let mut manifests = Vec::new();
    if !added.is_empty() {
        let mut manifest = writer.manifest(0, metadata.default_partition_spec_id(), ManifestContentType::Data)?;
        for file in added {
            let (schema, spec) = of();
            summary.add_file(&file, schema, spec);
            totals.add(&file);
            manifest.add_file(file, metadata.next_sequence_number())?;
        }
        manifests.push(manifest.write_manifest_file().await?);
    }
    for before in manifests::present(table).await? {
        let alive = manifests::alive(table, &before).await?;
        if alive.is_empty() {
            continue;
        }
        let mut manifest = writer.manifest(manifests.len(), before.partition_spec_id, before.content)?;
        for entry in alive {
            let (schema, spec) = of();
            summary.remove_file(&entry.data_file, schema, spec);
            let sequence = entry.sequence_number().unwrap_or(before.sequence_number);
            manifest.add_delete_file(entry.data_file.clone(), sequence, entry.file_sequence_number)?;
        }
        manifests.push(manifest.write_manifest_file().await?);
    }
    let mut properties = summary.build();
    properties.extend(totals.properties());
    Ok((manifests, properties))
}

/// What the whole table has afterwards.
#[derive(Debug, Default)]
struct Totals {
    files: u64,
    records: u64,
    bytes: u64,
}

impl Totals {
    fn add(&mut self, file: &DataFile) {
        self.files += 1;
        self.records += file.record_count();
        self.bytes += file.file_size_in_bytes();
    }

    /// As every engine names them; nothing of the table before is left to be counted.
    fn properties(&self) -> HashMap<String, String> {
        [
            ("total-data-files", self.files),
            ("total-records", self.records),
            ("total-files-size", self.bytes),
            ("total-delete-files", 0),
            ("total-position-deletes", 0),
            ("total-equality-deletes", 0),
        ]
        .map(|(name, total)| (name.to_owned(), total.to_string()))
        .into()
    }
}
