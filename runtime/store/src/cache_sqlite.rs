//! [`RemoteCache`] in an SQLite file.

use std::{collections::BTreeSet, path::Path};

use async_trait::async_trait;
use model::time::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde_json::Value;

use crate::{
    cache::{CacheKey, CacheValue, RemoteCache},
    error::StoreError,
    sqlite::{Database, Tables},
};

const TABLES: Tables = Tables {
    name: "cache",
    version: 1,
    sql: "create table if not exists cache (
              namespace text not null, key text not null, value text not null, ends_at integer not null,
              primary key (namespace, key)
          ) without rowid;
          create index if not exists cache_by_end on cache (ends_at);",
};

/// What detections remember, in a file of this machine.
#[derive(Debug, Clone)]
pub struct SqliteCache {
    database: Database,
}

impl SqliteCache {
    /// Opens the file, or makes it. Other parts of the store may live in the same one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, &TABLES)? })
    }
}

#[async_trait]
impl RemoteCache for SqliteCache {
    async fn get(&self, at: &CacheKey, now: Timestamp) -> Result<Option<CacheValue>, StoreError> {
        let at = at.clone();
        self.database.transact(move |tx| Ok(read(tx, &at, now)?.map(|(value, _)| value))).await
    }

    async fn set(&self, at: &CacheKey, value: CacheValue, ttl_seconds: u32, now: Timestamp) -> Result<(), StoreError> {
        let at = at.clone();
        let ends_at = end(now, ttl_seconds);
        self.database.transact(move |tx| write(tx, &at, &value, ends_at)).await
    }

    async fn remove(&self, at: &CacheKey) -> Result<(), StoreError> {
        let at = at.clone();
        self.database.transact(move |tx| delete(tx, &at)).await
    }

    async fn add(&self, at: &CacheKey, by: i64, ttl_seconds: u32, now: Timestamp) -> Result<i64, StoreError> {
        let at = at.clone();
        self.database
            .transact(move |tx| {
                let (count, ends_at) = match read(tx, &at, now)? {
                    None => (0, end(now, ttl_seconds)),
                    Some((CacheValue::Json(Value::Number(number)), ends_at)) if number.is_i64() => {
                        (number.as_i64().unwrap_or_default(), ends_at)
                    }
                    Some((other, _)) => return Err(mismatch(&at, "a counter", &other)),
                };
                let sum = count.saturating_add(by);
                write(tx, &at, &CacheValue::Json(Value::from(sum)), ends_at)?;
                Ok(sum)
            })
            .await
    }

    async fn add_strings(
        &self,
        at: &CacheKey,
        strings: BTreeSet<String>,
        ttl_seconds: u32,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError> {
        let at = at.clone();
        self.database
            .transact(move |tx| {
                let (mut set, ends_at) =
                    read_strings(tx, &at, now)?.unwrap_or((BTreeSet::new(), end(now, ttl_seconds)));
                set.extend(strings);
                write(tx, &at, &CacheValue::Strings(set.clone()), ends_at)?;
                Ok(set)
            })
            .await
    }

    async fn remove_strings(
        &self,
        at: &CacheKey,
        strings: BTreeSet<String>,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError> {
        let at = at.clone();
        self.database
            .transact(move |tx| {
                let Some((mut set, ends_at)) = read_strings(tx, &at, now)? else { return Ok(BTreeSet::new()) };
                set.retain(|string| !strings.contains(string));
                write(tx, &at, &CacheValue::Strings(set.clone()), ends_at)?;
                Ok(set)
            })
            .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "delete from cache where ends_at <= ?1";
        self.database.transact(move |tx| Ok(tx.execute(sql, [now.micros()])? as u64)).await
    }
}

fn end(now: Timestamp, ttl_seconds: u32) -> i64 {
    now.plus_seconds(i64::from(ttl_seconds)).micros()
}

fn read(tx: &Transaction<'_>, at: &CacheKey, now: Timestamp) -> Result<Option<(CacheValue, i64)>, StoreError> {
    let found: Option<(String, i64)> = tx
        .query_row(
            "select value, ends_at from cache where namespace = ?1 and key = ?2 and ends_at > ?3",
            params![at.namespace, at.key, now.micros()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((body, ends_at)) = found else { return Ok(None) };
    match serde_json::from_str(&body) {
        Ok(value) => Ok(Some((value, ends_at))),
        Err(error) => Err(StoreError::Unreadable { what: "cache value", problem: error.to_string() }),
    }
}

fn read_strings(
    tx: &Transaction<'_>,
    at: &CacheKey,
    now: Timestamp,
) -> Result<Option<(BTreeSet<String>, i64)>, StoreError> {
    match read(tx, at, now)? {
        None => Ok(None),
        Some((CacheValue::Strings(set), ends_at)) => Ok(Some((set, ends_at))),
        Some((other @ CacheValue::Json(_), _)) => Err(mismatch(at, "a set of strings", &other)),
    }
}

fn write(tx: &Transaction<'_>, at: &CacheKey, value: &CacheValue, ends_at: i64) -> Result<(), StoreError> {
    if *value == CacheValue::Strings(BTreeSet::new()) {
        return delete(tx, at);
    }
    let body = serde_json::to_string(value).expect("a cache value has string keys and JSON values");
    tx.execute(
        "insert or replace into cache (namespace, key, value, ends_at) values (?1, ?2, ?3, ?4)",
        params![at.namespace, at.key, body, ends_at],
    )?;
    Ok(())
}

fn delete(tx: &Transaction<'_>, at: &CacheKey) -> Result<(), StoreError> {
    tx.execute("delete from cache where namespace = ?1 and key = ?2", params![at.namespace, at.key])?;
    Ok(())
}

fn mismatch(at: &CacheKey, expected: &'static str, found: &CacheValue) -> StoreError {
    StoreError::CacheKind { namespace: at.namespace.clone(), key: at.key.clone(), expected, found: found.kind() }
}
