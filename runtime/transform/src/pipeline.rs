use std::{
    any::Any,
    cell::Cell,
    collections::BTreeMap,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Mutex, PoisonError},
};

use columns::FieldIds;
use model::{
    name::{LogSourceName, TableName},
    object::{Position, RecordId, Reject, RejectRule, SourceObject},
    release::{Bundle, Partition, ReleaseId},
    staged::{ObjectReport, StagedFile},
    time::Timestamp,
};

use crate::{
    EnrichmentTables, TransformError,
    frame::{Body, EXCERPT_BYTES, Hints, Item, Limits, Shape, read_records},
    reading::{self, Reading},
    rejects::RejectRows,
    row::Origin,
    source::Source,
    staging::Staging,
    worker::{FLUSH_BYTES, Input, Outcome, Text, Worker},
};

/// Rows of all tables are written out when there are about this many bytes of them in memory,
const FLUSH_BYTES_OF_ALL: usize = 128 << 20;

/// which is looked at every so many rows.
const ROWS_BETWEEN_LOOKS: u64 = 1024;

/// What to do about an object that is too large to be expanded at once.
const STREAMS: &str = "an `expand_records_from_payload` that is nothing but a path, such as \
                       `parse_json!(.__raw).Records`, reads objects of any size as a stream";

/// Turns the objects of one log source into staged files. One value serves any number of threads.
pub struct SourceTransform {
    source: Source,
    limits: Limits,
    reject_ids: Option<FieldIds>,
    /// Tools of threads that are done with an object, for the next one.
    idle: Mutex<Vec<Worker>>,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformOutput {
    /// The files, all complete and on disk under the output directory, each at its `key`.
    pub files: Vec<StagedFile>,
    /// What became of the records: `records` is `rows` and `rejects` and `dropped`.
    pub report: ObjectReport,
}

impl SourceTransform {
    /// Takes a log source out of a release. Selectors are compiled here, a table's programs when it gets its first record.
    ///
    /// `field_ids` are those that the lake gave to the columns of its tables, by table; a table without them gets files
    /// without field ids.
    pub fn compile(
        bundle: &Bundle,
        source: &LogSourceName,
        field_ids: &BTreeMap<TableName, FieldIds>,
        enrichment: &EnrichmentTables,
    ) -> Result<Self, TransformError> {
        let source = Source::new(bundle, source, field_ids, enrichment)?;
        let bytes = usize::try_from(source.source.max_record_bytes.get()).unwrap_or(usize::MAX);
        Ok(Self {
            limits: Limits { max_record_bytes: bytes, ..Limits::default() },
            reject_ids: field_ids.get(&TableName::rejects()).cloned(),
            source,
            idle: Mutex::default(),
        })
    }

    /// The same with other limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The id of the release, as on every row.
    pub fn release(&self) -> ReleaseId {
        self.source.release
    }

    /// Compiles everything that is compiled lazily, so that its mistakes show now.
    pub fn compile_all(&self) -> Result<(), TransformError> {
        for table in self.source.tables.values() {
            table.compiled(&self.source)?;
            table.expander(&self.source)?;
        }
        Ok(())
    }

    /// Reads one object to its end and writes its rows and its rejects below `out_dir`.
    ///
    /// `now` is the time of rows whose program sets none, and `matano.ingested_at`. The same object, release and `now`
    /// give the same files.
    pub fn run(
        &self,
        object: &SourceObject,
        input: Box<dyn Read + Send>,
        hints: &Hints,
        now: Timestamp,
        out_dir: &Path,
    ) -> Result<TransformOutput, TransformError> {
        self.guarded(|worker, at| self.run_with(worker, object, input, hints, now, out_dir, at))
    }

    /// Runs single records of an object again, given by position and bytes: rejects, after a fix. Each keeps its record id.
    pub fn run_records(
        &self,
        object: &SourceObject,
        records: &[(Position, Vec<u8>)],
        hints: &Hints,
        now: Timestamp,
        out_dir: &Path,
    ) -> Result<TransformOutput, TransformError> {
        self.guarded(|worker, at| {
            let mut run = self.begin(worker, object, now, out_dir);
            run.staging = run.staging.of_records(records.iter().map(|(position, _)| *position));
            let Some(reading) = reading::decide(&self.source, object, hints)? else { return run.finish() };
            run.default = reading.table.clone();
            for (position, raw) in records {
                at.set(*position);
                run.report.bytes += raw.len() as u64;
                run.again(&reading, *position, raw, hints, &self.limits)?;
            }
            run.finish()
        })
    }

