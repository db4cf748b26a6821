//! Runs the tests of a project: rows laid out once a table, each detection imported once, results by row.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result};
use embedded::{Rehearsal, Rehearsed, Trial};
use model::{
    name::{DetectionName, LogSourceName},
    release::Bundle,
    time::Timestamp,
};
use project::{
    Detection, LogSource, Project,
    project::{DetectionTest, FIXED_TIME, LogSourceTest},
};

use super::{
    coverage::Coverage,
    cross, detection, log_source,
    results::{RefusedAttempt, Results, TestResult},
    rows::{Owner, Rows},
    snapshot::Snapshots,
};
use crate::{cli::Isolation, target};

/// What is tested.
pub struct Subject<'a> {
    /// The project.
    pub project: &'a Project,
    /// Its directory.
    pub root: &'a Path,
    /// Its release.
    pub bundle: Bundle,
}

/// Which tests, and how.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Only tests whose `resource/test name` contains this.
    pub filter: Option<String>,
    /// Only tests of these; `None` for all.
    pub only: Option<Affected>,
    /// How many processes.
    pub jobs: Option<usize>,
    /// Whether detections are shown the rows of other tests.
    pub cross: Cross,
    /// What happens to snapshots.
    pub snapshots: SnapshotMode,
    /// How much the operating system must hold detections.
    pub isolation: Isolation,
}

/// Log sources and detections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// The log sources.
    pub log_sources: BTreeSet<LogSourceName>,
    /// The detections.
    pub detections: BTreeSet<DetectionName>,
}

/// Whether detections are shown the rows of other tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cross {
    /// Those of all tests of their tables.
    #[default]
    Run,
    /// Only their own.
    Skip,
}

/// What happens to snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SnapshotMode {
    /// Alerts are compared with them.
    #[default]
    Compare,
    /// They are written anew.
    Update,
}

/// What every test runs on.
pub struct Bench<'a> {
    /// The release.
    pub trial: &'a Trial,
    /// The project.
    pub project: &'a Project,
    /// The time of rows that have none.
    pub now: Timestamp,
    /// For what is asynchronous.
    pub runtime: tokio::runtime::Handle,
    /// How many at a time.
    pub jobs: usize,
}

/// The tests that a run is about.
pub struct Cases<'a> {
    /// Of log sources.
    pub log_sources: Vec<(&'a LogSource, &'a LogSourceTest)>,
    /// Of detections that are switched on.
    pub detections: Vec<(&'a Detection, &'a DetectionTest)>,
    /// Detections that are shown the rows of other tests.
    pub sweep: BTreeSet<DetectionName>,
}

impl<'a> Cases<'a> {
    /// By the settings.
    pub fn of(project: &'a Project, settings: &Settings) -> Self {
        let chosen = |resource: &str, test: &str| {
            settings.filter.as_ref().is_none_or(|filter| format!("{resource}/{test}").contains(filter.as_str()))
        };
        let source = |name: &LogSourceName| settings.only.as_ref().is_none_or(|only| only.log_sources.contains(name));
        let wanted = |name: &DetectionName| settings.only.as_ref().is_none_or(|only| only.detections.contains(name));
        let sources = project.log_sources.values().filter(|found| source(&found.name));
        let log_sources = sources.flat_map(|source| source.tests.iter().map(move |test| (source, test)));
        let log_sources = log_sources.filter(|(source, test)| chosen(source.name.as_str(), &test.name)).collect();
        let on = || project.detections.values().filter(|found| found.enabled && wanted(&found.name));
        let detections = on().flat_map(|found| found.tests.iter().map(move |test| (found, test)));
        let detections: Vec<_> = detections.filter(|(found, test)| chosen(found.name.as_str(), &test.name)).collect();
        let sweep = match (settings.cross, &settings.filter) {
            (Cross::Skip, _) => BTreeSet::new(),
            (Cross::Run, None) => on().map(|found| found.name.clone()).collect(),
            (Cross::Run, Some(_)) => detections.iter().map(|(found, _)| found.name.clone()).collect(),
        };
        Self { log_sources, detections, sweep }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.log_sources.len() + self.detections.len()
    }
}

