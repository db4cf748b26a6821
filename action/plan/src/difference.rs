//! Which parts of a definition differ, found on its serialized form: a new field is compared without being named here.

use serde::Serialize;
use serde_json::Value;

/// One part of a definition that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Dotted path within the definition: `alert.threshold`, `files.detect.py`.
    pub path: String,
    /// What is deployed; null where there is nothing.
    pub from: Value,
    /// What the project says; null where it says nothing.
    pub to: Value,
}

impl Difference {
    /// Whether both sides are digests: the content differs, and its name says nothing to people.
    pub fn is_content(&self) -> bool {
        let digest = |value: &Value| {
            value.as_str().is_some_and(|text| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        (digest(&self.from) || self.from.is_null()) && (digest(&self.to) || self.to.is_null())
    }
}

/// The parts that differ, in order of path. Schemas are left out: a table's columns have a change of their own.
pub fn between<T: Serialize>(from: &T, to: &T) -> Vec<Difference> {
    let value = |definition: &T| serde_json::to_value(definition).expect("definitions have string keys");
    let mut out = Vec::new();
    walk("", &value(from), &value(to), &mut out);
    out
}

fn walk(path: &str, from: &Value, to: &Value, out: &mut Vec<Difference>) {
    match (from, to) {
        (from, to) if from == to => (),
        (Value::Object(left), Value::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                if path.is_empty() && key == "schema" {
                    continue;
                }
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null), out);
            }
        }
        (from, to) => out.push(Difference { path: path.to_owned(), from: from.clone(), to: to.clone() }),
    }
}
