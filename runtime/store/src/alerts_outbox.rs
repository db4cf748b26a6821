//! Deliveries in SQLite: the lanes of [`crate::alerts`].

use std::collections::BTreeMap;

use model::{
    alert::{Alert, AlertId},
    delivery::{Delivery, DeliveryKey, DeliveryKind, Fate},
    digest::{Digest, DigestError},
    name::DestinationName,
    time::Timestamp,
};
use rusqlite::{OptionalExtension as _, Transaction, params};

use crate::{
    alerts::{DeadLetter, Leased, Redrive},
    alerts_sqlite::{alert_from_json, from_json, time, to_json, unreadable},
    error::StoreError,
};

/// Which lease a caller means.
pub(crate) struct Held {
    key: DeliveryKey,
    alert: String,
    destination: String,
    attempt: u32,
}

impl Held {
    pub fn of(lease: &Leased) -> Self {
        Self {
            key: lease.delivery.key,
            alert: lease.delivery.alert.to_string(),
            destination: lease.delivery.destination.to_string(),
            attempt: lease.attempt,
        }
    }

    /// The row, as long as nobody else has taken it.
    fn row(&self, tx: &Transaction<'_>) -> Result<i64, StoreError> {
        tx.query_row(
            "select seq from alert_outbox where key = ?1 and alert = ?2 and destination = ?3 and attempts = ?4
             and leased_until is not null and dead_at is null",
            params![self.key.to_string(), self.alert, self.destination, self.attempt],
            |row| row.get(0),
        )
        .optional()?
        .ok_or(StoreError::LeaseLost(self.key))
    }
}

/// The alert as each destination knows it, or will once what has been tried arrives.
pub(crate) fn told(tx: &Transaction<'_>, alert: AlertId) -> Result<BTreeMap<DestinationName, Alert>, StoreError> {
    // the outbox comes second and wins
    let mut statement = tx.prepare(
        "select destination, delivered from alert_lanes where alert = ?1 and delivered is not null
         union all
         select destination, body from (select destination, body from alert_outbox
             where alert = ?1 and attempts > 0 and dead_at is null order by seq)",
    )?;
    let rows =
        statement.query_map([alert.to_string()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (destination, body) = row?;
        Ok((name(&destination)?, alert_from_json(&body)?))
    })
    .collect()
}

/// Puts a delivery at the end of its lane, in place of an untried or a dead one.
pub(crate) fn post(tx: &Transaction<'_>, delivery: &Delivery, after: &Alert, now: Timestamp) -> Result<(), StoreError> {
    let (alert, destination) = (delivery.alert.to_string(), delivery.destination.to_string());
    // an untried delivery may be waiting for its destination: so does the one that takes its place
    let due: Option<i64> = tx.query_row(
        "select max(due_at) from alert_outbox where alert = ?1 and destination = ?2 and dead_at is null",
        params![alert, destination],
        |row| row.get(0),
    )?;
    tx.execute(
        "delete from alert_outbox where alert = ?1 and destination = ?2 and (attempts = 0 or dead_at is not null)",
        params![alert, destination],
    )?;
    let (reason, dead_at) = match &delivery.fate {
        Fate::Send => (None, None),
        Fate::Refuse(reason) => (Some(reason), Some(now.micros())),
    };
    tx.execute(
        "insert into alert_outbox (key, alert, destination, kind, body, due_at, reason, dead_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            delivery.key.to_string(),
            alert,
            destination,
            delivery.kind.as_str(),
            to_json(after),
            due.unwrap_or(now.micros()),
            reason,
            dead_at,
        ],
    )?;
    Ok(())
}

/// First in its lane, due, not in someone's hands, and to a destination that is not resting.
const READY: &str = "dead_at is null and due_at <= :now and (leased_until is null or leased_until <= :now)
    and not exists (select 1 from alert_outbox as ahead where ahead.alert = outbox.alert
        and ahead.destination = outbox.destination and ahead.seq < outbox.seq and ahead.dead_at is null)
    and not exists (select 1 from alert_holds as hold where hold.destination = outbox.destination and hold.until > :now)";

