//! `matano action check`: every mistake at its line, wherever GitHub shows one.

use anyhow::Result;
use check::render::{self, Repository, Summary, sarif::Origin, workflow_commands};

use super::{findings, posted, session::Session};
use crate::{
    exit::Outcome,
    judge::{self, Judged},
};

/// Findings are errors.
pub async fn run(session: &mut Session<'_>) -> Result<Outcome> {
    let judged = judge::judge(session.global.project.as_deref()).await?;
    let directory = findings::directory(&judged);
    let Judged { workspace, project, diagnostics } = &judged;
    let repository = Repository::new(project, &directory);
    let summary = Summary::of(diagnostics);
    session.log(&render::terminal::report(diagnostics, &workspace.files, session.terminal.render()));
    for diagnostic in diagnostics {
        session.command(&workflow_commands::one(diagnostic, &repository));
    }
    session.output("errors", summary.errors);
    session.output("warnings", summary.warnings);
    let sarif = render::sarif::report(diagnostics, &repository, &workspace.files, Origin::default());
    let path = session.write("results.sarif", sarif.as_bytes())?;
    session.output("sarif", path.display());

    let mut report = session.report(&directory);
    report.findings = Some(findings::of(&judged));
    report.sarif = Some(sarif);
    session.save(&report)?;

    let title = summary.to_string();
    let markdown = |most| render::markdown::section(diagnostics, &repository, most);
    session.runner.add_summary(&format!("### matano check\n\n{}\n", markdown(github::page::SUMMARY_BYTES / 2)))?;
    let check =
        posted::Check { name: "matano check", title: &title, summary: &markdown(github::check_run::SUMMARY_BYTES) };
    posted::check_run(session, &report.head, check, report.findings.as_deref().unwrap_or_default()).await?;
    Ok(if judged.has_errors() { Outcome::Findings } else { Outcome::Fine })
}
