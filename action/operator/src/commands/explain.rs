//! `matano explain`: a rule, why it is there, and how it looks broken and kept.

use anyhow::Result;
use check::{RULES, explain};
use serde::Serialize;

use crate::{
    exit::{Outcome, input},
    terminal::Terminal,
};

#[derive(Serialize)]
struct Entry {
    rule: &'static str,
    level: project::Level,
    adjustable: bool,
    summary: &'static str,
    why: &'static str,
    bad: &'static str,
    good: &'static str,
}

/// One rule, or a line for each.
pub fn run(rule: Option<&str>, terminal: Terminal) -> Result<Outcome> {
    let Some(id) = rule else {
        if terminal.is_json() {
            terminal.json(&RULES.iter().map(entry).collect::<Vec<_>>())?;
        } else {
            let width = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
            for rule in RULES {
                terminal.line(&format!("{:width$}  {}", rule.id, rule.summary));
            }
        }
        return Ok(Outcome::Fine);
    };
    let found = explain::rule(id).map_err(|unknown| {
        let hint = match unknown.suggestion {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`matano explain` lists them all".to_owned(),
        };
        input(format!("there is no rule `{id}`: {hint}"))
    })?;
    if terminal.is_json() {
        terminal.json(&entry(found))?;
    } else if let Ok(text) = explain::explain(id) {
        terminal.write(&text);
    }
    Ok(Outcome::Fine)
}

fn entry(rule: &check::Rule) -> Entry {
    let check::Rule { id, level, standing: _, summary, why, bad, good, check: _ } = *rule;
    Entry { rule: id, level, adjustable: rule.is_adjustable(), summary, why, bad, good }
}
