//! A document held against the schema of its kind: every mistake at its place and in plain words, then the typed spec.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use model::ecs::{Alike, alike};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    diagnostic::{Diagnostic, Edit, Level},
    json_schema, matano_only, rules,
    spec::FileKind,
    yaml::{Doc, escape},
};

/// Reads a document. What is wrong is reported and left out, so that the rest can be checked too; `None` where nothing
/// is left to check.
pub fn read<T: DeserializeOwned>(kind: FileKind, doc: &Doc, diagnostics: &mut Vec<Diagnostic>) -> Option<T> {
    let mut value = match doc.to_value() {
        Value::Null => Value::Object(Map::new()),
        value @ Value::Object(_) => value,
        other @ (Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
            let message = format!("expected keys and values, found {}", found(doc, "", &other));
            diagnostics.push(doc.at(&rules::INVALID_VALUE, "", message));
            return None;
        }
    };
    drop_nulls(&mut value);
    let compiled = json_schema::compiled(kind);
    let mut judge = Judge { kind, doc, schema: &compiled.schema, diagnostics, wrong: Vec::new() };
    for error in compiled.validator.iter_errors(&value) {
        judge.report(&error);
    }
    let wrong = std::mem::take(&mut judge.wrong);
    if wrong.is_empty() {
        return match T::deserialize(&value) {
            Ok(spec) => Some(spec),
            Err(error) => without_misfit(doc, &value, &error.to_string(), diagnostics),
        };
    }
    let mut reduced = value.clone();
    wrong.iter().for_each(|pointer| remove_member(&mut reduced, pointer));
    remove_columns(&mut reduced, &wrong);
    if let Ok(spec) = serde_json::from_value(reduced) {
        return Some(spec);
    }
    // what was left does not hold together: leave out whole sections
    for pointer in &wrong {
        let section = pointer.split('/').nth(1).unwrap_or_default();
        remove_member(&mut value, &format!("/{section}"));
    }
    serde_json::from_value(value).ok()
}

/// The schema lets it pass but our types cannot hold it, such as a number of thirty digits: the innermost key without
/// which all is well is to blame.
fn without_misfit<T: DeserializeOwned>(
    doc: &Doc,
    value: &Value,
    error: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    for pointer in members(value) {
        let mut reduced = value.clone();
        remove_member(&mut reduced, &pointer);
        if let Ok(spec) = serde_json::from_value(reduced) {
            let found = value.pointer(&pointer).map_or_else(String::new, |value| found(doc, &pointer, value));
            let message = match value.pointer(&pointer) {
                Some(Value::Number(_)) => format!("expected a whole number of a sensible size, found {found}"),
                Some(_) | None => format!("expected something else, found {found}: {error}"),
            };
            diagnostics.push(doc.at(&rules::INVALID_VALUE, &pointer, message));
            return Some(spec);
        }
    }
    diagnostics.push(doc.at(&rules::INVALID_VALUE, "", error));
    None
}

/// Pointers of all keys, innermost first.
fn members(value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = escape(key);
                out.extend(members(value).into_iter().map(|below| format!("/{key}{below}")));
                out.push(format!("/{key}"));
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                out.extend(members(value).into_iter().map(|below| format!("/{index}{below}")));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
    out
}

