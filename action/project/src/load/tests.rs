//! The tests that users write: which rows or records go in, and what must come of them.

use std::collections::BTreeMap;

use model::{
    name::{DestinationName, LogSourceName, TableName},
    time::Timestamp,
};
use serde_json::{Map, Value};

use super::{Loader, managed_source::ManagedSource, references};
use crate::{
    file_set::{self, FileSet},
    managed,
    project::{Detection, DetectionTest, Expect, LogSource, LogSourceTest, Raw, TestInput, Trigger},
    rules,
    spec::test::{DetectionTestSpec, ExpectSpec, LogSourceTestSpec, WindowSpec},
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
    Some(Raw { file: Some(file), bytes: bytes.to_vec() })
}

/// The tests of a detection.
pub fn of_detection(
    loader: &mut Loader<'_>,
    detection: &Detection,
    doc: &Doc,
    written: Vec<DetectionTestSpec>,
) -> Vec<DetectionTest> {
    let mut out = Vec::new();
    for (index, mut spec) in written.into_iter().enumerate() {
        let pointer = format!("/tests/{index}");
        let input = match &detection.trigger {
            Trigger::Streaming => streaming_input(loader, detection, doc, &pointer, &mut spec),
            Trigger::Scheduled(_) => scheduled_input(loader, doc, &pointer, &mut spec),
        };
        let fires = fires(loader, doc, &pointer, &spec);
        let expect = expect(loader, doc, &pointer, spec.expect.take().unwrap_or_default());
        if let (Some(name), Some(input)) = (spec.name, input) {
            out.push(DetectionTest {
                name,
                file: doc.file().to_owned(),
                span: doc.point(&format!("{pointer}/name")),
                pointer,
                input,
                fires,
                matches: spec.matches,
                alerts: spec.alerts,
                expect,
            });
        }
    }
    out
}

fn fires(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, spec: &DetectionTestSpec) -> bool {
    let none_wanted = spec.matches == Some(0);
    let fires = spec.fires.unwrap_or(!none_wanted);
    let contradiction = match (fires, spec.matches, spec.alerts) {
        (true, Some(0), _) => Some("matches"),
        (false, Some(1..), _) => Some("matches"),
        (false, _, Some(1..)) => Some("alerts"),
        (false, _, _) if spec.expect.is_some() => Some("expect"),
        _ => None,
    };
    if let Some(key) = contradiction {
        let message = format!("`{key}` contradicts `fires: {fires}`");
        loader
            .report(doc.at_key(&rules::INVALID_VALUE, &format!("{pointer}/{key}"), message).help("remove one of them"));
    }
    fires
}

/// The inputs that a test can have, and whether this one has them.
fn inputs(doc: &Doc, pointer: &str) -> Vec<&'static str> {
    const ALL: [&str; 5] = ["event", "events", "raw", "raw_file", "rows"];
    ALL.into_iter().filter(|key| doc.node(&format!("{pointer}/{key}")).is_some()).collect()
}

/// `None`, and a diagnostic, where the test does not have exactly one input out of `allowed`.
fn one_input(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, allowed: &[&str], help: &str) -> Option<()> {
    match inputs(doc, pointer).as_slice() {
        [one] if allowed.contains(one) => Some(()),
        [] => {
            let message = "the test has no input";
            loader.report(doc.at(&rules::MISSING_KEY, &format!("{pointer}/name"), message).help(help));
            None
        }
        [one] => {
            let message = format!("`{one}` is no input for this kind of detection");
            loader.report(doc.at_key(&rules::INVALID_VALUE, &format!("{pointer}/{one}"), message).help(help));
            None
        }
        [first, second, ..] => {
            let message = format!("expected one input, found `{first}` and `{second}`");
            loader.report(doc.at_key(&rules::INVALID_VALUE, &format!("{pointer}/{second}"), message).help(help));
            None
        }
    }
}

