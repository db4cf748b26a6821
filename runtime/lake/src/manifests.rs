//! Manifests of one's own: what iceberg 0.10 does not write.
//!
//! It adds a manifest with every commit and never merges them, so planning a query over a table of a thousand commits would
//! read a thousand files. [`merged`] puts small ones together before a commit adds its own, by the properties that other
//! engines know for this.

use iceberg::{
    spec::{
        ManifestContentType, ManifestEntryRef, ManifestFile, ManifestListWriter, ManifestWriter, ManifestWriterBuilder,
        TableMetadata,
    },
    table::Table,
};
use uuid::Uuid;

/// Writes the manifests and the manifest list of one snapshot, under names that nothing else has.
pub(crate) struct Writer<'a> {
    table: &'a Table,
    name: Uuid,
    snapshot: i64,
    parent: Option<i64>,
    sequence: i64,
}

impl<'a> Writer<'a> {
    /// For the snapshot that comes next.
    pub(crate) fn of_next(table: &'a Table) -> Self {
        let (metadata, name) = (table.metadata(), Uuid::new_v4());
        let (high, low) = name.as_u64_pair();
        Self {
            table,
            name,
            // as iceberg makes ids; they are positive
            snapshot: (high ^ low) as i64 & i64::MAX,
            parent: metadata.current_snapshot_id(),
            sequence: metadata.next_sequence_number(),
        }
    }

    /// For another list of what the current snapshot has.
    fn of_current(table: &'a Table) -> Option<Self> {
        let current = table.metadata().current_snapshot()?;
        let (snapshot, parent) = (current.snapshot_id(), current.parent_snapshot_id());
        Some(Self { table, name: Uuid::new_v4(), snapshot, parent, sequence: current.sequence_number() })
    }

    /// The snapshot's id.
    pub(crate) fn snapshot(&self) -> i64 {
        self.snapshot
    }

    fn path(&self, name: &str) -> String {
        format!("{}/metadata/{}-{name}.avro", self.table.metadata().location(), self.name.simple())
    }

    /// A manifest of files under a partition spec.
    pub(crate) fn manifest(
        &self,
        number: usize,
        spec: i32,
        content: ManifestContentType,
    ) -> iceberg::Result<ManifestWriter> {
        let metadata = self.table.metadata();
        let output = self.table.file_io().new_output(self.path(&format!("m{number}")))?;
        let spec = metadata.partition_spec_by_id(spec).unwrap_or_else(|| metadata.default_partition_spec());
        let schema = metadata.current_schema().clone();
        let builder = ManifestWriterBuilder::new(output, Some(self.snapshot), schema, spec.as_ref().clone());
        Ok(match content {
            ManifestContentType::Data => builder.build_v2_data(),
            ManifestContentType::Deletes => builder.build_v2_deletes(),
        })
    }

    /// The list of a snapshot's manifests; where it lies.
    pub(crate) async fn list(&self, manifests: Vec<ManifestFile>) -> iceberg::Result<String> {
        let path = self.path("list");
        let output = self.table.file_io().new_output(&path)?.writer().await?;
        let mut writer = ManifestListWriter::v2(output, self.snapshot, self.parent, self.sequence);
        writer.add_manifests(manifests.into_iter())?;
        writer.close().await?;
        Ok(path)
    }
}

/// The manifests of the current snapshot.
pub(crate) async fn present(table: &Table) -> iceberg::Result<Vec<ManifestFile>> {
    match table.metadata().current_snapshot() {
        None => Ok(Vec::new()),
        Some(current) => Ok(table.manifest_list_reader(current).load().await?.consume_entries().into_iter().collect()),
    }
}

/// The files that a manifest says are there.
pub(crate) async fn alive(table: &Table, manifest: &ManifestFile) -> iceberg::Result<Vec<ManifestEntryRef>> {
    let (entries, _) = manifest.load_manifest(table.file_io()).await?.into_parts();
    Ok(entries.into_iter().filter(|entry| entry.is_alive()).collect())
}

/// When manifests are merged, as the table's properties say or every engine assumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Policy {
    /// So many small ones are merged.
    at_least: usize,
    /// A manifest of so many bytes is not small, and merged ones are about as large.
    target_bytes: i64,
}

impl Policy {
    fn of(metadata: &TableMetadata) -> Self {
        let number = |key: &str, default: i64| {
            metadata
                .properties()
                .get(key)
                .and_then(|value| value.parse().ok())
                .filter(|number| *number > 0)
                .unwrap_or(default)
        };
        Self {
            at_least: usize::try_from(number("commit.manifest.min-count-to-merge", 100)).unwrap_or(usize::MAX).max(2),
            target_bytes: number("commit.manifest.target-size-bytes", 8 << 20),
        }
    }
}

/// Writes another list of the current snapshot's manifests, the small ones merged; `None` where there are too few of them.
pub(crate) async fn merged(table: &Table) -> iceberg::Result<Option<String>> {
    let policy = Policy::of(table.metadata());
    let present = present(table).await?;
    let spec = table.metadata().default_partition_spec_id();
    let is_small = |manifest: &ManifestFile| {
        manifest.content == ManifestContentType::Data
            && manifest.partition_spec_id == spec
            && manifest.manifest_length < policy.target_bytes
    };
    if present.iter().filter(|manifest| is_small(manifest)).count() < policy.at_least {
        return Ok(None);
    }
    let Some(writer) = Writer::of_current(table) else {
        return Ok(None);
    };
    let (small, mut kept): (Vec<ManifestFile>, Vec<ManifestFile>) = present.into_iter().partition(is_small);
    for (number, bin) in bins(small, policy.target_bytes).iter().enumerate() {
        let mut manifest = writer.manifest(number, spec, ManifestContentType::Data)?;
        let mut files = 0;
        for before in bin {
            for entry in alive(table, before).await? {
                let (snapshot, sequence) = (entry.snapshot_id(), entry.sequence_number());
                manifest.add_existing_file(
                    entry.data_file.clone(),
                    snapshot.unwrap_or(before.added_snapshot_id),
                    sequence.unwrap_or(before.sequence_number),
                    entry.file_sequence_number,
                )?;
                files += 1;
            }
        }
        if files > 0 {
            kept.push(manifest.write_manifest_file().await?);
        }
    }
    writer.list(kept).await.map(Some)
}

/// Manifests that go together, in their order.
fn bins(manifests: Vec<ManifestFile>, target_bytes: i64) -> Vec<Vec<ManifestFile>> {
    let (mut bins, mut bin, mut bytes) = (Vec::new(), Vec::new(), 0);
    for manifest in manifests {
        if !bin.is_empty() && bytes + manifest.manifest_length > target_bytes {
            bins.push(std::mem::take(&mut bin));
            bytes = 0;
        }
        bytes += manifest.manifest_length;
        bin.push(manifest);
    }
    bins.extend((!bin.is_empty()).then_some(bin));
    bins
}
