//! [`AlertStore`] in an SQLite file.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_trait::async_trait;
use model::{
    alert::{Alert, AlertId, RuleMatch},
    digest::Digest,
    name::DestinationName,
    time::Timestamp,
};
use rusqlite::{OptionalExtension as _, Row, Transaction, params, params_from_iter, types::Value as Sql};
use serde_json::Value;

use crate::{
    alerts::{Absorbed, AlertFilter, AlertStore, DeadLetter, Fold, Folding, Leased, Redrive, RowBatch, StoredAlert},
    alerts_outbox as outbox,
    error::StoreError,
    sqlite::{Database, Tables},
};

const TABLES: Tables = Tables { name: "alerts", version: 1, sql: include_str!("alerts.sql") };

/// Alerts in a file of this machine, for any number of processes.
#[derive(Debug, Clone)]
pub struct SqliteAlerts {
    database: Database,
}

impl SqliteAlerts {
    /// Opens the file, or makes it. Other parts of the store may live in the same one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, &TABLES)? })
    }
}

#[async_trait]
impl AlertStore for SqliteAlerts {
    async fn absorb(
        &self,
        matches: Vec<RuleMatch>,
        fold: Arc<dyn Fold>,
        now: Timestamp,
    ) -> Result<Vec<Absorbed>, StoreError> {
        self.database.transact(move |tx| absorb(tx, matches, fold.as_ref(), now)).await
    }

