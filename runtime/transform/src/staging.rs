//! Rows of one object on their way into files: one file for each table and partition, complete or not there at all.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
};

use arrow::{
    array::{AsArray, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::{SchemaRef, TimestampMicrosecondType},
};
use chrono::Datelike;
use columns::{FileOptions, FileWriter, Keep, sorted_by_time};
use model::{
    digest::Digest,
    name::TableName,
    object::{ObjectId, Position},
    release::{Partition, ReleaseId},
    staged::StagedFile,
    time::Timestamp,
};

use crate::TransformError;

/// More files than this are not written at the same time; the one that got no rows for longest is completed.
const MAX_OPEN: usize = 128;

/// Rows of a file wait until there are about this many bytes of them: a file is written as its first rows suggest, and a
/// handful from the edge of a batch suggest little.
const WAITING_BYTES: usize = 1 << 20;

/// The files of one object.
pub(crate) struct Staging {
    directory: PathBuf,
    /// What keys start with.
    prefix: String,
    object: ObjectId,
    release: ReleaseId,
    open: BTreeMap<(TableName, i64), Open>,
    parts: BTreeMap<(TableName, i64), u32>,
    written: u64,
    files: Vec<StagedFile>,
}

struct Open {
    writer: FileWriter,
    key: String,
    /// The number of the last write to it.
    used: u64,
}

impl Staging {
    /// Files below this directory.
    pub fn new(directory: &Path, object: ObjectId, release: ReleaseId) -> Self {
        Self {
            directory: directory.to_owned(),
            prefix: format!("staged/{}", object.0.short(16)),
            object,
            release,
            open: BTreeMap::new(),
            parts: BTreeMap::new(),
            written: 0,
            files: Vec::new(),
        }
    }

    /// Files of some records of the object that are run again: with keys of their own, so that they are not taken for the
    /// files of the whole object.
    pub fn of_records(mut self, positions: impl Iterator<Item = Position>) -> Self {
        let positions: Vec<u8> = positions.flat_map(|position| position.0.to_le_bytes()).collect();
        let digest = Digest::of_parts([self.release.0.as_bytes().as_slice(), &positions]);
        self.prefix = format!("{}/again-{}", self.prefix, digest.short(16));
        self
    }

    /// Rows of one table, to the files of their partitions. Rows without a time are of an enrichment table, which has none.
    pub fn write(
        &mut self,
        table: &TableName,
        partition: Partition,
        schema: &SchemaRef,
        batch: RecordBatch,
    ) -> Result<(), TransformError> {
        let batch = sorted_by_time(batch)?;
        let times = batch.column_by_name("ts").and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let times = match (times, partition) {
            (Some(times), Partition::Hour | Partition::Day | Partition::Month) => times.values().clone(),
            (_, Partition::None) | (None, _) => return self.append(table, Partition::None, 0, schema, batch),
        };
        let row_bytes = batch.get_array_memory_size() / times.len().max(1);
        let mut from = 0;
        while from < times.len() {
            let value = partition_value(partition, times[from]);
            let rows = times[from..].partition_point(|&time| partition_value(partition, time) <= value);
            let mut slice = batch.slice(from, rows);
            if rows < times.len() && rows * row_bytes < WAITING_BYTES {
                // a slice that waits would keep all of its batch in memory
                let all: UInt32Array = (0..rows as u32).collect();
                slice = take_record_batch(&slice, &all).map_err(columns::ColumnsError::from)?;
            }
            self.append(table, partition, times[from], schema, slice)?;
            from += rows;
        }
        Ok(())
    }

    fn append(
        &mut self,
        table: &TableName,
        partition: Partition,
        time: i64,
        schema: &SchemaRef,
        rows: RecordBatch,
    ) -> Result<(), TransformError> {
        let id = (table.clone(), partition_value(partition, time));
        if !self.open.contains_key(&id) && self.open.len() >= MAX_OPEN {
            let idle = self.open.iter().min_by_key(|(_, open)| open.used).map(|(id, _)| id.clone());
            if let Some((idle, open)) = idle.and_then(|idle| self.open.remove_entry(&idle)) {
                self.complete(idle.0, open)?;
            }
        }
        self.written += 1;
        let open = match self.open.entry(id) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let part = self.parts.entry(place.key().clone()).or_default();
                let name = partition_name(partition, time);
                let key = format!("{}/{table}/{name}-{part:05}.parquet", self.prefix);
                *part += 1;
                let path = self.directory.join(&key);
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent).map_err(|source| columns::ColumnsError::Io {
                        action: "create",
                        path: parent.to_owned(),
                        source,
                    })?;
                }
                let options =
                    FileOptions { row_group_bytes: WAITING_BYTES, keep: Keep::UntilMerged, ..FileOptions::default() };
                let writer = FileWriter::create(&path, schema.clone(), options);
                place.insert(Open { writer, key, used: 0 })
            }
        };
        open.used = self.written;
        open.writer.write(rows)?;
        Ok(())
    }

    fn complete(&mut self, table: TableName, open: Open) -> Result<(), TransformError> {
        let stats = open.writer.finish()?;
        self.files.push(StagedFile {
            table,
            key: open.key,
            rows: stats.rows,
            bytes: stats.bytes,
            ts_range: stats.ts_range.unwrap_or((Timestamp::EPOCH, Timestamp::EPOCH)),
            object: self.object,
            release: self.release,
        });
        Ok(())
    }

    /// Completes all files and says which there are, by key.
    pub fn finish(mut self) -> Result<Vec<StagedFile>, TransformError> {
        while let Some(((table, _), open)) = self.open.pop_first() {
            self.complete(table, open)?;
        }
        self.files.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(self.files)
    }
}