/// Runs tests; `on` hears what is being done. Blocks its thread, which must belong to a runtime of several threads.
pub fn run(subject: Subject<'_>, settings: &Settings, on: &(dyn Fn(&str) + Sync)) -> Result<Results> {
    let started = Instant::now();
    let Subject { project, root, bundle } = subject;
    let jobs = target::jobs(settings.jobs);
    let cases = Cases::of(project, settings);
    let trial = Trial::new(bundle, &target::python(settings.isolation), jobs).context("prepare the tests")?;
    let now = FIXED_TIME.parse().context("the fixed time of tests")?;
    let bench = Bench { trial: &trial, project, now, runtime: tokio::runtime::Handle::current(), jobs };
    let mut snapshots = Snapshots::new(root, settings.snapshots);
    let mut results = tokio::task::block_in_place(|| all(&bench, &cases, &mut snapshots, on))?;
    results.refused = trial.refused()?.iter().map(RefusedAttempt::from).collect();
    results.isolation = trial.isolation().cloned();
    results.written = snapshots.write(project)?;
    results.coverage = Coverage::of(project, &results.tests);
    results.seconds = started.elapsed().as_secs_f64();
    Ok(results)
}

fn all(
    bench: &Bench<'_>,
    cases: &Cases<'_>,
    snapshots: &mut Snapshots<'_>,
    on: &(dyn Fn(&str) + Sync),
) -> Result<Results> {
    let mut results = Results::default();
    on("log sources");
    let transformed =
        in_parallel(bench.jobs, &cases.log_sources, |(source, test)| log_source::run(bench, source, test));
    let mut rows = Rows::default();
    for ((source, test), ended) in cases.log_sources.iter().zip(transformed) {
        if !cases.sweep.is_empty() {
            rows.add_transformed(Owner::LogSource(source, test), &ended.rows);
        }
        results.tests.push(ended.result);
    }
    if !cases.sweep.is_empty() {
        rows.add_others(bench, cases);
    }
    on("rows of detections");
    let inputs = in_parallel(bench.jobs, &cases.detections, |(found, test)| detection::input(bench, found, test));
    let staged: Vec<detection::Staged<'_>> =
        cases.detections.iter().zip(inputs).map(|((found, test), input)| rows.stage(found, test, input)).collect();
    let laid_out = rows.lay_out(bench)?;
    on("detections");
    let attempts = staged.iter().filter_map(|staged| staged.attempt(&laid_out)).collect();
    let rehearsal = Rehearsal { tables: &laid_out.tables, attempts, sweep: cases.sweep.clone() };
    let rehearsed = bench.trial.rehearse(rehearsal, &bench.runtime)?;
    let Rehearsed { attempts, fired, failed } = rehearsed;
    let mut attempts = attempts.into_iter();
    for staged in staged {
        let attempted = if staged.attempt(&laid_out).is_some() { attempts.next() } else { None };
        results.tests.push(detection::judge(bench, staged, attempted, &laid_out, snapshots));
    }
    let (crashes, warnings) = cross::judge(bench.project, &laid_out, fired, failed);
    results.tests.extend(crashes);
    results.warnings = warnings;
    Ok(results)
}

/// Maps in order, several at a time.
pub fn in_parallel<T: Sync, R: Send>(jobs: usize, items: &[T], map: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut out = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return out };
            out.push((at, map(item)));
        }
    };
    let mut all = thread::scope(|scope| {
        let others: Vec<_> = (1..jobs.min(items.len())).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for other in others {
            match other.join() {
                Ok(some) => all.extend(some),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, result)| result).collect()
}

/// A result without differences is one that passed.
pub fn ended(mut result: TestResult) -> TestResult {
    result.passed = result.differences.is_empty();
    result
}
