//! How far each scheduled detection has come: the end of its last window.

use std::path::Path;

use async_trait::async_trait;
use model::{name::DetectionName, time::Timestamp};
use rusqlite::{OptionalExtension as _, params};

use crate::{
    error::StoreError,
    sqlite::{Database, Tables},
};

/// The memory of a scheduler. A window is done only after its matches are stored, and matches are counted once, so a
/// window that is run again after a crash changes nothing.
#[async_trait]
pub trait Windows: Send + Sync + std::fmt::Debug {
    /// Where the next window begins; `None` for a detection that was never scheduled here.
    async fn next_start(&self, detection: &DetectionName) -> Result<Option<Timestamp>, StoreError>;

    /// The window up to `end` is done. Never goes back.
    async fn done(&self, detection: &DetectionName, end: Timestamp) -> Result<(), StoreError>;
}

const TABLES: Tables = Tables {
    name: "schedule",
    version: 1,
    sql: "create table if not exists schedule_windows (detection text primary key, next_start integer not null)",
};

/// [`Windows`] in a file of this machine.
#[derive(Debug, Clone)]
pub struct SqliteWindows {
    database: Database,
}

impl SqliteWindows {
    /// Opens the file, or makes it. Other parts of the store may live in the same one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, &TABLES)? })
    }
}

#[async_trait]
impl Windows for SqliteWindows {
    async fn next_start(&self, detection: &DetectionName) -> Result<Option<Timestamp>, StoreError> {
        let detection = detection.to_string();
        let micros: Option<i64> = self
            .database
            .transact(move |tx| {
                let sql = "select next_start from schedule_windows where detection = ?1";
                Ok(tx.query_row(sql, [detection], |row| row.get(0)).optional()?)
            })
            .await?;
        Ok(micros.and_then(Timestamp::from_micros))
    }

    async fn done(&self, detection: &DetectionName, end: Timestamp) -> Result<(), StoreError> {
        let detection = detection.to_string();
        self.database
            .transact(move |tx| {
                let sql = "insert into schedule_windows values (?1, ?2)
                           on conflict (detection) do update set next_start = max(next_start, excluded.next_start)";
                tx.execute(sql, params![detection, end.micros()])?;
                Ok(())
            })
            .await
    }
}
