//! Rows of `matano_alerts`: one a match, with the event it fired on and the alert as it stood when the match was folded in.

use std::{num::NonZeroU32, sync::LazyLock};

use model::{
    alert::{Alert, RuleMatch},
    name::TableName,
    schema::{Field, FieldType},
    system,
    time::Timestamp,
};
use serde_json::{Map, Value, json};

static COLUMNS: LazyLock<Vec<Field>> = LazyLock::new(|| system::alerts().fields);

/// The row of one match. `created` is when the alert reached its threshold, `now` when the match was folded in.
///
/// Columns that ECS does not have are left out; `matano.alert.original_event` holds the whole event.
pub fn row(found: &RuleMatch, alert: &Alert, created: Option<Timestamp>, now: Timestamp) -> Value {
    let mut row = match fitted(&found.event, &COLUMNS) {
        Value::Object(row) => row,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    row.insert("ts".to_owned(), json!(now));
    let event = row.entry("event").or_insert_with(|| json!({}));
    if let Value::Object(event) = event {
        event.insert("kind".to_owned(), json!("signal"));
    }
    row.insert("matano".to_owned(), matano(found, alert, created));
    Value::Object(row)
}

fn matano(found: &RuleMatch, alert: &Alert, created: Option<Timestamp>) -> Value {
    json!({
        "table": found.table,
        "record_id": found.record_id,
        "release": found.release,
        "alert": {
            "id": alert.id,
            "dedupe": found.dedupe,
            "title": found.title,
            "severity": alert.severity,
            "description": found.description,
            "runbook": found.runbook,
            "reference": found.references.first(),
            "references": found.references,
            "false_positives": found.false_positives,
            "context": found.context.to_string(),
            "original_event": found.event.to_string(),
            "original_event_id": found.record_id,
            "original_timestamp": found.ts,
            "window_start": alert.window.start,
            "first_matched_at": alert.first_matched_at,
            "created": created,
            "activated": created.is_some(),
            "destinations": alert.destinations,
            "rule": {
                "name": found.detection,
                "severity": found.severity,
                "threshold": int(found.threshold),
                "deduplication_window": int(found.window_seconds),
                "match": { "id": found.id },
                "destinations": found.destinations,
            },
        },
    })
}

/// As the column's 32 bits hold it.
fn int(number: NonZeroU32) -> i32 {
    i32::try_from(number.get()).unwrap_or(i32::MAX)
}

/// The table the rows belong to.
pub fn table() -> TableName {
    TableName::alerts()
}

/// What of `value` the columns have room for.
fn fitted(value: &Value, fields: &[Field]) -> Value {
    let Value::Object(members) = value else { return Value::Null };
    let mut out = Map::new();
    for (name, value) in members {
        if let Some(field) = fields.iter().find(|field| field.name == *name && name != "matano")
            && let Some(value) = fitted_value(value, &field.kind)
        {
            out.insert(name.clone(), value);
        }
    }
    Value::Object(out)
}

fn fitted_value(value: &Value, kind: &FieldType) -> Option<Value> {
    match (kind, value) {
        (_, Value::Null) => None,
        (FieldType::Struct(fields), Value::Object(_)) => Some(fitted(value, fields)),
        (FieldType::Struct(_), Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => None,
        (FieldType::List(kind), Value::Array(elements)) => {
            Some(Value::Array(elements.iter().filter_map(|element| fitted_value(element, kind)).collect()))
        }
        // a table of the user's own may hold one value where ECS has several
        (FieldType::List(kind), Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Some(Value::Array(fitted_value(value, kind).into_iter().collect()))
        }
        (FieldType::String, Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_)) => {
            Some(Value::String(value.to_string()))
        }
        (
            FieldType::String
            | FieldType::Boolean
            | FieldType::Int
            | FieldType::Long
            | FieldType::Float
            | FieldType::Double
            | FieldType::Timestamp
            | FieldType::Date,
            _,
        ) => Some(value.clone()),
    }
}
