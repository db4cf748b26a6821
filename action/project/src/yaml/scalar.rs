//! What a plain scalar means in the core schema of YAML 1.2.

use serde_json::{Number, Value};

/// What a text means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// Itself.
    Text,
    /// Nothing.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(Number),
}

impl Meaning {
    /// What this text, which means that, is as JSON.
    pub fn value(&self, text: &str) -> Value {
        match self {
            Self::Text => Value::from(text),
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
        }
    }
}

/// Null, a boolean, a number, else text.
pub fn resolve(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Boolean(true),
        "false" | "False" | "FALSE" => Meaning::Boolean(false),
        _ => number(text).map_or(Meaning::Text, Meaning::Number),
    }
}

/// A number. Infinity and not-a-number have no JSON form and stay text, as do integers that no 64 bits hold.
pub fn number(text: &str) -> Option<Number> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let plain = !digits.starts_with(['+', '-']);
            return u64::from_str_radix(digits, radix).ok().filter(|_| plain).map(Number::from);
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        return text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    }
    is_float(unsigned).then(|| text.parse().ok().and_then(Number::from_f64)).flatten()
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    exponent && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_of_yaml_1_1_are_strings() {
        for word in
            ["on", "off", "yes", "no", "y", "n", "On", "0b1", "1_000", "12:30:45", "2024-01-01", "0x", "1e", "."]
        {
            assert_eq!(resolve(word), Meaning::Text, "{word}");
        }
    }

    #[test]
    fn nulls_booleans_and_numbers_are_those_of_the_core_schema() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("True", json!(true)),
            ("FALSE", json!(false)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("007", json!(7)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("1.5", json!(1.5)),
            ("-.5e3", json!(-500.0)),
            ("1.", json!(1.0)),
            (".inf", json!(".inf")),
            (".nan", json!(".nan")),
            ("1e999", json!("1e999")),
            ("123456789012345678901", json!("123456789012345678901")),
        ] {
            assert_eq!(resolve(text).value(text), value, "{text}");
        }
    }
}
