//! `matano check`: every mistake of every file.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use check::render::{self, Repository, Summary, sarif::Origin, workflow_commands};
use project::Diagnostic;
use serde_json::Value;

use crate::{
    cli::{Check, Global},
    exit::{Outcome, input},
    fix::{Fixed, fix},
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
    if arguments.fix {
        let fixed = fix(judged).await?;
        return if arguments.diff { show(&fixed, terminal) } else { mend(&fixed, terminal) };
    }
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
        report(&judged, terminal);
    }
    Ok(outcome(&judged))
}

/// Writes the fixes, and tells what is left.
fn mend(fixed: &Fixed, terminal: Terminal) -> Result<Outcome> {
    fixed.write()?;
    if terminal.is_json() {
        with_fixes(fixed, terminal)?;
    } else {
        for diagnostic in &fixed.mended {
            terminal.line(&mended(diagnostic, terminal));
        }
        if !fixed.mended.is_empty() {
            let (count, files) = (fixed.mended.len(), fixed.before.len());
            let plural = |count: usize| if count == 1 { "" } else { "s" };
            terminal.line(&format!("fixed {count} finding{} in {files} file{}\n", plural(count), plural(files)));
        }
        report(&fixed.judged, terminal);
    }
    Ok(outcome(&fixed.judged))
}

/// Shows what would be written. Something to fix is a finding, so that a script can ask.
fn show(fixed: &Fixed, terminal: Terminal) -> Result<Outcome> {
    if terminal.is_json() {
        with_fixes(fixed, terminal)?;
    } else {
        terminal.write(&fixed.diff());
    }
    Ok(if fixed.mended.is_empty() { outcome(&fixed.judged) } else { Outcome::Findings })
}

fn report(judged: &Judged, terminal: Terminal) {
    terminal.write(&render::terminal::report(&judged.diagnostics, &judged.workspace.files, terminal.render()));
}

/// The report of what is left, and what is or would be fixed as `fixed`.
fn with_fixes(fixed: &Fixed, terminal: Terminal) -> Result<()> {
    let document = |diagnostics: &[Diagnostic]| serde_json::from_str::<Value>(&render::json::report(diagnostics));
    let mut left = document(&fixed.judged.diagnostics)?;
    left["fixed"] = document(&fixed.mended)?["diagnostics"].take();
    terminal.json(&left)
}

fn mended(diagnostic: &Diagnostic, terminal: Terminal) -> String {
    let Diagnostic { rule, file, span, fix, .. } = diagnostic;
    let place = span.map_or_else(String::new, |span| format!(":{}:{}", span.start.line, span.start.column));
    let title = fix.as_ref().map_or("", |fix| fix.title.as_str());
    format!("{}: {title}\n  --> {file}{place}", terminal.paint("1;32", &format!("fixed[{rule}]")))
}

fn outcome(judged: &Judged) -> Outcome {
    if judged.has_errors() { Outcome::Findings } else { Outcome::Fine }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}
