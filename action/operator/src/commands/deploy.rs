//! `matano deploy`: applies the plan that it shows.

use anyhow::Result;
use dialoguer::Confirm;
use serde_json::json;

use crate::{
    cli::{Deploy, Global},
    commands::plan::style,
    exit::{Outcome, environment, input},
    target,
    terminal::Terminal,
};

/// Shows the plan, asks on a terminal, applies it.
pub async fn run(global: &Global, arguments: &Deploy, terminal: Terminal) -> Result<Outcome> {
    let ready = target::plan_project(global, terminal).await?;
    let (plan, deletions) = (&ready.plan, ready.plan.deletions());
    if !terminal.is_json() {
        terminal.write(&plan::render(plan, style(terminal)));
    }
    if !plan.problems.is_empty() {
        return Err(input(
            "the plan has changes that would lose or misread data: nothing was applied (`matano plan` says which)",
        ));
    }
    if plan.is_empty() {
        if terminal.is_json() {
            terminal.json(&json!({ "applied": true, "plan": plan, "steps": [] }))?;
        }
        return Ok(Outcome::Fine);
    }
    if deletions > arguments.max_deletes {
        return Err(environment(format!(
            "the plan removes {deletions}, allowed are {}: nothing was applied; if that is meant, add --max-deletes {deletions}",
            arguments.max_deletes
        )));
    }
    if !arguments.yes {
        if !terminal.is_interactive() {
            return Err(environment("nobody is there to say yes: add --yes to apply without asking"));
        }
        if !Confirm::new().with_prompt("Apply this plan?").default(false).interact()? {
            terminal.line("Nothing was applied.");
            return Ok(Outcome::Fine);
        }
    }
    let mut steps = Vec::new();
    target::apply(&ready, |step| {
        if !terminal.is_json() {
            terminal.line(&format!("{} {step}", terminal.paint("32", "✓")));
        }
        steps.push(step.to_owned());
    })
    .await?;
    if terminal.is_json() {
        terminal.json(&json!({ "applied": true, "plan": plan, "steps": steps }))?;
    }
    Ok(Outcome::Fine)
}