/// A key without a value is a key that is not there; but a null in a test's rows says that nothing must be there, and a
/// null that stands in for something stands for None.
fn drop_nulls(value: &mut Value) {
    const KEPT: &[&str] = &["event", "events", "fixtures", "rows", "context", "messages", "attributes"];
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.iter_mut().filter(|(key, _)| !KEPT.contains(&key.as_str())).for_each(|(_, value)| drop_nulls(value));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

/// Removes the innermost key that holds the value at `pointer`. Items of lists stay where they are, or every pointer
/// behind them would be off by one.
fn remove_member(value: &mut Value, pointer: &str) {
    let mut pointer = pointer;
    while let Some((parent, name)) = pointer.rsplit_once('/') {
        match value.pointer_mut(parent) {
            Some(Value::Object(map)) => {
                map.remove(&name.replace("~1", "/").replace("~0", "~"));
                return;
            }
            Some(_) | None => pointer = parent,
        }
    }
}

/// Removes whole columns, which are found by name and not by number: half a column is none.
fn remove_columns(value: &mut Value, wrong: &[String]) {
    let number = |pointer: &String| pointer.strip_prefix("/schema/fields/")?.split('/').next()?.parse::<usize>().ok();
    let numbers: Vec<usize> = wrong.iter().filter_map(number).collect();
    if let Some(Value::Array(fields)) = value.pointer_mut("/schema/fields") {
        let mut number = 0..;
        fields.retain(|_| number.next().is_some_and(|number| !numbers.contains(&number)));
    }
}

struct Judge<'a> {
    kind: FileKind,
    doc: &'a Doc,
    schema: &'a Value,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Pointers of what cannot be read.
    wrong: Vec<String>,
}

impl Judge<'_> {
    fn report(&mut self, error: &ValidationError<'_>) {
        let pointer = error.instance_path().as_str().to_owned();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = known_keys(self.schema, error.schema_path().as_str());
                for key in unexpected {
                    self.unknown_key(&pointer, key, &known);
                }
            }
            ValidationErrorKind::Required { property } => self.missing_key(&pointer, property),
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                self.none_of(error, context);
            }
            kind => {
                let message = match expectation(kind) {
                    Some(expected) => {
                        format!("expected {expected}, found {}", found(self.doc, &pointer, error.instance()))
                    }
                    None => format!("{error}"),
                };
                let diagnostic = self.doc.at(&rules::INVALID_VALUE, &pointer, message);
                self.diagnostics.push(advised(diagnostic, kind, error.instance()));
                self.wrong.push(pointer);
            }
        }
    }

    fn unknown_key(&mut self, parent: &str, key: &str, known: &[&str]) {
        let pointer = format!("{parent}/{}", escape(key));
        let diagnostic = if let Some(advice) = matano_only::advice(self.kind, &pointer) {
            let message = format!("`{key}` has no effect: only the original Matano knew it");
            self.doc.at_key(&rules::MATANO_ONLY_KEY, &pointer, message).help(advice)
        } else if matano_only::belongs_to_source(self.kind, &pointer) {
            let message = format!("`{key}` has no effect in the file of a table");
            self.doc.at_key(&rules::MISPLACED_KEY, &pointer, message).help("move it to log_source.yml")
        } else {
            let message = format!("unknown key `{key}`");
            let diagnostic =
                self.doc.at_key(&rules::UNKNOWN_KEY, &pointer, message).suggest(key, known.iter().copied());
            // with its right name it would be there twice
            let is_there = |edit: &Edit| self.doc.node(&format!("{parent}/{}", escape(&edit.text))).is_some();
            match &diagnostic.fix {
                Some(fix) if fix.edits.iter().any(is_there) => diagnostic.without_fix(),
                Some(_) | None => diagnostic,
            }
        };
        debug_assert!(diagnostic.severity != Level::Note);
        self.diagnostics.push(diagnostic);
        self.wrong.push(pointer);
    }

    fn missing_key(&mut self, parent: &str, property: &Value) {
        let key = property.as_str().unwrap_or_default();
        let pointer = format!("{parent}/{}", escape(key));
        let diagnostic = if self.doc.node(&pointer).is_some() {
            self.doc.at_key(&rules::MISSING_KEY, &pointer, format!("expected a value for `{key}`, found nothing"))
        } else {
            self.doc.at_key(&rules::MISSING_KEY, parent, format!("the key `{key}` is missing"))
        };
        self.diagnostics.push(diagnostic);
        self.wrong.push(pointer);
    }

    /// No alternative fits: the errors of the one that was meant, else what all of them expect.
    fn none_of(&mut self, error: &ValidationError<'_>, context: &[Vec<ValidationError<'static>>]) {
        let own = error.instance_path().as_str();
        let here = |inner: &ValidationError<'_>| {
            inner.instance_path().as_str() == own
                && matches!(
                    inner.kind(),
                    ValidationErrorKind::Type { .. }
                        | ValidationErrorKind::Enum { .. }
                        | ValidationErrorKind::Constant { .. }
                )
        };
        let meant: Vec<_> = context.iter().filter(|branch| !branch.iter().any(here)).collect();
        if let [branch] = meant.as_slice() {
            // a wrong word explains what else does not fit
            let is_choice = |inner: &&ValidationError<'_>| matches!(inner.kind(), ValidationErrorKind::Enum { .. });
            let choices: Vec<_> = branch.iter().filter(is_choice).collect();
            if choices.is_empty() {
                branch.iter().for_each(|inner| self.report(inner));
            } else {
                choices.into_iter().for_each(|inner| self.report(inner));
            }
            return;
        }
        let alternatives: Vec<_> = context.iter().flatten().filter(|inner| here(inner)).collect();
        let expected = alternatives_expected(alternatives.iter().map(|inner| inner.kind()));
        let message = format!("expected {expected}, found {}", found(self.doc, own, error.instance()));
        let diagnostic = self.doc.at(&rules::INVALID_VALUE, own, message);
        let words: Vec<&str> = alternatives.iter().flat_map(|inner| words(inner.kind())).collect();
        self.diagnostics.push(match error.instance().as_str() {
            Some(written) => meant_word(diagnostic, written, &words),
            None => alternatives.iter().fold(diagnostic, |diagnostic, inner| match diagnostic.help {
                None => advised(diagnostic, inner.kind(), error.instance()),
                Some(_) => diagnostic,
            }),
        });
        self.wrong.push(own.to_owned());
    }
}

