use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use columns::{FileOptions, FileWriter, Keep, Misfit};
use datafusion::arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::TimestampMicrosecondType,
};
use detections::{Attempt, CacheAccess, Evaluated, Evaluation, Identity, MODULE, RehearsalTable, Rehearsed};
use model::{
    name::{DetectionName, EnrichmentName, TableName},
    release::Trigger,
    time::Timestamp,
    worker::{CacheValue, LoadEnrichment, StandIn, StandIns},
};
use serde_json::Value;
use store::cache_sqlite::SqliteCache;
use tokio::runtime::Handle;

use super::{Trial, identity_of_query, joined};
use crate::{EmbeddedError, schedule::Stretch, sql};

/// Rows of one table as columns, laid out once for every test that has some of them.
pub struct TrialRows {
    table: TableName,
    file: PathBuf,
    batch: RecordBatch,
    times: Vec<Timestamp>,
    /// Of a scheduled detection's query: which, and in which window.
    queried: Option<(DetectionName, Stretch)>,
    /// Values that do not fit their column: a mistake of the test whose row it is.
    pub misfits: Vec<Misfit>,
}

impl TrialRows {
    /// The table.
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The time of a row.
    pub fn time(&self, row: usize) -> Option<Timestamp> {
        self.times.get(row).copied()
    }

    /// A row as a detection sees it: nested JSON without nulls.
    pub fn event(&self, row: usize) -> Value {
        columns::row_json(&self.batch, row)
    }

    fn identity(&self, row: u64, event: &Value) -> Identity {
        match &self.queried {
            None => Identity::of(event, "", row),
            Some((detection, window)) => identity_of_query(detection, *window, event),
        }
    }
}

/// What a cache holds, by namespace and key.
pub type Remembered = BTreeMap<String, BTreeMap<String, CacheValue>>;

/// A few rows for one detection, with a cache of its own.
#[derive(Debug, Clone, Default)]
pub struct TrialAttempt {
    /// Which of [`Rehearsal::tables`].
    pub table: usize,
    /// Which rows of it.
    pub rows: Range<u64>,
    /// What stands in for what the detection uses.
    pub mocks: TrialMocks,
}

/// What stands in for what a detection uses.
#[derive(Debug, Clone, Default)]
pub struct TrialMocks {
    /// What stands in for attributes of modules.
    pub attributes: BTreeMap<String, StandIn>,
    /// What stands in for the rows of enrichment tables.
    pub enrichment: BTreeMap<EnrichmentName, Vec<Value>>,
    /// What `remotecache` holds at the first row.
    pub remembered: Remembered,
}

/// What tests want to know.
pub struct Rehearsal<'a> {
    /// The rows, table by table.
    pub tables: &'a [TrialRows],
    /// Each detection's own rows, test by test.
    pub attempts: Vec<(DetectionName, TrialAttempt)>,
    /// Detections that are shown every row of their tables too.
    pub sweep: BTreeSet<DetectionName>,
}

impl Trial {
    /// Lays rows of a table out as columns.
    pub fn lay_out(&self, table: &TableName, rows: &[Value]) -> Result<TrialRows, EmbeddedError> {
        let (batch, misfits) = columns::json_rows(&self.schema(table)?, rows)?;
        let times = times(&batch);
        let file = self.write_in_order(batch.clone())?;
        Ok(TrialRows { table: table.clone(), file, batch, times, queried: None, misfits })
    }

    /// What a scheduled detection's query finds in tables held in memory, in one window; `None` where that is no row.
    pub async fn query(
        &self,
        detection: &DetectionName,
        tables: &BTreeMap<TableName, Vec<Value>>,
        window: Stretch,
    ) -> Result<(Option<TrialRows>, Vec<Misfit>), EmbeddedError> {
        let found = self.bundle.release.detections.get(detection).ok_or(EmbeddedError::NothingDeployed)?;
        let Trigger::Scheduled(schedule) = &found.trigger else { return Err(EmbeddedError::NothingDeployed) };
        let query = self.bundle.text(schedule.query).unwrap_or_default();
        let (mut fixtures, mut misfits) = (Vec::new(), Vec::new());
        // SQL reads no table that it does not name
        let words = query.to_lowercase();
        for name in self.all_tables().into_iter().filter(|name| words.contains(&name.as_str().to_lowercase())) {
            let rows = tables.get(&name).map_or(&[][..], Vec::as_slice);
            let (batch, wrong) = columns::json_rows(&self.schema(&name)?, rows)?;
            misfits.extend(wrong);
            fixtures.push((name, batch));
        }
        let batches = sql::query_fixtures(fixtures, &sql::bind(query, window.start, window.end)).await?;
        let Some(batch) = joined(&batches)? else { return Ok((None, misfits)) };
        let table = found.tables.first().cloned().unwrap_or_else(TableName::alerts);
        let times = match batch.column_by_name("ts") {
            Some(_) => times(&batch),
            None => vec![window.start; batch.num_rows()],
        };
        let file = self.write_in_order(batch.clone())?;
        let queried = Some((detection.clone(), window));
        Ok((Some(TrialRows { table, file, batch, times, queried, misfits: Vec::new() }), misfits))
    }

