//! Whether two plans do the same: what a reviewer saw, and what would be applied after the merge.

use model::{digest::Digest, release::Release};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Plan, Problem,
    change::{Change, Kind},
};

impl Plan {
    /// The same for plans that do the same to the same things, with the same content. Ids of releases are no part of it,
    /// because something else may have been merged in between; nor are numbers of rows, which come in all the time.
    pub fn digest_of_changes(&self, desired: &Release) -> Digest {
        let changes: Vec<Value> = self.changes.iter().filter_map(|change| essence(change, desired)).collect();
        let problems: Vec<Value> =
            self.problems.iter().map(|Problem { table, column, message }| json!([table, column, message])).collect();
        Digest::of(json!([changes, problems]).to_string().as_bytes())
    }
}

/// What a change does, without what may differ between two looks at it.
fn essence(change: &Change, desired: &Release) -> Option<Value> {
    Some(match change {
        Change::CreateTable { table, columns, partition } => json!(["create", table, columns, partition]),
        Change::EvolveTable { table, changes, rows: _ } => json!(["evolve", table, changes]),
        Change::DetachTable { table, rows: _ } => json!(["detach", table]),
        Change::Add { kind, name } => json!(["add", kind, name, definition(desired, *kind, name)]),
        Change::Update { kind, name, why } => json!(["update", kind, name, why, definition(desired, *kind, name)]),
        Change::Remove { kind, name } => json!(["remove", kind, name]),
        Change::SwitchRelease { .. } => return None,
    })
}

/// What the release says about something.
fn definition(release: &Release, kind: Kind, name: &str) -> Value {
    fn find<N: AsRef<str>, T: Serialize>(mut all: impl Iterator<Item = (N, T)>, name: &str) -> Value {
        let found = all.find(|(key, _)| key.as_ref() == name).map(|(_, value)| value);
        serde_json::to_value(found).expect("definitions have string keys")
    }
    match kind {
        Kind::LogSource => find(release.log_sources.iter().map(|(key, value)| (key.as_str(), value)), name),
        Kind::Table => find(release.tables.iter().map(|(key, value)| (key.as_str(), value)), name),
        Kind::Enrichment => find(release.enrichment.iter().map(|(key, value)| (key.as_str(), value)), name),
        Kind::Detection => find(release.detections.iter().map(|(key, value)| (key.as_str(), value)), name),
        Kind::Destination => find(release.destinations.iter().map(|(key, value)| (key.as_str(), value)), name),
    }
}
