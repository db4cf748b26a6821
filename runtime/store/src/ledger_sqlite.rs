//! [`Ledger`] in an SQLite file.

use std::path::Path;

use async_trait::async_trait;
use model::{
    digest::Digest,
    name::TableName,
    object::{ObjectId, SourceObject},
    staged::{BatchId, ObjectReport, StagedFile},
    time::Timestamp,
};
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::StoreError,
    ledger::{Batch, Claim, Counts, DeadObject, Lease, Ledger, Pending},
    sqlite::{Database, Tables},
};

const TABLES: Tables = Tables { name: "ledger", version: 1, sql: include_str!("ledger.sql") };

/// A ledger in a file of this machine, for any number of processes.
#[derive(Debug, Clone)]
pub struct SqliteLedger {
    database: Database,
}

impl SqliteLedger {
    /// Opens the file, or makes it. Other parts of the store may live in the same one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, &TABLES)? })
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn claim(&self, object: &SourceObject, lease: &Lease, now: Timestamp) -> Result<Claim, StoreError> {
        let (object, lease) = (object.clone(), lease.clone());
        self.database.transact(move |tx| claim(tx, &object, &lease, now)).await
    }

    async fn renew(&self, object: ObjectId, attempt: u32, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.database
            .transact(move |tx| {
                let sql = "update objects set owner = ?3, lease_until = ?4 where id = ?1 and attempt = ?2 and state = 'claimed'";
                let values = params![object.to_string(), attempt, lease.owner, lease.until.micros()];
                if tx.execute(sql, values)? == 1 { Ok(()) } else { Err(StoreError::ClaimLost(object)) }
            })
            .await
    }

    async fn staged(
        &self,
        report: &ObjectReport,
        attempt: u32,
        files: &[StagedFile],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (report, files) = (report.clone(), files.to_vec());
        self.database.transact(move |tx| staged(tx, &report, attempt, &files, now)).await
    }

    async fn failed(
        &self,
        object: ObjectId,
        attempt: u32,
        reason: &str,
        max_attempts: u32,
    ) -> Result<bool, StoreError> {
        let reason = reason.to_owned();
        self.database
            .transact(move |tx| {
                let sql = "update objects set failures = failures + 1, reason = ?3, lease_until = ?5,
                    state = case when failures + 1 >= ?4 then 'dead' else 'claimed' end
                    where id = ?1 and attempt = ?2 and state = 'claimed' returning state = 'dead'";
                let id = object.to_string();
                let values = params![id, attempt, reason, max_attempts, Timestamp::MIN.micros()];
                Ok(tx.query_row(sql, values, |row| row.get(0)).optional()?.unwrap_or(false))
            })
            .await
    }

    async fn unfinished(&self, now: Timestamp) -> Result<Vec<SourceObject>, StoreError> {
        self.database
            .transact(move |tx| {
                let sql = "select object from objects where state = 'claimed' and lease_until <= ?1 order by id";
                let mut statement = tx.prepare(sql)?;
                let rows = statement.query_map([now.micros()], |row| row.get::<_, String>(0))?;
                rows.map(|object| read("object", &object?)).collect()
            })
            .await
    }