const HOUR: i64 = 3_600_000_000;

/// A number that grows with time and is the same within a partition.
fn partition_value(partition: Partition, micros: i64) -> i64 {
    match partition {
        Partition::Hour => micros.div_euclid(HOUR),
        Partition::Day => micros.div_euclid(24 * HOUR),
        Partition::Month => {
            let date = Timestamp::from_micros(micros).unwrap_or(Timestamp::EPOCH).to_datetime();
            i64::from(date.year()) * 12 + i64::from(date.month0())
        }
        Partition::None => 0,
    }
}

fn partition_name(partition: Partition, micros: i64) -> String {
    let date = Timestamp::from_micros(micros).unwrap_or(Timestamp::EPOCH).to_datetime();
    let format = match partition {
        Partition::Hour => "%Y-%m-%d-%H",
        Partition::Day => "%Y-%m-%d",
        Partition::Month => "%Y-%m",
        Partition::None => "all",
    };
    date.format(format).to_string()
}

#[cfg(test)]
mod tests {
    use model::schema::{FieldType, TableSchema};
    use serde_json::json;

    use super::*;

    fn check(partition: Partition, time: &str, expected: &str) {
        let micros = time.parse::<Timestamp>().unwrap().micros();
        assert_eq!(partition_name(partition, micros), expected);
    }

    #[test]
    fn rows_from_the_edge_of_a_batch_wait_for_those_of_the_next() {
        let mut table = TableSchema::default();
        table.insert("ts", FieldType::Timestamp).unwrap();
        table.insert("message", FieldType::String).unwrap();
        let message = "a text of some length ".repeat(20);
        let rows = |seconds: Vec<i64>| {
            let row = |at: i64| json!({"ts": Timestamp::EPOCH.plus_seconds(at).to_string(), "message": message});
            columns::json_rows(&table, &seconds.into_iter().map(row).collect::<Vec<_>>()).unwrap().0
        };
        let directory = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"x");
        let mut staging = Staging::new(directory.path(), ObjectId(digest), ReleaseId(digest));
        let (name, schema) = (TableName::parse("a").unwrap(), columns::arrow_schema(&table, None));
        let mut write = |seconds| staging.write(&name, Partition::Hour, &schema, rows(seconds)).unwrap();
        write(vec![7, 3600, 3]);
        write((0..3000).rev().collect());
        let files = staging.finish().unwrap();
        let groups = files.iter().map(|file| {
            let file = columns::FileReader::open(&directory.path().join(&file.key)).unwrap();
            (file.rows(), file.footer().num_row_groups())
        });
        assert_eq!(groups.collect::<Vec<_>>(), [(3002, 1), (1, 1)]);
    }

    #[test]
    fn partitions_are_named_by_their_start() {
        check(Partition::Hour, "2026-02-03T04:59:59.999999Z", "2026-02-03-04");
        check(Partition::Hour, "1969-12-31T23:00:00Z", "1969-12-31-23");
        check(Partition::Day, "2026-02-03T04:05:06Z", "2026-02-03");
        check(Partition::Month, "2026-02-03T04:05:06Z", "2026-02");
        check(Partition::None, "2026-02-03T04:05:06Z", "all");
    }

    #[test]
    fn partition_values_grow_with_time_also_before_the_epoch() {
        for partition in [Partition::Hour, Partition::Day, Partition::Month, Partition::None] {
            let values: Vec<i64> =
                ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
                    .iter()
                    .map(|time| partition_value(partition, time.parse::<Timestamp>().unwrap().micros()))
                    .collect();
            assert!(values.is_sorted(), "{partition:?} {values:?}");
        }
    }
}
