//! The event that a program sees, and how builders read its values.

use bytes::Bytes;
use columns::{Values, View};
use model::time::Timestamp;
use vrl::value::{KeyString, ObjectMap, Value};

/// Values of VRL, for column builders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vrl;

impl Values for Vrl {
    type Value = Value;

    fn view(value: &Value) -> View<'_, Value> {
        match value {
            Value::Null => View::Null,
            Value::Boolean(value) => View::Boolean(*value),
            Value::Integer(number) => View::Integer(*number),
            Value::Float(number) => View::Float(number.into_inner()),
            Value::String(text) => View::Text(text),
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => View::Text(text),
                Err(_) => View::Bytes(bytes),
            },
            Value::Regex(regex) => View::Text(regex.as_str()),
            Value::Timestamp(time) => View::Timestamp(time.timestamp_micros()),
            Value::Array(items) => View::List(items),
            Value::Object(_) => View::Object,
        }
    }

    fn members<'a>(object: &'a Value, each: &mut dyn FnMut(&'a str, &'a Value)) {
        for (name, value) in object.as_object().into_iter().flatten() {
            each(name.as_str(), value);
        }
    }

    fn to_json(value: &Value) -> String {
        serde_json::to_string(value).expect("keys are strings and floats are never NaN")
    }
}

/// Text as a value.
pub(crate) fn text(text: &str) -> Value {
    Value::from_utf8_or_bytes(Bytes::copy_from_slice(text.as_bytes()))
}

/// A time as a value.
pub(crate) fn timestamp(time: Timestamp) -> Value {
    Value::Timestamp(time.to_datetime())
}

/// What stands at `.related` before a transform runs.
pub(crate) const RELATED: [&str; 3] = ["hash", "ip", "user"];

/// The event before a transform or a record selector runs: the record, the default time, and empty lists to push to.
pub(crate) fn initial(record: Record, ts: Timestamp) -> Value {
    let related: ObjectMap = RELATED.iter().map(|name| (KeyString::from(*name), Value::Array(Vec::new()))).collect();
    let mut event =
        ObjectMap::from([(KeyString::from("related"), Value::Object(related)), (KeyString::from("ts"), timestamp(ts))]);
    match record {
        Record::Json(value) => event.insert(KeyString::from("json"), value),
        Record::Message(line) => event.insert(KeyString::from("message"), line),
    };
    Value::Object(event)
}

/// A record as a program sees it.
pub(crate) enum Record {
    /// `.json`, an object.
    Json(Value),
    /// `.message`, text.
    Message(Value),
}

/// The value at a path of fields.
pub(crate) fn field<'a>(event: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(event, |value, name| value.as_object()?.get(*name))
}
