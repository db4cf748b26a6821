//! `matano action drift`: whether what is deployed is what the default branch says; one issue says so.

use anyhow::{Context as _, Result};
use github::{
    comment::Marker,
    issue::{self, DriftIssue},
    page::{self, Page, Planned, Stage},
};

use super::{findings, session::Session};
use crate::{
    exit::{Outcome, environment},
    judge, target,
};

/// GitHub's limit for the text of an issue is that of a comment.
const ISSUE_BYTES: usize = page::COMMENT_BYTES;

/// Findings are drift.
pub async fn run(session: &mut Session<'_>) -> Result<Outcome> {
    let Some(client) = session.client.clone() else {
        return Err(environment("drift is said in an issue: give a token with --token or GITHUB_TOKEN"));
    };
    let judged = judge::judge(session.global.project.as_deref()).await?;
    let project = findings::directory(&judged);
    let (bundle, origin) = target::lower(judged, session.terminal)?;
    let opened = target::open(&origin.root, &origin.project, session.global, target::jobs(None)).await?;
    let plan = plan::plan(&bundle.release, &target::observe(&opened).await?);
    super::plan::record(session, &plan)?;
    session.log(&plan::render(&plan, plan::Style::Plain));
    let head = session.runner.sha.clone();
    let run_url = session.runner.run_url.clone();
    let page = Page {
        report: None,
        plan: Planned::Made(&plan),
        stage: Stage::Drifted,
        head: &head,
        project: &project,
        run_url: Some(&run_url),
    };
    let text = (!plan.is_empty()).then(|| page::render(&page, ISSUE_BYTES));
    if let Some(text) = &text {
        session.runner.add_summary(text)?;
    }
    let marker = Marker::drift_line(&project);
    let title = "matano: what is deployed is not what the default branch says";
    let said = issue::put(&client, &session.options.author, &marker, title, text.as_deref()).await;
    let words = match said.context("the issue about drift")? {
        DriftIssue::None => "nothing has drifted".to_owned(),
        DriftIssue::Opened(url) => format!("drift: opened {url}"),
        DriftIssue::Updated(url) => format!("drift: updated {url}"),
        DriftIssue::Closed(url) => format!("nothing has drifted any more: closed {url}"),
    };
    session.log(&words);
    Ok(if plan.is_empty() { Outcome::Fine } else { Outcome::Findings })
}
