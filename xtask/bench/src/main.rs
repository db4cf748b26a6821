//! Measures what docs/performance.md promises: ratios of two things done in the same run, on generated CloudTrail.
//!
//! Every way takes the same objects from memory to Parquet. Three rounds, in each all ways one after the other; the best
//! round of each counts. Ways on one thread are measured in that thread's processor time, two threads against one and
//! commits by the clock. `--quick` takes a tenth of the data, `--events N` so many events.

mod commit; // the first commit of a table and the 800th
mod limit; // no transform: arrow-json to Parquet
mod matano; // Matano's design on today's crates
mod product; // ours, over slots and over whole events
mod report; // the table and the JSON
mod sample; // objects in memory
mod stopwatch; // processor time and the clock

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};

use report::Report;
use sample::Sample;
use stopwatch::{Best, Span};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let (mut events, mut commits) = (samples::SampleOptions::bench().events, 800);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => (events, commits) = (events / 10, 100),
            "--events" => events = arguments.next().context("`--events` needs a number")?.parse()?,
            "--commits" => commits = arguments.next().context("`--commits` needs a number")?.parse()?,
            other => bail!("unknown argument `{other}`: expected --quick, --events N or --commits N"),
        }
    }
    let sample = Sample::make(events)?;
    say(&format!(
        "{} events, {} MB of JSON in {} objects",
        sample.events,
        sample.bytes / 1_000_000,
        sample.objects.len()
    ))?;
    let report = transforms(&sample)?.with_commits(commit::measure(commits)?);
    say(&report.table())?;
    say(&report.json())
}

fn transforms(sample: &Sample) -> Result<Report> {
    let program = product::Program::load()?;
    let slots = product::Product::new(&program, product::Target::Slots)?;
    let events = product::Product::new(&program, product::Target::WholeEvents)?;
    let limit = limit::Limit::new(sample)?;
    let matano = matano::Matano::new(&program)?;
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
    Ok(Report::new(sample, &best))
}

fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
