use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
    util::display::{ArrayFormatter, FormatOptions},
};
use chrono::{NaiveDate, TimeDelta};
use model::{schema::TableSchema, time::Timestamp};
use serde_json::{Map, Value};

use crate::{ColumnsError, Misfit, RowBuilder, values::Json};

/// Rows given as JSON objects, nested or with dotted names (`"user.name"`), as a batch of the table, and what did not fit.
pub fn json_rows(schema: &TableSchema, rows: &[Value]) -> Result<(RecordBatch, Vec<Misfit>), ColumnsError> {
    let mut builder = RowBuilder::new(schema, None);
    for row in rows {
        builder.push_event::<Json>(&schema.nest(row));
        builder.end_row();
    }
    Ok((builder.finish()?, builder.take_misfits()))
}

/// One row as a nested JSON object: nulls and structs of nothing but nulls are left out, times are RFC 3339.
pub fn row_json(batch: &RecordBatch, row: usize) -> Value {
    let schema = batch.schema();
    let members = schema.fields().iter().zip(batch.columns());
    object(members.map(|(field, column)| (field.name().clone(), cell(column, row))))
}

fn object(members: impl Iterator<Item = (String, Value)>) -> Value {
    Value::Object(members.filter(|(_, value)| !value.is_null()).collect())
}

fn cell(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float32 => shortest(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Timestamp(unit, _) => time(array, *unit, row),
        DataType::Date32 => {
            let days = TimeDelta::try_days(i64::from(array.as_primitive::<Date32Type>().value(row)));
            let date = days.and_then(|days| NaiveDate::default().checked_add_signed(days));
            date.map_or(Value::Null, |date| date.to_string().into())
        }
        DataType::Struct(fields) => {
            let members = fields.iter().zip(array.as_struct().columns());
            let object = object(members.map(|(field, column)| (field.name().clone(), cell(column, row))));
            if object.as_object().is_some_and(Map::is_empty) { Value::Null } else { object }
        }
        DataType::List(_) => items(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => items(&array.as_list::<i64>().value(row)),
        // types of query results that no table has, such as decimals and intervals
        _ => match ArrayFormatter::try_new(array, &FormatOptions::default()) {
            Ok(formatter) => formatter.value(row).to_string().into(),
            Err(_) => Value::Null,
        },
    }
}

fn items(array: &dyn Array) -> Value {
    Value::Array((0..array.len()).map(|row| cell(array, row)).collect())
}

/// A 32-bit float with the digits it was written with, not those of its widening.
fn shortest(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

fn time(array: &dyn Array, unit: TimeUnit, row: usize) -> Value {
    let micros = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row).checked_mul(1_000_000),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row).checked_mul(1000),
        TimeUnit::Microsecond => Some(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        TimeUnit::Nanosecond => Some(array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1000)),
    };
    micros.and_then(Timestamp::from_micros).map_or(Value::Null, |time| time.to_string().into())
}
