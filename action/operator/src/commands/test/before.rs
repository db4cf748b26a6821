//! What the code of another checkout makes of this project's tests: the base of a pull request, on the fixtures of its head.

use std::collections::BTreeSet;

use anyhow::Result;
use project::{Project, project::DetectionTest};

use super::{
    bench::{self, Cross, Settings, SnapshotMode, Subject},
    coverage::Coverage,
    results::{self, FiresByTest},
};

/// What is known of the code before a change.
pub struct Before {
    /// On what its detections fire in the tests of the change. A detection that is new has none here, and neither has a test
    /// whose events its tables cannot hold.
    pub fires: FiresByTest,
    /// What its own tests cover.
    pub coverage: Coverage,
}

/// Runs the tests of `base`, and those tests of `head` that are others.
pub fn look(base: Subject<'_>, head: &Project, settings: &Settings) -> Result<Before> {
    // what fails there is not the change's business, and its snapshots are not to be written
    let settings = Settings { cross: Cross::Skip, snapshots: SnapshotMode::Compare, ..settings.clone() };
    let Subject { project, root, bundle } = base;
    let own = bench::run(Subject { project, root, bundle: bundle.clone() }, &settings, &|_| ())?;
    let (mut same, mut others) = (BTreeSet::new(), project.clone());
    for source in others.log_sources.values_mut() {
        source.tests.clear();
    }
    for detection in others.detections.values_mut() {
        let own = std::mem::take(&mut detection.tests);
        for test in head.detections.get(&detection.name).into_iter().flat_map(|found| &found.tests) {
            if own.iter().any(|one| is_same(one, test)) {
                same.insert((detection.name.to_string(), test.name.clone()));
            } else {
                detection.tests.push(test.clone());
            }
        }
    }
    let mut fires = results::fires(&own);
    fires.retain(|name, _| same.contains(name));
    if others.detections.values().any(|detection| !detection.tests.is_empty()) {
        let found = bench::run(Subject { project: &others, root, bundle }, &settings, &|_| ())?;
        fires.extend(results::fires(&found));
    }
    Ok(Before { fires, coverage: own.coverage })
}

/// Whether a detection is given the same in both.
fn is_same(left: &DetectionTest, right: &DetectionTest) -> bool {
    left.name == right.name && left.input == right.input && left.mocks == right.mocks
}
