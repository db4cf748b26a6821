//! Desired and observed state to a plan: what would change on a target, and why.
//!
//! Start at [`plan`]. Pure and synchronous: no I/O, no clock, same inputs, same plan. A plan carries its precondition
//! ([`Plan::base`]); applying is the operator's work and refuses a plan whose base is no longer what is deployed.

mod change; // one thing that would change
mod difference; // why: which parts of a definition differ
mod observed; // what a target says it has
mod render; // the plan as people read it
mod shown; // whether two plans do the same

pub use change::{Change, Kind};
pub use difference::Difference;
pub use observed::{Observed, ObservedTable};
pub use render::{Style, markdown, render, summary};

use std::collections::{BTreeMap, BTreeSet};

use model::{
    digest::Digest,
    name::TableName,
    release::{Partition, Release, ReleaseId},
    schema::{SchemaChange, TableSchema},
    system,
};
use serde::Serialize;

/// What would change on a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Fingerprint of the observed state that this plan starts from.
    pub base: Digest,
    /// The deployed release.
    pub from: Option<ReleaseId>,
    /// The release that the project makes.
    pub to: ReleaseId,
    /// What would be done, in the order in which it is applied.
    pub changes: Vec<Change>,
    /// Why it must not be applied; empty where it may.
    pub problems: Vec<Problem>,
}

/// A change that would lose or misread data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The table.
    pub table: TableName,
    /// The dotted column, or `partition`.
    pub column: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Plan {
    /// Whether the target is already as the project wants it.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.problems.is_empty()
    }

    /// How many changes take something away.
    pub fn deletions(&self) -> usize {
        self.changes.iter().filter(|change| change.is_deletion()).count()
    }
}

/// Decides what must change. Same inputs, same plan.
pub fn plan(desired: &Release, observed: &Observed) -> Plan {
    let (mut changes, mut problems) = (Vec::new(), Vec::new());
    for (name, schema, partition) in wanted_tables(desired) {
        match observed.tables.get(&name) {
            None => changes.push(Change::CreateTable { table: name, columns: schema.leaves().len(), partition }),
            Some(have) => table_changes(&name, have, &schema, partition, &mut changes, &mut problems),
        }
    }
    if let Some(deployed) = &observed.release {
        let wanted: BTreeSet<TableName> = wanted_tables(desired).into_iter().map(|(name, ..)| name).collect();
        for (name, ..) in wanted_tables(deployed) {
            if !wanted.contains(&name) {
                let rows = observed.tables.get(&name).map_or(0, |table| table.rows);
                changes.push(Change::DetachTable { table: name, rows });
            }
        }
    }
    definition_changes(desired, observed.release.as_ref(), &mut changes);
    let (from, to) = (observed.release.as_ref().map(Release::id), desired.id());
    if from != Some(to) {
        changes.push(Change::SwitchRelease { from, to });
    }
    Plan { base: observed.fingerprint(), from, to, changes, problems }
}

/// Every table that a release needs, those of enrichment and of matano itself included.
pub fn wanted_tables(release: &Release) -> Vec<(TableName, TableSchema, Partition)> {
    let logs = release.tables.values().map(|table| (table.name.clone(), table.schema.clone(), table.storage.partition));
    let enrichment = release
        .enrichment
        .values()
        .map(|table| (TableName::of_enrichment(&table.name), table.schema.clone(), Partition::None));
    logs.chain(enrichment)
        .chain([
            (TableName::alerts(), system::alerts(), Partition::Hour),
            (TableName::rejects(), system::rejects(), Partition::Hour),
        ])
        .collect()
}

fn table_changes(
    name: &TableName,
    have: &ObservedTable,
    schema: &TableSchema,
    partition: Partition,
    changes: &mut Vec<Change>,
    problems: &mut Vec<Problem>,
) {
    if have.partition != partition {
        problems.push(Problem {
            table: name.clone(),
            column: "partition".to_owned(),
            message: format!(
                "the table is partitioned by `{}` and cannot be changed to `{}`: its rows would have to be rewritten; keep \
                 `storage.partition: {}` or give the table a new name",
                partition_word(have.partition),
                partition_word(partition),
                partition_word(have.partition)
            ),
        });
    }
    let mut evolution = Vec::new();
    for change in have.schema.changes_to(schema) {
        match change {
            SchemaChange::Add { .. } | SchemaChange::Widen { .. } => evolution.push(change),
            // a column that the project no longer names stays, and that is no change to the table
            SchemaChange::Retain { .. } => (),
            SchemaChange::Incompatible { path, from, to } => problems.push(Problem {
                table: name.clone(),
                message: format!(
                    "column `{path}` is `{from}` and cannot become `{to}` without losing data; keep `{from}` or add a column \
                     with a new name"
                ),
                column: path,
            }),
        }
    }
    if !evolution.is_empty() {
        changes.push(Change::EvolveTable { table: name.clone(), changes: evolution, rows: have.rows });
    }
}

/// The word of `storage.partition`.
pub fn partition_word(partition: Partition) -> &'static str {
    match partition {
        Partition::Hour => "hour",
        Partition::Day => "day",
        Partition::Month => "month",
        Partition::None => "none",
    }
}

fn definition_changes(desired: &Release, deployed: Option<&Release>, out: &mut Vec<Change>) {
    // named one by one: a new part of a release must be thought of here
    let Release { format: _, log_sources, tables, detections, enrichment, destinations } = desired;
    let none = Release {
        format: desired.format,
        log_sources: BTreeMap::new(),
        tables: BTreeMap::new(),
        detections: BTreeMap::new(),
        enrichment: BTreeMap::new(),
        destinations: BTreeMap::new(),
    };
    let have = deployed.unwrap_or(&none);
    compare(Kind::LogSource, log_sources, &have.log_sources, out);
    compare(Kind::Table, tables, &have.tables, out);
    compare(Kind::Enrichment, enrichment, &have.enrichment, out);
    compare(Kind::Detection, detections, &have.detections, out);
    compare(Kind::Destination, destinations, &have.destinations, out);
}

fn compare<N: Ord + ToString, T: Serialize + PartialEq>(
    kind: Kind,
    want: &BTreeMap<N, T>,
    have: &BTreeMap<N, T>,
    out: &mut Vec<Change>,
) {
    for (name, wanted) in want {
        match have.get(name) {
            None => out.push(Change::Add { kind, name: name.to_string() }),
            Some(had) if had != wanted => {
                let why = difference::between(had, wanted);
                out.push(Change::Update { kind, name: name.to_string(), why });
            }
            Some(_) => (),
        }
    }
    for name in have.keys().filter(|name| !want.contains_key(name)) {
        out.push(Change::Remove { kind, name: name.to_string() });
    }
}
