use chrono::{DateTime, Utc};
use vrl::{compiler::conversion::Conversion, prelude::*};

/// `to_timestamp(value, unit?)`, which VRL once had: from a timestamp, a number since the epoch, or text in one of many formats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToTimestamp;

impl Function for ToTimestamp {
    fn identifier(&self) -> &'static str {
        "to_timestamp"
    }

    fn usage(&self) -> &'static str {
        "A timestamp from a timestamp, a number of `unit`s since the epoch, or text in a common format, by default UTC."
    }

    fn category(&self) -> &'static str {
        Category::Coerce.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::TIMESTAMP
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("value", kind::ANY, "A timestamp, a number or text."),
            Parameter::optional("unit", kind::BYTES, "The unit of a number; seconds where it is missing."),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[]
    }

    fn compile(&self, state: &TypeState, _: &mut FunctionCompileContext, arguments: ArgumentList) -> Compiled {
        let value = arguments.required("value");
        let names: Vec<Value> = UNITS.iter().map(|(name, _)| Value::from(*name)).collect();
        let unit = arguments.optional_enum("unit", &names, state)?;
        let nanos = unit
            .and_then(|unit| UNITS.iter().find(|(name, _)| unit.to_str() == Some(name)))
            .map_or(NANOS_PER_SECOND, |(_, nanos)| *nanos);
        Ok(ToTimestampFn { value, nanos }.as_expr())
    }
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Units with their length in nanoseconds.
const UNITS: &[(&str, i64)] =
    &[("seconds", NANOS_PER_SECOND), ("milliseconds", 1_000_000), ("microseconds", 1000), ("nanoseconds", 1)];

#[derive(Debug, Clone)]
struct ToTimestampFn {
    value: Box<dyn Expression>,
    nanos: i64,
}

impl FunctionExpression for ToTimestampFn {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let value = self.value.resolve(context)?;
        match value {
            Value::Timestamp(_) => Ok(value),
            Value::Integer(number) => at(i128::from(number) * i128::from(self.nanos)).ok_or_else(|| unfit(&value)),
            Value::Float(number) => {
                let nanos = number.into_inner() * self.nanos as f64;
                // a float that is out of range saturates, and is out of range for a timestamp too
                at(nanos.round() as i128).ok_or_else(|| unfit(&value))
            }
            Value::Bytes(bytes) => parse(bytes),
            Value::String(text) => parse(text.into_bytes()),
            Value::Regex(_) | Value::Boolean(_) | Value::Object(_) | Value::Array(_) | Value::Null => {
                Err(format!("unable to coerce {} into timestamp", value.kind()).into())
            }
        }
    }

    fn type_def(&self, state: &TypeState) -> TypeDef {
        let certain = self.value.type_def(state).is_timestamp();
        if certain { TypeDef::timestamp().infallible() } else { TypeDef::timestamp().fallible() }
    }
}

fn at(nanos: i128) -> Option<Value> {
    let seconds = i64::try_from(nanos.div_euclid(i128::from(NANOS_PER_SECOND))).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(i128::from(NANOS_PER_SECOND))).ok()?;
    DateTime::<Utc>::from_timestamp(seconds, rest).map(Value::Timestamp)
}

fn unfit(value: &Value) -> ExpressionError {
    format!("unable to coerce {value} into timestamp: it is out of range").into()
}

fn parse(text: Bytes) -> Resolved {
    let conversion = Conversion::Timestamp(*crate::program::UTC);
    conversion.convert::<Value>(text).map_err(|error| error.to_string().into())
}
