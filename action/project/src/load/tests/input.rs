//! What goes into a detection under test.

use std::{collections::BTreeMap, sync::Arc};

use model::{name::TableName, schema::TableSchema, time::Timestamp};

use super::{
    super::{Loader, references},
    fixture::Fixtures,
    objects, raw, sequence,
};
use crate::{
    project::{Detection, Step, TestInput},
    rules,
    spec::test::{DetectionTestSpec, WindowSpec},
    yaml::Doc,
};

/// Columns come as they are; nothing is known of a table that does not exist.
static NO_COLUMNS: TableSchema = TableSchema { fields: Vec::new() };

/// The inputs that a test can have, and whether this one has them. A fixture alone is an event.
fn inputs(doc: &Doc, pointer: &str) -> Vec<&'static str> {
    const ALL: [&str; 6] = ["event", "events", "sequence", "raw", "raw_file", "rows"];
    let has = |key: &str| doc.node(&format!("{pointer}/{key}")).is_some();
    let mut out: Vec<&str> = ALL.into_iter().filter(|key| has(key)).collect();
    if out.is_empty() && has("fixture") {
        out.push("fixture");
    }
    out
}

/// `None`, and a diagnostic, where the test does not have exactly one input out of `allowed`.
fn one_input(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, allowed: &[&str], help: &str) -> Option<&'static str> {
    match inputs(doc, pointer).as_slice() {
        [one] if allowed.contains(one) => Some(one),
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

/// Rows of one table, or raw records that become such rows, and what must hold on the way.
pub fn streaming(
    loader: &mut Loader<'_>,
    detection: &Detection,
    fixtures: &Fixtures<'_>,
    pointer: &str,
    spec: &mut DetectionTestSpec,
) -> (Option<TestInput>, Vec<Step>) {
    let mut steps = Vec::new();
    (streaming_input(loader, detection, fixtures, (pointer, spec), &mut steps), steps)
}

fn streaming_input(
    loader: &mut Loader<'_>,
    detection: &Detection,
    fixtures: &Fixtures<'_>,
    (pointer, spec): (&str, &mut DetectionTestSpec),
    steps: &mut Vec<Step>,
) -> Option<TestInput> {
    let doc = fixtures.doc;
    let help = "give it `fixture`, `event`, `events`, `sequence`, `raw` or `raw_file`";
    let allowed = ["fixture", "event", "events", "sequence", "raw", "raw_file"];
    let input = one_input(loader, doc, pointer, &allowed, help)?;
    let is_raw = matches!(input, "raw" | "raw_file");
    for (key, misplaced) in [("window", true), ("key", !is_raw), ("fixture", is_raw)] {
        let pointer = format!("{pointer}/{key}");
        if misplaced && doc.node(&pointer).is_some() {
            let message = format!("`{key}` has no effect in this test");
            loader.report(doc.at_key(&rules::MISPLACED_KEY, &pointer, message).help("remove it"));
        }
    }
    let table = table(loader, detection, doc, pointer, spec.table.as_deref())?;
    if is_raw {
        let raw = raw(loader, doc, pointer, &detection.directory, spec.raw.as_ref(), spec.raw_file.as_ref())?;
        return Some(TestInput::Raw { table: table?, key: spec.key.take(), raw });
    }
    let schema =
        table.as_ref().and_then(|table| loader.project.tables.get(table)).map(|table| Arc::clone(&table.schema));
    let schema = schema.as_deref().unwrap_or(&NO_COLUMNS);
    let at = format!("{pointer}/fixture");
    let fixture = (at.as_str(), spec.fixture.as_deref());
    let events = match (spec.sequence.take(), spec.events.take()) {
        (Some(written), _) => {
            let (events, found) = sequence::events(loader, fixtures, schema, (pointer, fixture), &written)?;
            *steps = found;
            events
        }
        (None, Some(events)) => {
            let mut out = Vec::new();
            for event in &events {
                out.push(fixtures.event(loader, schema, fixture, Some(event))?);
            }
            out
        }
        (None, None) => vec![fixtures.event(loader, schema, fixture, spec.event.as_ref())?],
    };
    Some(TestInput::Events { table: table?, events })
}

/// The table that a test names, else the detection's first; `None` where there is a mistake.
fn table(
    loader: &mut Loader<'_>,
    detection: &Detection,
    doc: &Doc,
    pointer: &str,
    written: Option<&str>,
) -> Option<Option<TableName>> {
    let Some(name) = written else { return Some(detection.tables.first().cloned()) };
    let at = format!("{pointer}/table");
    let table = references::table(loader, doc, &at, name, false)?;
    if !detection.tables.contains(&table) {
        let message = format!("the detection does not see the table `{table}`");
        let names: Vec<String> = detection.tables.iter().map(ToString::to_string).collect();
        let names = names.iter().map(String::as_str);
        loader.report(doc.at(&rules::UNKNOWN_TABLE, &at, message).suggest(name, names));
        return None;
    }
    Some(Some(table))
}

/// The tables that a query reads.
pub fn scheduled(
    loader: &mut Loader<'_>,
    detection: &Detection,
    doc: &Doc,
    pointer: &str,
    spec: &mut DetectionTestSpec,
) -> Option<TestInput> {
    one_input(loader, doc, pointer, &["rows"], "give it `rows` for each table that the query reads, and a `window`")?;
    let has_code = detection.files.contains_key("detect.py");
    for key in ["table", "key", "fixture", "mocks", "also_fires"] {
        let pointer = format!("{pointer}/{key}");
        if doc.node(&pointer).is_some() && !(key == "mocks" && has_code) {
            let without = if key == "mocks" { " without a detect.py" } else { "" };
            let message = format!("`{key}` has no effect on a scheduled detection{without}");
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
    let mut bound = |key: &str, text: &Option<String>| time(loader, doc, &format!("{pointer}/{key}"), text.as_ref()?);
    let (start, end) = (bound("start", &window.start), bound("end", &window.end));
    let (start, end) = start.zip(end)?;
    if start >= end {
        let message = "expected the end of the window to be later than its start";
        loader.report(doc.at(&rules::INVALID_VALUE, &format!("{pointer}/end"), message));
        return None;
    }
    Some((start, end))
}

/// A moment; `None`, and a diagnostic, where it is none.
pub fn time(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, text: &str) -> Option<Timestamp> {
    let parsed = text.parse::<Timestamp>();
    if parsed.is_err() {
        let message = format!("expected a time such as `2026-01-01T00:00:00Z`, found `{text}`");
        loader.report(doc.at(&rules::INVALID_VALUE, pointer, message));
    }
    parsed.ok()
}
