//! `matano check`: every mistake of every file.

use anyhow::Result;
use check::render;

use crate::{cli::Global, exit::Outcome, judge::judge, terminal::Terminal};

/// Findings are errors; warnings and notes are shown and pass.
pub async fn run(global: &Global, terminal: Terminal) -> Result<Outcome> {
    let judged = judge(global.project.as_deref()).await?;
    if terminal.is_json() {
        terminal.write(&render::json::report(&judged.diagnostics));
    } else {
        terminal.write(&render::terminal::report(&judged.diagnostics, &judged.workspace.files, terminal.render()));
    }
    Ok(if judged.has_errors() { Outcome::Findings } else { Outcome::Fine })
}
