//! Trying a release without deploying it: raw records to rows, rows to matches, with the very code that a target runs.
//!
//! Start at [`Trial`]. Nothing is kept: everything happens in a temporary directory.

mod rehearsal; // rows of tests past detections
mod told; // matches as the alerts that would be sent

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use columns::{FileOptions, FileStats, FileWriter, Projection};
use datafusion::arrow::{array::RecordBatch, compute::concat_batches, datatypes::SchemaRef};
use detections::{Host, HostConfig, Identity, IsolationPolicy, Refused};
use model::{
    digest::Digest,
    isolation::Isolation,
    name::{DetectionName, LogSourceName, TableName},
    object::{Position, RecordId, SourceObject},
    release::{Bundle, Trigger},
    schema::TableSchema,
    system,
    time::Timestamp,
};
use serde_json::Value;
use tempfile::TempDir;
use transform::{EnrichmentTables, Hints, SourceTransform};

use crate::{EmbeddedError, schedule::Stretch, sql};

pub use rehearsal::{Rehearsal, Remembered, TrialAttempt, TrialMocks, TrialRows};
pub use told::TrialAlert;

/// A release on trial.
pub struct Trial {
    bundle: Bundle,
    enrichment: EnrichmentTables,
    host: Option<Host>,
    /// Compiled when they are first needed, and kept.
    sources: Mutex<BTreeMap<LogSourceName, Arc<SourceTransform>>>,
    scratch: TempDir,
    next: AtomicU64,
}

/// What became of raw records.
#[derive(Debug, Clone, Default)]
pub struct Transformed {
    /// The rows of each table in the order of their records, as nested JSON without nulls.
    pub rows: BTreeMap<TableName, Vec<Value>>,
    /// The rows of `matano_rejects`.
    pub rejects: Vec<Value>,
}

impl Trial {
    /// Takes a release up. Python is needed only where it has detections with code.
    pub fn new(bundle: Bundle, python: &Python, workers: usize) -> Result<Self, EmbeddedError> {
        let scratch =
            tempfile::tempdir().map_err(|source| EmbeddedError::Directory { path: std::env::temp_dir(), source })?;
        let with_code = bundle.release.detections.values().any(|detection| !detection.files.is_empty());
        let scheduled =
            bundle.release.detections.values().any(|detection| matches!(detection.trigger, Trigger::Scheduled(_)));
        let host =
            if with_code || scheduled { Some(start_host(&bundle, python, workers, scratch.path())?) } else { None };
        let enrichment = EnrichmentTables::of_bundle(&bundle)?;
        let sources = Mutex::default();
        Ok(Self { bundle, enrichment, host, sources, scratch, next: AtomicU64::new(0) })
    }

    /// Runs the content of one object through its log source.
    pub fn transform(
        &self,
        source: &LogSourceName,
        key: &str,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<Transformed, EmbeddedError> {
        let object = SourceObject {
            bucket: "test".to_owned(),
            key: key.to_owned(),
            version: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
        };
        let program = self.source(source)?;
        let directory = self.directory()?;
        let hints = Hints { key: object.key.clone(), content_encoding: None, content_type: None };
        let input = Box::new(std::io::Cursor::new(bytes.to_vec()));
        let output = program.run(&object, input, &hints, now, &directory)?;
        let order: HashMap<String, u64> = (0..output.report.records)
            .map(|position| (RecordId::of(object.id(), Position(position)).to_string(), position))
            .collect();
        let mut all: BTreeMap<TableName, Vec<(u64, Value)>> = BTreeMap::new();
        for file in &output.files {
            let rows = columns::read_file(&directory.join(&file.key), Projection::All)?;
            let of_table = all.entry(file.table.clone()).or_default();
            for row in 0..rows.num_rows() {
                let row = columns::row_json(&rows, row);
                let id = row.pointer("/matano/record_id").or_else(|| row.get("record_id")).and_then(Value::as_str);
                let position = id.and_then(|id| order.get(id)).copied().unwrap_or(u64::MAX);
                of_table.push((position, row));
            }
        }
        let mut rows: BTreeMap<TableName, Vec<Value>> = BTreeMap::new();
        for (table, mut of_table) in all {
            of_table.sort_by_key(|(position, _)| *position);
            rows.insert(table, of_table.into_iter().map(|(_, row)| row).collect());
        }
        let rejects = rows.remove(&TableName::rejects()).unwrap_or_default();
        Ok(Transformed { rows, rejects })
    }

    /// What holds the detections, once one has run.
    pub fn isolation(&self) -> Option<&Isolation> {
        self.host.as_ref().and_then(Host::isolation)
    }

    /// What detections tried and were refused so far.
    pub fn refused(&self) -> Result<Vec<Refused>, EmbeddedError> {
        Ok(self.host.as_ref().map(Host::refused).transpose()?.unwrap_or_default())
    }

    fn source(&self, name: &LogSourceName) -> Result<Arc<SourceTransform>, EmbeddedError> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(name) {
            return Ok(source.clone());
        }
        let compiled = SourceTransform::compile(&self.bundle, name, &BTreeMap::new(), &self.enrichment)?;
        let source = Arc::new(compiled);
        sources.insert(name.clone(), source.clone());
        Ok(source)
    }

