//! The tests that users write: which rows or records go in, and what must come of them.

mod detection; // events and what must come of them
mod fixture; // events that others are laid over
mod input; // what goes in
mod mocks; // what stands in for what a detection uses
mod sequence; // events on a clock

use model::name::{LogSourceName, TableName};
use serde_json::{Map, Value};

pub use detection::{also_fires, of_detection};

use super::{Loader, managed_source::ManagedSource};
use crate::{
    file_set::{self, FileSet},
    managed,
    project::{LogSource, LogSourceTest, Raw},
    rules,
    spec::test::LogSourceTestSpec,
    yaml::Doc,
};

/// The tests of a log source.
pub fn of_log_source(
    loader: &mut Loader<'_>,
    source: &LogSource,
    doc: &Doc,
    written: &[LogSourceTestSpec],
) -> Vec<LogSourceTest> {
    let mut out = Vec::new();
    for (index, spec) in written.iter().enumerate() {
        let pointer = format!("/tests/{index}");
        let table = match &spec.table {
            Some(name) => source_table(loader, source, doc, &format!("{pointer}/table"), name),
            None => Some(only_table(loader, source, doc, &pointer, spec)),
        };
        let raw = raw(loader, doc, &pointer, &source.directory, spec.raw.as_ref(), spec.raw_file.as_ref());
        if let (Some(name), Some(table), Some(raw)) = (&spec.name, table, raw) {
            out.push(log_source_test(doc, pointer, name, spec, table, raw));
        }
    }
    out
}

/// The tests that come with a managed source, for the tables that the log source has.
pub fn of_managed(loader: &mut Loader<'_>, source: &LogSource, managed: &ManagedSource) -> Vec<LogSourceTest> {
    let (doc, spec) = &managed.source;
    let mut out = Vec::new();
    for (index, spec) in spec.tests.iter().enumerate() {
        let pointer = format!("/tests/{index}");
        let Some(name) = &spec.name else { continue };
        // managed files speak of their tables by the names that the type itself would give them
        let table = match &spec.table {
            None if source.tables.len() <= 1 => source.tables.values().next().cloned(),
            None => source.tables.get(model::name::DEFAULT_TABLE).cloned(),
            Some(table) => {
                let resolved = |short: &str| {
                    let kind = LogSourceName::parse(&managed.kind).ok()?;
                    TableName::of_source(&kind, short).ok()
                };
                let short = source.tables.keys().find(|short| {
                    *short == table || resolved(short).is_some_and(|resolved| resolved.as_str() == table)
                });
                short.and_then(|short| source.tables.get(short)).cloned()
            }
        };
        let table = match (table, &spec.rows) {
            // a table that is not enabled: nothing to compare with
            (None, Some(_)) => continue,
            (table, _) => table,
        };
        let raw = raw(loader, doc, &pointer, &managed.kind, spec.raw.as_ref(), spec.raw_file.as_ref());
        if let Some(raw) = raw {
            out.push(log_source_test(doc, pointer, name, spec, table, raw));
        }
    }
    out
}

fn log_source_test(
    doc: &Doc,
    pointer: String,
    name: &str,
    spec: &LogSourceTestSpec,
    table: Option<TableName>,
    raw: Raw,
) -> LogSourceTest {
    LogSourceTest {
        name: name.to_owned(),
        file: doc.file().to_owned(),
        span: doc.point(&format!("{pointer}/name")),
        pointer,
        key: spec.key.clone(),
        raw,
        table,
        rows: spec.rows.as_ref().map(|rows| objects(rows)),
        rejects: spec.rejects.unwrap_or(0),
    }
}

/// The one table of a log source; where there are several, rows need to say whose they are.
fn only_table(
    loader: &mut Loader<'_>,
    source: &LogSource,
    doc: &Doc,
    pointer: &str,
    spec: &LogSourceTestSpec,
) -> Option<TableName> {
    if source.tables.len() <= 1 {
        return source.tables.values().next().cloned();
    }
    if spec.rows.is_some() {
        let message =
            format!("`{}` has several tables, and the test does not say which one its rows are of", source.name);
        let names: Vec<String> = source.tables.values().map(|table| format!("`{table}`")).collect();
        let help = format!("add `table:` with one of {}", names.join(", "));
        loader.report(doc.at_key(&rules::MISSING_KEY, &format!("{pointer}/rows"), message).help(help));
    }
    None
}

/// A table of this log source, by its name in the lake or its name within the log source.
fn source_table(
    loader: &mut Loader<'_>,
    source: &LogSource,
    doc: &Doc,
    pointer: &str,
    name: &str,
) -> Option<Option<TableName>> {
    let found = source.tables.values().find(|table| table.as_str() == name).or_else(|| source.tables.get(name));
    if found.is_none() {
        let message = format!("the log source `{}` has no table `{name}`", source.name);
        let names = source.tables.values().map(TableName::as_str);
        loader.report(doc.at(&rules::UNKNOWN_TABLE, pointer, message).suggest(name, names));
        return None;
    }
    Some(found.cloned())
}

/// The raw records of a test, written in it or in a file of their own.
fn raw(
    loader: &mut Loader<'_>,
    doc: &Doc,
    pointer: &str,
    directory: &str,
    text: Option<&String>,
    file: Option<&String>,
) -> Option<Raw> {
    match (text, file) {
        (Some(text), None) => Some(Raw { file: None, bytes: text.clone().into_bytes() }),
        (None, Some(file)) => fixture(loader, doc, &format!("{pointer}/raw_file"), directory, file),
        (None, None) => {
            let written = ["raw", "raw_file"].iter().any(|key| doc.node(&format!("{pointer}/{key}")).is_some());
            if !written {
                let message = "the test has no input";
                let help = "give it `raw` or `raw_file`";
                loader.report(doc.at(&rules::MISSING_KEY, &format!("{pointer}/name"), message).help(help));
            }
            None
        }
        (Some(_), Some(_)) => {
            let message = "expected one of `raw` and `raw_file`, found both";
            loader.report(doc.at_key(&rules::INVALID_VALUE, &format!("{pointer}/raw_file"), message));
            None
        }
    }
}

fn fixture(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, directory: &str, path: &str) -> Option<Raw> {
    let (file, bytes) = file(loader, doc, pointer, directory, path)?;
    Some(Raw { file: Some(file), bytes })
}

/// A file that a test names, and what is in it.
fn file(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, directory: &str, path: &str) -> Option<(String, Vec<u8>)> {
    let managed = doc.file().starts_with(managed::FILE_PREFIX);
    let files: &FileSet = if managed { managed::files() } else { loader.files };
    let Ok(file) = file_set::resolve(directory, path) else {
        let message = format!("expected a file of the project, found `{path}`");
        let help = "paths are relative to the directory of this file, and stay inside the project";
        loader.report(doc.at(&rules::PATH_OUTSIDE_PROJECT, pointer, message).help(help));
        return None;
    };
    let Some(bytes) = files.get(&file) else {
        let nearby: Vec<String> = files.below(directory).map(|(path, _)| path.to_owned()).collect();
        let mut diagnostic = doc.at(&rules::MISSING_FILE, pointer, format!("there is no file {file}"));
        if let Some(closest) = model::ecs::closest(path, nearby.iter().map(String::as_str)) {
            diagnostic = diagnostic.help(format!("did you mean `{closest}`?"));
        }
        loader.report(diagnostic);
        return None;
    };
    let bytes = bytes.to_vec();
    Some((file, bytes))
}

fn objects(rows: &[Map<String, Value>]) -> Vec<Value> {
    rows.iter().cloned().map(Value::Object).collect()
}
