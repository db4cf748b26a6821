//! Raw records through a log source: the rows they become, column by column.

use std::{collections::BTreeMap, time::Instant};

use anyhow::Result;
use embedded::Transformed;
use model::name::TableName;
use project::{LogSource, project::LogSourceTest};
use serde_json::{Value, json};

use super::{
    bench::{self, Bench},
    compare,
    difference::Difference,
    results::{Kind, TestResult},
};

/// How a test ended, and the rows it made.
pub struct Ended {
    pub result: TestResult,
    pub rows: BTreeMap<TableName, Vec<Value>>,
}

/// Runs one test.
pub fn run(bench: &Bench<'_>, source: &LogSource, test: &LogSourceTest) -> Ended {
    let started = Instant::now();
    let (differences, rows) = match transformed(bench, source, test) {
        Ok(transformed) => (judge(source, test, &transformed), transformed.rows),
        // a test that cannot be run has failed
        Err(error) => (vec![Difference::message(format!("{error:#}"))], BTreeMap::new()),
    };
    let result = TestResult {
        kind: Kind::LogSource,
        resource: source.name.to_string(),
        test: test.name.clone(),
        name: format!("{}/{}", source.name, test.name),
        file: test.file.clone(),
        line: u32::try_from(test.span.start.line).unwrap_or(u32::MAX),
        passed: false,
        differences,
        printed: String::new(),
        seconds: started.elapsed().as_secs_f64(),
        fires: None,
    };
    Ended { result: bench::ended(result), rows }
}

/// The rows that a test makes, whatever it expects.
pub fn rows(bench: &Bench<'_>, source: &LogSource, test: &LogSourceTest) -> BTreeMap<TableName, Vec<Value>> {
    transformed(bench, source, test).map(|transformed| transformed.rows).unwrap_or_default()
}

fn transformed(bench: &Bench<'_>, source: &LogSource, test: &LogSourceTest) -> Result<Transformed> {
    let key = test.key.clone().unwrap_or_else(|| format!("{}/test", source.name));
    Ok(bench.trial.transform(&source.name, &key, &test.raw.bytes, bench.now)?)
}

fn judge(source: &LogSource, test: &LogSourceTest, transformed: &Transformed) -> Vec<Difference> {
    let mut out = Vec::new();
    if transformed.rejects.len() as u64 != test.rejects {
        out.push(Difference::values("rejects", test.rejects.into(), transformed.rejects.len().into()));
        for reject in transformed.rejects.iter().take(3) {
            let text = |name: &str| reject.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            out.push(Difference::message(format!("  rejected by {}: {}", text("rule"), text("error"))));
        }
    }
    if let Some(expected) = &test.rows {
        let table = test.table.clone().or_else(|| only_table(source));
        compare_rows(expected, &found(transformed, table.as_ref()), &mut out);
    }
    out
}

fn only_table(source: &LogSource) -> Option<TableName> {
    let mut tables = source.tables.values();
    tables.next().filter(|_| tables.next().is_none()).cloned()
}

/// The rows of one table, or of all where none is named.
fn found(transformed: &Transformed, table: Option<&TableName>) -> Vec<Value> {
    match table {
        Some(table) => transformed.rows.get(table).cloned().unwrap_or_default(),
        None => transformed.rows.values().flatten().cloned().collect(),
    }
}

fn compare_rows(expected: &[Value], found: &[Value], out: &mut Vec<Difference>) {
    if expected.len() != found.len() {
        out.push(Difference::values("number of rows", json!(expected.len()), json!(found.len())));
    }
    for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
        compare::columns(&format!("rows[{index}]"), expected, found, out);
    }
}
