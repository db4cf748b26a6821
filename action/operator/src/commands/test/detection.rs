//! Events, raw records or tables past a detection: whether it fires, and what the alert says.

use std::{collections::BTreeMap, ops::Range};

use anyhow::{Context as _, Result, bail};
use embedded::{Attempted, DetectionFailure, Evaluated, Evaluation, Stretch, TrialAlert, TrialAttempt, TrialMocks};
use model::{
    alert::RuleMatch,
    name::{DetectionName, TableName},
};
use project::{
    Detection,
    project::{DetectionTest, Expect, Expectation, Mocks, Step, TestInput},
};
use serde_json::{Value, json};

use super::{
    bench::{self, Bench},
    compare,
    difference::Difference,
    results::{Fires, Kind, TestResult},
    rows::LaidOut,
    snapshot::Snapshots,
};

/// What goes into a detection.
pub enum Input {
    /// Rows of one table, complete.
    Rows { table: TableName, rows: Vec<Value> },
    /// Rows that a query went over: what came of it.
    Queried(Seen),
}

/// The same, where it lies among the rows of all tests.
pub enum Placed {
    /// Rows of one table.
    Rows { table: TableName, rows: Range<usize> },
    /// Rows that a query went over: what came of it.
    Queried(Seen),
}

/// A test that is ready to be run, or why it is not.
pub struct Staged<'a> {
    /// The detection.
    pub detection: &'a Detection,
    /// The test.
    pub test: &'a DetectionTest,
    /// What goes in.
    pub input: Result<Placed>,
}

impl Staged<'_> {
    /// Its rows for its detection; `None` where it is not run like this, or its rows do not fit.
    pub fn attempt(&self, rows: &LaidOut<'_>) -> Option<(DetectionName, TrialAttempt)> {
        let Ok(Placed::Rows { table, rows: range }) = &self.input else { return None };
        let table = rows.place(table)?;
        if !rows.misfits(table, range).is_empty() {
            return None;
        }
        let rows = range.start as u64..range.end as u64;
        Some((self.detection.name.clone(), TrialAttempt { table, rows, mocks: mocks(self.test) }))
    }
}

/// A test's mocks, for its detection.
fn mocks(test: &DetectionTest) -> TrialMocks {
    let Mocks { attributes, enrichment, remembered } = test.mocks.clone();
    TrialMocks { attributes, enrichment, remembered }
}

/// What a detection made of a test's input.
pub struct Seen {
    matches: Vec<RuleMatch>,
    /// Row by row; empty for a scheduled detection.
    fired: Vec<bool>,
    rows: usize,
    printed: String,
    differences: Vec<Difference>,
}

/// Makes complete rows of what a test has; queries run here.
pub fn input(bench: &Bench<'_>, detection: &Detection, test: &DetectionTest) -> Result<Input> {
    let completed = |events: &[Value]| {
        events.iter().enumerate().map(|(index, event)| completed(bench, index, event)).collect::<Vec<Value>>()
    };
    match &test.input {
        TestInput::Events { table, events } => Ok(Input::Rows { table: table.clone(), rows: completed(events) }),
        TestInput::Raw { table, key, raw } => {
            let rows = raw_to_rows(bench, table, key.as_deref(), &raw.bytes)?;
            Ok(Input::Rows { table: table.clone(), rows: completed(&rows) })
        }
        TestInput::Tables { rows, start, end } => {
            let window = Stretch { start: *start, end: *end };
            Ok(Input::Queried(queried(bench, detection, test, rows, window)?))
        }
    }
}

/// Compares what came of a test with what it expects.
pub fn judge(
    bench: &Bench<'_>,
    staged: Staged<'_>,
    attempted: Option<Attempted>,
    rows: &LaidOut<'_>,
    snapshots: &mut Snapshots<'_>,
) -> TestResult {
    let Staged { detection, test, input } = staged;
    let seconds = attempted.as_ref().map_or(0.0, |attempted| attempted.micros as f64 / 1e6);
    let seen = match input {
        Err(error) => Err(Difference::message(format!("{error:#}"))),
        Ok(Placed::Queried(seen)) => Ok(seen),
        Ok(Placed::Rows { table, rows: range }) => match attempted {
            Some(attempted) => Ok(seen(detection, attempted.evaluation, range.len())),
            None => Err(unfit(&table, rows, &range)),
        },
    };
    let mut result = TestResult {
        kind: Kind::Detection,
        resource: detection.name.to_string(),
        test: test.name.clone(),
        name: format!("{}/{}", detection.name, test.name),
        file: test.file.clone(),
        line: u32::try_from(test.span.start.line).unwrap_or(u32::MAX),
        passed: false,
        differences: Vec::new(),
        printed: String::new(),
        seconds,
        fires: None,
    };
    match seen {
        Ok(mut seen) => {
            let alerts = bench.trial.alerts(&seen.matches);
            held(bench, test, &mut seen, &alerts, snapshots, &detection.name);
            let active = alerts.iter().filter(|alert| alert.is_active).count() as u64;
            let fired = if seen.fired.is_empty() { vec![true; seen.matches.len()] } else { seen.fired };
            result.fires = Some(Fires { rows: fired, alerts: active });
            (result.differences, result.printed) = (seen.differences, seen.printed);
        }
        Err(difference) => result.differences.push(difference),
    }
    bench::ended(result)
}