pub(crate) fn due(tx: &Transaction<'_>, now: Timestamp) -> Result<Vec<DestinationName>, StoreError> {
    let sql = format!("select distinct destination from alert_outbox as outbox where {READY} order by destination");
    let mut statement = tx.prepare(&sql)?;
    let rows = statement.query_map(&[(":now", &now.micros())], |row| row.get::<_, String>(0))?;
    rows.map(|row| name(&row?)).collect()
}

pub(crate) fn next_due(tx: &Transaction<'_>) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = tx.query_row(
        "select min(max(due_at, coalesce(leased_until, due_at), coalesce(until, due_at))) from alert_outbox
         left join alert_holds using (destination) where dead_at is null",
        [],
        |row| row.get(0),
    )?;
    micros.map(time).transpose()
}

pub(crate) fn lease(
    tx: &Transaction<'_>,
    destination: &DestinationName,
    now: Timestamp,
    seconds: u32,
) -> Result<Option<Leased>, StoreError> {
    let sql = format!(
        "select seq, attempts, lane.delivered, lane.provider, outbox.key, outbox.alert, outbox.kind, outbox.body
         from alert_outbox as outbox
         left join alert_lanes as lane on lane.alert = outbox.alert and lane.destination = outbox.destination
         where outbox.destination = :destination and {READY} order by due_at, seq limit 1"
    );
    let found = tx
        .query_row(&sql, rusqlite::named_params! {":destination": destination.as_str(), ":now": now.micros()}, |row| {
            Ok((
                (row.get::<_, i64>(0)?, row.get::<_, u32>(1)?),
                (row.get::<_, Option<String>>(2)?, row.get::<_, Option<String>>(3)?),
                Stored { key: row.get(4)?, alert: row.get(5)?, kind: row.get(6)?, body: row.get(7)? },
            ))
        })
        .optional()?;
    let Some(((seq, attempts), (delivered, provider), stored)) = found else { return Ok(None) };
    let attempt = attempts + 1;
    let until = now.plus_seconds(i64::from(seconds));
    tx.execute(
        "update alert_outbox set attempts = ?1, leased_until = ?2 where seq = ?3",
        params![attempt, until.micros(), seq],
    )?;
    Ok(Some(Leased {
        attempt,
        before: delivered.map(|body| alert_from_json(&body)).transpose()?,
        after: alert_from_json(&stored.body)?,
        provider: provider.map(|body| from_json("provider state", &body)).transpose()?,
        delivery: stored.delivery(destination.clone(), Fate::Send)?,
    }))
}

pub(crate) fn remember(tx: &Transaction<'_>, held: &Held, provider: &str) -> Result<(), StoreError> {
    held.row(tx)?;
    tx.execute(
        "insert into alert_lanes (alert, destination, provider) values (?1, ?2, ?3)
         on conflict do update set provider = excluded.provider",
        params![held.alert, held.destination, provider],
    )?;
    Ok(())
}

pub(crate) fn done(tx: &Transaction<'_>, held: &Held, now: Timestamp) -> Result<(), StoreError> {
    let seq = held.row(tx)?;
    tx.execute(
        "insert into alert_lanes (alert, destination, delivered, delivered_at)
         select alert, destination, body, ?2 from alert_outbox where seq = ?1
         on conflict do update set delivered = excluded.delivered, delivered_at = excluded.delivered_at",
        params![seq, now.micros()],
    )?;
    tx.execute("delete from alert_outbox where seq = ?1", [seq])?;
    Ok(())
}

pub(crate) fn retry(tx: &Transaction<'_>, held: &Held, at: Timestamp, reason: &str) -> Result<(), StoreError> {
    let seq = held.row(tx)?;
    tx.execute(
        "update alert_outbox set due_at = ?1, leased_until = null, reason = ?2 where seq = ?3",
        params![at.micros(), reason, seq],
    )?;
    Ok(())
}

