//! Matano's design, rebuilt on today's crates with the same program: an expand program parses the whole object, each event
//! is a tree of VRL, each row a generic Avro map that is resolved against the table's schema, each Avro file is decoded
//! again into Arrow and written as Parquet.
//!
//! `event.original`, which our rows have without being asked, is one line more of the program, as in the original's own
//! programs. What our columns coerce (JSON text, booleans and times in strings) is coerced on the way into Avro, which is
//! cheaper than the VRL that the original needed for it.

use std::io::Cursor;

use anyhow::{Context as _, Result, bail};
use apache_avro::{Codec, Schema, Writer, types::Value as Avro};
use arrow::array::RecordBatch;
use arrow_avro::reader::ReaderBuilder;
use model::{
    schema::{Field, FieldType, TableSchema},
    time::Timestamp,
};
use parquet::arrow::ArrowWriter;
use serde_json::json;
use vrl::{
    compiler::{Context, Program as Vrl, TargetValue, TimeZone, state::RuntimeState},
    value::{KeyString, ObjectMap, Secrets, Value},
};

use crate::{
    limit,
    product::Program,
    sample::{Object, Sample},
};

/// What the original put around every program.
const BEFORE: &str = ".related.ip = []\n.related.hash = []\n.related.user = []\n.event.original = encode_json(.json)\n";
const AFTER: &str = "\ndel(.json)\n. = compact(.)\n.ecs.version = \"8.5.0\"\n";

/// The rebuilt design.
pub struct Matano {
    expand: Vrl,
    vrl: Vrl,
    schema: TableSchema,
    avro: Schema,
}

impl Matano {
    pub fn new(program: &Program) -> Result<Self> {
        let expand = compile("parse_json!(.__raw).Records")?;
        let vrl = compile(&[BEFORE, &program.text, AFTER].concat())?;
        let mut records = 0;
        let avro = record(&program.schema.fields, &mut records);
        let avro = Schema::parse(&avro).context("make an Avro schema of the table")?;
        Ok(Self { expand, vrl, schema: program.schema.clone(), avro })
    }

    /// All objects; how many rows.
    pub fn run(&self, sample: &Sample) -> Result<u64> {
        sample.objects.iter().map(|object| self.object(object)).sum()
    }

    fn object(&self, object: &Object) -> Result<u64> {
        to_parquet(self.to_avro(object)?)
    }

    /// The transformer: one Avro file.
    fn to_avro(&self, object: &Object) -> Result<Vec<u8>> {
        let mut writer = Writer::with_codec(&self.avro, Vec::new(), Codec::Snappy);
        let mut runtime = Runtime::new()?;
        let whole = ObjectMap::from([(KeyString::from("__raw"), Value::from(object.text()?))]);
        let (Value::Array(events), _) = runtime.run(&self.expand, whole)? else { bail!("expected an array of events") };
        for json in events {
            let now = Value::Timestamp(Timestamp::EPOCH.to_datetime());
            let event = ObjectMap::from([(KeyString::from("json"), json), (KeyString::from("ts"), now)]);
            let (_, row) = runtime.run(&self.vrl, event)?;
            let row = row.as_object().context("the event is an object")?;
            writer.append_value_ref(&members(row, &self.schema.fields).resolve(&self.avro)?)?;
        }
        Ok(writer.into_inner()?)
    }
}

fn compile(text: &str) -> Result<Vrl> {
    let compiled = vrl::compiler::compile(text, &vrl::stdlib::all());
    Ok(compiled.map_err(|errors| anyhow::anyhow!("the program does not compile: {errors:?}"))?.program)
}

struct Runtime {
    state: RuntimeState,
    zone: TimeZone,
}

impl Runtime {
    fn new() -> Result<Self> {
        Ok(Self { state: RuntimeState::default(), zone: TimeZone::parse("UTC").context("UTC is a time zone")? })
    }

