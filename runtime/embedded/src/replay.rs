//! Running rejects or whole objects again after a fix. A record that has its row is left alone, so a replay can be
//! repeated, also after a crash: detections see new rows before they are committed, and both count the same thing once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::Path,
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use columns::Projection;
use datafusion::arrow::{
    array::{Array as _, AsArray as _, BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use futures::TryStreamExt as _;
use lake::{Effect, LocalFile};
use lake_writer::Flush;
use model::{
    digest::Digest,
    name::{LogSourceName, TableName},
    object::{ObjectId, Position, RejectRule, SourceObject},
    release::{Storage, WriteMode},
    staged::{BatchId, StagedFile},
    time::Timestamp,
};
use serde_json::Value;
use store::{
    ledger::{Claim, Lease, Ledger as _},
    objects::{Body, Objects as _},
};
use transform::{Hints, SourceTransform, TransformOutput};
use transformer::Request;

use crate::{
    EmbeddedError,
    flow::{Session, blocking},
    report::{Ingested, Settled},
    sql, trial,
};

/// What a replay did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replayed {
    /// Records that were run again.
    pub records: u64,
    /// Records that have a row now.
    pub new: u64,
    /// Records that had their row already.
    pub known: u64,
    /// Records that are still rejected, by rule and error.
    pub rejected: BTreeMap<String, u64>,
    /// What could not be run again, and what to do.
    pub problems: Vec<String>,
    /// Objects that had not been read to their end: they were ingested.
    pub ingested: Ingested,
    /// What became of the new rows.
    pub settled: Settled,
}

/// Rejects are replayed in pieces of this many.
const REJECTS_AT_A_TIME: usize = 2000;

impl Session<'_> {
    /// Runs the records of `matano_rejects` again, all or those of one log source.
    pub async fn replay_rejects(&self, source: Option<&LogSourceName>) -> Result<Replayed, EmbeddedError> {
        let mut replayed = Replayed::default();
        let filter = source.map_or_else(String::new, |name| format!(" WHERE log_source = {}", text(name.as_str())));
        let columns = "record_id, log_source, \"object\", \"position\", rule, raw, raw_encoding";
        let query = format!("SELECT {columns} FROM matano_rejects{filter} ORDER BY log_source, record_id");
        let batches = self.ask(&query).await?;
        let rejects: Vec<Value> =
            batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| columns::row_json(batch, row))).collect();
        for piece in rejects.chunks(REJECTS_AT_A_TIME) {
            self.replay_piece(piece, &mut replayed).await?;
        }
        self.alert(&mut replayed.settled).await?;
        Ok(replayed)
    }

    /// Runs whole objects again. One that was never read to its end is ingested instead.
    pub async fn replay_objects(&self, requests: Vec<Request>) -> Result<Replayed, EmbeddedError> {
        let mut replayed = Replayed::default();
        let mut fresh = Vec::new();
        for request in requests {
            let head = self.target.objects.head(&request.address).await?;
            let object = head.object.clone();
            let Some(name) = self.log_source_of(&request, &object) else {
                replayed.problems.push(format!("`{}` belongs to no log source: name one with --source", object.uri()));
                continue;
            };
            if self.is_unread(&object).await? {
                fresh.push(Request { source: Some(name), ..request });
                continue;
            }
            if let Some(table) = self.uploaded_table(&name)
                && table.write_mode == WriteMode::Append
            {
                let uri = object.uri();
                replayed.problems.push(format!("`{uri}` is in `{name}` already and would add its rows a second time"));
                continue;
            }
            let directory = self.target.scratch(&self.owner)?;
            let hints = Hints {
                key: object.key.clone(),
                content_encoding: head.content_encoding,
                content_type: head.content_type,
            };
            let input: Box<dyn Read + Send> = match self.target.objects.open(&object).await? {
                Body::Local(path) => {
                    let file = File::open(&path);
                    Box::new(file.map_err(|source| EmbeddedError::Directory { path, source })?)
                }
                Body::Stream(stream) => Box::new(tokio_util::io::SyncIoBridge::new(stream)),
            };
            let transform = self.transform_of(&name)?;
            self.run_again(transform, object, input, hints, directory.path(), &mut replayed).await?;
        }
        if !fresh.is_empty() {
            replayed.ingested = self.ingest(fresh, |_| ()).await?;
        }
        let settled = self.settle(Flush::All).await?;
        replayed.settled.add(settled);
        Ok(replayed)
    }

    /// Whether an object has no outcome yet. A dead one is let go for another attempt.
    async fn is_unread(&self, object: &SourceObject) -> Result<bool, EmbeddedError> {
        if self.target.ledger.revive(object.id()).await? {
            return Ok(true);
        }
        let now = (self.clock)();
        let lease = Lease::new("replay", now, 1);
        match self.target.ledger.report(object.id()).await? {
            Some(_) => Ok(false),
            None => match self.target.ledger.claim(object, &lease, now).await? {
                Claim::Claimed { attempt } => {
                    self.target.ledger.failed(object.id(), attempt, "left to ingest", u32::MAX).await?;
                    Ok(true)
                }
                Claim::Done(_) => Ok(false),
                Claim::Busy { .. } | Claim::Dead { .. } => Ok(true),
            },
        }
    }

    async fn run_again(
        &self,
        transform: Arc<SourceTransform>,
        object: SourceObject,
        input: Box<dyn Read + Send>,
        hints: Hints,
        directory: &Path,
        replayed: &mut Replayed,
    ) -> Result<(), EmbeddedError> {
        let (now, out) = ((self.clock)(), directory.to_path_buf());
        let uri = object.uri();
        let output = blocking(move || transform.run(&object, input, &hints, now, &out)).await??;
        self.take_up(output, directory, uri, replayed).await
    }

    /// What a transform made of records of one object.
    async fn take_up(
        &self,
        output: TransformOutput,
        directory: &Path,
        uri: String,
        replayed: &mut Replayed,
    ) -> Result<(), EmbeddedError> {
        replayed.records += output.report.records;
        for file in output.files {
            let rows = columns::read_file(&directory.join(&file.key), Projection::All)?;
            if file.table == TableName::rejects() {
                for row in 0..rows.num_rows() {
                    reject(&columns::row_json(&rows, row), replayed);
                }
            } else if let Some(effect) = self.upload_effect(&file.table) {
                self.upload_again(file, directory, &effect, replayed).await?;
            } else {
                self.bring_in(file, rows, &uri, replayed).await?;
            }
        }
        Ok(())
    }

    /// Raw records of rejects, those of one object together.
    async fn replay_piece(&self, rejects: &[Value], replayed: &mut Replayed) -> Result<(), EmbeddedError> {
        let mut objects: BTreeMap<(String, ObjectId), OfObject> = BTreeMap::new();
        for found in rejects {
            let Some(record) = Record::of(found) else {
                replayed
                    .problems
                    .push("a row of matano_rejects cannot be read: it was not written by matano".to_owned());
                continue;
            };
            if record.is_partial() {
                let what = "is known in part only: mend the object or raise `max_record_size`, then run `matano replay";
                replayed.problems.push(format!("a record of `{uri}` {what} {uri}`", uri = record.object.uri()));
                continue;
            }
            let key = (record.source, record.object.id());
            let of_object =
                objects.entry(key).or_insert_with(|| OfObject { object: record.object, records: Vec::new() });
            of_object.records.push((record.position, record.raw));
        }
        for ((source, _), OfObject { object, records }) in objects {
            let Ok(name) = self.source(&source) else {
                replayed.problems.push(format!("log source `{source}` of `{}` is no longer deployed", object.uri()));
                continue;
            };
            if self.uploaded_table(&name).is_some() {
                let uri = object.uri();
                replayed.problems.push(format!(
                    "`{uri}` is an upload to `{name}`, whose rows go in together: run `matano replay {uri}`"
                ));
                continue;
            }
            let (transform, directory, now) =
                (self.transform_of(&name)?, self.target.scratch(&self.owner)?, (self.clock)());
            let (uri, out) = (object.uri(), directory.path().to_path_buf());
            // a record is plain text whatever its object was packed in
            let hints = Hints { key: object.key.clone(), content_encoding: None, content_type: None };
            let output = blocking(move || transform.run_records(&object, &records, &hints, now, &out)).await??;
            self.take_up(output, directory.path(), uri, replayed).await?;
        }
        Ok(())
    }

    /// Detects and commits those rows whose records have none in the table.
    async fn bring_in(
        &self,
        staged: StagedFile,
        rows: RecordBatch,
        uri: &str,
        replayed: &mut Replayed,
    ) -> Result<(), EmbeddedError> {
        let ids = record_ids(&rows);
        let known = self.known(&staged.table, uri).await?;
        let mut seen = BTreeSet::new();
        let keep: BooleanArray = ids.iter().map(|id| Some(!known.contains(id) && seen.insert(id.clone()))).collect();
        replayed.known += ids.iter().filter(|id| known.contains(*id)).count() as u64;
        let failed = |error: datafusion::arrow::error::ArrowError| sql::SqlError::Execution(error.to_string());
        let rows = filter_record_batch(&rows, &keep).map_err(failed)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let (table, count) = (staged.table.clone(), rows.num_rows() as u64);
        let parts = std::iter::once(table.as_str().as_bytes()).chain(seen.iter().map(String::as_bytes));
        let batch = BatchId(Digest::of_parts(parts));
        let directory = self.target.scratch(&self.owner)?;
        let path = directory.path().join("rows.parquet");
        let stats = trial::write_file(&path, rows)?;
        let staged = StagedFile {
            key: format!("replay/{}.parquet", batch.0),
            rows: stats.rows,
            bytes: stats.bytes,
            ts_range: stats.ts_range.unwrap_or((Timestamp::EPOCH, Timestamp::EPOCH)),
            ..staged
        };
        if let Some(host) = self.host.clone() {
            let files = vec![(staged.clone(), path.clone())];
            self.judge(host, files, &mut replayed.settled).await?;
        }
        let files = [LocalFile { path, staged }];
        self.target.lake.commit(&table, &files, batch, Storage::default().target_file_bytes).await?;
        replayed.settled.commits += 1;
        replayed.new += count;
        Ok(())
    }

    /// Lets an upload have its effect once more, unless it was the last that had one.
    async fn upload_again(
        &self,
        staged: StagedFile,
        directory: &Path,
        effect: &Effect,
        replayed: &mut Replayed,
    ) -> Result<(), EmbeddedError> {
        let (table, rows) = (staged.table.clone(), staged.rows);
        let content = Digest::of_parts([staged.key.as_bytes(), staged.release.0.as_bytes()]);
        let Some(batch) = self.target.batch_of_content(&table, content).await? else {
            replayed.known += rows;
            return Ok(());
        };
        let files = [LocalFile { path: directory.join(&staged.key), staged }];
        self.target.lake.write(&table, &files, batch, Storage::default().target_file_bytes, effect).await?;
        replayed.settled.commits += 1;
        replayed.new += rows;
        Ok(())
    }

    /// Ids of the records of an object that have a row in a table.
    async fn known(&self, table: &TableName, uri: &str) -> Result<BTreeSet<String>, EmbeddedError> {
        let query = format!("SELECT matano.record_id AS id FROM {table} WHERE matano.source_object = {}", text(uri));
        let batches = self.ask(&query).await?;
        Ok(batches.iter().flat_map(|batch| strings(batch.column(0).as_ref())).collect())
    }

    async fn ask(&self, query: &str) -> Result<Vec<RecordBatch>, EmbeddedError> {
        let rows = sql::query(&self.target.lake, query).await?;
        let failed = |error: datafusion::error::DataFusionError| sql::SqlError::Execution(error.to_string());
        Ok(rows.stream.try_collect().await.map_err(failed)?)
    }
}

