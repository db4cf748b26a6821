//! Builders of one column. Structs at the top of a table are no builders but groups of columns (see [`crate::row`]); the
//! structs here stand inside lists, where every element needs its own validity.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Date32Builder, Float32Builder, Float64Builder, Int32Builder, Int64Builder, ListArray,
        NullBufferBuilder, StringBuilder, StructArray, TimestampMicrosecondBuilder,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, FieldRef, Fields},
};
use model::schema::FieldType;

use crate::{
    ColumnsError, Misfit, coerce,
    coerce::Unfit,
    values::{Values, View, is_blank},
};

/// Where a value is going, for the words about what did not fit.
pub(crate) struct At<'a> {
    pub path: &'a str,
    pub member: Option<(&'a At<'a>, &'a str)>,
}

impl At<'_> {
    fn dotted(&self) -> String {
        match self.member {
            None => self.path.to_owned(),
            Some((parent, name)) => format!("{}.{name}", parent.dotted()),
        }
    }
}

/// What did not fit in one row, and how many bytes went in.
#[derive(Default)]
pub(crate) struct Intake {
    pub misfits: Vec<Misfit>,
    pub bytes: usize,
}

impl Intake {
    fn misfit<S: Values>(&mut self, at: &At<'_>, expected: &str, found: Unfit, value: &S::Value) {
        self.misfits.push(Misfit {
            row: 0,
            column: at.dotted(),
            error: format!("expected {expected}, found {found}"),
            value: coerce::shown::<S>(value, Misfit::VALUE_BYTES),
        });
    }
}

pub(crate) enum Builder {
    Boolean(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Struct(StructBuilder),
    List(ListBuilder),
}

pub(crate) struct StructBuilder {
    fields: Fields,
    members: Vec<Member>,
    nulls: NullBufferBuilder,
}

struct Member {
    name: String,
    builder: Builder,
}

pub(crate) struct ListBuilder {
    field: FieldRef,
    element: Box<Builder>,
    element_name: String,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Builder {
    /// For columns of this type. Nothing is allocated before there are values: wide tables use few of their columns. `data_type` is the same type in Arrow, with its field ids.
    pub fn new(kind: &FieldType, data_type: &DataType) -> Self {
        match (kind, data_type) {
            (FieldType::Boolean, _) => Self::Boolean(BooleanBuilder::with_capacity(0)),
            (FieldType::Int, _) => Self::Int(Int32Builder::with_capacity(0)),
            (FieldType::Long, _) => Self::Long(Int64Builder::with_capacity(0)),
            (FieldType::Float, _) => Self::Float(Float32Builder::with_capacity(0)),
            (FieldType::Double, _) => Self::Double(Float64Builder::with_capacity(0)),
            (FieldType::String, _) => Self::Text(StringBuilder::with_capacity(0, 0)),
            (FieldType::Timestamp, _) => Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(0)),
            (FieldType::Date, _) => Self::Date(Date32Builder::with_capacity(0)),
            (FieldType::Struct(members), DataType::Struct(fields)) => Self::Struct(StructBuilder {
                fields: fields.clone(),
                members: members
                    .iter()
                    .zip(fields)
                    .map(|(member, field)| Member {
                        name: member.name.clone(),
                        builder: Self::new(&member.kind, field.data_type()),
                    })
                    .collect(),
                nulls: NullBufferBuilder::new(0),
            }),
            (FieldType::List(element), DataType::List(field)) => Self::List(ListBuilder {
                field: field.clone(),
                element: Box::new(Self::new(element, field.data_type())),
                element_name: element.to_string(),
                offsets: vec![0],
                nulls: NullBufferBuilder::new(0),
            }),
            (FieldType::Struct(_) | FieldType::List(_), other) => {
                unreachable!("arrow_schema maps structs and lists to themselves, not to {other}")
            }
        }
    }