/// The keys of the object schema whose `additionalProperties` is at `schema_path`.
fn known_keys<'a>(schema: &'a Value, schema_path: &str) -> Vec<&'a str> {
    let object = schema_path.rsplit_once('/').and_then(|(parent, _)| schema.pointer(parent));
    let properties = object.and_then(|object| object.get("properties")).and_then(Value::as_object);
    properties.map(|properties| properties.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// What a schema keyword wants, in words.
fn expectation(kind: &ValidationErrorKind) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::Type { kind: TypeKind::Single(name) } => type_name(name.as_str()).to_owned(),
        ValidationErrorKind::Type { kind: TypeKind::Multiple(names) } => {
            let mut names: Vec<&str> = names.iter().map(|name| type_name(name.as_str())).collect();
            // as people say it: text or a whole number
            names.sort_unstable_by_key(|name| *name != "text");
            names.join(" or ")
        }
        ValidationErrorKind::Enum { .. } => {
            let words: Vec<String> = words(kind).iter().map(|word| format!("`{word}`")).collect();
            format!("one of {}", words.join(", "))
        }
        ValidationErrorKind::Constant { expected_value } => format!("`{}`", plain(expected_value)),
        ValidationErrorKind::Minimum { limit } => format!("at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("at most {limit}"),
        ValidationErrorKind::MinItems { limit } => format!("at least {limit} item(s)"),
        ValidationErrorKind::MaxItems { limit } => format!("at most {limit} item(s)"),
        ValidationErrorKind::FalseSchema => "nothing here".to_owned(),
        // the schemas use no other keyword
        _ => return None,
    })
}

fn type_name(name: &str) -> &'static str {
    match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list",
        "object" => "a mapping of keys",
        _ => "nothing",
    }
}