    async fn dead(&self) -> Result<Vec<DeadObject>, StoreError> {
        self.database
            .transact(|tx| {
                let mut statement = tx.prepare(
                    "select object, attempt, coalesce(reason, '') from objects where state = 'dead' order by id",
                )?;
                let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))?;
                rows.map(|row| {
                    let (object, attempts, reason) = row?;
                    Ok(DeadObject { object: read("object", &object)?, attempts, reason })
                })
                .collect()
            })
            .await
    }

    async fn revive(&self, object: ObjectId) -> Result<bool, StoreError> {
        self.database
            .transact(move |tx| {
                let sql = "update objects set state = 'claimed', failures = 0 where id = ?1 and state = 'dead'";
                Ok(tx.execute(sql, [object.to_string()])? == 1)
            })
            .await
    }

    async fn report(&self, object: ObjectId) -> Result<Option<ObjectReport>, StoreError> {
        self.database
            .transact(move |tx| {
                let sql = "select report from objects where id = ?1 and state = 'done'";
                let found: Option<String> = tx.query_row(sql, [object.to_string()], |row| row.get(0)).optional()?;
                found.map(|report| read("report", &report)).transpose()
            })
            .await
    }

    async fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        self.database
            .transact(|tx| {
                let mut statement =
                    tx.prepare("select file, staged_at from files where batch is null order by staged_at, key")?;
                let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
                rows.map(|row| {
                    let (file, since) = row?;
                    Ok(Pending { file: read("staged file", &file)?, since: time(since) })
                })
                .collect()
            })
            .await
    }

    async fn open_batch(
        &self,
        table: &TableName,
        keys: &[String],
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Option<Batch>, StoreError> {
        let (table, keys, lease) = (table.clone(), keys.to_vec(), lease.clone());
        self.database.transact(move |tx| open_batch(tx, table, &keys, &lease, now)).await
    }

    async fn take_batches(&self, lease: &Lease, now: Timestamp) -> Result<Vec<Batch>, StoreError> {
        let lease = lease.clone();
        self.database.transact(move |tx| take_batches(tx, &lease, now)).await
    }

    async fn is_next(&self, batch: BatchId) -> Result<bool, StoreError> {
        self.database
            .transact(move |tx| {
                let sql = "select not exists (
                    select 1 from files f, (
                        select table_name, staged_at, key from files where batch = ?1 order by staged_at, key limit 1) b
                    where f.table_name = b.table_name and f.committed = 0
                        and (f.staged_at, f.key) < (b.staged_at, b.key))";
                Ok(tx.query_row(sql, [batch.0.to_string()], |row| row.get(0))?)
            })
            .await
    }

    async fn renew_batch(&self, batch: BatchId, lease: &Lease) -> Result<bool, StoreError> {
        let lease = lease.clone();
        self.database
            .transact(move |tx| {
                let sql = "update batches set lease_until = ?3 where id = ?1 and owner = ?2 and done_at is null";
                Ok(tx.execute(sql, params![batch.0.to_string(), lease.owner, lease.until.micros()])? == 1)
            })
            .await
    }

    async fn commit_done(&self, batch: BatchId, now: Timestamp) -> Result<(), StoreError> {
        self.database
            .transact(move |tx| {
                let id = batch.0.to_string();
                tx.execute("update files set committed = 1 where batch = ?1", [&id])?;
                let sql = "update batches set done_at = coalesce(done_at, ?2) where id = ?1";
                tx.execute(sql, params![id, now.micros()])?;
                Ok(())
            })
            .await
    }

    async fn open_batches(&self, table: &TableName) -> Result<Vec<BatchId>, StoreError> {
        let table = table.clone();
        self.database
            .transact(move |tx| {
                let mut statement = tx.prepare(
                    "select id from batches where done_at is null and table_name = ?1 order by opened_at, id",
                )?;
                let rows = statement.query_map([table.as_str()], |row| row.get::<_, String>(0))?;
                rows.map(|id| batch_id(&id?)).collect()
            })
            .await
    }

    async fn take_unseen(&self, lease: &Lease, now: Timestamp, limit: u32) -> Result<Vec<StagedFile>, StoreError> {
        let lease = lease.clone();
        self.database
            .transact(move |tx| {
                let sql = "update files set seer = ?1, seer_until = ?2 where key in (
                        select key from files where seen = 0 and (seer is null or seer = ?1 or seer_until <= ?3)
                        order by staged_at, key limit ?4)
                    returning staged_at, key, file";
                let mut statement = tx.prepare(sql)?;
                let values = params![lease.owner, lease.until.micros(), now.micros(), limit];
                let rows = statement.query_map(values, |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?)))?;
                let mut taken: Vec<(i64, String, String)> = rows.collect::<Result<_, _>>()?;
                // `returning` keeps no order
                taken.sort();
                taken.iter().map(|(_, _, file)| read("staged file", file)).collect()
            })
            .await
    }

    async fn seen(&self, keys: &[String]) -> Result<(), StoreError> {
        self.for_each_key("update files set seen = 1, seer = null, seer_until = null where key = ?1", keys).await
    }

    async fn disposable(&self, limit: u32) -> Result<Vec<StagedFile>, StoreError> {
        self.database
            .transact(move |tx| {
                let sql = "select file from files where committed = 1 and seen = 1 order by key limit ?1";
                files(tx, sql, params![limit])
            })
            .await
    }

    async fn disposed(&self, keys: &[String]) -> Result<(), StoreError> {
        self.for_each_key("delete from files where key = ?1 and committed = 1 and seen = 1", keys).await
    }

    async fn abandon(&self, owner: &str) -> Result<(), StoreError> {
        let owner = owner.to_owned();
        self.database
            .transact(move |tx| {
                let over = Timestamp::MIN.micros();
                for sql in [
                    "update objects set lease_until = ?2 where owner = ?1 and state = 'claimed'",
                    "update batches set lease_until = ?2 where owner = ?1 and done_at is null",
                    "update files set seer_until = ?2 where seer = ?1 and seen = 0",
                ] {
                    tx.execute(sql, params![owner, over])?;
                }
                Ok(())
            })
            .await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.database
            .transact(|tx| {
                let sql = "select
                    (select count(*) from objects where state = 'claimed'),
                    (select count(*) from objects where state = 'done'),
                    (select count(*) from objects where state = 'dead'),
                    (select count(*) from files where batch is null),
                    (select count(*) from batches where done_at is null),
                    (select count(*) from files where seen = 0)";
                Ok(tx.query_row(sql, [], |row| {
                    Ok(Counts {
                        claimed: row.get(0)?,
                        done: row.get(1)?,
                        dead: row.get(2)?,
                        pending: row.get(3)?,
                        open_batches: row.get(4)?,
                        unseen: row.get(5)?,
                    })
                })?)
            })
            .await
    }
}