fn unfit(table: &TableName, rows: &LaidOut<'_>, range: &Range<usize>) -> Difference {
    let misfits = rows.place(table).map(|table| rows.misfits(table, range)).unwrap_or_default();
    let words: Vec<String> = misfits.iter().map(|one| misfit(one)).collect();
    Difference::message(format!("the events do not fit the columns of `{table}`:\n{}", words.join("\n")))
}

fn seen(detection: &Detection, evaluation: Evaluation, rows: usize) -> Seen {
    let mut differences: Vec<Difference> =
        evaluation.failures.iter().map(|failure| crash(detection, failure)).collect();
    let (mut matches, mut fired) = (Vec::new(), Vec::new());
    for (index, record) in evaluation.records.into_iter().enumerate() {
        fired.push(matches!(record, Evaluated::Fired(_)));
        match record {
            Evaluated::Fired(found) => matches.push(*found),
            // the failure says why; without one it must not pass as quiet
            Evaluated::Failed if evaluation.failures.is_empty() => {
                differences.push(Difference::message(format!("row {index} was not judged")));
            }
            Evaluated::Failed | Evaluated::Quiet => (),
        }
    }
    let printed = evaluation.printed.iter().map(|printed| printed.text.as_str()).collect();
    Seen { matches, fired, rows, printed, differences }
}

/// Everything that a test says, held against what was seen.
fn held(
    bench: &Bench<'_>,
    test: &DetectionTest,
    seen: &mut Seen,
    alerts: &[TrialAlert],
    snapshots: &mut Snapshots<'_>,
    name: &DetectionName,
) {
    let out = &mut seen.differences;
    let fired = !seen.matches.is_empty();
    if fired != test.fires {
        let word = |fires| if fires { "fires" } else { "stays quiet" };
        let rows = if seen.rows == 1 { "1 row".to_owned() } else { format!("{} rows", seen.rows) };
        let (expected, found) = (word(test.fires), word(fired));
        out.push(Difference::message(format!("expected that it {expected}\nfound    that it {found} on {rows}")));
    }
    let counts = [
        ("matches", test.matches, seen.matches.len()),
        ("alerts", test.alerts, alerts.iter().filter(|alert| alert.is_active).count()),
    ];
    for (what, expected, found) in counts {
        if let Some(expected) = expected.filter(|expected| *expected != found as u64) {
            out.push(Difference::values(what, expected.into(), found.into()));
        }
    }
    for step in &test.steps {
        step_held(bench, step, &seen.fired, &seen.matches, &test.file, out);
    }
    match &test.expect {
        Expectation::Snapshot => out.extend(snapshots.hold(name, test, alerts, &seen.fired)),
        Expectation::Parts(expected) => match alerts.iter().find(|alert| alert.is_active).or(alerts.first()) {
            Some(alert) => said(expected, alert, out),
            None if test.fires && **expected != Expect::default() => {
                out.push(Difference::message("nothing was said, because it did not fire"));
            }
            None => (),
        },
    }
}

/// What must hold after a step of a sequence.
fn step_held(
    bench: &Bench<'_>,
    step: &Step,
    fired: &[bool],
    matches: &[RuleMatch],
    file: &str,
    out: &mut Vec<Difference>,
) {
    let place = Some((file.to_owned(), u32::try_from(step.span.start.line).unwrap_or(u32::MAX)));
    if let Some(fires) = step.fires {
        let word = |fires| if fires { "fires" } else { "stays quiet" };
        let other = step.events.clone().filter(|event| fired.get(*event).copied().unwrap_or(false) != fires);
        if let Some(event) = other.clone().next() {
            let rows = match other.count() {
                1 => String::new(),
                count => format!(" and {} more of this step", count - 1),
            };
            let message = format!(
                "expected that it {} on event {}\nfound    that it {} on it{rows}",
                word(fires),
                event + 1,
                word(!fires)
            );
            out.push(Difference { place: place.clone(), ..Difference::message(message) });
        }
    }
    if let Some(expected) = step.alerts {
        let so_far = fired.iter().take(step.events.end).filter(|fired| **fired).count();
        let alerts = bench.trial.alerts(&matches[..so_far.min(matches.len())]);
        let found = alerts.iter().filter(|alert| alert.is_active).count() as u64;
        if expected != found {
            let path = format!("alerts after event {}", step.events.end);
            out.push(Difference { place, ..Difference::values(&path, expected.into(), found.into()) });
        }
    }
}

