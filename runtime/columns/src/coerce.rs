//! One value to one type, where nothing is lost and nothing is guessed. What does not fit says why.

use std::{borrow::Cow, fmt::Write as _};

use chrono::{DateTime, NaiveDate};
use model::time::Timestamp;

use crate::values::{Values, View};

/// Why a value does not fit: what was found, in words.
pub(crate) type Unfit = &'static str;

/// The largest whole number up to which every whole number is a `f64`.
const EXACT_IN_DOUBLE: i64 = 1 << 53;
const EXACT_IN_FLOAT: i64 = 1 << 24;

pub(crate) fn boolean<V>(view: &View<'_, V>) -> Result<bool, Unfit> {
    match view {
        View::Boolean(value) => Ok(*value),
        View::Integer(0) | View::Unsigned(0) => Ok(false),
        View::Integer(1) | View::Unsigned(1) => Ok(true),
        View::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        View::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        other => Err(found(other)),
    }
}

pub(crate) fn long<V>(view: &View<'_, V>) -> Result<i64, Unfit> {
    match view {
        View::Integer(number) => Ok(*number),
        View::Unsigned(number) => i64::try_from(*number).map_err(|_| "a number out of range"),
        View::Float(number) => whole(*number),
        View::Text(text) => numeral(text),
        other => Err(found(other)),
    }
}

pub(crate) fn int<V>(view: &View<'_, V>) -> Result<i32, Unfit> {
    i32::try_from(long(view)?).map_err(|_| "a number out of range")
}

pub(crate) fn double<V>(view: &View<'_, V>) -> Result<f64, Unfit> {
    match view {
        View::Float(number) if number.is_finite() => Ok(*number),
        View::Float(_) => Err("a number that is not finite"),
        View::Integer(number) => exact(*number, EXACT_IN_DOUBLE).map(|number| number as f64),
        View::Unsigned(number) => {
            let number = i64::try_from(*number).map_err(|_| "a whole number with more digits than fit")?;
            exact(number, EXACT_IN_DOUBLE).map(|number| number as f64)
        }
        View::Text(text) => decimal(text),
        other => Err(found(other)),
    }
}

/// A `float` holds what is nearest; whole numbers must be exact.
pub(crate) fn float<V>(view: &View<'_, V>) -> Result<f32, Unfit> {
    let number = match view {
        View::Integer(number) => exact(*number, EXACT_IN_FLOAT)? as f32,
        other => double(other)? as f32,
    };
    if number.is_finite() { Ok(number) } else { Err("a number out of range") }
}

pub(crate) fn timestamp<V>(view: &View<'_, V>) -> Result<i64, Unfit> {
    let micros = match view {
        View::Timestamp(micros) => *micros,
        View::Integer(number) => epoch(*number)?,
        View::Unsigned(number) => i64::try_from(*number).map_err(|_| "a number out of range").and_then(epoch)?,
        View::Float(number) => epoch_fraction(*number)?,
        View::Text(text) => match DateTime::parse_from_rfc3339(text) {
            Ok(time) => time.timestamp_micros(),
            Err(_) => epoch(numeral(text).map_err(|_| "text that is no RFC 3339 time")?)?,
        },
        other => return Err(found(other)),
    };
    match Timestamp::from_micros(micros) {
        Some(_) => Ok(micros),
        None => Err("a time outside the years 0 to 9999"),
    }
}

/// Days since the epoch.
pub(crate) fn date<V>(view: &View<'_, V>) -> Result<i32, Unfit> {
    match view {
        View::Text(text) => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| "text that is no date `YYYY-MM-DD`")?;
            i32::try_from((date - NaiveDate::default()).num_days()).map_err(|_| "a date out of range")
        }
        other => Err(found(other)),
    }
}

