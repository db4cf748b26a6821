//! What tests found, as data: for the terminal, JSON, JUnit and pull requests.
//!
//! The seam for other commands: [`super::bench::run`] makes [`Results`] of a project that is loaded and lowered, [`fires`]
//! takes from them which test fires on what, [`super::before`] asks the same of other code, such as the base of a pull
//! request, and [`fires_differently`] compares the two.

use std::collections::BTreeMap;

use embedded::Refused;
use model::isolation::{Isolation, RefusedAction};
use serde::Serialize;

use super::{coverage::Coverage, difference::Difference};

/// What came of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Results {
    /// Log sources first, then detections, then what detections made of other tests' rows.
    pub tests: Vec<TestResult>,
    /// Worth a look; no reason to fail.
    pub warnings: Vec<Warning>,
    /// What is tested, of the whole project.
    pub coverage: Coverage,
    /// What detections tried and were refused.
    pub refused: Vec<RefusedAttempt>,
    /// What held them, where any ran.
    pub isolation: Option<Isolation>,
    /// Snapshot files that were written.
    pub written: Vec<String>,
    /// Tests that make the code of another checkout fire differently, where there is one to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fires_differently: Option<Vec<FiresDifferently>>,
    /// How long it took.
    pub seconds: f64,
}

/// What a result belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A test of a log source.
    LogSource,
    /// A test of a detection.
    Detection,
    /// A detection on the rows of other tests; only those that fail are told.
    CrossRun,
}

/// How a test ended.
#[derive(Debug, Clone, Serialize)]
pub struct TestResult {
    /// What it belongs to.
    pub kind: Kind,
    /// The name of the log source or the detection.
    pub resource: String,
    /// The test's own name.
    pub test: String,
    /// `aws_root_login/root signs in without MFA`
    pub name: String,
    /// The file it stands in, relative to the project; `managed:<type>/...` for one that comes with matano.
    pub file: String,
    /// The line in that file.
    pub line: u32,
    /// Whether all was as expected.
    pub passed: bool,
    /// What was expected and found; empty where the test passed.
    pub differences: Vec<Difference>,
    /// What the detection printed.
    pub printed: String,
    /// How long the detection took on its rows.
    pub seconds: f64,
    /// On what a detection fired; `None` for log sources and for tests that could not be run.
    pub fires: Option<Fires>,
}

/// On what a detection fired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fires {
    /// Row by row.
    pub rows: Vec<bool>,
    /// How many alerts came of it.
    pub alerts: u64,
}

impl std::fmt::Display for Fires {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (fired, all) = (self.rows.iter().filter(|fired| **fired).count(), self.rows.len());
        let alerts = if self.alerts == 1 { "1 alert".to_owned() } else { format!("{} alerts", self.alerts) };
        write!(f, "{fired} of {all} rows, {alerts}")
    }
}

/// Something that a detection tried and was refused, whether or not it caught the error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedAttempt {
    /// The detection.
    pub detection: String,
    /// `read`, `write`, `network`, `process`, `signal` or `native`.
    pub action: RefusedAction,
    /// With what: a path, an address, a command.
    pub target: String,
    /// `detections/root_login/detect.py:7`
    pub place: String,
    /// All of it in words.
    pub message: String,
}

impl From<&Refused> for RefusedAttempt {
    fn from(refused: &Refused) -> Self {
        let Refused { detection, action, target, place } = refused;
        let (detection, target, place) = (detection.to_string(), target.clone(), place.clone());
        Self { detection, action: *action, target, place, message: refused.to_string() }
    }
}

/// Something worth a look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Warning {
    /// The file it stands in, relative to the project.
    pub file: String,
    /// The line in that file.
    pub line: u32,
    /// Lower case, no final full stop.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Results {
    /// How many tests failed.
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|test| !test.passed).count()
    }

    /// How many tests passed.
    pub fn passed(&self) -> usize {
        self.tests.len() - self.failed()
    }
}

/// By detection and test: on what it fires.
pub type FiresByTest = BTreeMap<(String, String), Fires>;

/// What each test of a detection makes it fire on.
pub fn fires(results: &Results) -> FiresByTest {
    let detections = results.tests.iter().filter(|test| test.kind == Kind::Detection);
    let fires = detections.filter_map(|test| Some(((test.resource.clone(), test.test.clone()), test.fires.clone()?)));
    fires.collect()
}

/// A test that makes its detection fire on other rows than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FiresDifferently {
    /// The detection.
    pub detection: String,
    /// The test.
    pub test: String,
    /// Before; `None` where the detection is new, or its tables could not hold the test's events.
    pub before: Option<Fires>,
    /// Now; `None` where the test could not be run.
    pub after: Option<Fires>,
}

impl std::fmt::Display for FiresDifferently {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = |fires: &Option<Fires>| fires.as_ref().map_or_else(|| "not run".to_owned(), Fires::to_string);
        write!(f, "{}/{}: {} -> {}", self.detection, self.test, told(&self.before), told(&self.after))
    }
}

/// The tests that fire differently, by detection and test.
pub fn fires_differently(before: &FiresByTest, after: &FiresByTest) -> Vec<FiresDifferently> {
    let mut names: Vec<&(String, String)> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    changed
        .map(|name| FiresDifferently {
            detection: name.0.clone(),
            test: name.1.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(tests: &[(&str, &[bool], u64)]) -> FiresByTest {
        let entry = |(test, rows, alerts): &(&str, &[bool], u64)| {
            (("d".to_owned(), (*test).to_owned()), Fires { rows: rows.to_vec(), alerts: *alerts })
        };
        tests.iter().map(entry).collect()
    }

    #[test]
    fn only_tests_that_fire_differently_are_told() {
        let before =
            map(&[("same", &[true], 1), ("rows", &[true, false], 1), ("alerts", &[true], 1), ("gone", &[], 0)]);
        let after = map(&[("same", &[true], 1), ("rows", &[false, false], 1), ("alerts", &[true], 0), ("new", &[], 0)]);
        let changed = fires_differently(&before, &after);
        let names: Vec<&str> = changed.iter().map(|one| one.test.as_str()).collect();
        assert_eq!(names, ["alerts", "gone", "new", "rows"]);
        assert!(changed[1].after.is_none() && changed[2].before.is_none());
        assert_eq!(changed[0].to_string(), "d/alerts: 1 of 1 rows, 1 alert -> 1 of 1 rows, 0 alerts");
        assert_eq!(changed[3].before.as_ref().map(|fires| fires.rows.clone()), Some(vec![true, false]));
    }
}