/// A value as the file has it, in backticks; lists and mappings by kind only.
fn found(doc: &Doc, pointer: &str, value: &Value) -> String {
    match value {
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping of keys".to_owned(),
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let text = doc.text(pointer).map_or_else(|| plain(value), str::to_owned);
            let line = text.lines().next().unwrap_or_default();
            let short: String = line.chars().take(60).collect();
            if short.len() < text.trim_end().len() { format!("`{short}…`") } else { format!("`{short}`") }
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What several alternatives want: their words in one list, then their types. A list of words next to any text is a
/// matter of completion, not of correctness.
fn alternatives_expected<'a>(kinds: impl Iterator<Item = &'a ValidationErrorKind> + Clone) -> String {
    let mut types: Vec<String> = Vec::new();
    for kind in kinds.clone().filter(|kind| matches!(kind, ValidationErrorKind::Type { .. })) {
        types.extend(expectation(kind).filter(|expected| !types.contains(expected)));
    }
    let words: Vec<String> = kinds.flat_map(words).map(|word| format!("`{word}`")).collect();
    if !words.is_empty() && !types.iter().any(|name| name == "text") {
        types.insert(0, format!("one of {}", words.join(", ")));
    }
    types.join(", or ")
}

/// The words that a keyword allows.
fn words(kind: &ValidationErrorKind) -> Vec<&str> {
    match kind {
        ValidationErrorKind::Enum { options } => {
            options.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        }
        ValidationErrorKind::Constant { expected_value } => expected_value.as_str().into_iter().collect(),
        // no other keyword allows words
        _ => Vec::new(),
    }
}

/// What other systems call the types of columns.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("text", "string"),
    ("keyword", "string"),
    ("varchar", "string"),
    ("ip", "string"),
    ("bool", "boolean"),
    ("integer", "long"),
    ("bigint", "long"),
    ("number", "double"),
    ("decimal", "double"),
    ("datetime", "timestamp"),
    ("timestamptz", "timestamp"),
    ("array", "list"),
    ("object", "struct"),
    ("record", "struct"),
];

/// Offers the word that was probably meant.
fn meant_word(diagnostic: Diagnostic, written: &str, words: &[&str]) -> Diagnostic {
    let written = written.to_lowercase();
    let synonym =
        OTHER_WORDS.iter().find(|(other, ours)| *other == written && words.contains(ours)).map(|(_, ours)| *ours);
    let synonym = synonym.map(|candidate| Alike { candidate, certain: false });
    match synonym.or_else(|| alike(&written, words.iter().copied())) {
        Some(alike) => diagnostic.meant(&written, alike),
        None => diagnostic,
    }
}

/// Says what to do, where the mistake is a usual one.
fn advised(diagnostic: Diagnostic, kind: &ValidationErrorKind, value: &Value) -> Diagnostic {
    let words = words(kind);
    match (value.as_str(), advice(kind, value)) {
        (Some(written), _) if !words.is_empty() => meant_word(diagnostic, written, &words),
        (_, Some(advice)) if words.is_empty() => diagnostic.help(advice),
        (_, _) => diagnostic,
    }
}

fn advice(kind: &ValidationErrorKind, value: &Value) -> Option<String> {
    let wants = |name: &str| match kind {
        ValidationErrorKind::Type { kind: TypeKind::Single(only) } => only.as_str() == name,
        ValidationErrorKind::Type { kind: TypeKind::Multiple(names) } => names.iter().any(|one| one.as_str() == name),
        // no other keyword is about types
        _ => false,
    };
    match value {
        Value::Number(_) | Value::Bool(_) if wants("string") => Some("put it in quotes".to_owned()),
        Value::String(text) if wants("array") && !text.contains('\n') => {
            Some(format!("write it as a list: `[{text}]`"))
        }
        Value::String(text) if wants("boolean") => match text.to_lowercase().as_str() {
            "on" | "yes" | "y" | "true" => Some("write `true`".to_owned()),
            "off" | "no" | "n" | "false" => Some("write `false`".to_owned()),
            _ => None,
        },
        Value::String(text) if (wants("integer") || wants("number")) && text.parse::<f64>().is_ok() => {
            Some("write it without quotes".to_owned())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