/// Records of one object by position.
struct OfObject {
    object: SourceObject,
    records: Vec<(Position, Vec<u8>)>,
}

/// A record of `matano_rejects`.
struct Record {
    source: String,
    rule: String,
    object: SourceObject,
    position: Position,
    raw: Vec<u8>,
}

impl Record {
    fn of(row: &Value) -> Option<Self> {
        let raw = string(row, "/raw").unwrap_or_default();
        let raw = match string(row, "/raw_encoding").as_deref() {
            Some("base64") => STANDARD.decode(raw).ok()?,
            Some(_) => return None,
            None => raw.into_bytes(),
        };
        Some(Self {
            source: string(row, "/log_source")?,
            rule: string(row, "/rule")?,
            object: SourceObject {
                bucket: string(row, "/object/bucket")?,
                key: string(row, "/object/key")?,
                version: string(row, "/object/version").unwrap_or_default(),
                size: row.pointer("/object/size").and_then(Value::as_u64).unwrap_or_default(),
            },
            position: Position(row.get("position").and_then(Value::as_u64)?),
            raw,
        })
    }

    /// Whether the bytes are not those of one whole record.
    fn is_partial(&self) -> bool {
        [RejectRule::Decode, RejectRule::TooLarge, RejectRule::Expand].iter().any(|rule| rule.as_str() == self.rule)
    }
}

fn reject(row: &Value, replayed: &mut Replayed) {
    let (rule, error) = (string(row, "/rule").unwrap_or_default(), string(row, "/error").unwrap_or_default());
    *replayed.rejected.entry(format!("{rule}: {error}")).or_default() += 1;
}

fn string(row: &Value, pointer: &str) -> Option<String> {
    row.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// An SQL literal.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn record_ids(rows: &RecordBatch) -> Vec<String> {
    let matano = rows.column_by_name("matano").and_then(|column| column.as_struct_opt());
    let ids = matano.and_then(|matano| matano.column_by_name("record_id"));
    ids.map(|ids| strings(ids.as_ref())).unwrap_or_default()
}

fn strings(column: &dyn datafusion::arrow::array::Array) -> Vec<String> {
    match column.as_string_opt::<i32>() {
        Some(column) => (0..column.len()).map(|row| column.value(row).to_owned()).collect(),
        None => Vec::new(),
    }
}
