//! The plan as people read it: one line a change, the reason below it, deletions in red. The same words on a terminal and
//! in Markdown.

use std::fmt::Write as _;

use model::{release::Partition, schema::SchemaChange};
use serde_json::Value;

use crate::{Plan, Problem, change::Change, difference::Difference, partition_word};

/// Whether colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    Plain,
    /// ANSI colours, for a terminal.
    Colour,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Added,
    Changed,
    Removed,
    Problem,
    Release,
}

impl Mark {
    fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Changed => '~',
            Self::Removed => '-',
            Self::Problem => '!',
            Self::Release => '→',
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Added => "32",
            Self::Changed => "33",
            Self::Removed | Self::Problem => "31",
            Self::Release => "1",
        }
    }
}

/// One change in words.
struct Line {
    mark: Mark,
    /// `create table web`
    what: String,
    /// What it does to data: `(12 columns, partitioned by hour)`, or nothing.
    effect: String,
    /// The reasons.
    details: Vec<String>,
}

/// The whole plan for a terminal, ending in a line that sums it up.
pub fn render(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    for Line { mark, what, effect, details } in lines(plan) {
        let _ = writeln!(out, "{}{effect}", style.paint(mark.colour(), &format!("{} {what}", mark.sign())));
        for detail in details {
            let _ = writeln!(out, "    {detail}");
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let summary = summary(plan);
    let removes = plan.deletions() > 0 && !plan.is_empty();
    let _ = writeln!(out, "{}", if removes { style.paint(Mark::Removed.colour(), &summary) } else { summary });
    if !plan.problems.is_empty() {
        let _ = writeln!(out, "{} cannot be applied: see the lines with `!`.", plan.problems.len());
    }
    out
}

/// The plan as a block of Markdown of at most so many lines, deletions first and in red. Nothing in it is a command to who
/// shows it: every line of the block begins with a sign of ours, and text from the project stays within its line.
pub fn markdown(plan: &Plan, most_lines: usize) -> String {
    let mut lines = lines(plan);
    lines.sort_by_key(|line| match line.mark {
        Mark::Problem => 0,
        Mark::Removed => 1,
        Mark::Changed => 2,
        Mark::Added => 3,
        Mark::Release => 4,
    });
    let mut rows = Vec::new();
    for Line { mark, what, effect, details } in lines {
        // in a block of this language GitHub shows `-` in red, `+` in green and `!` in orange
        let sign = match mark {
            Mark::Added => '+',
            Mark::Removed => '-',
            Mark::Changed | Mark::Problem => '!',
            Mark::Release => '#',
        };
        rows.push(format!("{sign} {}{}", within_line(&what), within_line(&effect)));
        rows.extend(details.iter().map(|detail| format!("#     {}", within_line(detail))));
    }
    if rows.is_empty() {
        return String::new();
    }
    let left_out = rows.len().saturating_sub(most_lines);
    rows.truncate(most_lines);
    let mut out = format!("```diff\n{}\n```\n", rows.join("\n"));
    if left_out > 0 {
        let _ = writeln!(out, "\n{left_out} more lines are not shown here.");
    }
    out
}

/// Control characters and those that change the direction of text become visible.
fn within_line(text: &str) -> String {
    let unsafe_in_line = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if unsafe_in_line(c) { '\u{fffd}' } else { c }).collect()
}

/// The last line: how much of what.
pub fn summary(plan: &Plan) -> String {
    if plan.is_empty() {
        return format!("Nothing would change: release {} is deployed.", plan.to.short());
    }
    let count = |wanted: fn(&Change) -> bool| plan.changes.iter().filter(|change| wanted(change)).count();
    let added = count(|change| matches!(change, Change::CreateTable { .. } | Change::Add { .. }));
    let changed = count(|change| matches!(change, Change::EvolveTable { .. } | Change::Update { .. }));
    format!("Plan: {added} to add, {changed} to change, {} to remove.", plan.deletions())
}

fn lines(plan: &Plan) -> Vec<Line> {
    plan.changes.iter().map(change).chain(plan.problems.iter().map(problem)).collect()
}

fn problem(Problem { table, column, message }: &Problem) -> Line {
    let what = format!("table {table} · {column}");
    Line { mark: Mark::Problem, what, effect: String::new(), details: vec![message.clone()] }
}

fn change(change: &Change) -> Line {
    let line = |mark, what: String| Line { mark, what, effect: String::new(), details: Vec::new() };
    match change {
        Change::CreateTable { table, columns, partition } => {
            let partition = match partition {
                Partition::None => "not partitioned".to_owned(),
                Partition::Hour | Partition::Day | Partition::Month => {
                    format!("partitioned by {}", partition_word(*partition))
                }
            };
            let effect = format!(" ({columns} columns, {partition})");
            Line { effect, ..line(Mark::Added, format!("create table {table}")) }
        }
        Change::EvolveTable { table, changes, rows } => Line {
            effect: format!(" (in place, its {rows} rows stay as they are)"),
            details: changes.iter().map(evolution).collect(),
            ..line(Mark::Changed, format!("evolve table {table}"))
        },
        Change::DetachTable { table, rows } => Line {
            effect: format!(
                " (its {rows} rows stay in the lake and can be queried; `matano destroy --delete-data` removes them)"
            ),
            ..line(Mark::Removed, format!("detach table {table}"))
        },
        Change::Add { kind, name } => line(Mark::Added, format!("add {kind} {name}")),
        Change::Update { kind, name, why } => {
            let details = why.iter().map(reason).collect();
            Line { details, ..line(Mark::Changed, format!("update {kind} {name}")) }
        }
        Change::Remove { kind, name } => line(Mark::Removed, format!("remove {kind} {name}")),
        Change::SwitchRelease { from: Some(from), to } => {
            line(Mark::Release, format!("release {} becomes {}", from.short(), to.short()))
        }
        Change::SwitchRelease { from: None, to } => line(Mark::Release, format!("first release {}", to.short())),
    }
}

fn evolution(change: &SchemaChange) -> String {
    match change {
        SchemaChange::Add { path, kind } => format!("+ column {path} {kind} (null in rows there are)"),
        SchemaChange::Widen { path, from, to } => format!("~ column {path} {from} → {to}"),
        SchemaChange::Retain { path } => format!("= column {path} stays"),
        SchemaChange::Incompatible { path, from, to } => format!("! column {path} {from} → {to}"),
    }
}

fn reason(difference: &Difference) -> String {
    let Difference { path, from, to } = difference;
    if difference.is_content() {
        let verb = match (from, to) {
            (Value::Null, _) => "added",
            (_, Value::Null) => "removed",
            (_, _) => "changed",
        };
        return format!("{path} {verb}");
    }
    format!("{path}: {} → {}", short(from), short(to))
}

fn short(value: &Value) -> String {
    let text = if value.is_null() { "(none)".to_owned() } else { value.to_string() };
    match text.char_indices().nth(80) {
        None => text,
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
