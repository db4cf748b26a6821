use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use columns::{FileOptions, FileWriter, arrow_schema, json_rows};
use detections::{DetectReport, DetectionFailure, Host, HostConfig, locate_module};
use model::{
    alert::Severity,
    name::{DestinationName, DetectionName, LogSourceName, TableName},
    object::ObjectId,
    release::{
        AlertPolicy, Bundle, Destination, DestinationKind, Detection, FORMAT, Release, ReleaseId, Storage, Table,
        Trigger,
    },
    schema::{FieldType, TableSchema},
    staged::StagedFile,
    system,
    time::Timestamp,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A project of a few detections on the table `logs`, rows, and a host.
pub struct Case {
    pub bundle: Bundle,
    pub config: HostConfig,
    pub directory: TempDir,
}

pub fn name(name: &str) -> DetectionName {
    DetectionName::parse(name).unwrap()
}

pub fn table() -> TableName {
    TableName::parse("logs").unwrap()
}

/// What the tests' rows have besides the columns that every table has.
pub fn schema() -> TableSchema {
    let mut own = TableSchema::default();
    let pair = ["key", "value"].map(|name| model::schema::Field { name: name.to_owned(), kind: FieldType::String });
    for (path, kind) in [
        ("event.action", FieldType::String),
        ("user.name", FieldType::String),
        ("user.roles", FieldType::List(Box::new(FieldType::String))),
        ("user.address.city", FieldType::String),
        ("count", FieldType::Long),
        ("ratio", FieldType::Double),
        ("flag", FieldType::Boolean),
        ("day", FieldType::Date),
        ("pairs", FieldType::List(Box::new(FieldType::Struct(pair.into())))),
    ] {
        own.insert(path, kind).unwrap();
    }
    system::row_columns().union(&own).unwrap()
}

pub fn write(path: &Path, schema: &TableSchema, rows: &[Value]) {
    let (batch, misfits) = json_rows(schema, rows).unwrap();
    assert!(misfits.is_empty(), "{misfits:?}");
    let mut writer = FileWriter::create(path, arrow_schema(schema, None), FileOptions::default());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

impl Case {
    pub fn new(detections: &[(&str, &str)]) -> Self {
        let mut case = Self {
            bundle: Bundle { release: empty_release(), resources: BTreeMap::new() },
            config: HostConfig::new(locate_module(&std::env::current_exe().unwrap()).unwrap()),
            directory: tempfile::tempdir().unwrap(),
        };
        case.config.rows = vec![case.directory.path().to_owned()];
        for (name, code) in detections {
            case.add(name, &[("detect.py", code)]);
        }
        case
    }

    pub fn add(&mut self, detection: &str, files: &[(&str, &str)]) -> &mut Detection {
        let files = files
            .iter()
            .map(|(path, code)| ((*path).to_owned(), Bundle::add(&mut self.bundle.resources, *code)))
            .collect();
        let detection = name(detection);
        self.bundle.release.detections.entry(detection.clone()).or_insert(Detection {
            name: detection,
            trigger: Trigger::Streaming,
            tables: vec![table()],
            files,
            site_packages: None,
            display_name: None,
            description: None,
            runbook: None,
            references: vec![],
            false_positives: vec![],
            tags: vec![],
            alert: AlertPolicy {
                severity: Severity::Medium,
                threshold: NonZeroU32::MIN,
                window_seconds: NonZeroU32::new(3600).unwrap(),
                destinations: vec![],
            },
        })
    }

    pub fn destination(&mut self, name: &str) -> DestinationName {
        let name = DestinationName::parse(name).unwrap();
        let destination = Destination { name: name.clone(), kind: DestinationKind::Stdout };
        self.bundle.release.destinations.insert(name.clone(), destination);
        name
    }

    pub fn detection(&mut self, detection: &str) -> &mut Detection {
        self.bundle.release.detections.get_mut(detection).unwrap()
    }

    pub fn host(&self) -> Host {
        let host = Host::start(self.config.clone()).unwrap();
        host.load(&self.bundle).unwrap();
        host
    }

    /// A staged file of these rows; record ids are `r0`, `r1`, ...
    pub fn stage(&self, key: &str, rows: &[Value]) -> (StagedFile, PathBuf) {
        let path = self.directory.path().join(key);
        let rows: Vec<Value> = rows.iter().enumerate().map(|(number, row)| with_id(row, number)).collect();
        write(&path, &schema(), &rows);
        let staged = StagedFile {
            table: table(),
            key: key.to_owned(),
            rows: rows.len() as u64,
            bytes: std::fs::metadata(&path).unwrap().len(),
            ts_range: (Timestamp::EPOCH, Timestamp::EPOCH),
            object: ObjectId(model::digest::Digest::of(key.as_bytes())),
            release: ReleaseId(model::digest::Digest::of(b"release")),
        };
        (staged, path)
    }

    pub fn detect(&self, rows: &[Value]) -> DetectReport {
        self.host().detect(&[self.stage("a.parquet", rows)]).unwrap()
    }

    /// With a deadline short enough to wait for.
    pub fn impatient(mut self) -> Self {
        self.config.call_deadline = Duration::from_millis(200);
        self.config.import_deadline = Duration::from_millis(300);
        self
    }
}

fn with_id(row: &Value, number: usize) -> Value {
    let mut row = row.clone();
    let members = row.as_object_mut().unwrap();
    members.entry("ts").or_insert(json!("2024-05-06T07:08:09.123456Z"));
    members.insert("matano".to_owned(), json!({"record_id": format!("r{number}")}));
    row
}

fn empty_release() -> Release {
    let mut release = Release {
        format: FORMAT,
        log_sources: BTreeMap::new(),
        tables: BTreeMap::new(),
        detections: BTreeMap::new(),
        enrichment: BTreeMap::new(),
        destinations: BTreeMap::new(),
    };
    let logs = Table {
        name: table(),
        log_source: LogSourceName::parse("logs").unwrap(),
        schema: schema(),
        transform: model::digest::Digest::of(b""),
        expand: None,
        csv_headers: vec![],
        storage: Storage::default(),
    };
    release.tables.insert(table(), logs);
    release
}

/// Rows with these actions.
pub fn actions(actions: &[&str]) -> Vec<Value> {
    actions.iter().map(|action| json!({"event": {"action": action}})).collect()
}

/// `detection@record` of each match.
pub fn fired(report: &DetectReport) -> Vec<String> {
    report.matches.iter().map(|found| format!("{}@{}", found.detection, found.record_id)).collect()
}

/// `kind place` of each failure of a detection.
pub fn failures(report: &DetectReport, detection: &str) -> Vec<String> {
    let own = report.failures.iter().filter(|failure| failure.detection.as_str() == detection);
    own.map(|failure| format!("{} {}", failure.kind.as_str(), failure.place())).collect()
}

/// The only failure.
pub fn only(report: &DetectReport) -> &DetectionFailure {
    let [failure] = report.failures.as_slice() else { panic!("{:#?}", report.failures) };
    failure
}
