//! Results on a terminal, and as one JSON document.

use anyhow::Result;
use model::isolation::Isolation;
use serde_json::{Value, json};

use super::{
    coverage::Coverage,
    difference::{Difference, visible},
    results::{Kind, Results, TestResult, Warning},
};
use crate::{commands::settled, terminal::Terminal};

/// Whether the tables of what is tested are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// After the results.
    Shown,
    /// Not.
    Left,
}

/// Writes results where they belong.
pub fn show(results: &Results, tables: Tables, terminal: Terminal) -> Result<()> {
    if terminal.is_json() {
        return terminal.json(&document(results));
    }
    for test in &results.tests {
        show_test(test, terminal);
    }
    for warning in &results.warnings {
        show_warning(warning, terminal);
    }
    for refused in &results.refused {
        terminal.line(&format!("{} {}", terminal.paint("1;31", "refused:"), visible(&refused.message)));
    }
    show_isolation(results.isolation.as_ref(), terminal);
    if tables == Tables::Shown {
        show_coverage(&results.coverage, terminal);
    }
    if let Some(changed) = &results.fires_differently {
        terminal.line(&format!("\ntests that fire differently: {}", changed.len()));
        changed.iter().for_each(|one| terminal.line(&format!("  {one}")));
    }
    for file in &results.written {
        terminal.line(&format!("wrote {file}"));
    }
    let (passed, failed) = (results.passed(), results.failed());
    let warnings = match results.warnings.len() {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        count => format!(", {count} warnings"),
    };
    let summary = format!("{passed} passed, {failed} failed{warnings} in {:.1} s", results.seconds);
    terminal.line(&format!("\n{}", terminal.paint(if failed > 0 { "1;31" } else { "32" }, &summary)));
    Ok(())
}

fn show_test(test: &TestResult, terminal: Terminal) {
    let TestResult { name, file, line, differences, printed, passed, .. } = test;
    if *passed {
        terminal.line(&format!("{} {name}", terminal.paint("32", "pass")));
        return;
    }
    terminal.line(&format!("{} {name}\n  --> {file}:{line}", terminal.paint("1;31", "FAIL")));
    for difference in differences {
        if let Some((file, line)) = difference.place.as_ref().filter(|place| **place != (file.clone(), *line)) {
            terminal.line(&format!("     --> {file}:{line}"));
        }
        difference.painted(terminal).lines().for_each(|line| terminal.line(&format!("     {line}")));
    }
    if !printed.is_empty() {
        terminal.line("     it printed:");
        printed.lines().for_each(|line| terminal.line(&format!("       {}", visible(line))));
    }
}

fn show_warning(warning: &Warning, terminal: Terminal) {
    let Warning { file, line, message, help } = warning;
    let word = terminal.paint("1;33", "warning");
    terminal.line(&format!("{word}: {message}\n  --> {file}:{line}\n     {help}"));
}

/// What does not hold is said always, what holds on request.
fn show_isolation(isolation: Option<&Isolation>, terminal: Terminal) {
    let Some(isolation) = isolation else { return };
    match isolation.missing() {
        Some(missing) => settled::note_unheld(&missing, terminal),
        None if terminal.is_verbose() => terminal.line(&format!("detections were isolated: {isolation}")),
        None => (),
    }
}

fn show_coverage(coverage: &Coverage, terminal: Terminal) {
    let (all, incomplete) = (coverage.detections.len(), coverage.incomplete().count());
    terminal.line(&format!("\ndetections with a firing and a quiet test: {} of {all}", all - incomplete));
    for one in coverage.incomplete() {
        let missing = match (one.firing, one.quiet) {
            (0, 0) => "no test",
            (0, _) => "no test that fires",
            (_, _) => "no test that stays quiet",
        };
        terminal.line(&format!("  {:<40} {missing}", one.detection));
    }
    let proven = coverage.techniques.iter().filter(|technique| !technique.proven.is_empty()).count();
    terminal
        .line(&format!("\nATT&CK techniques: {} named by tags, {proven} proven by tests", coverage.techniques.len()));
    for technique in &coverage.techniques {
        let names: Vec<&str> = technique.detections.iter().map(String::as_str).collect();
        let mark = if technique.proven.is_empty() { "unproven" } else { "proven" };
        let (id, name) = (&technique.id, &technique.name);
        terminal.line(&format!("  {id:<10} {name:<50} {mark:<9} {}", names.join(", ")));
    }
}

/// One JSON document: fields may be added, and are never renamed or removed.
pub fn document(results: &Results) -> Value {
    let tests: Vec<Value> = results
        .tests
        .iter()
        .map(|test| {
            let TestResult { kind, resource, test, name, file, line, passed, differences, printed, seconds, fires } =
                test;
            json!({
                "name": name,
                "kind": kind,
                "resource": resource,
                "test": test,
                "place": format!("{file}:{line}"),
                "file": file,
                "line": line,
                "passed": passed,
                "differences": differences.iter().map(Difference::text).collect::<Vec<_>>(),
                "details": differences,
                "printed": printed,
                "seconds": seconds,
                "fires": fires,
            })
        })
        .collect();
    let crossed = results.tests.iter().filter(|test| test.kind == Kind::CrossRun).count();
    json!({
        "passed": results.passed(),
        "failed": results.failed(),
        "seconds": results.seconds,
        "tests": tests,
        "crashed_on_rows_of_others": crossed,
        "warnings": results.warnings,
        "refused": results.refused,
        "isolation": results.isolation,
        "coverage": results.coverage,
        "written": results.written,
        "fires_differently": results.fires_differently,
    })
}
