//! `matano test`: the tests of log sources and detections, on the code that a target runs.

pub mod bench; // runs them
pub mod results; // what came of them, as data

mod rows; // the rows of all tests, and whose each is

mod detection; // events, raw records or tables past a detection
mod log_source; // raw records through a log source

pub mod before; // what other code makes of the same tests
mod cross; // every detection on the rows of all tests
mod snapshot; // what alerts said before

pub mod coverage; // what is tested
mod navigator; // ... as a layer of ATT&CK

mod compare; // expected against found
pub mod difference; // ... in words

pub mod junit; // results as XML
pub mod report; // results for people, and as JSON

mod changed; // what a change touches
mod watch; // again and again

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{
    cli::{Global, Test},
    exit::{Outcome, input},
    judge, target,
    terminal::Terminal,
};

use bench::{Affected, Cases, Cross, Settings, SnapshotMode, Subject};
use results::Results;
use watch::Looked;

/// Findings are failed tests.
pub async fn run(global: &Global, arguments: &Test, terminal: Terminal) -> Result<Outcome> {
    if !arguments.watch {
        return once(global, arguments, Only::Asked, terminal).await;
    }
    if terminal.is_json() {
        return Err(input("`--watch` writes for people: leave `--output json` out"));
    }
    let root = crate::workspace::find(global.project.as_deref())?;
    let mut looked = Looked::at(&root);
    let mut only = Only::Asked;
    loop {
        // a mistake in a file is there to be mended: the next change is waited for
        if let Err(error) = once(global, arguments, only, terminal).await {
            terminal.note(&format!("{}: {error:#}", terminal.paint("1;31", "error")));
        }
        terminal.note("waiting for changes; Ctrl-C ends it");
        let Some(changed) = looked.changes().await? else { return Ok(Outcome::Fine) };
        let names: Vec<&str> = changed.iter().map(String::as_str).collect();
        terminal.note(&format!("changed: {}", names.join(", ")));
        only = Only::Touched(changed);
    }
}

/// Which tests a run is about.
enum Only {
    /// Those that the flags say.
    Asked,
    /// Those that a change of these files touches.
    Touched(std::collections::BTreeSet<String>),
}

async fn once(global: &Global, arguments: &Test, only: Only, terminal: Terminal) -> Result<Outcome> {
    let judged = judge::judge(global.project.as_deref()).await?;
    let (bundle, origin) = target::lower(judged, terminal)?;
    let project = &origin.project;
    let touched = match (&only, &arguments.changed) {
        (Only::Touched(paths), _) => Some(paths.clone()),
        (Only::Asked, Some(reference)) => {
            Some(changed::since(&origin.root, Some(reference.as_str()).filter(|reference| !reference.is_empty()))?)
        }
        (Only::Asked, None) => None,
    };
    let settings = Settings {
        filter: arguments.filter.clone().or_else(|| arguments.text.clone()),
        only: touched.as_ref().and_then(|paths| changed::affected(project, paths)),
        jobs: arguments.jobs,
        cross: if arguments.no_cross { Cross::Skip } else { Cross::Run },
        snapshots: if arguments.update { SnapshotMode::Update } else { SnapshotMode::Compare },
        isolation: global.isolation,
    };
    let cases = Cases::of(project, &settings);
    if cases.len() == 0 && cases.sweep.is_empty() {
        nothing(&settings, terminal)?;
        let results = Results { coverage: coverage::Coverage::of(project, &[]), ..Results::default() };
        return write(&results, arguments, &origin.root, terminal);
    }
    let progress = terminal.progress("testing");
    let subject = Subject { project, root: &origin.root, bundle };
    let results = bench::run(subject, &settings, &|what| progress.set_message(what.to_owned()));
    progress.finish_and_clear();
    let mut results = results?;
    if let Some(directory) = &arguments.against {
        let judged = judge::judge(Some(directory)).await?;
        let (bundle, origin) = target::lower(judged, terminal)?;
        let subject = Subject { project: &origin.project, root: &origin.root, bundle };
        let before = before::look(subject, project, &settings);
        let before = before.with_context(|| format!("run the tests on {}", directory.display()))?;
        results.fires_differently = Some(results::fires_differently(&before.fires, &results::fires(&results)));
    }
    write(&results, arguments, &origin.root, terminal)
}

/// Results where the flags want them.
fn write(results: &Results, arguments: &Test, root: &Path, terminal: Terminal) -> Result<Outcome> {
    let tables = if arguments.coverage { report::Tables::Shown } else { report::Tables::Left };
    report::show(results, tables, terminal)?;
    if let Some(path) = &arguments.junit {
        save(path, &junit::xml(results)?)?;
    }
    if let Some(path) = &arguments.navigator {
        let name = root.file_name().map_or_else(|| "matano".into(), |name| name.to_string_lossy());
        let layer = navigator::layer(&name, &results.coverage);
        save(path, &format!("{}\n", serde_json::to_string_pretty(&layer)?))?;
    }
    Ok(if results.failed() > 0 || !results.refused.is_empty() { Outcome::Findings } else { Outcome::Fine })
}

fn save(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// There is no test to run: whether that is fine.
fn nothing(settings: &Settings, terminal: Terminal) -> Result<()> {
    match (&settings.filter, &settings.only) {
        // a filter that matches nothing is a mistake: a green run would be a lie
        (Some(filter), None) => Err(input(format!("no test's name contains `{filter}`"))),
        (_, Some(Affected { .. })) => {
            terminal.note("the change touches nothing that has tests");
            Ok(())
        }
        (None, None) => {
            terminal.note("there are no tests: write some under `tests:` of a detection or a log source");
            Ok(())
        }
    }
}
