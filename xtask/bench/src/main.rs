//! Measures what docs/performance.md promises: ratios of two things done in the same run, on generated CloudTrail.
//!
//! Every way takes the same objects from memory to Parquet. Three rounds, in each all ways one after the other; the best
//! round of each counts. Ways on one thread are measured in that thread's processor time, two threads against one and
//! commits by the clock. `--quick` takes a tenth of the data, `--events N` so many events, `--data DIR` CloudTrail objects
//! from a directory instead of generated ones; `--only PART` measures one part: `transforms`, `pairs` or `commits`. Pairs need
//! `--python PATH`, an interpreter that has orjson.

mod commit; // the first commit of a table and the 800th
mod limit; // no transform: arrow-json to Parquet
mod matano; // Matano's design on today's crates
mod pairs; // rows past detections, against a plain loop
mod product; // ours, over slots and over whole events
mod report; // the table and the JSON
mod rules; // the detections
mod sample; // objects in memory
mod stopwatch; // processor time and the clock

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, bail};

use report::Report;
use rules::Style;
use sample::Sample;
use stopwatch::{Best, Span};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 3;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Transforms,
    Pairs,
    Commits,
}

struct Options {
    events: u64,
    commits: u32,
    only: Option<Part>,
    data: Option<PathBuf>,
    python: Option<PathBuf>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let events = samples::SampleOptions::bench().events;
        let mut out = Self { events, commits: 800, only: None, data: None, python: None };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--quick" => (out.events, out.commits) = (out.events / 10, 100),
                "--events" => out.events = value()?.parse()?,
                "--commits" => out.commits = value()?.parse()?,
                "--python" => out.python = Some(value()?.into()),
                "--data" => out.data = Some(value()?.into()),
                "--only" => {
                    out.only = Some(match value()?.as_str() {
                        "transforms" => Part::Transforms,
                        "pairs" => Part::Pairs,
                        "commits" => Part::Commits,
                        other => bail!("unknown part `{other}`: expected transforms, pairs or commits"),
                    });
                }
                other => bail!(
                    "unknown argument `{other}`: expected --quick, --events N, --commits N, --only PART, --data DIR or --python PATH"
                ),
            }
        }
        Ok(out)
    }

    fn has(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let sample = match &options.data {
        Some(directory) => Sample::of_directory(directory, options.events)?,
        None => Sample::make(options.events)?,
    };
    say(&format!(
        "{} events, {} MB of JSON in {} objects",
        sample.events,
        sample.bytes / 1_000_000,
        sample.objects.len()
    ))?;
    let program = product::Program::load()?;
    let mut report = Report::new(&sample);
    if options.has(Part::Transforms) {
        report.transforms = Some(transforms(&sample, &program)?);
    }
    if options.has(Part::Pairs) {
        let python = options.python.as_deref().context("pairs need `--python PATH`")?;
        let slots = product::Product::new(&program, product::Target::Slots)?;
        for style in [Style::Plain, Style::Deepget] {
            say(&format!("pairs of rows and detections, style {}", style.as_str()))?;
            report.pairs.push(pairs::measure(&sample, &slots, python, style, ROUNDS)?);
        }
    }
    if options.has(Part::Commits) {
        say("commits")?;
        report.commits = Some(commit::measure(options.commits)?);
    }
    say(&report.table())?;
    say(&report.json())
}

fn transforms(sample: &Sample, program: &product::Program) -> Result<Best> {
    let slots = product::Product::new(program, product::Target::Slots)?;
    let events = product::Product::new(program, product::Target::WholeEvents)?;
    let limit = limit::Limit::new(sample)?;
    let matano = matano::Matano::new(program)?;
    let unpacked = sample.unpacked()?;
    let mut best = Best::default();
    for round in 1..=ROUNDS {
        say(&format!("round {round} of {ROUNDS}"))?;
        let rows = [
            best.run("split", Span::Thread, || unpacked.count())?,
            best.run("unzip and split", Span::Thread, || sample.count())?,
            best.run("no transform", Span::Thread, || limit.run(sample))?,
            best.run("matano", Span::Thread, || slots.run(sample))?,
            best.run("matano, whole events", Span::Thread, || events.run(sample))?,
            best.run("Matano's design", Span::Thread, || matano.run(sample))?,
            best.run("one thread", Span::Clock, || slots.run_on(sample, 1))?,
            best.run("two threads", Span::Clock, || slots.run_on(sample, 2))?,
        ];
        if rows.iter().any(|rows| *rows != sample.events) {
            bail!("expected `{}` rows of each way, found {rows:?}", sample.events);
        }
    }
    Ok(best)
}

fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
