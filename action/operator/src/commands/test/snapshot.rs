//! What alerts said when `matano test --update` was last run: one JSON file beside each detection.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use anyhow::{Context as _, Result};
use embedded::TrialAlert;
use model::name::DetectionName;
use project::{
    Project,
    project::{DetectionTest, Expectation, SNAPSHOTS},
};
use serde_json::{Map, Value, json};

use super::{bench::SnapshotMode, compare, difference::Difference};

/// The snapshots of a project.
pub struct Snapshots<'a> {
    root: &'a Path,
    mode: SnapshotMode,
    /// Files that were read, by detection; `None` where there is none.
    read: BTreeMap<DetectionName, Result<Option<Map<String, Value>>, String>>,
    /// What was seen, by detection and test.
    taken: BTreeMap<DetectionName, BTreeMap<String, Value>>,
}

impl<'a> Snapshots<'a> {
    /// Below a project's directory.
    pub fn new(root: &'a Path, mode: SnapshotMode) -> Self {
        Self { root, mode, read: BTreeMap::new(), taken: BTreeMap::new() }
    }

    /// Compares what a test's alerts say with its snapshot, or keeps it to be written.
    pub fn hold(
        &mut self,
        detection: &DetectionName,
        test: &DetectionTest,
        alerts: &[TrialAlert],
        fired: &[bool],
    ) -> Vec<Difference> {
        let now = taken(alerts, fired);
        match self.mode {
            SnapshotMode::Update => {
                self.taken.entry(detection.clone()).or_default().insert(test.name.clone(), now);
                Vec::new()
            }
            SnapshotMode::Compare => {
                let directory = test.file.rsplit_once('/').map_or("", |(directory, _)| directory);
                let root = self.root;
                let file = self.read.entry(detection.clone()).or_insert_with(|| read(root, directory));
                let how = format!("make it with `matano test --update --filter '{detection}/{}'`", test.name);
                let before = match file {
                    Err(error) => return vec![Difference::message(error.clone())],
                    Ok(None) => None,
                    Ok(Some(tests)) => tests.get(&test.name),
                };
                let Some(before) = before else {
                    return vec![Difference::message(format!("there is no snapshot of this test yet: {how}"))];
                };
                let mut out = Vec::new();
                compare::whole("", before, &now, &mut out);
                out
            }
        }
    }

    /// Writes what was kept, and takes out snapshots of tests that want none any more. The files that changed.
    pub fn write(self, project: &Project) -> Result<Vec<String>> {
        let mut out = Vec::new();
        for (name, taken) in self.taken {
            let Some(detection) = project.detections.get(&name) else { continue };
            let file = format!("{}/{SNAPSHOTS}", detection.directory);
            // a file that cannot be read is written anew
            let mut tests = read(self.root, &detection.directory).ok().flatten().unwrap_or_default();
            tests.extend(taken);
            let wanted = detection.tests.iter().filter(|test| test.expect == Expectation::Snapshot);
            let wanted: BTreeSet<&str> = wanted.map(|test| test.name.as_str()).collect();
            let tests: BTreeMap<String, Value> =
                tests.into_iter().filter(|(name, _)| wanted.contains(name.as_str())).collect();
            let mut text = serde_json::to_string_pretty(&tests).context("write a snapshot")?;
            text.push('\n');
            let path = self.root.join(&file);
            if fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
                fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
                out.push(file);
            }
        }
        Ok(out)
    }
}

fn read(root: &Path, directory: &str) -> Result<Option<Map<String, Value>>, String> {
    let path = format!("{directory}/{SNAPSHOTS}");
    match fs::read(root.join(&path)) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| format!("{path} is no snapshot file: {error}; write it anew with `matano test --update`")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{path} cannot be read: {error}")),
    }
}

/// All that a test's alerts say.
fn taken(alerts: &[TrialAlert], fired: &[bool]) -> Value {
    let told = |found: &TrialAlert| {
        let TrialAlert { alert, context, is_active, messages } = found;
        json!({
            "title": alert.title,
            "severity": alert.severity,
            "dedupe": alert.dedupe,
            "description": alert.description,
            "runbook": alert.runbook,
            "references": alert.references,
            "false_positives": alert.false_positives,
            "destinations": alert.destinations,
            "context": context,
            "matches": alert.match_count,
            "first_matched_at": alert.first_matched_at,
            "last_matched_at": alert.last_matched_at,
            "is_sent": is_active,
            "messages": messages,
        })
    };
    let fires_on = (1..).zip(fired).filter(|(_, fired)| **fired).map(|(event, _): (usize, _)| event);
    let mut out = json!({ "alerts": alerts.iter().map(told).collect::<Vec<_>>() });
    // the rows of a query have no order
    if !fired.is_empty() {
        out["fires_on_events"] = json!(fires_on.collect::<Vec<_>>());
    }
    out
}
