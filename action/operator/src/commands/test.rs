//! `matano test`: the tests of log sources and detections, on the code that a target runs.

mod compare; // expected against got
mod detection; // events, raw records or tables past a detection
mod log_source; // raw records through a log source

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result};
use embedded::Trial;
use model::time::Timestamp;
use project::Project;
use serde_json::json;

use crate::{
    cli::{Global, Test},
    exit::Outcome,
    judge, target,
    terminal::Terminal,
};

/// A test and what it belongs to.
enum Case<'a> {
    LogSource(&'a project::LogSource, &'a project::project::LogSourceTest),
    Detection(&'a project::Detection, &'a project::project::DetectionTest),
}

/// How a test ended.
pub struct Verdict {
    /// `aws_root_login/root signs in without MFA`
    name: String,
    /// `detections/aws_root_login/detection.yml:30`
    place: String,
    /// What was expected and found; empty where the test passed.
    differences: Vec<String>,
}

/// The time that rows without one get: the same in every run.
const NOW: &str = "2026-01-01T00:00:00Z";

/// Findings are failed tests.
pub async fn run(global: &Global, arguments: &Test, terminal: Terminal) -> Result<Outcome> {
    let started = Instant::now();
    let jobs = target::jobs(arguments.jobs);
    let (bundle, origin) = target::lower(judge::judge(global.project.as_deref()).await?, terminal)?;
    let project = &origin.project;
    let cases: Vec<Case<'_>> = cases(project)
        .into_iter()
        .filter(|case| arguments.filter.as_ref().is_none_or(|filter| name(case).contains(filter.as_str())))
        .collect();
    if cases.is_empty() {
        return nothing(arguments, terminal);
    }
    let trial =
        Trial::new(bundle, &target::python(), target::module().as_deref(), jobs).context("prepare the tests")?;
    let now: Timestamp = NOW.parse().context("the fixed time of tests")?;
    let progress = terminal.progress("testing");
    let bench = Bench { trial: &trial, project, now, runtime: tokio::runtime::Handle::current() };
    let verdicts = tokio::task::block_in_place(|| {
        run_all(&bench, &cases, jobs, |done| {
            progress.set_message(format!("{done} of {}", cases.len()));
        })
    });
    progress.finish_and_clear();
    report(&verdicts, started.elapsed().as_secs_f64(), terminal)
}

/// What tests run on.
pub struct Bench<'a> {
    trial: &'a Trial,
    project: &'a Project,
    now: Timestamp,
    runtime: tokio::runtime::Handle,
}

fn cases(project: &Project) -> Vec<Case<'_>> {
    let sources = project
        .log_sources
        .values()
        .flat_map(|source| source.tests.iter().map(move |test| Case::LogSource(source, test)));
    let detections = project.detections.values().filter(|detection| detection.enabled);
    let detections = detections.flat_map(|found| found.tests.iter().map(move |test| Case::Detection(found, test)));
    sources.chain(detections).collect()
}

fn name(case: &Case<'_>) -> String {
    match case {
        Case::LogSource(source, test) => format!("{}/{}", source.name, test.name),
        Case::Detection(detection, test) => format!("{}/{}", detection.name, test.name),
    }
}

fn place(case: &Case<'_>) -> String {
    match case {
        Case::LogSource(_, test) => format!("{}:{}", test.file, test.span.start.line),
        Case::Detection(_, test) => format!("{}:{}", test.file, test.span.start.line),
    }
}

/// Every case, several at a time; verdicts in the order of the cases.
fn run_all(bench: &Bench<'_>, cases: &[Case<'_>], jobs: usize, on: impl Fn(usize) + Sync) -> Vec<Verdict> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut out = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(at) else { return out };
            let differences = match case {
                Case::LogSource(source, test) => log_source::run(bench, source, test),
                Case::Detection(detection, test) => detection::run(bench, detection, test),
            };
            // a test that cannot be run has failed
            let differences = differences.unwrap_or_else(|error| vec![format!("{error:#}")]);
            out.push((at, Verdict { name: name(case), place: place(case), differences }));
            on(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let mut verdicts: Vec<(usize, Verdict)> = thread::scope(|scope| {
        let others: Vec<_> = (1..jobs.min(cases.len())).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for other in others {
            match other.join() {
                Ok(some) => all.extend(some),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    verdicts.sort_by_key(|(at, _)| *at);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

fn nothing(arguments: &Test, terminal: Terminal) -> Result<Outcome> {
    if terminal.is_json() {
        terminal.json(&json!({ "passed": 0, "failed": 0, "tests": [] }))?;
    }
    match &arguments.filter {
        // a filter that matches nothing is a mistake: a green run would be a lie
        Some(filter) => Err(crate::exit::input(format!("no test's name contains `{filter}`"))),
        None => {
            terminal.note("there are no tests: write some under `tests:` of a detection or a log source");
            Ok(Outcome::Fine)
        }
    }
}

fn report(verdicts: &[Verdict], seconds: f64, terminal: Terminal) -> Result<Outcome> {
    let failed = verdicts.iter().filter(|verdict| !verdict.differences.is_empty()).count();
    let passed = verdicts.len() - failed;
    if terminal.is_json() {
        let tests: Vec<_> = verdicts
            .iter()
            .map(|Verdict { name, place, differences }| {
                json!({ "name": name, "place": place, "passed": differences.is_empty(), "differences": differences })
            })
            .collect();
        terminal.json(&json!({ "passed": passed, "failed": failed, "seconds": seconds, "tests": tests }))?;
    } else {
        for Verdict { name, place, differences } in verdicts {
            if differences.is_empty() {
                terminal.line(&format!("{} {name}", terminal.paint("32", "pass")));
                continue;
            }
            terminal.line(&format!("{} {name}\n  --> {place}", terminal.paint("1;31", "FAIL")));
            for difference in differences {
                for line in difference.lines() {
                    terminal.line(&format!("     {line}"));
                }
            }
        }
        let summary = format!("{passed} passed, {failed} failed in {seconds:.1} s");
        terminal.line(&format!("\n{}", terminal.paint(if failed > 0 { "1;31" } else { "32" }, &summary)));
    }
    Ok(if failed > 0 { Outcome::Findings } else { Outcome::Fine })
}
