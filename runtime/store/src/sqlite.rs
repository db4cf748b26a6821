//! One SQLite file: opened the same way by every embedded twin, used off the async threads.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::error::StoreError;

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(30);

/// What a connection may keep of its file.
const CACHE_KIBIBYTES: i64 = 32 * 1024;

/// Tables of one part of the store, with the version of their format.
pub(crate) struct Tables {
    /// Unique within the file.
    pub name: &'static str,
    /// Rises with every change that older code can't read.
    pub version: u32,
    /// `create ... if not exists`
    pub sql: &'static str,
}

/// An open file. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Database {
    connection: Arc<Mutex<Connection>>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Database {
    /// Opens or creates the file and the tables. Several parts of the store may share a file.
    pub fn open(path: &Path, tables: &Tables) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // with a write-ahead log, `normal` survives a crash of the process; `full` survives one of the machine too
        connection.pragma_update(None, "synchronous", "full")?;
        // in kibibytes: ids are digests, so a transaction of many touches pages everywhere; SQLite's 2 MB would write them again and again
        connection.pragma_update(None, "cache_size", -CACHE_KIBIBYTES)?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch("create table if not exists store_formats (name text primary key, version integer not null)")?;
        let found: Option<u32> = tx
            .query_row("select version from store_formats where name = ?1", [tables.name], |row| row.get(0))
            .optional()?;
        if let Some(found) = found
            && found > tables.version
        {
            return Err(StoreError::TooNew { part: tables.name, expected: tables.version, found });
        }
        tx.execute_batch(tables.sql)?;
        tx.execute("insert or replace into store_formats values (?1, ?2)", params![tables.name, tables.version])?;
        tx.commit()?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs `work` in one transaction on a thread where blocking is fine.
    pub async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let task = tokio::task::spawn_blocking(move || {
            // a panic rolled its transaction back when it was dropped, so the connection is sound
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let out = work(&tx)?;
            tx.commit()?;
            Ok(out)
        });
        task.await.map_err(|error| StoreError::Stopped(error.to_string()))?
    }
}
