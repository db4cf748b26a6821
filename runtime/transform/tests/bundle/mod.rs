//! Releases for tests, made in a few lines.

use std::{collections::BTreeMap, io::Read, num::NonZeroU64, path::Path};

use columns::{Projection, read_file, row_json};
use model::{
    digest::Digest,
    name::{EnrichmentName, LogSourceName, TableName},
    object::SourceObject,
    release::{Bundle, EnrichmentTable, FORMAT, LogSource, ObjectMatch, Partition, Release, Storage, Table, WriteMode},
    schema::{FieldType, TableSchema},
    system,
    time::Timestamp,
};
use serde_json::Value;
use transform::{EnrichmentTables, Hints, SourceTransform, TransformOutput};

/// One log source `logs` and what its tables are.
pub struct Logs {
    pub select_metadata: Option<&'static str>,
    pub select_record: Option<&'static str>,
    pub cloudwatch: bool,
    pub max_record_bytes: u64,
    pub tables: Vec<Declared>,
    pub enrichment: Vec<(&'static str, &'static str, &'static str)>,
}

/// One table.
pub struct Declared {
    pub name: &'static str,
    pub transform: &'static str,
    pub expand: Option<&'static str>,
    pub csv_headers: Vec<String>,
    pub columns: Vec<(&'static str, FieldType)>,
    pub partition: Partition,
    pub keep_original: bool,
}

impl Declared {
    pub fn new(name: &'static str, transform: &'static str) -> Self {
        Self {
            name,
            transform,
            expand: None,
            csv_headers: vec![],
            columns: vec![],
            partition: Partition::Hour,
            keep_original: true,
        }
    }
}

impl Logs {
    pub fn new(tables: Vec<Declared>) -> Self {
        Self {
            select_metadata: None,
            select_record: None,
            cloudwatch: false,
            max_record_bytes: 1 << 20,
            tables,
            enrichment: vec![],
        }
    }

    pub fn bundle(&self) -> Bundle {
        let mut resources = BTreeMap::new();
        let mut add = |text: &str| -> Digest { Bundle::add(&mut resources, text) };
        let source = LogSourceName::parse("logs").unwrap();
        let resolved = |name: &str| TableName::of_source(&source, name).unwrap();
        let tables = self
            .tables
            .iter()
            .map(|table| {
                let mut schema = system::row_columns();
                for (path, kind) in &table.columns {
                    schema.insert(path, kind.clone()).unwrap();
                }
                let name = resolved(table.name);
                let storage =
                    Storage { partition: table.partition, keep_original: table.keep_original, ..Storage::default() };
                let made = Table {
                    name: name.clone(),
                    log_source: source.clone(),
                    schema,
                    transform: add(table.transform),
                    expand: table.expand.map(&mut add),
                    csv_headers: table.csv_headers.clone(),
                    storage,
                };
                (name, made)
            })
            .collect();
        let log_source = LogSource {
            name: source.clone(),
            managed: None,
            objects: ObjectMatch::default(),
            cloudwatch_envelope: self.cloudwatch,
            select_table_from_metadata: self.select_metadata.map(&mut add),
            select_table_from_record: self.select_record.map(&mut add),
            max_record_bytes: NonZeroU64::new(self.max_record_bytes).unwrap(),
            tables: self.tables.iter().map(|table| (table.name.to_owned(), resolved(table.name))).collect(),
        };
        let enrichment = self
            .enrichment
            .iter()
            .map(|(name, key, rows)| {
                let name = EnrichmentName::parse(name).unwrap();
                let table = EnrichmentTable {
                    name: name.clone(),
                    schema: TableSchema::default(),
                    lookup_keys: vec![(*key).to_owned()],
                    write_mode: WriteMode::Overwrite,
                    primary_key: vec![],
                    data: Some(add(rows)),
                    transform: None,
                };
                (name, table)
            })
            .collect();
        let release = Release {
            format: FORMAT,
            log_sources: [(source, log_source)].into(),
            tables,
            detections: BTreeMap::new(),
            enrichment,
            destinations: BTreeMap::new(),
        };
        Bundle { release, resources }
    }

    pub fn compile(&self) -> SourceTransform {
        let bundle = self.bundle();
        let source = LogSourceName::parse("logs").unwrap();
        let enrichment = EnrichmentTables::of_bundle(&bundle).unwrap();
        SourceTransform::compile(&bundle, &source, &BTreeMap::new(), &enrichment).unwrap()
    }
}

pub fn object(key: &str) -> SourceObject {
    SourceObject { bucket: "b".into(), key: key.into(), version: "1".into(), size: 1 }
}

pub fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// What one object became, by table.
pub struct Ran {
    pub output: TransformOutput,
    rows: BTreeMap<String, Vec<Value>>,
}

impl Ran {
    pub fn rows(&self, table: &str) -> &[Value] {
        self.rows.get(table).map(Vec::as_slice).unwrap_or_default()
    }

    /// Rows without what matano adds to each.
    pub fn events(&self, table: &str) -> Vec<Value> {
        let mut rows = self.rows(table).to_vec();
        for row in &mut rows {
            let members = row.as_object_mut().unwrap();
            members.remove("matano");
            members.remove("ecs");
            if let Some(event) = members.get_mut("event").and_then(Value::as_object_mut) {
                event.remove("original");
                if event.is_empty() {
                    members.remove("event");
                }
            }
        }
        rows
    }

    /// Rule and error of each reject.
    pub fn rejects(&self) -> Vec<(&str, &str)> {
        let rejects = self.rows("matano_rejects").iter();
        rejects.map(|row| (row["rule"].as_str().unwrap(), row["error"].as_str().unwrap())).collect()
    }
}

/// Runs one object and reads all of its files back.
pub fn run(transform: &SourceTransform, key: &str, input: impl Into<Vec<u8>>) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let input: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(input.into()));
    let output = transform.run(&object(key), input, &Hints::of_key(key), now(), directory.path()).unwrap();
    let report = &output.report;
    assert_eq!(report.records, report.rows + report.rejects + report.dropped, "{report:?}");
    read_back(output, directory.path())
}

pub fn read_back(output: TransformOutput, directory: &Path) -> Ran {
    let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for file in &output.files {
        let batch = read_file(&directory.join(&file.key), Projection::All).unwrap();
        assert_eq!(batch.num_rows() as u64, file.rows);
        assert_eq!(std::fs::metadata(directory.join(&file.key)).unwrap().len(), file.bytes);
        let table = rows.entry(file.table.to_string()).or_default();
        table.extend((0..batch.num_rows()).map(|row| row_json(&batch, row)));
    }
    let of_tables: usize = rows.iter().filter(|(name, _)| *name != "matano_rejects").map(|(_, rows)| rows.len()).sum();
    assert_eq!(of_tables as u64, output.report.rows);
    assert_eq!(rows.get("matano_rejects").map_or(0, Vec::len) as u64, output.report.rejects);
    Ran { output, rows }
}