pub(crate) fn hold(tx: &Transaction<'_>, destination: &DestinationName, until: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "insert into alert_holds (destination, until) values (?1, ?2)
         on conflict do update set until = max(until, excluded.until)",
        params![destination.as_str(), until.micros()],
    )?;
    Ok(())
}

pub(crate) fn bury(tx: &Transaction<'_>, held: &Held, reason: &str, now: Timestamp) -> Result<(), StoreError> {
    let seq = held.row(tx)?;
    let next: Option<i64> = tx
        .query_row(
            "select seq from alert_outbox where alert = ?1 and destination = ?2 and seq > ?3 order by seq limit 1",
            params![held.alert, held.destination, seq],
            |row| row.get(0),
        )
        .optional()?;
    match next {
        // the next one says everything that this one would have said
        Some(next) => {
            tx.execute(
                "update alert_outbox set kind = (select kind from alert_outbox where seq = ?1) where seq = ?2",
                params![seq, next],
            )?;
            tx.execute("delete from alert_outbox where seq = ?1", [seq])?;
        }
        None => {
            tx.execute(
                "update alert_outbox set reason = ?1, dead_at = ?2, leased_until = null where seq = ?3",
                params![reason, now.micros(), seq],
            )?;
        }
    }
    Ok(())
}

pub(crate) fn dead_letters(tx: &Transaction<'_>) -> Result<Vec<DeadLetter>, StoreError> {
    let mut statement = tx.prepare(
        "select destination, reason, attempts, dead_at, key, alert, kind, body from alert_outbox
         where dead_at is not null order by dead_at, seq",
    )?;
    let rows = statement.query_map([], |row| {
        let stored = Stored { key: row.get(4)?, alert: row.get(5)?, kind: row.get(6)?, body: row.get(7)? };
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, u32>(2)?, row.get::<_, i64>(3)?, stored))
    })?;
    rows.map(|row| {
        let (destination, reason, attempts, at, stored) = row?;
        let alert = alert_from_json(&stored.body)?;
        let delivery = stored.delivery(name(&destination)?, Fate::Refuse(reason.clone()))?;
        Ok(DeadLetter { delivery, alert, reason, attempts, at: time(at)? })
    })
    .collect()
}

pub(crate) fn redrive(tx: &Transaction<'_>, which: &Redrive, now: Timestamp) -> Result<u64, StoreError> {
    let sql = "update alert_outbox set dead_at = null, reason = null, attempts = 0, leased_until = null, due_at = ?1
               where dead_at is not null";
    let changed = match which {
        Redrive::All => tx.execute(sql, params![now.micros()])?,
        Redrive::Destination(name) => {
            tx.execute(&format!("{sql} and destination = ?2"), params![now.micros(), name.as_str()])?
        }
        Redrive::Delivery(key) => tx.execute(&format!("{sql} and key = ?2"), params![now.micros(), key.to_string()])?,
    };
    Ok(changed as u64)
}

struct Stored {
    key: String,
    alert: String,
    kind: String,
    body: String,
}

impl Stored {
    fn delivery(&self, destination: DestinationName, fate: Fate) -> Result<Delivery, StoreError> {
        let kind = match self.kind.as_str() {
            "new" => DeliveryKind::New,
            "update" => DeliveryKind::Update,
            other => return Err(unreadable("delivery kind", &other)),
        };
        Ok(Delivery {
            key: DeliveryKey(digest(&self.key)?),
            alert: AlertId(digest(&self.alert)?),
            destination,
            kind,
            fate,
        })
    }
}

fn digest(text: &str) -> Result<Digest, StoreError> {
    text.parse().map_err(|error: DigestError| unreadable("digest", &error))
}

fn name(text: &str) -> Result<DestinationName, StoreError> {
    DestinationName::parse(text).map_err(|error| unreadable("destination", &error))
}
