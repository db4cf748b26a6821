//! Raw records through a log source: the rows they become, column by column.

use anyhow::Result;
use embedded::Transformed;
use model::name::TableName;
use project::{LogSource, project::LogSourceTest};
use serde_json::Value;

use super::{Bench, compare};

/// What differs; nothing where the test passes.
pub fn run(bench: &Bench<'_>, source: &LogSource, test: &LogSourceTest) -> Result<Vec<String>> {
    let key = test.key.clone().unwrap_or_else(|| format!("{}/test", source.name));
    let transformed = bench.trial.transform(&source.name, &key, &test.raw.bytes, bench.now)?;
    let mut out = Vec::new();
    if transformed.rejects.len() as u64 != test.rejects {
        out.push(format!("rejects\n  expected {}\n  found    {}", test.rejects, transformed.rejects.len()));
        for reject in transformed.rejects.iter().take(3) {
            let text = |name: &str| reject.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            out.push(format!("  rejected by {}: {}", text("rule"), text("error")));
        }
    }
    if let Some(expected) = &test.rows {
        let table = test.table.clone().or_else(|| only_table(source));
        rows(expected, &found(&transformed, table.as_ref()), &mut out);
    }
    Ok(out)
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

fn rows(expected: &[Value], found: &[Value], out: &mut Vec<String>) {
    if expected.len() != found.len() {
        out.push(format!("number of rows\n  expected {}\n  found    {}", expected.len(), found.len()));
    }
    for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
        compare::columns(&format!("rows[{index}]"), expected, found, out);
    }
}
