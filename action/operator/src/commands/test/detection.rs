//! Events, raw records or tables past a detection: whether it fires, and what the alert says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use embedded::{Evaluated, Stretch};
use model::{
    alert::{AlertId, MatchId, RuleMatch},
    name::TableName,
};
use project::{
    Detection,
    project::{DetectionTest, Expect, TestInput},
};
use serde_json::{Value, json};

use super::{Bench, compare};

/// What a detection made of a test's input.
struct Found {
    matches: Vec<RuleMatch>,
    rows: usize,
    differences: Vec<String>,
}

/// What differs; nothing where the test passes.
pub fn run(bench: &Bench<'_>, detection: &Detection, test: &DetectionTest) -> Result<Vec<String>> {
    let Found { matches, rows, mut differences } = match &test.input {
        TestInput::Events { table, events } => events_past(bench, detection, table, events)?,
        TestInput::Raw { table, key, raw } => {
            let events = raw_to_rows(bench, table, key.as_deref(), &raw.bytes)?;
            events_past(bench, detection, table, &events)?
        }
        TestInput::Tables { rows, start, end } => {
            tables_past(bench, detection, rows, Stretch { start: *start, end: *end })?
        }
    };
    let fired = !matches.is_empty();
    if fired != test.fires {
        let word = |fires| if fires { "fires" } else { "stays quiet" };
        let seen = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        differences.push(format!("expected that it {}\nfound    that it {} on {seen}", word(test.fires), word(fired)));
    }
    counted("matches", test.matches, matches.len() as u64, &mut differences);
    counted("alerts", test.alerts, alerts(&matches), &mut differences);
    if let Some(first) = matches.first() {
        said(&test.expect, first, &mut differences);
    } else if test.fires && test.expect != Expect::default() {
        differences.push("nothing was said, because it did not fire".to_owned());
    }
    Ok(differences)
}

fn counted(what: &str, expected: Option<u64>, found: u64, out: &mut Vec<String>) {
    if let Some(expected) = expected
        && expected != found
    {
        out.push(format!("{what}\n  expected {expected}\n  found    {found}"));
    }
}

/// How many alerts the matches make: those groups that reach their threshold.
fn alerts(matches: &[RuleMatch]) -> u64 {
    let mut groups: BTreeMap<AlertId, (u32, BTreeSet<MatchId>)> = BTreeMap::new();
    for found in matches {
        let group = groups.entry(found.alert_id()).or_insert_with(|| (found.threshold.get(), BTreeSet::new()));
        group.1.insert(found.id);
    }
    groups.values().filter(|(threshold, ids)| ids.len() >= *threshold as usize).count() as u64
}

fn said(expected: &Expect, found: &RuleMatch, out: &mut Vec<String>) {
    let Expect { title, severity, dedupe, description, runbook, references, destinations, context } = expected;
    let mut text = |what: &str, expected: Option<&str>, found: Option<&str>| {
        if let Some(expected) = expected {
            compare::value(what, &json!(expected), &json!(found), out);
        }
    };
    text("title", title.as_deref(), Some(&found.title));
    text("severity", severity.map(|severity| severity.as_str()), Some(found.severity.as_str()));
    text("dedupe", dedupe.as_deref(), Some(&found.dedupe));
    text("description", description.as_deref().map(str::trim_end), found.description.as_deref().map(str::trim_end));
    text("runbook", runbook.as_deref().map(str::trim_end), found.runbook.as_deref().map(str::trim_end));
    if let Some(expected) = references {
        compare::value("references", &json!(expected), &json!(found.references), out);
    }
    if let Some(expected) = destinations {
        compare::value("destinations", &json!(expected), &json!(found.destinations), out);
    }
    if let Some(expected) = context {
        compare::columns("context", expected, &found.context, out);
    }
}

fn events_past(bench: &Bench<'_>, detection: &Detection, table: &TableName, events: &[Value]) -> Result<Found> {
    let rows: Vec<Value> = events.iter().enumerate().map(|(index, event)| completed(bench, index, event)).collect();
    let (evaluation, misfits) = bench.trial.detect(&detection.name, table, &rows)?;
    if !misfits.is_empty() {
        let words: Vec<String> = misfits.iter().map(misfit).collect();
        bail!("the events do not fit the columns of `{table}`:\n{}", words.join("\n"));
    }
    let mut differences: Vec<String> = evaluation.failures.iter().map(failure).collect();
    let mut matches = Vec::new();
    for (index, record) in evaluation.records.into_iter().enumerate() {
        match record {
            Evaluated::Fired(found) => matches.push(*found),
            Evaluated::Quiet => (),
            // the failure says why; without one it must not pass as quiet
            Evaluated::Failed if evaluation.failures.is_empty() => {
                differences.push(format!("row {index} was not judged"))
            }
            Evaluated::Failed => (),
        }
    }
    Ok(Found { matches, rows: rows.len(), differences })
}

fn misfit(misfit: &embedded::Misfit) -> String {
    format!("`{}`: {}, found `{}`", misfit.column, misfit.error, misfit.value)
}

fn failure(failure: &embedded::DetectionFailure) -> String {
    format!("{failure}\n{}", failure.traceback.trim_end())
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

fn tables_past(
    bench: &Bench<'_>,
    detection: &Detection,
    tables: &BTreeMap<TableName, Vec<Value>>,
    window: Stretch,
) -> Result<Found> {
    let rows = tables.values().map(Vec::len).sum();
    let (report, misfits) = bench.runtime.block_on(bench.trial.schedule(&detection.name, tables, window))?;
    if !misfits.is_empty() {
        let words: Vec<String> = misfits.iter().map(misfit).collect();
        bail!("the rows do not fit their tables:\n{}", words.join("\n"));
    }
    Ok(Found { matches: report.matches, rows, differences: report.failures.iter().map(failure).collect() })
}
