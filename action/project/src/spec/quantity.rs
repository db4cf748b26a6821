//! Times and sizes as people write them: `5 minutes`, `16 MB`, or a plain number.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A length of time: `5 minutes`, `1 hour`, or a number of seconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum DurationSpec {
    /// Seconds.
    Number(u64),
    /// A number and a unit.
    Text(String),
}

/// A number of bytes: `16 MB`, `1 GiB`, or a plain number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum SizeSpec {
    /// Bytes.
    Number(u64),
    /// A number and a unit.
    Text(String),
}

const TIME_UNITS: &[(&str, u64)] = &[
    ("second", 1),
    ("s", 1),
    ("minute", 60),
    ("min", 60),
    ("m", 60),
    ("hour", 3600),
    ("h", 3600),
    ("day", 86_400),
    ("d", 86_400),
];

// as file systems and AWS limits mean them: a `16 MB` limit is 16 · 1024 · 1024
const SIZE_UNITS: &[(&str, u64)] = &[
    ("b", 1),
    ("kb", 1 << 10),
    ("kib", 1 << 10),
    ("mb", 1 << 20),
    ("mib", 1 << 20),
    ("gb", 1 << 30),
    ("gib", 1 << 30),
];

impl DurationSpec {
    /// In seconds; an error says what was expected.
    pub fn seconds(&self) -> Result<u64, String> {
        match self {
            Self::Number(seconds) => Ok(*seconds),
            Self::Text(text) => seconds(text),
        }
    }
}

impl SizeSpec {
    /// In bytes; an error says what was expected.
    pub fn bytes(&self) -> Result<u64, String> {
        match self {
            Self::Number(bytes) => Ok(*bytes),
            Self::Text(text) => {
                quantity(text, SIZE_UNITS).ok_or_else(|| format!("expected a size such as `16 MB`, found `{text}`"))
            }
        }
    }
}

/// `5 minutes` in seconds; an error says what was expected.
pub fn seconds(text: &str) -> Result<u64, String> {
    let plural = text.trim().strip_suffix('s').filter(|text| text.len() > 1 && text.ends_with(char::is_alphabetic));
    plural
        .and_then(|singular| quantity(singular, TIME_UNITS))
        .or_else(|| quantity(text, TIME_UNITS))
        .ok_or_else(|| format!("expected a time such as `5 minutes` or `1 hour`, found `{text}`"))
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit || (unit.is_empty() && *name == units[0].0))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

impl JsonSchema for DurationSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "minimum": 0, "examples": ["5 minutes", "1 hour", 3600] })
    }
}

impl JsonSchema for SizeSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "minimum": 1, "examples": ["16 MB", "1 GiB"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_in_any_form() {
        for (text, expected) in [("5 minutes", 300), ("1 hour", 3600), ("90", 90), ("2h", 7200), ("1 day", 86_400)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        assert_eq!(seconds("10 s"), Ok(10));
        assert_eq!(seconds("30 mins"), Ok(1800));
        for text in
            ["", "hour", "1 fortnight", "-5 minutes", "1.5 hours", "99999999999999999999 s", "9999999999999999 days"]
        {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(SizeSpec::Text("16 MB".to_owned()).bytes(), Ok(16 << 20));
        assert_eq!(SizeSpec::Text("1GiB".to_owned()).bytes(), Ok(1 << 30));
        assert_eq!(SizeSpec::Number(7).bytes(), Ok(7));
        assert!(SizeSpec::Text("16 MBs".to_owned()).bytes().is_err());
    }
}