impl SqliteLedger {
    async fn for_each_key(&self, sql: &'static str, keys: &[String]) -> Result<(), StoreError> {
        let keys = keys.to_vec();
        self.database
            .transact(move |tx| {
                let mut statement = tx.prepare(sql)?;
                for key in &keys {
                    statement.execute([key])?;
                }
                Ok(())
            })
            .await
    }
}

/// An object as it stands.
struct Standing {
    state: String,
    attempt: u32,
    owner: String,
    until: Timestamp,
    reason: Option<String>,
    report: Option<String>,
}

fn standing(tx: &Transaction<'_>, id: &str) -> Result<Option<Standing>, StoreError> {
    let sql = "select state, attempt, owner, lease_until, reason, report from objects where id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Standing {
            state: row.get(0)?,
            attempt: row.get(1)?,
            owner: row.get(2)?,
            until: time(row.get(3)?),
            reason: row.get(4)?,
            report: row.get(5)?,
        })
    };
    Ok(tx.query_row(sql, [id], read).optional()?)
}

fn claim(tx: &Transaction<'_>, object: &SourceObject, lease: &Lease, now: Timestamp) -> Result<Claim, StoreError> {
    let id = object.id().to_string();
    let attempt = match standing(tx, &id)? {
        None => {
            let sql = "insert into objects (id, object, state, attempt, owner, lease_until) values (?1, ?2, 'claimed', 1, ?3, ?4)";
            tx.execute(sql, params![id, write(object), lease.owner, lease.until.micros()])?;
            return Ok(Claim::Claimed { attempt: 1 });
        }
        Some(standing) => match (standing.state.as_str(), standing.report) {
            ("done", Some(report)) => return Ok(Claim::Done(read("report", &report)?)),
            ("dead", _) => {
                let reason = standing.reason.unwrap_or_default();
                return Ok(Claim::Dead { attempts: standing.attempt, reason });
            }
            _ if standing.owner != lease.owner && standing.until > now => {
                return Ok(Claim::Busy { until: standing.until });
            }
            _ => standing.attempt + 1,
        },
    };
    let sql = "update objects set attempt = ?2, owner = ?3, lease_until = ?4 where id = ?1";
    tx.execute(sql, params![id, attempt, lease.owner, lease.until.micros()])?;
    Ok(Claim::Claimed { attempt })
}