fn said(expected: &Expect, found: &TrialAlert, out: &mut Vec<Difference>) {
    let Expect {
        title,
        severity,
        dedupe,
        description,
        runbook,
        references,
        destinations,
        context,
        false_positives,
        messages,
    } = expected;
    let TrialAlert { alert, context: said, is_active: _, messages: heard } = found;
    let mut text = |what: &str, expected: Option<&str>, found: Option<&str>| {
        if let Some(expected) = expected {
            compare::value(what, &json!(expected), &json!(found), out);
        }
    };
    text("title", title.as_deref(), Some(&alert.title));
    text("severity", severity.map(|severity| severity.as_str()), Some(alert.severity.as_str()));
    text("dedupe", dedupe.as_deref(), Some(&alert.dedupe));
    text("description", description.as_deref().map(str::trim_end), alert.description.as_deref().map(str::trim_end));
    text("runbook", runbook.as_deref().map(str::trim_end), alert.runbook.as_deref().map(str::trim_end));
    if let Some(expected) = references {
        compare::value("references", &json!(expected), &json!(alert.references), out);
    }
    if let Some(expected) = false_positives {
        compare::value("false_positives", &json!(expected), &json!(alert.false_positives), out);
    }
    if let Some(expected) = destinations {
        // which order they are named in makes no difference
        let expected: std::collections::BTreeSet<_> = expected.iter().collect();
        compare::value("destinations", &json!(expected), &json!(alert.destinations), out);
    }
    if let Some(expected) = context {
        compare::columns("context", expected, said, out);
    }
    for (destination, expected) in messages.iter().flatten() {
        let found = heard.get(destination).unwrap_or(&Value::Null);
        compare::message(&format!("messages.{destination}"), expected, found, out);
    }
}

fn misfit(misfit: &embedded::Misfit) -> String {
    format!("`{}`: {}, found `{}`", misfit.column, misfit.error, misfit.value)
}

/// What a detection's code did wrong, at its place in the project.
pub fn crash(detection: &Detection, failure: &DetectionFailure) -> Difference {
    let text = format!("{failure}\n{}", failure.traceback.trim_end());
    // the host calls the directory by the detection's name
    let called = format!("detections/{}/", detection.name);
    let file = failure.file.as_deref().and_then(|file| file.strip_prefix(&called)).map(|file| detection.path_of(file));
    let text = text.replace(&called, &format!("{}/", detection.directory));
    Difference { place: file.zip(failure.line), ..Difference::message(text.trim_end()) }
}

/// A test's event says what matters to it; every row of a table also has a time and an id.
fn completed(bench: &Bench<'_>, index: usize, event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.entry("ts").or_insert_with(|| bench.now.to_string().into());
        let has_id = members.contains_key("matano.record_id") || members.contains_key("matano");
        if !has_id {
            members.insert("matano.record_id".to_owned(), format!("{index:032x}").into());
        }
    }
    event
}

fn raw_to_rows(bench: &Bench<'_>, table: &TableName, key: Option<&str>, bytes: &[u8]) -> Result<Vec<Value>> {
    let found = bench.project.tables.get(table).with_context(|| format!("table `{table}` belongs to no log source"))?;
    let key = key.map_or_else(|| format!("{}/test", found.log_source), str::to_owned);
    let transformed = bench.trial.transform(&found.log_source, &key, bytes, bench.now)?;
    if let Some(reject) = transformed.rejects.first() {
        let text = |name: &str| reject.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        bail!("a raw record became no row: {} ({})", text("error"), text("rule"));
    }
    let rows = transformed.rows.get(table).cloned().unwrap_or_default();
    if rows.is_empty() {
        let others: Vec<&str> = transformed.rows.keys().map(TableName::as_str).collect();
        bail!(
            "no raw record became a row of `{table}`, only of: {}",
            if others.is_empty() { "none".to_owned() } else { others.join(", ") }
        );
    }
    Ok(rows)
}

fn queried(
    bench: &Bench<'_>,
    detection: &Detection,
    test: &DetectionTest,
    tables: &BTreeMap<TableName, Vec<Value>>,
    window: Stretch,
) -> Result<Seen> {
    let (found, misfits) = bench.runtime.block_on(bench.trial.query(&detection.name, tables, window))?;
    if !misfits.is_empty() {
        let words: Vec<String> = misfits.iter().map(misfit).collect();
        bail!("the rows do not fit their tables:\n{}", words.join("\n"));
    }
    let evaluation = match found {
        Some(found) => bench.trial.scheduled(&detection.name, found, mocks(test), &bench.runtime)?,
        None => Evaluation { records: Vec::new(), failures: Vec::new(), printed: Vec::new() },
    };
    let rows = tables.values().map(Vec::len).sum();
    // which rows a query finds is its own affair
    Ok(Seen { fired: Vec::new(), ..seen(detection, evaluation, rows) })
}
