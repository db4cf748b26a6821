//! Expected against got: only what a test names is compared.

use model::time::Timestamp;
use serde_json::{Map, Value};

use super::difference::Difference;

/// The differences between columns that a test names, nested or dotted, and a row. `at` comes before each path.
pub fn columns(at: &str, expected: &Value, row: &Value, out: &mut Vec<Difference>) {
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
pub fn value(path: &str, expected: &Value, found: &Value, out: &mut Vec<Difference>) {
    if !is_same(expected, found) {
        out.push(Difference::values(path, expected.clone(), found.clone()));
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

/// Every difference between two values, whatever either has that the other has not.
pub fn whole(path: &str, expected: &Value, found: &Value, out: &mut Vec<Difference>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let [left, right] = [left, right].map(|of| of.get(name).unwrap_or(&Value::Null));
                whole(&at(name), left, right, out);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                whole(&format!("{path}[{index}]"), left, right, out);
            }
        }
        (
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
            _,
        ) => value(path, expected, found, out),
    }
}

/// A message against what is expected of it: texts that must occur somewhere in it, or parts of its JSON.
pub fn message(path: &str, expected: &Value, found: &Value, out: &mut Vec<Difference>) {
    let mut texts = Vec::new();
    match expected {
        Value::String(text) => texts.push(text.as_str()),
        Value::Array(list) => texts.extend(list.iter().filter_map(Value::as_str)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => columns(path, expected, found, out),
    }
    let mut said = Vec::new();
    words(found, &mut said);
    for text in texts {
        if !said.iter().any(|line| line.contains(text)) {
            let found = if said.is_empty() { "nothing was sent there".to_owned() } else { said.join("\n") };
            let message = format!("  expected that it says {}\n  found\n{}", Value::from(text), indented(&found));
            out.push(Difference { path: path.to_owned(), ..Difference::message(message) });
        }
    }
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Every text in a value.
fn words<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| words(item, out)),
        Value::Object(members) => members.values().for_each(|member| words(member, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(expected: Value, row: Value) -> Vec<String> {
        let mut out = Vec::new();
        columns("", &expected, &row, &mut out);
        out.iter().map(Difference::text).collect()
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

    #[test]
    fn a_snapshot_is_compared_both_ways() {
        let mut out = Vec::new();
        let (before, now) =
            (json!({"alerts": [{"title": "a", "old": 1}]}), json!({"alerts": [{"title": "b", "new": 2}]}));
        whole("", &before, &now, &mut out);
        let paths: Vec<&str> = out.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(paths, ["alerts[0].new", "alerts[0].old", "alerts[0].title"]);
    }

    #[test]
    fn a_message_must_hold_its_texts_or_parts() {
        let found =
            json!({"text": "root signed in", "blocks": [{"type": "header", "text": {"text": "Severity high"}}]});
        let check = |expected: Value| {
            let mut out = Vec::new();
            message("slack", &expected, &found, &mut out);
            out.len()
        };
        assert_eq!(check(json!("signed in")), 0);
        assert_eq!(check(json!(["Severity high", "nowhere", "nor this"])), 2);
        assert_eq!(check(json!({"text": "root signed in"})), 0);
        assert_eq!(check(json!({"text": "other"})), 1);
        assert_eq!(check(Value::Null), 1);
    }
}
