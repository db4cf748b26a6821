//! `matano action report`: what an untrusted run found, said by a trusted one, with the plan that only it may make.

use anyhow::Result;
use check::render::annotations::AnnotationLevel;
use github::{
    CommitSha,
    page::{self, Page, Planned, Stage},
    pull_request::PullRequest,
    report::Report,
};
use plan::Plan;

use super::{
    incoming::{self, Incoming, Received},
    plan::Made,
    posted::{self, Check, Place},
    session::Session,
};
use crate::exit::{Outcome, input};

/// Findings are those of the report, and a plan that cannot be applied.
pub async fn run(session: &mut Session<'_>) -> Result<Outcome> {
    let run = incoming::run_of(session)?;
    let Incoming { report, pull } = match incoming::receive(session, &run).await? {
        Received::Report(incoming) => *incoming,
        Received::Nothing(reason) => {
            session.notice(&reason);
            return Ok(Outcome::Fine);
        }
    };
    session.output("pull-request", pull.number);
    if report.project != super::plan::directory(session)? {
        return Err(input(format!(
            "the report is about the project in `{}`, this job about another: give it with --project",
            report.project
        )));
    }
    outputs(session, &report)?;
    let made = super::plan::of_release(session, report.release.as_ref()).await;
    say(session, &report, Some(&pull), &made).await?;
    let annotations = report.annotations();
    let title = title(&report);
    let summary =
        "What the pull request's own run found; it ran without credentials, and its words are shown as they are.";
    let check = Check { name: "matano", title: &title, summary };
    posted::check_run(session, &report.head, check, &annotations).await?;
    made.outcome(report.has_mistakes())
}

fn outputs(session: &mut Session<'_>, report: &Report) -> Result<()> {
    session.output("errors", report.count(AnnotationLevel::Failure));
    session.output("warnings", report.count(AnnotationLevel::Warning));
    if let Some(tests) = &report.tests {
        session.output("passed", tests.passed);
        session.output("failed", tests.failed.len());
    }
    if let Some(sarif) = &report.sarif {
        let path = session.write("results.sarif", sarif.as_bytes())?;
        session.output("sarif", path.display());
    }
    session.save(report)
}

fn title(report: &Report) -> String {
    let count = |level| report.count(level);
    let failed = report.tests.as_ref().map_or(0, |tests| tests.failed.len());
    format!(
        "{} errors, {} warnings, {failed} failed tests",
        count(AnnotationLevel::Failure),
        count(AnnotationLevel::Warning)
    )
}

/// The comment and the summary of a change that is not merged yet.
pub async fn say(session: &mut Session<'_>, report: &Report, pull: Option<&PullRequest>, made: &Made) -> Result<()> {
    let (base, behind) = behind(session, pull, &report.head).await?;
    let plan: Option<&Plan> = made.plan();
    let run_url = session.runner.run_url.clone();
    let page = Page {
        report: Some(report),
        plan: made.words(),
        stage: Stage::Proposed { behind, base: &base, max_deletes: session.options.max_deletes },
        head: &report.head,
        project: &report.project,
        run_url: Some(&run_url),
    };
    session.runner.add_summary(&page::render(&page, page::SUMMARY_BYTES / 2))?;
    let Some(pull) = pull else { return Ok(()) };
    let place = Place { number: pull.number, project: &report.project, head: &report.head };
    let digest = plan.and(made.digest());
    // a plan that was asked for and not made must not look like one that was
    debug_assert!(digest.is_some() == matches!(page.plan, Planned::Made(_)), "a plan has a digest");
    posted::comment(session, &place, &page, digest).await
}

/// The base and how many commits of it the pull request lacks.
async fn behind(session: &Session<'_>, pull: Option<&PullRequest>, head: &CommitSha) -> Result<(String, u64)> {
    let (Some(client), Some(pull)) = (&session.client, pull) else { return Ok((String::new(), 0)) };
    match client.behind(&pull.base, head).await {
        Ok(behind) => Ok((pull.base.clone(), behind)),
        // a fork that is gone, or a history without a common beginning: nothing to update
        Err(error) if error.is_not_found() => Ok((pull.base.clone(), 0)),
        Err(error) => Err(error.into()),
    }
}
