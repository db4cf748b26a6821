//! `matano plan`: what a deploy would change, and why.

use anyhow::Result;
use plan::Style;

use crate::{
    cli::{Global, PlanArgs},
    exit::Outcome,
    target,
    terminal::Terminal,
};

/// Shows the plan; changes nothing.
pub async fn run(global: &Global, arguments: &PlanArgs, terminal: Terminal) -> Result<Outcome> {
    let ready = target::plan_project(global, terminal).await?;
    if terminal.is_json() {
        terminal.json(&ready.plan)?;
    } else {
        terminal.write(&plan::render(&ready.plan, style(terminal)));
    }
    let found = !ready.plan.problems.is_empty() || (arguments.exit_code && !ready.plan.is_empty());
    Ok(if found { Outcome::Findings } else { Outcome::Fine })
}

/// Colours as the terminal has them.
pub fn style(terminal: Terminal) -> Style {
    if terminal.colour() { Style::Colour } else { Style::Plain }
}