    pub fn append_nulls(&mut self, count: usize) {
        match self {
            Self::Boolean(builder) => builder.append_nulls(count),
            Self::Int(builder) => builder.append_nulls(count),
            Self::Long(builder) => builder.append_nulls(count),
            Self::Float(builder) => builder.append_nulls(count),
            Self::Double(builder) => builder.append_nulls(count),
            Self::Text(builder) => builder.append_nulls(count),
            Self::Timestamp(builder) => builder.append_nulls(count),
            Self::Date(builder) => builder.append_nulls(count),
            Self::Struct(builder) => {
                builder.members.iter_mut().for_each(|member| member.builder.append_nulls(count));
                builder.nulls.append_n_nulls(count);
            }
            Self::List(builder) => {
                let end = builder.end();
                builder.offsets.resize(builder.offsets.len() + count, end);
                builder.nulls.append_n_nulls(count);
            }
        }
    }

    /// Appends exactly one value, null where it is blank or does not fit.
    pub fn append<S: Values>(&mut self, value: &S::Value, at: &At<'_>, intake: &mut Intake) {
        if !self.try_append::<S>(value, at, intake) {
            self.append_nulls(1);
        }
    }

    /// Appends the value, or nothing where it is blank or does not fit.
    fn try_append<S: Values>(&mut self, value: &S::Value, at: &At<'_>, intake: &mut Intake) -> bool {
        macro_rules! append {
            ($builder:ident, $coerce:path, $expected:literal) => {{
                let view = S::view(value);
                match $coerce(&view) {
                    Ok(value) => {
                        $builder.append_value(value);
                        intake.bytes += 8;
                        true
                    }
                    // blank text says that there is no value, not that there is a bad one
                    Err(_) if is_blank::<S>(value) => false,
                    Err(found) => {
                        intake.misfit::<S>(at, $expected, found, value);
                        false
                    }
                }
            }};
        }
        match self {
            Self::Boolean(builder) => append!(builder, coerce::boolean, "`boolean`"),
            Self::Int(builder) => append!(builder, coerce::int, "`int`"),
            Self::Long(builder) => append!(builder, coerce::long, "`long`"),
            Self::Float(builder) => append!(builder, coerce::float, "`float`"),
            Self::Double(builder) => append!(builder, coerce::double, "`double`"),
            Self::Timestamp(builder) => append!(builder, coerce::timestamp, "`timestamp`"),
            Self::Date(builder) => append!(builder, coerce::date, "`date`"),
            Self::Text(builder) => match S::view(value) {
                View::Text("") => false,
                View::Text(text) => {
                    builder.append_value(text);
                    intake.bytes += text.len() + 4;
                    true
                }
                View::List(_) | View::Object if is_blank::<S>(value) => false,
                View::Null => false,
                View::Boolean(_)
                | View::Integer(_)
                | View::Unsigned(_)
                | View::Float(_)
                | View::Bytes(_)
                | View::Timestamp(_)
                | View::List(_)
                | View::Object => match coerce::text::<S>(value) {
                    Ok(text) => {
                        builder.append_value(&text);
                        intake.bytes += text.len() + 4;
                        true
                    }
                    Err(found) => {
                        intake.misfit::<S>(at, "`string`", found, value);
                        false
                    }
                },
            },
            Self::Struct(builder) => builder.try_append::<S>(value, at, intake),
            Self::List(builder) => builder.try_append::<S>(value, at, intake),
        }
    }

    pub fn finish(&mut self) -> Result<ArrayRef, ColumnsError> {
        Ok(match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Long(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Struct(builder) => {
                let length = builder.nulls.len();
                let arrays =
                    builder.members.iter_mut().map(|member| member.builder.finish()).collect::<Result<Vec<_>, _>>()?;
                let nulls = builder.nulls.finish();
                Arc::new(StructArray::try_new_with_length(builder.fields.clone(), arrays, nulls, length)?)
            }
            Self::List(builder) => {
                let offsets = OffsetBuffer::new(std::mem::replace(&mut builder.offsets, vec![0]).into());
                let values = builder.element.finish()?;
                Arc::new(ListArray::try_new(builder.field.clone(), offsets, values, builder.nulls.finish())?)
            }
        })
    }

