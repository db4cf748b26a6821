//! The plan as people read it: one line a change, the reason below it, deletions in red.

use std::fmt::Write as _;

use model::{release::Partition, schema::SchemaChange};
use serde_json::Value;

use crate::{Plan, change::Change, difference::Difference, partition_word};

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

const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";
const BOLD: &str = "1";

/// The whole plan, ending in a line that sums it up.
pub fn render(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    for change in &plan.changes {
        line(&mut out, change, style);
    }
    for problem in &plan.problems {
        let place = format!("! table {} · {}", problem.table, problem.column);
        let _ = writeln!(out, "{}\n    {}", style.paint(RED, &place), problem.message);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&summary(plan, style));
    out
}

fn line(out: &mut String, change: &Change, style: Style) {
    let _ = match change {
        Change::CreateTable { table, columns, partition } => writeln!(
            out,
            "{} ({columns} columns, {})",
            style.paint(GREEN, &format!("+ create table {table}")),
            match partition {
                Partition::None => "not partitioned".to_owned(),
                Partition::Hour | Partition::Day | Partition::Month => {
                    format!("partitioned by {}", partition_word(*partition))
                }
            }
        ),
        Change::EvolveTable { table, changes, rows } => {
            let _ = writeln!(
                out,
                "{} (in place, its {rows} rows stay as they are)",
                style.paint(YELLOW, &format!("~ evolve table {table}"))
            );
            changes.iter().try_for_each(|change| evolution(out, change))
        }
        Change::DetachTable { table, rows } => writeln!(
            out,
            "{} (its {rows} rows stay in the lake and can be queried; `matano destroy --delete-data` removes them)",
            style.paint(RED, &format!("- detach table {table}"))
        ),
        Change::Add { kind, name } => writeln!(out, "{}", style.paint(GREEN, &format!("+ add {kind} {name}"))),
        Change::Update { kind, name, why } => {
            let _ = writeln!(out, "{}", style.paint(YELLOW, &format!("~ update {kind} {name}")));
            why.iter().try_for_each(|difference| reason(out, difference))
        }
        Change::Remove { kind, name } => writeln!(out, "{}", style.paint(RED, &format!("- remove {kind} {name}"))),
        Change::SwitchRelease { from: Some(from), to } => {
            writeln!(out, "{}", style.paint(BOLD, &format!("→ release {} becomes {}", from.short(), to.short())))
        }
        Change::SwitchRelease { from: None, to } => {
            writeln!(out, "{}", style.paint(BOLD, &format!("→ first release {}", to.short())))
        }
    };
}

fn evolution(out: &mut String, change: &SchemaChange) -> std::fmt::Result {
    match change {
        SchemaChange::Add { path, kind } => writeln!(out, "    + column {path} {kind} (null in rows there are)"),
        SchemaChange::Widen { path, from, to } => writeln!(out, "    ~ column {path} {from} → {to}"),
        SchemaChange::Retain { path } => writeln!(out, "    = column {path} stays"),
        SchemaChange::Incompatible { path, from, to } => writeln!(out, "    ! column {path} {from} → {to}"),
    }
}

fn reason(out: &mut String, difference: &Difference) -> std::fmt::Result {
    let Difference { path, from, to } = difference;
    if difference.is_content() {
        let verb = match (from, to) {
            (Value::Null, _) => "added",
            (_, Value::Null) => "removed",
            (_, _) => "changed",
        };
        return writeln!(out, "    {path} {verb}");
    }
    writeln!(out, "    {path}: {} → {}", short(from), short(to))
}

fn short(value: &Value) -> String {
    let text = if value.is_null() { "(none)".to_owned() } else { value.to_string() };
    match text.char_indices().nth(80) {
        None => text,
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

fn summary(plan: &Plan, style: Style) -> String {
    if plan.is_empty() {
        return format!("Nothing would change: release {} is deployed.\n", plan.to.short());
    }
    let count = |wanted: fn(&Change) -> bool| plan.changes.iter().filter(|change| wanted(change)).count();
    let added = count(|change| matches!(change, Change::CreateTable { .. } | Change::Add { .. }));
    let changed = count(|change| matches!(change, Change::EvolveTable { .. } | Change::Update { .. }));
    let deleted = plan.deletions();
    let mut text = format!("Plan: {added} to add, {changed} to change, {deleted} to remove.\n");
    if deleted > 0 {
        text = style.paint(RED, text.trim_end()) + "\n";
    }
    if !plan.problems.is_empty() {
        let _ = writeln!(text, "{} cannot be applied: see the lines with `!`.", plan.problems.len());
    }
    text
}