    /// Lends a worker, and turns a panic into an error that names the record.
    fn guarded(
        &self,
        run: impl FnOnce(&mut Worker, &Cell<Position>) -> Result<TransformOutput, TransformError>,
    ) -> Result<TransformOutput, TransformError> {
        let mut worker = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let at = Cell::new(Position(0));
        let running = || run(&mut worker, &at);
        match catch_unwind(AssertUnwindSafe(running)) {
            Ok(Ok(output)) => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
                Ok(output)
            }
            // what the worker holds of this object is of no use to the next
            Ok(Err(error)) => Err(error),
            Err(panic) => Err(TransformError::Panic { position: at.get(), message: panic_message(&*panic) }),
        }
    }

    fn begin<'a>(
        &'a self,
        worker: &'a mut Worker,
        object: &'a SourceObject,
        now: Timestamp,
        out_dir: &Path,
    ) -> ObjectRun<'a> {
        ObjectRun {
            transform: self,
            worker,
            object,
            uri: object.uri(),
            release: self.source.release.to_string(),
            now,
            staging: Staging::new(out_dir, object.id(), self.source.release),
            rejects: RejectRows::new(self.reject_ids.as_ref()),
            default: None,
            report: ObjectReport { object: object.clone(), records: 0, rows: 0, rejects: 0, dropped: 0, bytes: 0 },
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parameters of `run`, and what must outlive a panic")]
    fn run_with(
        &self,
        worker: &mut Worker,
        object: &SourceObject,
        input: Box<dyn Read + Send>,
        hints: &Hints,
        now: Timestamp,
        out_dir: &Path,
        at: &Cell<Position>,
    ) -> Result<TransformOutput, TransformError> {
        let mut run = self.begin(worker, object, now, out_dir);
        let Some(reading) = reading::decide(&self.source, object, hints)? else {
            // the file-level selector said `abort`: nothing in this object is a record
            return run.finish();
        };
        run.default = reading.table.clone();
        let summary = read_records(input, hints, &reading.shape, &self.limits, &mut |item| match item {
            Item::Record { position, body, ts_millis, raw } => {
                at.set(position);
                let ts = ts_millis.and_then(|millis| Timestamp::from_micros(millis.checked_mul(1000)?)).unwrap_or(now);
                // of a string in an array the text is the record, not its spelling as JSON
                let raw = if let Body::Text(text) = body { text } else { raw };
                match Text::of(body) {
                    Ok(body) => run.record(&reading, position, Input { body, ts }, raw, at),
                    Err(error) => run.reject(position, None, RejectRule::Malformed, error.to_string(), raw.to_vec()),
                }
            }
            Item::Reject { position, rule, error, raw } => {
                if reading.expander.is_none() {
                    return run.reject(position, None, rule, error, raw);
                }
                let error = if rule == RejectRule::TooLarge { format!("{error}: {STREAMS}") } else { error };
                run.reject(Position(run.report.records), None, rule, error, raw)
            }
        })?;
        run.report.bytes = summary.bytes;
        run.finish()
    }
}

/// One object on its way through.
struct ObjectRun<'a> {
    transform: &'a SourceTransform,
    worker: &'a mut Worker,
    object: &'a SourceObject,
    uri: String,
    release: String,
    now: Timestamp,
    staging: Staging,
    rejects: RejectRows,
    /// The table of records for which nothing is selected.
    default: Option<TableName>,
    report: ObjectReport,
}