    /// What a program returns, and the event as it leaves it.
    fn run(&mut self, program: &Vrl, event: ObjectMap) -> Result<(Value, Value)> {
        let metadata = Value::Object(ObjectMap::new());
        let mut target = TargetValue { value: Value::Object(event), metadata, secrets: Secrets::new() };
        self.state.clear();
        let mut context = Context::new(&mut target, &mut self.state, &self.zone);
        let value = program.resolve(&mut context).map_err(|error| anyhow::anyhow!("the program failed: {error}"))?;
        Ok((value, target.value))
    }
}

/// The lake writer: the Avro file as Parquet.
fn to_parquet(avro: Vec<u8>) -> Result<u64> {
    let reader = ReaderBuilder::new().with_batch_size(8192).build(Cursor::new(avro))?;
    let mut writer = ArrowWriter::try_new(Vec::new(), reader.schema(), Some(limit::zstd()?))?;
    let mut rows = 0;
    for batch in reader {
        let batch: RecordBatch = batch?;
        rows += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    writer.into_inner()?;
    Ok(rows)
}

/// An Avro schema of columns, every one nullable.
fn record(fields: &[Field], records: &mut u32) -> serde_json::Value {
    *records += 1;
    let name = format!("record_{records}");
    let fields: Vec<serde_json::Value> = fields
        .iter()
        .map(|field| json!({"name": field.name, "type": ["null", avro_type(&field.kind, records)], "default": null}))
        .collect();
    json!({"type": "record", "name": name, "fields": fields})
}

fn avro_type(kind: &FieldType, records: &mut u32) -> serde_json::Value {
    match kind {
        FieldType::Boolean => json!("boolean"),
        FieldType::Int => json!("int"),
        FieldType::Long => json!("long"),
        FieldType::Float => json!("float"),
        FieldType::Double => json!("double"),
        FieldType::String => json!("string"),
        FieldType::Timestamp => json!({"type": "long", "logicalType": "timestamp-micros"}),
        FieldType::Date => json!({"type": "int", "logicalType": "date"}),
        FieldType::Struct(fields) => record(fields, records),
        FieldType::List(element) => json!({"type": "array", "items": ["null", avro_type(element, records)]}),
    }
}

/// An event as Avro's generic map, without what has no column.
fn members(object: &ObjectMap, fields: &[Field]) -> Avro {
    let member = |field: &Field| {
        let value = avro_value(object.get(field.name.as_str())?, &field.kind)?;
        Some((field.name.clone(), value))
    };
    Avro::Map(fields.iter().filter_map(member).collect())
}

/// `None` where the value is null or does not fit.
fn avro_value(value: &Value, kind: &FieldType) -> Option<Avro> {
    match kind {
        FieldType::Boolean => match value {
            Value::Boolean(value) => Some(Avro::Boolean(*value)),
            other => other.to_str_lossy()?.parse().ok().map(Avro::Boolean),
        },
        FieldType::Int => i32::try_from(value.as_integer()?).ok().map(Avro::Int),
        FieldType::Long => value.as_integer().map(Avro::Long),
        FieldType::Float => value.as_float().map(|number| Avro::Float(number.into_inner() as f32)),
        FieldType::Double => value.as_float().map(|number| Avro::Double(number.into_inner())),
        FieldType::Timestamp => match value {
            Value::Timestamp(time) => Some(Avro::TimestampMicros(time.timestamp_micros())),
            other => {
                let time: Timestamp = other.to_str_lossy()?.parse().ok()?;
                Some(Avro::TimestampMicros(time.micros()))
            }
        },
        FieldType::Date => i32::try_from(value.as_integer()?).ok().map(Avro::Date),
        FieldType::String => match value {
            Value::Null => None,
            Value::Object(_) | Value::Array(_) => serde_json::to_string(value).ok().map(Avro::String),
            other => Some(Avro::String(other.to_string_lossy().into_owned())),
        },
        FieldType::Struct(fields) => Some(members(value.as_object()?, fields)),
        FieldType::List(element) => {
            Some(Avro::Array(value.as_array()?.iter().filter_map(|item| avro_value(item, element)).collect()))
        }
    }
}
