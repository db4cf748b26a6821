//! What was measured, for people and for programs.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;

use crate::{commit::Commits, pairs::Pairs, rules::Style, sample::Sample, stopwatch::Best};

/// All figures; parts that were left out are `None`.
pub struct Report {
    bytes: u64,
    events: u64,
    pub transforms: Option<Best>,
    pub pairs: Vec<Pairs>,
    pub commits: Option<Commits>,
}

/// Ways on one thread, as they are printed.
const WAYS: [&str; 6] =
    ["split", "unzip and split", "no transform", "matano", "matano, whole events", "Matano's design"];

impl Report {
    /// Nothing yet.
    pub fn new(sample: &Sample) -> Self {
        Self { bytes: sample.bytes, events: sample.events, transforms: None, pairs: Vec::new(), commits: None }
    }

    /// Each promise: its name, what was measured, and what it has to be.
    fn ratios(&self) -> Vec<Ratio> {
        let mut ratios = Vec::new();
        if let Some(best) = &self.transforms {
            let over = |one: &str, other: &str| best.of(one).as_secs_f64() / best.of(other).as_secs_f64();
            ratios.extend([
                Ratio::at_least("of the speed without a transform", over("no transform", "matano"), 0.35),
                Ratio::at_least("times Matano's design", over("Matano's design", "matano"), 10.0),
                Ratio::at_least(
                    "times Matano's design, whole events",
                    over("Matano's design", "matano, whole events"),
                    2.5,
                ),
                Ratio::at_least("times one thread on two", over("one thread", "two threads"), 1.85),
            ]);
        }
        for Pairs { style, millions: _, plain, beside: _, worker, one, two } in &self.pairs {
            let over = |one: &Duration, other: &Duration| one.as_secs_f64() / other.as_secs_f64();
            let (loops, workers) = match style {
                Style::Plain => ("times the loop over orjson, plain", "times one worker with two, plain"),
                Style::Deepget => ("times the loop over orjson, deepget", "times one worker with two, deepget"),
            };
            ratios.extend([
                Ratio::at_least(loops, over(plain, worker), 1.5),
                Ratio::at_least(workers, over(one, two), 1.9),
            ]);
        }
        if let Some(Commits { count: _, first, last }) = self.commits {
            let ratio = last.as_secs_f64() / first.as_secs_f64();
            ratios.push(Ratio::at_most("times the first commit takes the last", ratio, 5.0));
        }
        ratios
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        if let Some(best) = &self.transforms {
            line(&mut out, format_args!("\n{:<26} {:>8} {:>10} {:>10}", "one thread", "seconds", "MB/s", "us/event"));
            for name in WAYS {
                let seconds = best.of(name).as_secs_f64();
                let (speed, each) = (self.bytes as f64 / 1e6 / seconds, seconds * 1e6 / self.events as f64);
                line(&mut out, format_args!("{name:<26} {seconds:>8.2} {speed:>10.1} {each:>10.2}"));
            }
        }
        for Pairs { style, millions, plain, beside, worker, one, two } in &self.pairs {
            let head = format!("100 detections, {}", style.as_str());
            line(&mut out, format_args!("\n{head:<26} {:>8} {:>10}", "seconds", "M pairs/s"));
            let ways = [
                ("plain loop", plain),
                ("plain loop beside another", beside),
                ("worker", worker),
                ("one worker alone", one),
                ("the busier of two", two),
            ];
            for (name, took) in ways {
                let seconds = took.as_secs_f64();
                line(&mut out, format_args!("{name:<26} {seconds:>8.2} {:>10.2}", millions / seconds));
            }
        }
        if let Some(Commits { count, first, last }) = self.commits {
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
        let ways = self.transforms.as_ref().map(|best| {
            let all = WAYS.into_iter().chain(["one thread", "two threads"]);
            all.map(|name| (name.to_owned(), best.of(name).as_secs_f64().into())).collect::<serde_json::Map<_, _>>()
        });
        let ratios: Vec<_> = self
            .ratios()
            .into_iter()
            .map(|Ratio { name, value, goal, bound }| {
                json!({"name": name, "ratio": value, "goal": goal, "at_most": bound == Bound::AtMost})
            })
            .collect();
        let pairs = self.pairs.iter().map(|Pairs { style, millions, plain, beside, worker, one, two }| {
            let [plain, beside, worker, one, two] = [plain, beside, worker, one, two].map(|took| took.as_secs_f64());
            let style = style.as_str();
            json!({
                "style": style, "millions": millions, "loop": plain, "beside": beside, "worker": worker, "one": one, "two": two,
            })
        });
        let pairs: Vec<_> = pairs.collect();
        let commits = self.commits.map(|Commits { count, first, last }| {
            json!({"count": count, "first": first.as_secs_f64(), "last": last.as_secs_f64()})
        });
        json!({
            "bytes": self.bytes,
            "events": self.events,
            "seconds": {"transforms": ways, "pairs": pairs, "commits": commits},
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