    /// What a scheduled detection makes of the rows that its query found: all are matches where it has no code.
    ///
    /// Blocks as [`Trial::rehearse`] does.
    pub fn scheduled(
        &self,
        detection: &DetectionName,
        rows: TrialRows,
        mocks: TrialMocks,
        runtime: &Handle,
    ) -> Result<Evaluation, EmbeddedError> {
        let release = &self.bundle.release;
        let found = release.detections.get(detection).ok_or(EmbeddedError::NothingDeployed)?;
        if found.files.contains_key(MODULE) {
            let attempt = TrialAttempt { table: 0, rows: 0..rows.batch.num_rows() as u64, mocks };
            let attempts = vec![(detection.clone(), attempt)];
            let rehearsal = Rehearsal { tables: &[rows], attempts, sweep: BTreeSet::new() };
            let rehearsed = self.rehearse(rehearsal, runtime)?.attempts.into_iter().next();
            return rehearsed.map(|attempted| attempted.evaluation).ok_or(EmbeddedError::NothingDeployed);
        }
        let host = self.host.as_ref().ok_or(EmbeddedError::NothingDeployed)?;
        let identify = |row: u64, event: &Value| rows.identity(row, event);
        let report = host.scheduled(detection, &rows.table, &rows.file, &identify)?;
        let records = report.matches.into_iter().map(|found| Evaluated::Fired(Box::new(found))).collect();
        Ok(Evaluation { records, failures: report.failures, printed: report.printed })
    }

    /// Shows each detection its own rows, and some detections all rows.
    ///
    /// Blocks, and must be called where that is fine; `runtime` carries what detections remember.
    pub fn rehearse(&self, rehearsal: Rehearsal<'_>, runtime: &Handle) -> Result<Rehearsed, EmbeddedError> {
        let Some(host) = &self.host else { return Ok(Rehearsed::default()) };
        let mut enrichment = BTreeMap::new();
        let attempts = rehearsal.attempts.into_iter().map(|(detection, attempt)| {
            let TrialAttempt { table, rows, mocks } = attempt;
            let TrialMocks { attributes, enrichment: tables, remembered } = mocks;
            let tables = tables.into_iter().map(|(name, rows)| self.stand_in_table(&mut enrichment, name, &rows));
            let stand_ins = StandIns { attributes, enrichment: tables.collect::<Result<_, EmbeddedError>>()? };
            Ok(Attempt { detection, table, rows, stand_ins, remembered })
        });
        let attempts = attempts.collect::<Result<Vec<_>, EmbeddedError>>()?;
        let events: Vec<_> = rehearsal.tables.iter().map(|rows| move |row: usize| rows.event(row)).collect();
        let identities: Vec<_> =
            rehearsal.tables.iter().map(|rows| move |row: u64, event: &Value| rows.identity(row, event)).collect();
        let tables: Vec<RehearsalTable<'_>> = rehearsal
            .tables
            .iter()
            .zip(events.iter().zip(&identities))
            .map(|(rows, (event, identify))| RehearsalTable {
                table: rows.table.clone(),
                file: rows.file.clone(),
                times: rows.times.clone(),
                event,
                identify,
            })
            .collect();
        // in memory: it is gone with the trial
        let cache = SqliteCache::open(std::path::Path::new(":memory:"))?;
        let cache =
            CacheAccess { cache: Arc::new(cache), runtime: runtime.clone(), now: Arc::new(|| Timestamp::EPOCH) };
        let rehearsal = detections::Rehearsal { tables: &tables, attempts: &attempts, sweep: &rehearsal.sweep };
        Ok(host.rehearse(&rehearsal, &cache)?)
    }

    /// A table with a test's own rows; the same rows are written once.
    fn stand_in_table(
        &self,
        written: &mut BTreeMap<(EnrichmentName, String), LoadEnrichment>,
        name: EnrichmentName,
        rows: &[Value],
    ) -> Result<LoadEnrichment, EmbeddedError> {
        let key = (name, Value::from(rows.to_vec()).to_string());
        if let Some(load) = written.get(&key) {
            return Ok(load.clone());
        }
        let unknown = || EmbeddedError::UnknownTable(TableName::of_enrichment(&key.0));
        let table = self.bundle.release.enrichment.get(&key.0).ok_or_else(unknown)?;
        let (batch, _) = columns::json_rows(&table.schema, rows)?;
        let file = self.write_in_order(batch)?;
        let (name, lookup_keys) = (table.name.to_string(), table.lookup_keys.clone());
        let load = LoadEnrichment { name, lookup_keys, file: file.display().to_string() };
        written.insert(key, load.clone());
        Ok(load)
    }

    fn write_in_order(&self, batch: RecordBatch) -> Result<PathBuf, EmbeddedError> {
        let path = self.directory()?.join("rows.parquet");
        let options = FileOptions { keep: Keep::ForNow, ..FileOptions::default() };
        let mut writer = FileWriter::create(&path, batch.schema(), options);
        writer.write(batch)?;
        writer.finish()?;
        Ok(path)
    }
}

fn times(batch: &RecordBatch) -> Vec<Timestamp> {
    let column = batch.column_by_name("ts").and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let time = |row: usize| {
        let micros = column.filter(|column| !datafusion::arrow::array::Array::is_null(column, row))?.value(row);
        Timestamp::from_micros(micros)
    };
    (0..batch.num_rows()).map(|row| time(row).unwrap_or(Timestamp::EPOCH)).collect()
}
