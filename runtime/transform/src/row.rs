//! What a transform left, as a row: the program's columns, and those that matano adds.

use columns::{Column, RowBuilder, is_blank};
use model::{ecs, object::RecordId, time::Timestamp};
use vrl::value::Value;

use crate::{
    event::{self, Vrl},
    slots::Slots,
};

/// The part of a row that programs do not write.
pub(crate) const RESERVED: &str = "matano";

const ORIGINAL: [&str; 2] = ["event", "original"];

/// Columns that this crate fills itself: of log sources only.
#[derive(Default)]
pub(crate) struct OwnColumns {
    /// Every row of a log source has a time.
    ts: Option<Column>,
    ecs_version: Option<Column>,
    /// `None` where the table does not keep the raw record.
    original: Option<Column>,
    record_id: Option<Column>,
    source_object: Option<Column>,
    release: Option<Column>,
    ingested_at: Option<Column>,
}

/// Where a row comes from.
pub(crate) struct Origin<'a> {
    pub record_id: RecordId,
    pub raw: &'a str,
    pub source_object: &'a str,
    pub release: &'a str,
    pub ingested_at: Timestamp,
}

impl OwnColumns {
    pub fn new(builder: &RowBuilder, keep_original: bool) -> Self {
        Self {
            ts: builder.column("ts"),
            ecs_version: builder.column("ecs.version"),
            original: builder.column("event.original").filter(|_| keep_original),
            record_id: builder.column("matano.record_id"),
            source_object: builder.column("matano.source_object"),
            release: builder.column("matano.release"),
            ingested_at: builder.column("matano.ingested_at"),
        }
    }

    /// Pushed first: what the program has at the same places is then left out.
    fn push(&self, builder: &mut RowBuilder, ts: Option<Timestamp>, program_has_original: bool, origin: &Origin<'_>) {
        let mut text = |column: Option<Column>, text: &str| {
            if let Some(column) = column {
                builder.push_text(column, text);
            }
        };
        text(self.ecs_version, ecs::VERSION);
        text(self.record_id, &origin.record_id.to_string());
        text(self.source_object, origin.source_object);
        text(self.release, origin.release);
        if !program_has_original {
            text(self.original, origin.raw);
        }
        if let Some(column) = self.ingested_at {
            builder.push_timestamp(column, origin.ingested_at);
        }
        if let (Some(column), Some(ts)) = (self.ts, ts) {
            builder.push_timestamp(column, ts);
        }
    }
}

/// A row from the slots; `Err` says what is wrong with `ts`.
pub(crate) fn from_slots(
    builder: &mut RowBuilder,
    own: &OwnColumns,
    slots: &Slots,
    origin: &Origin<'_>,
) -> Result<(), String> {
    let ts = own.ts.map(|_| time(slots.value(slots.plan().ts()))).transpose()?;
    own.push(builder, ts, has(slots.output(&ORIGINAL)), origin);
    for (slot, output) in slots.plan().outputs().iter().enumerate() {
        if let (Some(column), Some(value)) = (output.column, slots.value(slot)) {
            builder.push::<Vrl>(column, value);
        }
    }
    builder.end_row();
    Ok(())
}

/// A row from a whole event, which loses what no row has.
pub(crate) fn from_event(
    builder: &mut RowBuilder,
    own: &OwnColumns,
    event: &mut Value,
    origin: &Origin<'_>,
) -> Result<(), String> {
    let Value::Object(members) = event else {
        return Err(format!("expected the program to leave an object at `.`, found {}", event.kind_str()));
    };
    members.remove("json");
    members.remove(RESERVED);
    let ts = own.ts.map(|_| time(members.get("ts"))).transpose()?;
    own.push(builder, ts, has(event::field(event, &ORIGINAL)), origin);
    builder.push_event::<Vrl>(event);
    builder.end_row();
    Ok(())
}

fn has(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !is_blank::<Vrl>(value))
}

fn time(value: Option<&Value>) -> Result<Timestamp, String> {
    match value {
        Some(Value::Timestamp(time)) => {
            Timestamp::try_from(*time).map_err(|_| format!("expected `ts` in the years 0 to 9999, found {time}"))
        }
        None | Some(Value::Null) => Err("expected a timestamp in `ts`, found nothing".to_owned()),
        Some(other) => Err(format!(
            "expected a timestamp in `ts`, found {}: convert it with `to_timestamp!` or `parse_timestamp!`",
            other.kind_str()
        )),
    }
}
