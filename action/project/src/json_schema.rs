//! The JSON Schemas of the project's files, made from the types in [`crate::spec`]: for editors, and for [`crate::conform`].

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::Validator;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::spec::{ConfigSpec, DestinationSpec, DetectionSpec, EnrichmentSpec, FileKind, LogSourceSpec, TableSpec};

/// A schema and what checks documents against it.
pub(crate) struct Compiled {
    pub schema: Value,
    pub validator: Validator,
}

static SCHEMAS: LazyLock<BTreeMap<FileKind, Compiled>> = LazyLock::new(|| {
    let compile = |kind| {
        let schema = generate(kind);
        let validator = jsonschema::validator_for(&schema).expect("our schemas are valid: a test compiles each");
        (kind, Compiled { schema, validator })
    };
    FileKind::ALL.into_iter().map(compile).collect()
});

/// The JSON Schema (draft 7, which every editor speaks) of a kind of file.
pub fn json_schema(kind: FileKind) -> &'static Value {
    &compiled(kind).schema
}

pub(crate) fn compiled(kind: FileKind) -> &'static Compiled {
    &SCHEMAS[&kind]
}

fn generate(kind: FileKind) -> Value {
    match kind {
        FileKind::Config => of::<ConfigSpec>(),
        FileKind::LogSource => of::<LogSourceSpec>(),
        FileKind::Table => of::<TableSpec>(),
        FileKind::Detection => of::<DetectionSpec>(),
        FileKind::Destination => of::<DestinationSpec>(),
        FileKind::Enrichment => of::<EnrichmentSpec>(),
    }
}

fn of<T: JsonSchema>() -> Value {
    let mut schema =
        SchemaSettings::draft07().for_deserialize().into_generator().into_root_schema_for::<T>().to_value();
    for_editors(&mut schema);
    schema
}

/// A key without a value is a key that is not there, so editors need not offer `null`.
fn for_editors(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(for_editors),
        Value::Object(map) => {
            map.values_mut().for_each(for_editors);
            // doc comments are wrapped, descriptions are not
            if let Some(Value::String(description)) = map.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            // widths of Rust's integers mean nothing to an editor
            if map.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                map.remove("format");
            }
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            let is_null = |schema: &Value| schema.get("type").is_some_and(|name| name == "null");
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| !is_null(choice));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    // draft 7 ignores what stands next to a `$ref`
                    if only.contains_key("$ref") {
                        map.insert("allOf".to_owned(), Value::Array(vec![Value::Object(only)]));
                    } else {
                        for (key, value) in only {
                            map.entry(key).or_insert(value);
                        }
                    }
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_compiles_and_says_nothing_of_null() {
        for kind in FileKind::ALL {
            let text = json_schema(kind).to_string();
            assert!(jsonschema::meta::is_valid(json_schema(kind)));
            assert!(!compiled(kind).validator.is_valid(&serde_json::json!({"name": 5, "no_such_key": 1})));
            assert!(!text.contains("\"null\""), "{}: {text}", kind.schema_name());
        }
    }

    #[test]
    fn every_key_is_described() {
        fn undescribed(path: &str, schema: &Value, out: &mut Vec<String>) {
            if let Some(Value::Object(properties)) = schema.get("properties") {
                for (name, property) in properties {
                    if property.get("description").is_none() && !path.contains("FieldType") {
                        out.push(format!("{path}/{name}"));
                    }
                }
            }
            if let Some(Value::Object(definitions)) = schema.get("definitions") {
                definitions.iter().for_each(|(name, schema)| undescribed(&format!("{path}/{name}"), schema, out));
            }
        }
        let mut out = Vec::new();
        FileKind::ALL.into_iter().for_each(|kind| undescribed(kind.schema_name(), json_schema(kind), &mut out));
        assert_eq!(out, Vec::<String>::new());
    }
}