    fn all_tables(&self) -> Vec<TableName> {
        let release = &self.bundle.release;
        let enrichment = release.enrichment.keys().map(TableName::of_enrichment);
        release.tables.keys().cloned().chain(enrichment).chain([TableName::alerts(), TableName::rejects()]).collect()
    }

    fn schema(&self, table: &TableName) -> Result<TableSchema, EmbeddedError> {
        let release = &self.bundle.release;
        if *table == TableName::alerts() {
            return Ok(system::alerts());
        }
        if *table == TableName::rejects() {
            return Ok(system::rejects());
        }
        let enrichment = release.enrichment.values().find(|found| TableName::of_enrichment(&found.name) == *table);
        let schema = release.tables.get(table).map(|found| &found.schema).or(enrichment.map(|found| &found.schema));
        schema.cloned().ok_or_else(|| EmbeddedError::UnknownTable(table.clone()))
    }

    fn directory(&self) -> Result<PathBuf, EmbeddedError> {
        let path = self.scratch.path().join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&path).map_err(|source| EmbeddedError::Directory { path: path.clone(), source })?;
        Ok(path)
    }
}

/// How detections are run on this machine.
#[derive(Debug, Clone)]
pub struct Python {
    /// The interpreter.
    pub interpreter: PathBuf,
    /// The extension module that detections run in; `None` looks beside this program.
    pub module: Option<PathBuf>,
    /// How much the operating system must hold them.
    pub isolation: IsolationPolicy,
}

/// Starts Python for a release. Rows lie below `rows`.
fn start_host(bundle: &Bundle, python: &Python, workers: usize, rows: &Path) -> Result<Host, EmbeddedError> {
    let host = Host::start(host_config(python, workers, rows)?)?;
    host.load(bundle)?;
    Ok(host)
}

pub(crate) fn host_config(python: &Python, workers: usize, rows: &Path) -> Result<HostConfig, EmbeddedError> {
    let module = match &python.module {
        Some(module) => module.clone(),
        None => {
            let program = std::env::current_exe()
                .map_err(|source| EmbeddedError::Directory { path: PathBuf::from("(this program)"), source })?;
            detections::locate_module(&program)?
        }
    };
    let mut config = HostConfig::new(module);
    config.python = python.interpreter.clone();
    config.workers = NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN);
    config.isolation = python.isolation;
    config.rows = vec![rows.to_path_buf()];
    Ok(config)
}

/// All rows of a query as one batch; `None` where there is no row.
pub(crate) fn joined(batches: &[RecordBatch]) -> Result<Option<RecordBatch>, EmbeddedError> {
    let Some(first) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let schema: SchemaRef = first.schema();
    let failed = |error: datafusion::arrow::error::ArrowError| sql::SqlError::Execution(error.to_string());
    Ok(Some(concat_batches(&schema, batches).map_err(failed)?))
}

/// One batch as a file.
pub(crate) fn write_file(path: &Path, batch: RecordBatch) -> Result<FileStats, EmbeddedError> {
    let mut writer = FileWriter::create(path, batch.schema(), FileOptions::default());
    writer.write(batch)?;
    Ok(writer.finish()?)
}

/// Same detection, same window, same row: same record, whatever the order in which a query returns rows.
pub(crate) fn identity_of_query(detection: &DetectionName, window: Stretch, row: &Value) -> Identity {
    let text = row.to_string();
    let parts = [
        detection.as_str().as_bytes(),
        &window.start.micros().to_le_bytes(),
        &window.end.micros().to_le_bytes(),
        text.as_bytes(),
    ];
    Identity::of_query(row, Digest::of_parts(parts).short(32), window.start)
}
