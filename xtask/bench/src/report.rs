//! What was measured, for people and for programs.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;

use crate::{commit::Commits, sample::Sample, stopwatch::Best};

/// All figures.
pub struct Report {
    bytes: u64,
    events: u64,
    ways: Vec<(&'static str, Duration)>,
    one_thread: Duration,
    two_threads: Duration,
    commits: Option<Commits>,
}

/// Ways on one thread, as they are printed.
const WAYS: [&str; 6] =
    ["split", "unzip and split", "no transform", "matano", "matano, whole events", "Matano's design"];

impl Report {
    pub fn new(sample: &Sample, best: &Best) -> Self {
        Self {
            bytes: sample.bytes,
            events: sample.events,
            ways: WAYS.map(|name| (name, best.of(name))).into(),
            one_thread: best.of("one thread"),
            two_threads: best.of("two threads"),
            commits: None,
        }
    }

    pub fn with_commits(self, commits: Commits) -> Self {
        Self { commits: Some(commits), ..self }
    }

    fn seconds(&self, name: &str) -> f64 {
        let found = self.ways.iter().find(|(way, _)| *way == name);
        found.map_or(f64::NAN, |(_, took)| took.as_secs_f64())
    }

    /// Each promise: its name, what was measured, and what it has to be.
    fn ratios(&self) -> Vec<Ratio> {
        let ours = self.seconds("matano");
        let mut ratios = vec![
            Ratio::at_least("of the speed without a transform", self.seconds("no transform") / ours, 0.35),
            Ratio::at_least("times Matano's design", self.seconds("Matano's design") / ours, 10.0),
            Ratio::at_least(
                "times the same program over whole events",
                self.seconds("matano, whole events") / ours,
                2.5,
            ),
            Ratio::at_least(
                "times one thread on two",
                self.one_thread.as_secs_f64() / self.two_threads.as_secs_f64(),
                1.85,
            ),
        ];
        if let Some(commits) = &self.commits {
            let ratio = commits.last.as_secs_f64() / commits.first.as_secs_f64();
            ratios.push(Ratio::at_most("times the first commit takes the last", ratio, 5.0));
        }
        ratios
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut out = format!("\n{:<26} {:>8} {:>10} {:>10}\n", "one thread", "seconds", "MB/s", "us/event");
        for (name, took) in &self.ways {
            let seconds = took.as_secs_f64();
            let (speed, each) = (self.bytes as f64 / 1e6 / seconds, seconds * 1e6 / self.events as f64);
            line(&mut out, format_args!("{name:<26} {seconds:>8.2} {speed:>10.1} {each:>10.2}"));
        }
        if let Some(commits) = &self.commits {
            let Commits { count, first, last } = commits;
            line(&mut out, format_args!("\ncommit 1: {first:.1?}, commit {count}: {last:.1?}"));
        }
        line(&mut out, format_args!("\n{:>8} {:>8}", "ratio", "goal"));
        for Ratio { name, value, goal, bound } in self.ratios() {
            let (sign, met) = match bound {
                Bound::AtLeast => (">=", value >= goal),
                Bound::AtMost => ("<=", value <= goal),
            };
            let met = if met { "met" } else { "NOT MET" };
            line(&mut out, format_args!("{value:>8.2} {sign:>3}{goal:>5} {met:<8} {name}"));
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> String {
        let ways: serde_json::Map<_, _> =
            self.ways.iter().map(|(name, took)| ((*name).to_owned(), json!({"seconds": took.as_secs_f64()}))).collect();
        let ratios: Vec<_> = self
            .ratios()
            .into_iter()
            .map(|Ratio { name, value, goal, bound }| {
                json!({"name": name, "ratio": value, "goal": goal, "at_most": bound == Bound::AtMost})
            })
            .collect();
        let commits = self.commits.map(|Commits { count, first, last }| {
            json!({"count": count, "first_seconds": first.as_secs_f64(), "last_seconds": last.as_secs_f64()})
        });
        let threads = json!({"one": self.one_thread.as_secs_f64(), "two": self.two_threads.as_secs_f64()});
        json!({
            "bytes": self.bytes,
            "events": self.events,
            "ways": ways,
            "threads": threads,
            "commits": commits,
            "ratios": ratios,
        })
        .to_string()
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("strings take all text");
}

struct Ratio {
    name: &'static str,
    value: f64,
    goal: f64,
    bound: Bound,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    AtLeast,
    AtMost,
}

impl Ratio {
    fn at_least(name: &'static str, value: f64, goal: f64) -> Self {
        Self { name, value, goal, bound: Bound::AtLeast }
    }

    fn at_most(name: &'static str, value: f64, goal: f64) -> Self {
        Self { name, value, goal, bound: Bound::AtMost }
    }
}