fn staged(
    tx: &Transaction<'_>,
    report: &ObjectReport,
    attempt: u32,
    files: &[StagedFile],
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = report.object.id();
    let standing = standing(tx, &id.to_string())?.filter(|standing| standing.attempt == attempt);
    match standing.map(|standing| standing.state).as_deref() {
        // the same call again, after an answer that got lost
        Some("done") => return Ok(()),
        Some("claimed") => (),
        Some(_) | None => return Err(StoreError::ClaimLost(id)),
    }
    let sql = "update objects set state = 'done', report = ?2, reason = null where id = ?1";
    tx.execute(sql, params![id.to_string(), write(report)])?;
    let mut insert = tx.prepare("insert into files (key, file, table_name, staged_at) values (?1, ?2, ?3, ?4)")?;
    for file in files {
        insert.execute(params![file.key, write(file), file.table.as_str(), now.micros()])?;
    }
    Ok(())
}

fn open_batch(
    tx: &Transaction<'_>,
    table: TableName,
    keys: &[String],
    lease: &Lease,
    now: Timestamp,
) -> Result<Option<Batch>, StoreError> {
    let mut free = Vec::new();
    let mut find = tx.prepare("select file from files where key = ?1 and table_name = ?2 and batch is null")?;
    for key in keys {
        let found: Option<String> = find.query_row(params![key, table.as_str()], |row| row.get(0)).optional()?;
        free.extend(found.map(|file| read::<StagedFile>("staged file", &file)).transpose()?);
    }
    free.sort_by(|left, right| left.key.cmp(&right.key));
    free.dedup_by(|left, right| left.key == right.key);
    if free.is_empty() {
        return Ok(None);
    }
    let id = BatchId::of(&table, &free);
    let sql = "insert into batches (id, table_name, owner, lease_until, opened_at) values (?1, ?2, ?3, ?4, ?5)";
    let word = id.0.to_string();
    tx.execute(sql, params![word, table.as_str(), lease.owner, lease.until.micros(), now.micros()])?;
    let mut update = tx.prepare("update files set batch = ?2 where key = ?1")?;
    for file in &free {
        update.execute(params![file.key, word])?;
    }
    Ok(Some(Batch { id, table, files: free }))
}

fn take_batches(tx: &Transaction<'_>, lease: &Lease, now: Timestamp) -> Result<Vec<Batch>, StoreError> {
    let sql = "update batches set owner = ?1, lease_until = ?2
        where done_at is null and (owner = ?1 or lease_until <= ?3) returning opened_at, id, table_name";
    let mut statement = tx.prepare(sql)?;
    let values = params![lease.owner, lease.until.micros(), now.micros()];
    let rows = statement.query_map(values, |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?)))?;
    let mut taken: Vec<(i64, String, String)> = rows.collect::<Result<_, _>>()?;
    taken.sort();
    let batch = |(_, id, table): (i64, String, String)| {
        let table = TableName::parse(&table).map_err(|error| unreadable("batch", error))?;
        let files = files(tx, "select file from files where batch = ?1 order by key", [&id])?;
        Ok(Batch { id: batch_id(&id)?, table, files })
    };
    taken.into_iter().map(batch).collect()
}

fn files(tx: &Transaction<'_>, sql: &str, values: impl rusqlite::Params) -> Result<Vec<StagedFile>, StoreError> {
    let mut statement = tx.prepare(sql)?;
    let rows = statement.query_map(values, |row| row.get::<_, String>(0))?;
    rows.map(|file| read("staged file", &file?)).collect()
}

fn batch_id(word: &str) -> Result<BatchId, StoreError> {
    word.parse::<Digest>().map(BatchId).map_err(|error| unreadable("batch", error))
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap_or(Timestamp::MIN)
}

fn write(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our nouns have string keys and no floats")
}

fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(what, error))
}

fn unreadable(what: &'static str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what, problem: error.to_string() }
}