    pub fn append_text(&mut self, text: &str) -> bool {
        match self {
            Self::Text(builder) => builder.append_value(text),
            Self::Boolean(_)
            | Self::Int(_)
            | Self::Long(_)
            | Self::Float(_)
            | Self::Double(_)
            | Self::Timestamp(_)
            | Self::Date(_)
            | Self::Struct(_)
            | Self::List(_) => return false,
        }
        true
    }

    pub fn append_timestamp(&mut self, micros: i64) -> bool {
        match self {
            Self::Timestamp(builder) => builder.append_value(micros),
            Self::Boolean(_)
            | Self::Int(_)
            | Self::Long(_)
            | Self::Float(_)
            | Self::Double(_)
            | Self::Text(_)
            | Self::Date(_)
            | Self::Struct(_)
            | Self::List(_) => return false,
        }
        true
    }
}

impl StructBuilder {
    fn try_append<S: Values>(&mut self, value: &S::Value, at: &At<'_>, intake: &mut Intake) -> bool {
        let view = S::view(value);
        if matches!(view, View::Object) {
            let mut known = false;
            S::members(value, &mut |name, value| {
                known = known || self.members.iter().any(|member| member.name == name) && !is_blank::<S>(value);
            });
            if !known {
                return false;
            }
        } else if is_blank::<S>(value) {
            return false;
        } else {
            intake.misfit::<S>(at, "an object", coerce::found(&view), value);
            return false;
        }
        let length = self.nulls.len();
        let members = &mut self.members;
        S::members(value, &mut |name, value| {
            if let Some(member) = members.iter_mut().find(|member| member.name == name)
                && member.builder.len() == length
            {
                member.builder.append::<S>(value, &At { path: at.path, member: Some((at, name)) }, intake);
            }
        });
        for member in members {
            let missing = length + 1 - member.builder.len();
            member.builder.append_nulls(missing);
        }
        self.nulls.append_non_null();
        true
    }
}

impl ListBuilder {
    fn end(&self) -> i32 {
        *self.offsets.last().expect("offsets start with zero")
    }

    /// Blank and unfit elements are left out; a single value is a list of one.
    fn try_append<S: Values>(&mut self, value: &S::Value, at: &At<'_>, intake: &mut Intake) -> bool {
        let before = self.element.len();
        let element = At { path: at.path, member: Some((at, crate::schema::ELEMENT)) };
        match S::view(value) {
            View::List(items) => {
                for item in items {
                    self.element.try_append::<S>(item, &element, intake);
                }
            }
            View::Null => (),
            View::Object if !matches!(*self.element, Builder::Struct(_) | Builder::Text(_)) => {
                if !is_blank::<S>(value) {
                    intake.misfit::<S>(at, &format!("`list<{}>`", self.element_name), "an object", value);
                }
            }
            View::Boolean(_)
            | View::Integer(_)
            | View::Unsigned(_)
            | View::Float(_)
            | View::Text(_)
            | View::Bytes(_)
            | View::Timestamp(_)
            | View::Object => {
                self.element.try_append::<S>(value, at, intake);
            }
        }
        if self.element.len() == before {
            return false;
        }
        let end = i32::try_from(self.element.len()).expect("a batch is flushed long before two billion elements");
        self.offsets.push(end);
        self.nulls.append_non_null();
        true
    }
}

impl Builder {
    pub fn len(&self) -> usize {
        use arrow::array::ArrayBuilder as _;
        match self {
            Self::Boolean(builder) => builder.len(),
            Self::Int(builder) => builder.len(),
            Self::Long(builder) => builder.len(),
            Self::Float(builder) => builder.len(),
            Self::Double(builder) => builder.len(),
            Self::Text(builder) => builder.len(),
            Self::Timestamp(builder) => builder.len(),
            Self::Date(builder) => builder.len(),
            Self::Struct(builder) => builder.nulls.len(),
            Self::List(builder) => builder.nulls.len(),
        }
    }
}
