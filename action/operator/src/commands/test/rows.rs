//! The rows of all tests, table by table, and whose each of them is.

use std::{collections::BTreeMap, ops::Range};

use anyhow::{Context as _, Result};
use embedded::{Misfit, TrialRows};
use model::name::{LogSourceName, TableName};
use project::{
    Detection, LogSource,
    project::{DetectionTest, LogSourceTest, TestInput},
};
use serde_json::Value;

use super::{
    bench::{Bench, Cases, in_parallel},
    detection::{self, Input, Staged},
    log_source,
};

/// Whose rows they are.
#[derive(Clone, Copy)]
pub enum Owner<'a> {
    /// A log source's test made them.
    LogSource(&'a LogSource, &'a LogSourceTest),
    /// A detection's test has them.
    Detection(&'a Detection, &'a DetectionTest),
}

/// Rows, before they are laid out.
#[derive(Default)]
pub struct Rows<'a> {
    tables: BTreeMap<TableName, Of<'a>>,
}

#[derive(Default)]
struct Of<'a> {
    rows: Vec<Value>,
    owners: Vec<(Range<usize>, Owner<'a>)>,
}

/// Rows as columns.
pub struct LaidOut<'a> {
    /// In alphabetical order.
    pub tables: Vec<TrialRows>,
    places: BTreeMap<TableName, usize>,
    owners: Vec<Vec<(Range<usize>, Owner<'a>)>>,
    misfits: Vec<BTreeMap<usize, Vec<Misfit>>>,
}

impl<'a> Rows<'a> {
    /// Adds rows of one table; where they are.
    fn add(&mut self, owner: Owner<'a>, table: &TableName, rows: &[Value]) -> Range<usize> {
        let of = self.tables.entry(table.clone()).or_default();
        let range = of.rows.len()..of.rows.len() + rows.len();
        of.rows.extend(rows.iter().cloned());
        of.owners.push((range.clone(), owner));
        range
    }

    /// Adds what a test of a log source made.
    pub fn add_transformed(&mut self, owner: Owner<'a>, rows: &BTreeMap<TableName, Vec<Value>>) {
        for (table, rows) in rows {
            self.add(owner, table, rows);
        }
    }

    /// Adds the rows of tests that are not run themselves: detections are shown them too.
    pub fn add_others(&mut self, bench: &Bench<'a>, cases: &Cases<'a>) {
        let tables: Vec<&TableName> = bench
            .project
            .detections
            .values()
            .filter(|found| cases.sweep.contains(&found.name))
            .flat_map(|found| &found.tables)
            .collect();
        let run = |name: &LogSourceName, test: &str| {
            cases.log_sources.iter().any(|(source, one)| source.name == *name && one.name == test)
        };
        let all =
            bench.project.log_sources.values().flat_map(|source| source.tests.iter().map(move |test| (source, test)));
        let sources: Vec<_> = all
            .filter(|(source, test)| {
                source.tables.values().any(|table| tables.contains(&table)) && !run(&source.name, &test.name)
            })
            .collect();
        let transformed = in_parallel(bench.jobs, &sources, |(source, test)| log_source::rows(bench, source, test));
        for ((source, test), rows) in sources.into_iter().zip(transformed) {
            self.add_transformed(Owner::LogSource(source, test), &rows);
        }
        let own: std::collections::BTreeSet<(&str, &str)> =
            cases.detections.iter().map(|(found, test)| (found.name.as_str(), test.name.as_str())).collect();
        let others: Vec<_> = bench
            .project
            .detections
            .values()
            .filter(|found| found.enabled)
            .flat_map(|found| found.tests.iter().map(move |test| (found, test)))
            .filter(|(found, test)| !own.contains(&(found.name.as_str(), test.name.as_str())))
            .filter(|(_, test)| match &test.input {
                TestInput::Events { table, .. } | TestInput::Raw { table, .. } => tables.contains(&table),
                TestInput::Tables { .. } => false,
            })
            .collect();
        let inputs = in_parallel(bench.jobs, &others, |(found, test)| detection::input(bench, found, test));
        for ((found, test), input) in others.into_iter().zip(inputs) {
            if let Ok(Input::Rows { table, rows }) = input {
                self.add(Owner::Detection(found, test), &table, &rows);
            }
        }
    }

    /// Adds what goes into a test.
    pub fn stage(&mut self, detection: &'a Detection, test: &'a DetectionTest, input: Result<Input>) -> Staged<'a> {
        let input = input.map(|input| match input {
            Input::Rows { table, rows } => {
                let range = self.add(Owner::Detection(detection, test), &table, &rows);
                detection::Placed::Rows { table, rows: range }
            }
            Input::Queried(seen) => detection::Placed::Queried(seen),
        });
        Staged { detection, test, input }
    }

    /// Lays all rows out.
    pub fn lay_out(self, bench: &Bench<'_>) -> Result<LaidOut<'a>> {
        let names: Vec<TableName> = self.tables.keys().cloned().collect();
        let (all, owners): (Vec<Vec<Value>>, Vec<_>) = self.tables.into_values().map(|of| (of.rows, of.owners)).unzip();
        let items: Vec<(&TableName, &Vec<Value>)> = names.iter().zip(&all).collect();
        let tables = in_parallel(bench.jobs, &items, |(table, rows)| {
            bench.trial.lay_out(table, rows).with_context(|| format!("lay out the rows of `{table}`"))
        });
        let mut tables = tables.into_iter().collect::<Result<Vec<_>>>()?;
        let misfits = tables.iter_mut().map(|table| {
            let mut by_row: BTreeMap<usize, Vec<Misfit>> = BTreeMap::new();
            for misfit in std::mem::take(&mut table.misfits) {
                by_row.entry(misfit.row).or_default().push(misfit);
            }
            by_row
        });
        let misfits = misfits.collect();
        Ok(LaidOut { places: names.into_iter().zip(0..).collect(), tables, owners, misfits })
    }
}

impl<'a> LaidOut<'a> {
    /// Which of the tables it is.
    pub fn place(&self, table: &TableName) -> Option<usize> {
        self.places.get(table).copied()
    }

    /// Whose row it is.
    pub fn owner(&self, table: usize, row: usize) -> Option<Owner<'a>> {
        let owners = self.owners.get(table)?;
        let at = owners.partition_point(|(range, _)| range.end <= row);
        owners.get(at).filter(|(range, _)| range.contains(&row)).map(|(_, owner)| *owner)
    }

    /// What does not fit its column, in some rows.
    pub fn misfits(&self, table: usize, rows: &Range<usize>) -> Vec<&Misfit> {
        self.misfits
            .get(table)
            .map_or_else(Vec::new, |misfits| misfits.range(rows.clone()).flat_map(|(_, one)| one).collect())
    }
}
