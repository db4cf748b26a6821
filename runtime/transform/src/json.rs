//! JSON text as values of VRL, whose strings are slices of one buffer: they cost no allocation, neither to make nor to clone.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use vrl::{
    prelude::NotNan,
    value::{KeyString, ObjectMap, Value},
};

/// Parses one JSON text. Of equal keys the last wins; a whole number beyond `i64` is a float, as VRL's own parser has it.
///
/// A number that is no finite `f64` is an error, as is nesting deeper than [`MAX_DEPTH`].
pub(crate) fn parse_json(text: &str) -> Result<Value, sonic_rs::Error> {
    let buffer = Bytes::copy_from_slice(text.as_bytes());
    let text = std::str::from_utf8(&buffer).map_err(Error::custom)?;
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
    let value = Parsed::of(&buffer).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Records nested deeper are rejected where they are read; this holds for every other text.
const MAX_DEPTH: u8 = 128;

/// Parses a value out of text that lies in a buffer.
#[derive(Clone, Copy)]
pub(crate) struct Parsed<'a> {
    buffer: &'a Bytes,
    /// How many lists and objects may still be opened inside each other.
    depth: u8,
}

impl<'a> Parsed<'a> {
    /// Strings are slices of `buffer`, in which the text lies.
    pub fn of(buffer: &'a Bytes) -> Self {
        Self { buffer, depth: MAX_DEPTH }
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(E::custom(format!("expected at most {MAX_DEPTH} lists and objects inside each other"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Parsed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Parsed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value, E> {
        let (at, buffer) = (text.as_ptr() as usize, self.buffer.as_ptr() as usize);
        let within = at >= buffer && at + text.len() <= buffer + self.buffer.len();
        // the empty string may be borrowed from anywhere
        if within && !text.is_empty() {
            Ok(Value::from_utf8_or_bytes(self.buffer.slice_ref(text.as_bytes())))
        } else {
            Ok(Value::from(text))
        }
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        match i64::try_from(number) {
            Ok(number) => Ok(Value::Integer(number)),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        NotNan::new(number).map(Value::Float).map_err(Error::custom)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (mut out, inner) = (Vec::new(), self.deeper()?);
        while let Some(item) = items.next_element_seed(inner)? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let (mut out, inner) = (ObjectMap::new(), self.deeper()?);
        while let Some(key) = members.next_key::<KeyString>()? {
            out.insert(key, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) {
        let expected: Value = serde_json::from_str(text).expect("the tests are JSON");
        assert_eq!(parse_json(text).expect(text), expected, "{text}");
    }

    #[test]
    fn values_are_those_of_the_reference_parser() {
        for text in [
            "{}",
            "[]",
            "null",
            "\"\"",
            "\"text\"",
            "-0.0",
            "9223372036854775807",
            "18446744073709551615",
            "-9223372036854775808",
            "123456789012345678901234567890",
            "1e-400",
            r#"{"a":1,"b":{"a":[true,false,null,1.5,""]},"a":2}"#,
            r#"{"\u00e4\n":"\ud83d\ude00 \\ \u0000","ü":"ä"}"#,
            " [ 1 , { } ] ",
        ] {
            check(text);
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "{\"a\":1}x", "{\"a\":tru}", "[1,]", "01", "1e400", "\"\n\"", "{\"a\" 1}", "{'a':1}"] {
            assert!(parse_json(text).is_err(), "{text}");
        }
        assert!(parse_json(&"[".repeat(100_000)).is_err());
    }
}
