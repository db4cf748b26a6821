//! How an object is read: which table its records go to unless they say otherwise, and what its records look like.

use std::sync::Arc;

use model::{name::TableName, object::SourceObject};
use vrl::{
    compiler::{TargetValue, runtime::Runtime},
    value::{KeyString, ObjectMap, Secrets, Value},
};

use crate::{
    Program, TransformError,
    event::{self, Vrl},
    frame::{Hints, Shape},
    run::{Ended, run},
    source::{Source, SourceTable},
    worker::{Text, named_table},
};

/// How one object is read.
pub(crate) struct Reading {
    /// The table of records for which nothing is selected.
    pub table: Option<TableName>,
    pub shape: Shape,
    /// The program that makes records of the whole object, where it cannot be read as a stream.
    pub expander: Option<Arc<Program>>,
}

/// Decides how an object is read; `None` where the file-level selector says that it is not read at all.
///
/// A selector that fails or names no table leaves the records without one: each becomes a reject, unless it selects a
/// table itself.
pub(crate) fn decide(source: &Source, object: &SourceObject, hints: &Hints) -> Result<Option<Reading>, TransformError> {
    let table = match &source.select_metadata {
        None => source.default_table().cloned(),
        Some(program) => match select(source, program, object) {
            Selected::Table(table) => Some(table),
            Selected::Default => source.default_table().cloned(),
            Selected::Skip => return Ok(None),
            Selected::None(error) => {
                tracing::warn!(log_source = %source.source.name, %error, "no table for an object");
                None
            }
        },
    };
    let unselected = table.is_none() && source.select_metadata.is_some();
    let read_as = if unselected { None } else { source.reading_table(table.as_ref()) };
    let (shape, expander) = shape(source, read_as, hints)?;
    Ok(Some(Reading { table, shape, expander }))
}

enum Selected {
    Table(TableName),
    Default,
    Skip,
    None(String),
}

fn select(source: &Source, program: &Program, object: &SourceObject) -> Selected {
    let text = |value: &str| event::text(value);
    let s3: ObjectMap = [
        ("bucket", text(&object.bucket)),
        ("key", text(&object.key)),
        ("size", Value::Integer(i64::try_from(object.size).unwrap_or(i64::MAX))),
        ("sequencer", text(&object.version)),
        ("log_source", text(source.source.name.as_str())),
        ("retry_depth", Value::Integer(0)),
    ]
    .map(|(name, value)| (KeyString::from(name), value))
    .into();
    let metadata = ObjectMap::from([(KeyString::from("s3"), Value::Object(s3))]);
    let mut target = target(ObjectMap::from([(KeyString::from("__metadata"), Value::Object(metadata))]));
    match run(program, &mut target, &mut Runtime::default()) {
        Ended::Aborted => Selected::Skip,
        Ended::Failed(error) => Selected::None(error),
        Ended::Done(Value::Null) => Selected::Default,
        Ended::Done(value) => match named_table(source, &value, "select_table_from_payload_metadata") {
            Ok(table) => Selected::Table(table),
            Err(error) => Selected::None(error),
        },
    }
}

fn shape(
    source: &Source,
    table: Option<&SourceTable>,
    hints: &Hints,
) -> Result<(Shape, Option<Arc<Program>>), TransformError> {
    if source.source.cloudwatch_envelope {
        return Ok((Shape::CloudWatch, None));
    }
    let Some(table) = table else { return Ok((Shape::Auto, None)) };
    if let Some(expander) = table.expander(source)? {
        return Ok(match expander.streamed() {
            Some(path) => (Shape::JsonArrayAt(path.to_vec()), None),
            None => (Shape::Whole, Some(expander)),
        });
    }
    if is_csv(hints) {
        return Ok((Shape::Csv { headers: table.table.csv_headers.clone() }, None));
    }
    Ok((Shape::Auto, None))
}

/// `x.csv`, `x.csv.gz`, or what is served as CSV; not `x.csv-errors.json` or a directory named so.
fn is_csv(hints: &Hints) -> bool {
    let name = hints.key.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let by_name = name.split('.').skip(1).any(|extension| extension == "csv") && !name.ends_with(".json");
    by_name || hints.content_type.as_deref().is_some_and(|kind| kind.split(';').next() == Some("text/csv"))
}

/// Runs an expand program over an object's text; `None` where it says `abort`.
pub(crate) fn expand(program: &Program, text: &str) -> Result<Option<Vec<Value>>, String> {
    let mut target = target(ObjectMap::from([(KeyString::from("__raw"), event::text(text))]));
    match run(program, &mut target, &mut Runtime::default()) {
        Ended::Aborted => Ok(None),
        Ended::Failed(error) => Err(format!("`expand_records_from_payload` failed: {error}")),
        Ended::Done(Value::Array(records)) => Ok(Some(records)),
        Ended::Done(other) => {
            Err(format!("expected an array of records from `expand_records_from_payload`, found {}", other.kind_str()))
        }
    }
}

/// An expanded record as text, as if it had been read.
pub(crate) enum Element {
    Json(String),
    Line(String),
}

/// One element of what an expand program returned; `Err` gives the error and the element as JSON.
pub(crate) fn element(value: &Value) -> Result<Element, (String, String)> {
    let json = || <Vrl as columns::Values>::to_json(value);
    match value {
        Value::Object(_) => Ok(Element::Json(json())),
        Value::String(_) | Value::Bytes(_) => match value.to_str() {
            Some(text) => Ok(Element::Line(text.to_owned())),
            None => Err(("expected UTF-8 text as a record, found other bytes".to_owned(), json())),
        },
        Value::Regex(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Timestamp(_)
        | Value::Array(_)
        | Value::Null => {
            Err((format!("expected an object or a string as a record, found {}", value.kind_str()), json()))
        }
    }
}

impl Element {
    pub fn text(&self) -> &str {
        match self {
            Self::Json(text) | Self::Line(text) => text,
        }
    }

    pub fn body(&self) -> Text<'_> {
        match self {
            Self::Json(text) => Text::Json(text),
            Self::Line(text) => Text::Line(text),
        }
    }
}

fn target(event: ObjectMap) -> TargetValue {
    TargetValue { value: Value::Object(event), metadata: Value::Object(ObjectMap::new()), secrets: Secrets::new() }
}
