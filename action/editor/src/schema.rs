//! The JSON Schemas of the project's files, asked by path: what a key means, what may stand there.

use project::{json_schema::json_schema, spec::FileKind};
use serde_json::Value;

/// A schema holds others inside it; a cycle of `$ref` ends here.
const DEEPEST: usize = 16;

/// Something that can be written, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) text: String,
    pub(crate) meaning: Option<String>,
}

/// What the schemas say of the value at a path.
pub(crate) struct Described {
    /// The property as its parent describes it, its alternatives beside it.
    schemas: Vec<&'static Value>,
}

/// The value at a path: names of keys, and any number for an item of a list.
pub(crate) fn at(kind: FileKind, path: &[String]) -> Described {
    let root = json_schema(kind);
    let mut schemas = expanded(root, root, 0);
    for step in path {
        schemas = schemas.into_iter().flat_map(|schema| child(root, schema, step)).collect();
    }
    Described { schemas }
}

impl Described {
    /// What it means, in Markdown.
    pub(crate) fn meaning(&self) -> Option<&'static str> {
        self.schemas.iter().find_map(|schema| schema.get("description")?.as_str())
    }

    /// What it is when it is not written.
    pub(crate) fn default(&self) -> Option<String> {
        self.schemas.iter().find_map(|schema| schema.get("default")).map(plain)
    }

    /// The keys that may stand in it. Those that only stay for old files are left out.
    pub(crate) fn keys(&self) -> Vec<Choice> {
        let properties = self.schemas.iter().filter_map(|schema| schema.get("properties")?.as_object()).flatten();
        let mut out: Vec<Choice> = Vec::new();
        for (name, schema) in properties {
            let deprecated = schema.get("deprecated").is_some_and(|value| value == true);
            if !deprecated && out.iter().all(|choice| choice.text != *name) {
                out.push(Choice { text: name.clone(), meaning: text(schema, "description") });
            }
        }
        out
    }

    /// The values that it may have, where they can be listed, and examples.
    pub(crate) fn values(&self) -> Vec<Choice> {
        let mut out: Vec<Choice> = Vec::new();
        let mut add = |value: &Value, meaning: Option<String>| {
            let text = plain(value);
            let scalar = !value.is_array() && !value.is_object() && !value.is_null();
            if scalar && out.iter().all(|choice| choice.text != text) {
                out.push(Choice { text, meaning });
            }
        };
        for schema in &self.schemas {
            if let Some(value) = schema.get("const") {
                add(value, text(schema, "description"));
            }
            for value in schema.get("enum").and_then(Value::as_array).into_iter().flatten() {
                add(value, None);
            }
            if schema.get("type").is_some_and(|name| name == "boolean") {
                [true, false].into_iter().for_each(|value| add(&Value::Bool(value), None));
            }
            for value in schema.get("examples").and_then(Value::as_array).into_iter().flatten() {
                add(value, Some("an example".to_owned()));
            }
        }
        out
    }
}

fn text(schema: &Value, key: &str) -> Option<String> {
    schema.get(key)?.as_str().map(str::to_owned)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A schema and all that it refers to or offers as an alternative, itself first.
fn expanded(root: &'static Value, schema: &'static Value, depth: usize) -> Vec<&'static Value> {
    if depth > DEEPEST {
        return Vec::new();
    }
    let mut out = vec![schema];
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|name| root.pointer(name.strip_prefix('#')?));
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    for inner in reference.into_iter().chain(parts) {
        out.extend(expanded(root, inner, depth + 1));
    }
    out
}

fn child(root: &'static Value, schema: &'static Value, step: &str) -> Vec<&'static Value> {
    let property = schema.get("properties").and_then(|properties| properties.get(step));
    let item = step.parse::<usize>().ok().and_then(|_| schema.get("items"));
    let other = schema.get("additionalProperties").filter(|other| other.is_object());
    property.or(item).or(other).map(|found| expanded(root, found, 0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(steps: &[&str]) -> Vec<String> {
        steps.iter().map(|step| (*step).to_owned()).collect()
    }

    #[test]
    fn keys_are_described_and_offered() {
        let alert = at(FileKind::Detection, &path(&["alert"]));
        assert_eq!(alert.meaning(), Some("How matches become alerts, and where these go."));
        assert!(alert.keys().iter().any(|key| key.text == "threshold"));
        assert_eq!(at(FileKind::Detection, &path(&["alert", "threshold"])).default().as_deref(), Some("1"));
        let old = at(FileKind::Config, &[]);
        assert!(old.keys().iter().all(|key| key.text != "aws_account"));
    }

    #[test]
    fn values_are_listed_with_what_they_mean() {
        let severity = at(FileKind::Detection, &path(&["alert", "severity"])).values();
        let high = severity.iter().find(|choice| choice.text == "high").unwrap();
        assert_eq!(high.meaning.as_deref(), Some("High."));
        let enabled = at(FileKind::Detection, &path(&["enabled"])).values();
        assert_eq!(enabled.iter().map(|choice| choice.text.as_str()).collect::<Vec<_>>(), ["true", "false"]);
        let test = at(FileKind::Detection, &path(&["tests", "0"]));
        assert!(test.keys().iter().any(|key| key.text == "fires"));
    }

    #[test]
    fn a_path_that_is_not_there_has_nothing() {
        let nowhere = at(FileKind::Detection, &path(&["no", "such", "key"]));
        assert!(nowhere.meaning().is_none() && nowhere.keys().is_empty() && nowhere.values().is_empty());
    }
}