fn streaming_input(
    loader: &mut Loader<'_>,
    detection: &Detection,
    doc: &Doc,
    pointer: &str,
    spec: &mut DetectionTestSpec,
) -> Option<TestInput> {
    let help = "give it `event`, `events`, `raw` or `raw_file`";
    one_input(loader, doc, pointer, &["event", "events", "raw", "raw_file"], help)?;
    for key in ["window", "key"] {
        let misplaced = key == "window" || (spec.raw.is_none() && spec.raw_file.is_none());
        let pointer = format!("{pointer}/{key}");
        if misplaced && doc.node(&pointer).is_some() {
            let message = format!("`{key}` has no effect in this test");
            loader.report(doc.at_key(&rules::MISPLACED_KEY, &pointer, message).help("remove it"));
        }
    }
    let table = match &spec.table {
        None => detection.tables.first().cloned(),
        Some(name) => {
            let at = format!("{pointer}/table");
            let table = references::table(loader, doc, &at, name, false)?;
            if !detection.tables.contains(&table) {
                let message = format!("the detection does not see the table `{table}`");
                let names: Vec<String> = detection.tables.iter().map(ToString::to_string).collect();
                let names = names.iter().map(String::as_str);
                loader.report(doc.at(&rules::UNKNOWN_TABLE, &at, message).suggest(name, names));
                return None;
            }
            Some(table)
        }
    };
    let events = spec.event.take().map(|event| vec![event]).or(spec.events.take());
    if let Some(events) = events {
        return Some(TestInput::Events { table: table?, events: objects(&events) });
    }
    let raw = raw(loader, doc, pointer, &detection.directory, spec.raw.as_ref(), spec.raw_file.as_ref())?;
    Some(TestInput::Raw { table: table?, key: spec.key.take(), raw })
}

fn scheduled_input(
    loader: &mut Loader<'_>,
    doc: &Doc,
    pointer: &str,
    spec: &mut DetectionTestSpec,
) -> Option<TestInput> {
    one_input(loader, doc, pointer, &["rows"], "give it `rows` for each table that the query reads, and a `window`")?;
    for key in ["table", "key"] {
        let pointer = format!("{pointer}/{key}");
        if doc.node(&pointer).is_some() {
            let message = format!("`{key}` has no effect on a scheduled detection");
            loader.report(doc.at_key(&rules::MISPLACED_KEY, &pointer, message).help("remove it"));
        }
    }
    let Some(window) = spec.window.take() else {
        if doc.node(&format!("{pointer}/window")).is_none() {
            let message = "the key `window` is missing";
            let help = "add `window: {start: 2026-01-01T00:00:00Z, end: 2026-01-01T01:00:00Z}`";
            loader.report(doc.at(&rules::MISSING_KEY, &format!("{pointer}/name"), message).help(help));
        }
        return None;
    };
    let (start, end) = bounds(loader, doc, &format!("{pointer}/window"), &window)?;
    let mut rows = BTreeMap::new();
    for (name, written) in spec.rows.take()? {
        let at = format!("{pointer}/rows/{}", crate::yaml::escape(&name));
        let table = references::table(loader, doc, &at, &name, true)?;
        rows.insert(table, objects(&written));
    }
    Some(TestInput::Tables { rows, start, end })
}

fn bounds(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, window: &WindowSpec) -> Option<(Timestamp, Timestamp)> {
    let mut time = |key: &str, text: &Option<String>| -> Option<Timestamp> {
        let text = text.as_ref()?;
        let parsed = text.parse::<Timestamp>();
        if parsed.is_err() {
            let message = format!("expected a time such as `2026-01-01T00:00:00Z`, found `{text}`");
            loader.report(doc.at(&rules::INVALID_VALUE, &format!("{pointer}/{key}"), message));
        }
        parsed.ok()
    };
    let (start, end) = (time("start", &window.start), time("end", &window.end));
    let (start, end) = start.zip(end)?;
    if start >= end {
        let message = "expected the end of the window to be later than its start";
        loader.report(doc.at(&rules::INVALID_VALUE, &format!("{pointer}/end"), message));
        return None;
    }
    Some((start, end))
}

fn expect(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, spec: ExpectSpec) -> Expect {
    let destinations: Option<Vec<DestinationName>> = spec.destinations.map(|names| {
        let at = |index: usize| format!("{pointer}/expect/destinations/{index}");
        let names = names.iter().enumerate();
        names.filter_map(|(index, name)| references::destination(loader, doc, &at(index), name)).collect()
    });
    Expect {
        title: spec.title,
        severity: spec.severity.map(Into::into),
        dedupe: spec.dedupe,
        description: spec.description,
        runbook: spec.runbook,
        references: spec.references,
        destinations,
        context: spec.context.map(Value::Object),
    }
}

fn objects(rows: &[Map<String, Value>]) -> Vec<Value> {
    rows.iter().cloned().map(Value::Object).collect()
}