impl ObjectRun<'_> {
    fn record(
        &mut self,
        reading: &Reading,
        position: Position,
        input: Input<'_>,
        raw: &[u8],
        at: &Cell<Position>,
    ) -> Result<(), TransformError> {
        let Some(expander) = &reading.expander else {
            return self.transform(position, input, raw);
        };
        let text = match input.body {
            Text::Json(text) | Text::Line(text) => text,
        };
        match reading::expand(expander, text) {
            Ok(Some(records)) => {
                for record in records {
                    // records are counted after expansion
                    let position = Position(self.report.records);
                    at.set(position);
                    match reading::element(&record) {
                        Ok(element) => {
                            let body = element.body();
                            self.transform(position, Input { body, ts: input.ts }, element.text().as_bytes())?;
                        }
                        Err((error, json)) => {
                            self.reject(position, None, RejectRule::Malformed, error, json.into_bytes())?;
                        }
                    }
                }
                Ok(())
            }
            Ok(None) => {
                self.report.records += 1;
                self.report.dropped += 1;
                Ok(())
            }
            Err(error) => {
                let kept = &raw[..raw.len().min(EXCERPT_BYTES)];
                let position = Position(self.report.records);
                self.reject(position, None, RejectRule::Expand, error, kept.to_vec())
            }
        }
    }

    fn transform(&mut self, position: Position, input: Input<'_>, raw: &[u8]) -> Result<(), TransformError> {
        let Ok(text) = std::str::from_utf8(raw) else {
            let error = "expected UTF-8, found other bytes".to_owned();
            return self.reject(position, None, RejectRule::Malformed, error, raw.to_vec());
        };
        let origin = Origin {
            record_id: RecordId::of(self.object.id(), position),
            raw: text,
            source_object: &self.uri,
            release: &self.release,
            ingested_at: self.now,
        };
        let source = &self.transform.source;
        match self.worker.transform(source, self.default.as_ref(), input, &origin)? {
            Outcome::Row { full } => {
                self.report.records += 1;
                self.report.rows += 1;
                if let Some(table) = full {
                    self.flush(&table)?;
                }
                // many tables that are each not full may be too much together
                if self.report.rows.is_multiple_of(ROWS_BETWEEN_LOOKS) && self.worker.bytes() >= FLUSH_BYTES_OF_ALL {
                    self.flush_all()?;
                }
                Ok(())
            }
            Outcome::Dropped => {
                self.report.records += 1;
                self.report.dropped += 1;
                Ok(())
            }
            Outcome::Reject { table, rule, error } => self.reject(position, table, rule, error, raw.to_vec()),
        }
    }

    /// One record by itself. Columns of CSV without a header of ours stood in the object's first line.
    fn again(
        &mut self,
        reading: &Reading,
        position: Position,
        raw: &[u8],
        hints: &Hints,
        limits: &Limits,
    ) -> Result<(), TransformError> {
        let input = |body| Input { body, ts: self.now };
        let headers = match &reading.shape {
            Shape::Csv { headers } => Some(headers),
            Shape::Auto | Shape::JsonArrayAt(_) | Shape::Whole | Shape::CloudWatch => None,
        };
        match (std::str::from_utf8(raw), headers) {
            (Err(error), _) => self.reject(position, None, RejectRule::Malformed, error.to_string(), raw.to_vec()),
            (Ok(_), Some(headers)) if headers.is_empty() => {
                let error = "its column names stand in the object's first line: replay the whole object".to_owned();
                self.reject(position, None, RejectRule::Malformed, error, raw.to_vec())
            }
            (Ok(_), Some(_)) => {
                let (bytes, now) = (std::io::Cursor::new(raw.to_vec()), self.now);
                read_records(Box::new(bytes), hints, &reading.shape, limits, &mut |item| match item {
                    Item::Record { body, raw, .. } => match Text::of(body) {
                        Ok(body) => self.transform(position, Input { body, ts: now }, raw),
                        Err(error) => {
                            self.reject(position, None, RejectRule::Malformed, error.to_string(), raw.to_vec())
                        }
                    },
                    Item::Reject { rule, error, raw, .. } => self.reject(position, None, rule, error, raw),
                })
                .map(|_| ())
            }
            (Ok(text), None) if text.trim_start().starts_with('{') => {
                self.transform(position, input(Text::Json(text)), raw)
            }
            (Ok(text), None) => self.transform(position, input(Text::Line(text)), raw),
        }
    }

    fn reject(
        &mut self,
        position: Position,
        table: Option<TableName>,
        rule: RejectRule,
        error: String,
        raw: Vec<u8>,
    ) -> Result<(), TransformError> {
        self.report.records += 1;
        self.report.rejects += 1;
        self.rejects.push(&Reject {
            log_source: self.transform.source.source.name.clone(),
            table,
            object: self.object.clone(),
            position,
            release: self.transform.source.release,
            rule,
            error,
            raw,
            rejected_at: self.now,
        });
        if self.rejects.builder.bytes() >= FLUSH_BYTES { self.flush_rejects() } else { Ok(()) }
    }

    fn flush(&mut self, table: &TableName) -> Result<(), TransformError> {
        let Some(worker) = self.worker.table(table) else { return Ok(()) };
        if worker.builder.rows() == 0 {
            return Ok(());
        }
        let batch = worker.builder.finish()?;
        // the rows themselves have them in `matano.errors`
        let misfits = worker.builder.take_misfits().len();
        if misfits > 0 {
            tracing::debug!(%table, misfits, "values did not fit their columns");
        }
        let schema = worker.builder.schema().clone();
        self.staging.write(table, worker.table.storage.partition, &schema, batch)
    }

    fn flush_rejects(&mut self) -> Result<(), TransformError> {
        if self.rejects.builder.rows() == 0 {
            return Ok(());
        }
        let batch = self.rejects.builder.finish()?;
        let schema = self.rejects.builder.schema().clone();
        self.staging.write(&TableName::rejects(), Partition::Hour, &schema, batch)
    }

    fn flush_all(&mut self) -> Result<(), TransformError> {
        let tables: Vec<TableName> = self.worker.tables().cloned().collect();
        tables.iter().try_for_each(|table| self.flush(table))
    }

    fn finish(mut self) -> Result<TransformOutput, TransformError> {
        self.flush_all()?;
        self.flush_rejects()?;
        let files = self.staging.finish()?;
        Ok(TransformOutput { files, report: self.report })
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_owned(),
        (None, Some(message)) => message.clone(),
        (None, None) => "no message".to_owned(),
    }
}