pub(crate) fn text<'a, S: Values>(value: &'a S::Value) -> Result<Cow<'a, str>, Unfit> {
    Ok(match S::view(value) {
        View::Text(text) => Cow::Borrowed(text),
        View::Boolean(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        View::Integer(number) => Cow::Owned(number.to_string()),
        View::Unsigned(number) => Cow::Owned(number.to_string()),
        View::Float(number) => match serde_json::Number::from_f64(number) {
            Some(number) => Cow::Owned(number.to_string()),
            None => return Err("a number that is not finite"),
        },
        View::Timestamp(micros) => match Timestamp::from_micros(micros) {
            Some(time) => Cow::Owned(time.to_string()),
            None => return Err("a time outside the years 0 to 9999"),
        },
        View::List(_) | View::Object => Cow::Owned(S::to_json(value)),
        other @ (View::Null | View::Bytes(_)) => return Err(found(&other)),
    })
}

/// A value for people: JSON or text, cut at `limit` bytes.
pub(crate) fn shown<S: Values>(value: &S::Value, limit: usize) -> String {
    let mut out = match S::view(value) {
        View::Bytes(bytes) => bytes.iter().take(limit).fold(String::from("0x"), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes every write");
            hex
        }),
        View::Float(number) => number.to_string(),
        View::Timestamp(micros) => {
            Timestamp::from_micros(micros).map_or_else(|| format!("{micros} us since 1970"), |time| time.to_string())
        }
        View::Null
        | View::Boolean(_)
        | View::Integer(_)
        | View::Unsigned(_)
        | View::Text(_)
        | View::List(_)
        | View::Object => text::<S>(value).map_or_else(|_| S::to_json(value), Cow::into_owned),
    };
    if out.len() > limit {
        out.truncate(out.floor_char_boundary(limit - '…'.len_utf8()));
        out.push('…');
    }
    out
}

pub(crate) fn found<V>(view: &View<'_, V>) -> Unfit {
    match view {
        View::Null => "null",
        View::Boolean(_) => "a boolean",
        View::Integer(_) | View::Unsigned(_) | View::Float(_) => "a number",
        View::Text(_) => "text",
        View::Bytes(_) => "bytes that are not UTF-8",
        View::Timestamp(_) => "a timestamp",
        View::List(_) => "a list",
        View::Object => "an object",
    }
}

fn whole(number: f64) -> Result<i64, Unfit> {
    if !number.is_finite() {
        return Err("a number that is not finite");
    }
    if number.fract() != 0.0 {
        return Err("a number with a fraction");
    }
    if number.abs() > EXACT_IN_DOUBLE as f64 {
        return Err("a number out of range");
    }
    Ok(number as i64)
}

fn exact(number: i64, limit: i64) -> Result<i64, Unfit> {
    if (-limit..=limit).contains(&number) { Ok(number) } else { Err("a whole number with more digits than fit") }
}

fn numeral(text: &str) -> Result<i64, Unfit> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("text that is no whole number");
    }
    text.parse().map_err(|_| "a number out of range")
}

fn decimal(text: &str) -> Result<f64, Unfit> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'));
    match text.parse::<f64>() {
        Ok(number) if plain && number.is_finite() => Ok(number),
        Ok(_) | Err(_) => Err("text that is no number"),
    }
}

/// Microseconds from a count since the epoch whose unit shows in its number of digits: seconds, milliseconds,
/// microseconds or nanoseconds of the years 2001 to 2286. Anything else could mean several things.
fn epoch(number: i64) -> Result<i64, Unfit> {
    match number.unsigned_abs().checked_ilog10() {
        Some(9) => Ok(number * 1_000_000),
        Some(12) => Ok(number * 1000),
        Some(15) => Ok(number),
        Some(18) => Ok(number.div_euclid(1000)),
        _ => Err("a number whose unit of time is not clear"),
    }
}

/// Seconds with a fraction, or what [`epoch`] takes.
fn epoch_fraction(number: f64) -> Result<i64, Unfit> {
    match whole(number) {
        Ok(number) => epoch(number),
        Err(_) if (1e9..1e10).contains(&number) => Ok((number * 1e6).round() as i64),
        Err(_) if (1e12..1e13).contains(&number) => Ok((number * 1e3).round() as i64),
        Err(_) => Err("a number whose unit of time is not clear"),
    }
}
