//! `matano check`: every mistake of every file.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use check::render::{self, Repository, Summary, sarif::Origin, workflow_commands};

use crate::{
    cli::{Check, Global},
    exit::{Outcome, input},
    judge::{Judged, judge},
    terminal::Terminal,
    workspace,
};

/// Findings are errors; warnings and notes are shown and pass.
pub async fn run(global: &Global, arguments: &Check, terminal: Terminal) -> Result<Outcome> {
    if arguments.github && terminal.is_json() {
        return Err(input("--github and --output json both write to standard output: give one of them"));
    }
    let judged = judge(global.project.as_deref()).await.inspect_err(|error| {
        if arguments.github {
            terminal.line(&workflow_commands::failure("matano check", &format!("{error:#}")));
        }
    })?;
    let Judged { workspace, project, diagnostics } = &judged;
    let repository = Repository::new(project, &workspace::directory_in_repository(&workspace.root));
    if let Some(file) = &arguments.sarif {
        write(file, &render::sarif::report(diagnostics, &repository, &workspace.files, Origin::default()))?;
    }
    if arguments.github {
        terminal.write(&workflow_commands::report(diagnostics, &repository));
        terminal.line(&Summary::of(diagnostics).to_string());
    } else if terminal.is_json() {
        terminal.write(&render::json::report(diagnostics));
    } else {
        terminal.write(&render::terminal::report(diagnostics, &workspace.files, terminal.render()));
    }
    Ok(if judged.has_errors() { Outcome::Findings } else { Outcome::Fine })
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}
