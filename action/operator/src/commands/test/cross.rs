//! What detections make of the rows of other tests: a crash fails, a fire that nobody meant is worth a look.

use std::collections::{BTreeMap, BTreeSet};

use embedded::{Found, SweptFailure};
use model::name::DetectionName;
use project::Project;

use super::{
    detection,
    difference::Difference,
    results::{Kind, TestResult, Warning},
    rows::{LaidOut, Owner},
};

/// The name of what fails when a detection crashes on the rows of other tests.
pub const NAME: &str = "rows of other tests";

/// So many rows are named where a detection crashes.
const NAMED: usize = 3;

/// Failed results, and warnings.
pub fn judge(
    project: &Project,
    rows: &LaidOut<'_>,
    fired: BTreeSet<Found>,
    failed: Vec<SweptFailure>,
) -> (Vec<TestResult>, Vec<Warning>) {
    (crashes(project, rows, failed), fires(rows, fired))
}

fn crashes(project: &Project, rows: &LaidOut<'_>, failed: Vec<SweptFailure>) -> Vec<TestResult> {
    let mut out: BTreeMap<DetectionName, TestResult> = BTreeMap::new();
    for SweptFailure { failure, table, rows: at } in failed {
        let Some(found) = project.detections.get(&failure.detection) else { continue };
        let mut owners: Vec<String> = at.iter().filter_map(|row| owner(rows, table, *row)).map(named).collect();
        owners.dedup();
        let more = owners.len().saturating_sub(NAMED);
        owners.truncate(NAMED);
        let mut difference = detection::crash(found, &failure);
        let text = difference.message.take().unwrap_or_default();
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        difference.message = Some(format!("{text}\non the rows of {}{tail}", owners.join(", ")));
        let result = out.entry(found.name.clone()).or_insert_with(|| TestResult {
            kind: Kind::CrossRun,
            resource: found.name.to_string(),
            test: NAME.to_owned(),
            name: format!("{}/{NAME}", found.name),
            file: found.file.clone(),
            line: u32::try_from(found.span.start.line).unwrap_or(u32::MAX),
            passed: false,
            differences: Vec::new(),
            printed: String::new(),
            seconds: 0.0,
            fires: None,
        });
        // where the code is at fault is the better place
        if let Some((file, line)) = difference.place.clone().filter(|_| result.differences.is_empty()) {
            (result.file, result.line) = (file, line);
        }
        merge(&mut result.differences, difference);
    }
    out.into_values().collect()
}

/// The same mistake on the rows of several tables is told once.
fn merge(differences: &mut Vec<Difference>, difference: Difference) {
    let first_line = |one: &Difference| one.message.as_deref().and_then(|text| text.lines().next()).map(str::to_owned);
    let is_known = |one: &Difference| {
        one.place.is_some() && one.place == difference.place && first_line(one) == first_line(&difference)
    };
    if !differences.iter().any(is_known) {
        differences.push(difference);
    }
}

fn fires(rows: &LaidOut<'_>, fired: BTreeSet<Found>) -> Vec<Warning> {
    let mut out: BTreeSet<Warning> = BTreeSet::new();
    for Found { table, row, detection: name } in fired {
        // what a log source's test makes is there to be seen by all
        let Some(Owner::Detection(other, test)) = owner(rows, table, row) else { continue };
        if other.name == name || test.also_fires.contains(name.as_str()) {
            continue;
        }
        out.insert(Warning {
            file: test.file.clone(),
            line: u32::try_from(test.span.start.line).unwrap_or(u32::MAX),
            message: format!("`{name}` fires on the rows of `{}/{}`", other.name, test.name),
            help: format!("if it is meant to, add `also_fires: [{name}]` to the test"),
        });
    }
    out.into_iter().collect()
}

fn owner<'a>(rows: &LaidOut<'a>, table: usize, row: u64) -> Option<Owner<'a>> {
    rows.owner(table, usize::try_from(row).ok()?)
}

fn named(owner: Owner<'_>) -> String {
    match owner {
        Owner::LogSource(source, test) => format!("`{}/{}`", source.name, test.name),
        Owner::Detection(detection, test) => format!("`{}/{}`", detection.name, test.name),
    }
}
