//! No transform: the events as they are, every member a column of its own, through arrow-json into Parquet.

use std::sync::Arc;

use anyhow::Result;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow_json::reader::{Decoder, ReaderBuilder};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use serde_json::{Map, Value};

use crate::sample::{Object, Sample};

const BATCH: usize = 8192;
/// So many events show all members there are.
const LOOKED_AT: usize = 20_000;

/// The way without a transform.
pub struct Limit {
    schema: SchemaRef,
}

impl Limit {
    /// Finds the members; this is not measured.
    pub fn new(sample: &Sample) -> Result<Self> {
        let (mut shape, mut seen) = (Shape::Unknown, 0);
        for object in &sample.objects {
            object.each_event(&mut |event| {
                if seen < LOOKED_AT {
                    seen += 1;
                    shape.add(&serde_json::from_slice(event)?);
                }
                Ok(())
            })?;
        }
        let fields = match shape.data_type() {
            Some(DataType::Struct(fields)) => fields,
            Some(_) | None => Fields::empty(),
        };
        Ok(Self { schema: Arc::new(Schema::new(fields)) })
    }

    /// Writes one file an object; how many rows.
    pub fn run(&self, sample: &Sample) -> Result<u64> {
        sample.objects.iter().map(|object| self.object(object)).sum()
    }

    fn object(&self, object: &Object) -> Result<u64> {
        let mut decoder = ReaderBuilder::new(self.schema.clone())
            .with_batch_size(BATCH)
            .with_ignore_type_conflicts(true)
            .build_decoder()?;
        let mut writer = ArrowWriter::try_new(Vec::new(), self.schema.clone(), Some(zstd()?))?;
        let mut rows = 0;
        object.each_event(&mut |event| {
            let mut left = event;
            loop {
                left = &left[decoder.decode(left)?..];
                if left.is_empty() {
                    return Ok(());
                }
                rows += flush(&mut decoder, &mut writer)?;
            }
        })?;
        rows += flush(&mut decoder, &mut writer)?;
        writer.into_inner()?;
        Ok(rows)
    }
}

fn flush(decoder: &mut Decoder, writer: &mut ArrowWriter<Vec<u8>>) -> Result<u64> {
    let Some(batch) = decoder.flush()? else { return Ok(0) };
    writer.write(&batch)?;
    Ok(batch.num_rows() as u64)
}

/// As our own files are compressed.
pub fn zstd() -> Result<WriterProperties> {
    Ok(WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?)).build())
}

/// What values a member has.
enum Shape {
    Unknown,
    Boolean,
    Integer,
    Text,
    List(Box<Shape>),
    Object(Vec<(String, Shape)>),
    /// Now this, now that: no column.
    Mixed,
}

impl Shape {
    fn add(&mut self, value: &Value) {
        match (&mut *self, value) {
            (_, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Integer, Value::Number(_))
            | (Self::Text, Value::String(_))
            | (
                Self::Mixed,
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
            ) => (),
            (Self::Unknown, Value::Bool(_)) => *self = Self::Boolean,
            (Self::Unknown, Value::Number(_)) => *self = Self::Integer,
            (Self::Unknown, Value::String(_)) => *self = Self::Text,
            (Self::Unknown, Value::Array(_)) => {
                *self = Self::List(Box::new(Self::Unknown));
                self.add(value);
            }
            (Self::Unknown, Value::Object(_)) => {
                *self = Self::Object(Vec::new());
                self.add(value);
            }
            (Self::List(element), Value::Array(items)) => items.iter().for_each(|item| element.add(item)),
            (Self::Object(shapes), Value::Object(members)) => add_members(shapes, members),
            (Self::Boolean | Self::Integer | Self::Text | Self::List(_) | Self::Object(_), _) => *self = Self::Mixed,
        }
    }

    fn data_type(&self) -> Option<DataType> {
        match self {
            Self::Unknown | Self::Mixed => None,
            Self::Boolean => Some(DataType::Boolean),
            Self::Integer => Some(DataType::Int64),
            Self::Text => Some(DataType::Utf8),
            Self::List(element) => Some(DataType::new_list(element.data_type()?, true)),
            Self::Object(members) => {
                let fields =
                    members.iter().filter_map(|(name, shape)| Some(Field::new(name, shape.data_type()?, true)));
                let fields: Fields = fields.collect();
                (!fields.is_empty()).then_some(DataType::Struct(fields))
            }
        }
    }
}

fn add_members(shapes: &mut Vec<(String, Shape)>, members: &Map<String, Value>) {
    for (name, value) in members {
        let at = shapes.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            shapes.push((name.clone(), Shape::Unknown));
            shapes.len() - 1
        });
        shapes[at].1.add(value);
    }
}
