//! Expected against got: only what a test names is compared.

use model::time::Timestamp;
use serde_json::{Map, Value};

/// The differences between columns that a test names, nested or dotted, and a row. `at` comes before each path.
pub fn columns(at: &str, expected: &Value, row: &Value, out: &mut Vec<String>) {
    let Value::Object(members) = expected else {
        value(at, expected, row, out);
        return;
    };
    for (name, expected) in members {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let found = lookup(row, name).unwrap_or(&Value::Null);
        match expected {
            // a struct column is compared member by member
            Value::Object(_) if found.is_object() || found.is_null() => columns(&path, expected, found, out),
            // so is each of a list's structs, where there are as many as expected
            Value::Array(expected)
                if is_structs(expected) && found.as_array().map(Vec::len) == Some(expected.len()) =>
            {
                for (index, (expected, found)) in
                    expected.iter().zip(found.as_array().into_iter().flatten()).enumerate()
                {
                    columns(&format!("{path}[{index}]"), expected, found, out);
                }
            }
            Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                value(&path, expected, found, out);
            }
        }
    }
}

/// One difference, where there is one.
pub fn value(path: &str, expected: &Value, found: &Value, out: &mut Vec<String>) {
    if !is_same(expected, found) {
        out.push(format!("{path}\n  expected {}\n  found    {}", shown(expected), shown(found)));
    }
}

fn is_structs(values: &[Value]) -> bool {
    !values.is_empty() && values.iter().all(Value::is_object)
}

fn lookup<'a>(row: &'a Value, name: &str) -> Option<&'a Value> {
    let members = row.as_object()?;
    if let Some(found) = members.get(name) {
        return Some(found);
    }
    let (first, rest) = name.split_once('.')?;
    lookup(members.get(first)?, rest)
}

/// Null is an absent column; numbers are compared by value, times by the moment they mean.
fn is_same(expected: &Value, found: &Value) -> bool {
    if expected == found || (is_blank(expected) && is_blank(found)) {
        return true;
    }
    match (expected, found) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::String(a), Value::String(b)) => match (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
            (Ok(a), Ok(b)) => a == b,
            (Ok(_) | Err(_), _) => false,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            let names = |of: &Map<String, Value>| {
                of.iter().filter(|(_, v)| !is_blank(v)).map(|(k, _)| k.clone()).collect::<Vec<_>>()
            };
            let (mut left, mut right) = (names(a), names(b));
            left.sort();
            right.sort();
            left == right && left.iter().all(|name| is_same(&a[name], &b[name]))
        }
        (
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
            _,
        ) => false,
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(is_blank),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(expected: Value, row: Value) -> Vec<String> {
        let mut out = Vec::new();
        columns("", &expected, &row, &mut out);
        out
    }

    #[test]
    fn only_named_columns_are_compared_nested_or_dotted() {
        let row = json!({"event": {"action": "a", "outcome": "success"}, "n": 1});
        assert!(differences(json!({"event.action": "a", "n": 1.0}), row.clone()).is_empty());
        assert!(differences(json!({"event": {"outcome": "success"}}), row.clone()).is_empty());
        assert_eq!(
            differences(json!({"event": {"outcome": "failure"}}), row),
            ["event.outcome\n  expected \"failure\"\n  found    \"success\""]
        );
    }

    #[test]
    fn null_means_that_nothing_is_there() {
        assert!(differences(json!({"a.b": null}), json!({})).is_empty());
        assert_eq!(differences(json!({"a": null}), json!({"a": 1})).len(), 1);
        assert_eq!(differences(json!({"a": 1}), json!({})), ["a\n  expected 1\n  found    (nothing)"]);
    }

    #[test]
    fn structs_of_a_list_are_compared_by_their_named_members() {
        let row = json!({"errors": [{"column": "a", "error": "long text"}]});
        assert!(differences(json!({"errors": [{"column": "a"}]}), row.clone()).is_empty());
        assert_eq!(differences(json!({"errors": [{"column": "b"}]}), row.clone()).len(), 1);
        assert_eq!(differences(json!({"errors": [{"column": "a"}, {"column": "b"}]}), row).len(), 1);
    }

    #[test]
    fn times_are_compared_by_the_moment() {
        assert!(
            differences(json!({"ts": "2026-01-01T01:00:00+01:00"}), json!({"ts": "2026-01-01T00:00:00.000000Z"}))
                .is_empty()
        );
    }
}