    async fn alert(&self, id: AlertId) -> Result<Option<StoredAlert>, StoreError> {
        let sql = format!("{SELECT_ALERTS} where id = ?1");
        self.database.transact(move |tx| tx.query_row(&sql, [id.to_string()], read_alert).optional()?.transpose()).await
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<StoredAlert>, StoreError> {
        let (sql, arguments) = select(filter);
        self.database
            .transact(move |tx| {
                let mut statement = tx.prepare(&sql)?;
                let rows = statement.query_map(params_from_iter(arguments), read_alert)?;
                rows.map(|row| row?).collect()
            })
            .await
    }

    async fn next_rows(&self, limit: u32) -> Result<Option<RowBatch>, StoreError> {
        self.database.transact(move |tx| next_rows(tx, limit)).await
    }

    async fn rows_done(&self, batch: Digest) -> Result<(), StoreError> {
        self.database
            .transact(move |tx| {
                tx.execute("delete from alert_rows where batch = ?1", [batch.to_string()])?;
                Ok(())
            })
            .await
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<DestinationName>, StoreError> {
        self.database.transact(move |tx| outbox::due(tx, now)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.database.transact(outbox::next_due).await
    }

    async fn lease(
        &self,
        destination: &DestinationName,
        now: Timestamp,
        seconds: u32,
    ) -> Result<Option<Leased>, StoreError> {
        let destination = destination.clone();
        self.database.transact(move |tx| outbox::lease(tx, &destination, now, seconds)).await
    }

    async fn remember(&self, lease: &Leased, provider: &Value) -> Result<(), StoreError> {
        let (lease, provider) = (outbox::Held::of(lease), provider.to_string());
        self.database.transact(move |tx| outbox::remember(tx, &lease, &provider)).await
    }

    async fn done(&self, lease: &Leased, now: Timestamp) -> Result<(), StoreError> {
        let lease = outbox::Held::of(lease);
        self.database.transact(move |tx| outbox::done(tx, &lease, now)).await
    }

    async fn retry(&self, lease: &Leased, at: Timestamp, reason: &str) -> Result<(), StoreError> {
        let (lease, reason) = (outbox::Held::of(lease), reason.to_owned());
        self.database.transact(move |tx| outbox::retry(tx, &lease, at, &reason)).await
    }

    async fn hold(&self, destination: &DestinationName, until: Timestamp) -> Result<(), StoreError> {
        let destination = destination.clone();
        self.database.transact(move |tx| outbox::hold(tx, &destination, until)).await
    }

    async fn bury(&self, lease: &Leased, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let (lease, reason) = (outbox::Held::of(lease), reason.to_owned());
        self.database.transact(move |tx| outbox::bury(tx, &lease, &reason, now)).await
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        self.database.transact(outbox::dead_letters).await
    }

    async fn redrive(&self, which: &Redrive, now: Timestamp) -> Result<u64, StoreError> {
        let which = which.clone();
        self.database.transact(move |tx| outbox::redrive(tx, &which, now)).await
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.database.transact(move |tx| forget(tx, before)).await
    }
}

fn absorb(
    tx: &Transaction<'_>,
    matches: Vec<RuleMatch>,
    fold: &dyn Fold,
    now: Timestamp,
) -> Result<Vec<Absorbed>, StoreError> {
    let mut new: BTreeMap<AlertId, Vec<RuleMatch>> = BTreeMap::new();
    let mut seen = tx.prepare("insert or ignore into alert_matches values (?1, ?2)")?;
    for found in matches {
        let alert = found.alert_id();
        if seen.execute(params![found.id.0.as_bytes(), alert.to_string()])? == 1 {
            new.entry(alert).or_default().push(found);
        }
    }
    new.into_iter().map(|(id, new)| absorb_one(tx, id, &new, fold, now)).collect()
}

fn absorb_one(
    tx: &Transaction<'_>,
    id: AlertId,
    new: &[RuleMatch],
    fold: &dyn Fold,
    now: Timestamp,
) -> Result<Absorbed, StoreError> {
    let known: Option<(Vec<u8>, u64, i64, Option<i64>)> = tx
        .query_row(
            "select state, match_count, created_at, activated_at from alerts where id = ?1",
            [id.to_string()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let (state, match_count, created_at, activated_at) = match known {
        Some((state, count, created, activated)) => {
            (Some(state), count, time(created)?, activated.map(time).transpose()?)
        }
        None => (None, 0, now, None),
    };
    let told = outbox::told(tx, id)?;
    let folding = Folding { state: state.as_deref(), match_count, activated_at, new, told: &told, now };
    let folded = fold.fold(folding).map_err(StoreError::Fold)?;
    let alert = StoredAlert { alert: folded.alert, created_at, updated_at: now, activated_at: folded.activated_at };
    write_alert(tx, &alert, &folded.state)?;
    let mut rows = tx.prepare("insert into alert_rows (match_id, body) values (?1, ?2)")?;
    for (found, row) in new.iter().zip(&folded.rows) {
        rows.execute(params![found.id.0.as_bytes(), row.to_string()])?;
    }
    for delivery in &folded.deliveries {
        outbox::post(tx, delivery, &alert.alert, now)?;
    }
    Ok(Absorbed { alert, new_matches: new.len() as u64 })
}

fn write_alert(tx: &Transaction<'_>, stored: &StoredAlert, state: &[u8]) -> Result<(), StoreError> {
    let alert = &stored.alert;
    tx.execute(
        "insert or replace into alerts (id, detection, severity, match_count, created_at, updated_at, activated_at, body, state)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            alert.id.to_string(),
            alert.detection.as_str(),
            alert.severity as u8,
            alert.match_count,
            stored.created_at.micros(),
            stored.updated_at.micros(),
            stored.activated_at.map(Timestamp::micros),
            to_json(alert),
            state,
        ],
    )?;
    Ok(())
}

const SELECT_ALERTS: &str = "select body, created_at, updated_at, activated_at from alerts";

fn select(filter: &AlertFilter) -> (String, Vec<Sql>) {
    let AlertFilter { since, severity, detection, id_prefix, activated, limit } = filter;
    let mut sql = format!("{SELECT_ALERTS} where true");
    let mut arguments = Vec::new();
    if let Some(since) = since {
        sql.push_str(" and updated_at >= ?");
        arguments.push(Sql::Integer(since.micros()));
    }
    if let Some(severity) = severity {
        sql.push_str(" and severity >= ?");
        arguments.push(Sql::Integer(*severity as i64));
    }
    if let Some(detection) = detection {
        sql.push_str(" and detection = ?");
        arguments.push(Sql::Text(detection.to_string()));
    }
    if let Some(prefix) = id_prefix {
        sql.push_str(" and substr(id, 1, length(?)) = lower(?)");
        arguments.extend([Sql::Text(prefix.clone()), Sql::Text(prefix.clone())]);
    }
    if *activated {
        sql.push_str(" and activated_at is not null");
    }
    sql.push_str(" order by updated_at desc, id");
    if let Some(limit) = limit {
        sql.push_str(" limit ?");
        arguments.push(Sql::Integer(i64::from(*limit)));
    }
    (sql, arguments)
}

fn read_alert(row: &Row<'_>) -> rusqlite::Result<Result<StoredAlert, StoreError>> {
    let (body, created, updated, activated): (String, i64, i64, Option<i64>) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let read = || {
        Ok(StoredAlert {
            alert: alert_from_json(&body)?,
            created_at: time(created)?,
            updated_at: time(updated)?,
            activated_at: activated.map(time).transpose()?,
        })
    };
    Ok(read())
}

fn next_rows(tx: &Transaction<'_>, limit: u32) -> Result<Option<RowBatch>, StoreError> {
    let begun: Option<String> = tx
        .query_row("select batch from alert_rows where batch is not null order by seq limit 1", [], |row| row.get(0))
        .optional()?;
    let batch = match begun {
        Some(batch) => batch,
        None => match begin_batch(tx, limit)? {
            Some(batch) => batch,
            None => return Ok(None),
        },
    };
    let mut statement = tx.prepare("select body from alert_rows where batch = ?1 order by seq")?;
    let bodies = statement.query_map([&batch], |row| row.get::<_, String>(0))?;
    let rows = bodies.map(|body| from_json("row", &body?)).collect::<Result<Vec<Value>, StoreError>>()?;
    let id = batch.parse().map_err(|error| unreadable("batch", &error))?;
    Ok(Some(RowBatch { id, rows }))
}

fn begin_batch(tx: &Transaction<'_>, limit: u32) -> Result<Option<String>, StoreError> {
    let mut statement = tx.prepare("select seq, match_id from alert_rows order by seq limit ?1")?;
    let chosen = statement
        .query_map([limit], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let Some((last, _)) = chosen.last() else { return Ok(None) };
    let id = Digest::of_parts(chosen.iter().map(|(_, id)| id.as_slice())).to_string();
    tx.execute("update alert_rows set batch = ?1 where seq <= ?2", params![id, last])?;
    Ok(Some(id))
}

fn forget(tx: &Transaction<'_>, before: Timestamp) -> Result<u64, StoreError> {
    let old = "select id from alerts where updated_at < ?1 and id not in (select alert from alert_outbox)";
    let micros = before.micros();
    tx.execute(&format!("delete from alert_matches where alert in ({old})"), [micros])?;
    tx.execute(&format!("delete from alert_lanes where alert in ({old})"), [micros])?;
    Ok(tx.execute(&format!("delete from alerts where id in ({old})"), [micros])? as u64)
}

pub(crate) fn to_json(alert: &Alert) -> String {
    serde_json::to_string(alert).expect("an alert has string keys and JSON values")
}

pub(crate) fn alert_from_json(body: &str) -> Result<Alert, StoreError> {
    from_json("alert", body)
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| unreadable(what, &error))
}

pub(crate) fn unreadable(what: &'static str, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what, problem: problem.to_string() }
}

pub(crate) fn time(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_micros(micros).ok_or_else(|| unreadable("time", &micros))
}
