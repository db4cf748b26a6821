//! What is tested: detections without a firing or a quiet test, and the techniques of ATT&CK that detections look for.

use std::collections::{BTreeMap, BTreeSet};

use project::{Detection, Project, attack};
use serde::Serialize;

use super::results::{Kind, TestResult};

/// What is tested, of the whole project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Detections that are switched on, by name.
    pub detections: Vec<DetectionCoverage>,
    /// Techniques that their tags name, by id.
    pub techniques: Vec<TechniqueCoverage>,
}

/// The tests of one detection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectionCoverage {
    /// Its name.
    pub detection: String,
    /// Its detection.yml.
    pub file: String,
    /// How many tests it must fire on.
    pub firing: usize,
    /// How many it must stay quiet on.
    pub quiet: usize,
}

impl DetectionCoverage {
    /// Whether it has a test that fires and one that stays quiet.
    pub fn is_complete(&self) -> bool {
        self.firing > 0 && self.quiet > 0
    }
}

/// One technique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TechniqueCoverage {
    /// `T1110`, `T1078.004`
    pub id: String,
    /// What it is called.
    pub name: String,
    /// The tactics that it serves, as Navigator layers name them.
    pub tactics: Vec<String>,
    /// Detections that name it in their tags.
    pub detections: BTreeSet<String>,
    /// Those of them with a firing test, none of whose tests failed.
    pub proven: BTreeSet<String>,
}

impl Coverage {
    /// Of a project, with what is known of its tests.
    pub fn of(project: &Project, results: &[TestResult]) -> Self {
        let failed: BTreeSet<&str> = results
            .iter()
            .filter(|result| !result.passed && result.kind != Kind::LogSource)
            .map(|result| result.resource.as_str())
            .collect();
        let on: Vec<&Detection> = project.detections.values().filter(|detection| detection.enabled).collect();
        let mut techniques: BTreeMap<&str, TechniqueCoverage> = BTreeMap::new();
        for detection in &on {
            let fires = detection.tests.iter().any(|test| test.fires);
            for technique in attack::techniques(detection.tags.iter().map(String::as_str)) {
                let entry = techniques.entry(technique.id).or_insert_with(|| TechniqueCoverage {
                    id: technique.id.to_owned(),
                    name: full_name(technique),
                    tactics: technique.tactics.iter().map(|tactic| tactic.short_name.to_owned()).collect(),
                    detections: BTreeSet::new(),
                    proven: BTreeSet::new(),
                });
                entry.detections.insert(detection.name.to_string());
                if fires && !failed.contains(detection.name.as_str()) {
                    entry.proven.insert(detection.name.to_string());
                }
            }
        }
        let detections = on.iter().map(|detection| DetectionCoverage {
            detection: detection.name.to_string(),
            file: detection.file.clone(),
            firing: detection.tests.iter().filter(|test| test.fires).count(),
            quiet: detection.tests.iter().filter(|test| !test.fires).count(),
        });
        Self { detections: detections.collect(), techniques: techniques.into_values().collect() }
    }

    /// Detections without a firing or a quiet test.
    pub fn incomplete(&self) -> impl Iterator<Item = &DetectionCoverage> {
        self.detections.iter().filter(|detection| !detection.is_complete())
    }
}

/// `Valid Accounts: Cloud Accounts`
fn full_name(technique: &attack::Technique) -> String {
    match technique.parent() {
        Some(parent) => format!("{}: {}", parent.name, technique.name),
        None => technique.name.to_owned(),
    }
}
