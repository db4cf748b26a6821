//! `matano action deploy`: applies a merged change, if it is the one that its pull request showed.
//!
//! The plan is made anew from the merged commit and compared with what the comment shows. Where they differ nothing is
//! applied: the comment shows the new plan, and running the job again is the consent of somebody who may.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, anyhow};
use github::{
    Client, CommitSha,
    approval::{self, Approval},
    comment::Own,
    page::{self, Page, Planned, Stage},
    pull_request::PullRequest,
};
use model::digest::Digest;
use plan::Style;

use super::{
    posted::{self, Place},
    session::Session,
};
use crate::{
    exit::{Outcome, environment, input},
    target::{self, Ready},
};

/// So many differing lines are told.
const LINES: usize = 20;

/// Why nothing is applied, and what to do.
struct Refusal {
    reason: String,
    advice: String,
    is_input: bool,
}

/// What the deploy is about.
struct Change<'a> {
    ready: &'a Ready,
    /// The commit that is named where the change is shown.
    head: CommitSha,
    project: String,
    digest: Digest,
    pull: Option<PullRequest>,
}

/// There are no findings: a change is applied or it is not.
pub async fn run(session: &mut Session<'_>) -> Result<Outcome> {
    let Some(client) = session.client.clone() else {
        return Err(environment(
            "whether the plan is the one shown is asked with a token: give one with --token or GITHUB_TOKEN, or use `matano deploy`",
        ));
    };
    let ready = target::plan_project(session.global, session.terminal).await?;
    super::plan::record(session, &ready.plan)?;
    session.log(&plan::render(&ready.plan, Style::Plain));
    let sha = session.runner.sha.clone();
    let pull = client.merged_as(&sha, &session.runner.branch).await.context("find the merged pull request")?;
    let change = Change {
        digest: ready.plan.digest_of_changes(&ready.bundle.release),
        head: pull.as_ref().map_or(sha, |pull| pull.head_sha.clone()),
        project: super::plan::directory(session)?,
        ready: &ready,
        pull,
    };
    if ready.plan.is_empty() {
        return nothing(session, &client, &change).await;
    }
    match refusal(session, &client, &change).await? {
        Some(refusal) => refuse(session, &change, refusal).await,
        None => apply(session, &change).await,
    }
}

/// The target is as the project wants it. A comment that tells how it came to be so is left alone.
async fn nothing(session: &mut Session<'_>, client: &Client, change: &Change<'_>) -> Result<Outcome> {
    if let Some(place) = change.place()
        && let Some(own) = posted::shown(session, client, &place).await?
        && own.marker.run < session.runner.run
        && !own.body.contains("#### Steps")
    {
        say(session, change, Stage::Applied { steps: &[] }).await?;
    }
    Ok(Outcome::Fine)
}

async fn apply(session: &mut Session<'_>, change: &Change<'_>) -> Result<Outcome> {
    let mut steps = Vec::new();
    let applied = target::apply(change.ready, |step| steps.push(step.to_owned())).await;
    session.log(&steps.join("\n"));
    match applied {
        Ok(()) => {
            say(session, change, Stage::Applied { steps: &steps }).await?;
            Ok(Outcome::Fine)
        }
        Err(error) => {
            let words = format!("{error:#}");
            // the failure is what matters: that the comment could not be written comes second
            let said = say(session, change, Stage::Failed { steps: &steps, error: &words }).await;
            Err(match said {
                Ok(()) => error,
                Err(second) => anyhow!("{error:#}; and then: {second:#}"),
            })
        }
    }
}

/// Says why, and ends the job.
async fn refuse(session: &mut Session<'_>, change: &Change<'_>, refusal: Refusal) -> Result<Outcome> {
    let Refusal { reason, advice, is_input } = refusal;
    say(session, change, Stage::Refused { reason: &reason, advice: &advice }).await?;
    let message = format!("nothing was applied: {reason}; {advice}");
    Err(if is_input { input(message) } else { environment(message) })
}

/// Why a change is not applied.
async fn refusal(session: &Session<'_>, client: &Client, change: &Change<'_>) -> Result<Option<Refusal>> {
    let plan = &change.ready.plan;
    if !plan.problems.is_empty() {
        return Ok(Some(Refusal {
            reason: "the plan has changes that would lose or misread data".to_owned(),
            advice: "mend what is marked with `!` in another pull request".to_owned(),
            is_input: true,
        }));
    }
    let (deletions, allowed) = (plan.deletions(), session.options.max_deletes);
    let (Some(pull), Some(place)) = (&change.pull, change.place()) else {
        // pushed without a pull request: nothing was shown, and nobody approved anything
        return Ok((deletions > allowed).then(|| Refusal {
            reason: format!(
                "the plan removes {deletions}, allowed are {allowed}, and no pull request was merged with this commit"
            ),
            advice: format!("bring it by a pull request, or run `matano deploy --max-deletes {deletions}` by hand"),
            is_input: false,
        }));
    };
    let own = posted::shown(session, client, &place).await?;
    let shown = own.as_ref().filter(|own| own.marker.head == change.head).and_then(|own| own.marker.plan);
    let Some(shown) = shown.filter(|shown| shown.digest == change.digest) else {
        return Ok(Some(Refusal {
            reason: differs(own.as_ref(), change),
            advice: "look at the plan as it is now; if it is meant, run this job again, and it is applied".to_owned(),
            is_input: false,
        }));
    };
    if deletions <= allowed {
        return Ok(None);
    }
    let number = pull.number;
    match approval::look(client, pull, deletions, shown.since).await.context("look for an approval")? {
        Approval::Given { by } => {
            session.log(&format!("{deletions} removals were approved by {by}"));
            Ok(None)
        }
        Approval::Missing { reasons } => {
            let why: String = reasons.iter().map(|reason| format!("; {reason}")).collect();
            Ok(Some(Refusal {
                reason: format!(
                    "the plan removes {deletions}, allowed are {allowed}, and nobody with write access approved it{why}"
                ),
                advice: format!(
                    "comment `{} {deletions}` on pull request {number} or set the label `{}`, and run this job again",
                    approval::COMMAND,
                    approval::LABEL
                ),
                is_input: false,
            }))
        }
    }
}

impl Change<'_> {
    /// Where its comment is.
    fn place(&self) -> Option<Place<'_>> {
        let pull = self.pull.as_ref()?;
        Some(Place { number: pull.number, project: &self.project, head: &self.head })
    }
}

/// What is not as it was shown.
fn differs(own: Option<&Own>, change: &Change<'_>) -> String {
    let Some(own) = own.filter(|own| own.marker.plan.is_some()) else {
        return "no plan was shown on the pull request".to_owned();
    };
    let mut out = if own.marker.head == change.head {
        "the plan is not the one that was shown".to_owned()
    } else {
        format!(
            "the plan that was shown is that of commit {}, merged was {}",
            own.marker.head.short(),
            change.head.short()
        )
    };
    let now = plan::markdown(&change.ready.plan, usize::MAX);
    let lines = |text: &str| -> Vec<String> { block(text).map(str::to_owned).collect() };
    let (before, now) = (lines(&own.body), lines(&now));
    let new = now.iter().filter(|line| !before.contains(line)).map(|line| ("now", line));
    let gone = before.iter().filter(|line| !now.contains(line)).map(|line| ("no more", line));
    let all: Vec<_> = new.chain(gone).collect();
    for (word, line) in all.iter().take(LINES) {
        let _ = write!(out, "; {word}: {}", line.trim_start_matches(['#', ' ']));
    }
    if all.len() > LINES {
        let _ = write!(out, "; and {} more", all.len() - LINES);
    }
    out
}

/// The lines of a plan's block, without the ids of releases.
fn block(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().skip_while(|line| *line != "```diff").skip(1).take_while(|line| *line != "```");
    lines.filter(|line| !line.starts_with("# release ") && !line.starts_with("# first release "))
}

/// The comment and the summary.
async fn say(session: &mut Session<'_>, change: &Change<'_>, stage: Stage<'_>) -> Result<()> {
    let run_url = session.runner.run_url.clone();
    let page = Page {
        report: None,
        plan: Planned::Made(&change.ready.plan),
        stage,
        head: &change.head,
        project: &change.project,
        run_url: Some(&run_url),
    };
    session.runner.add_summary(&page::render(&page, page::SUMMARY_BYTES / 2))?;
    match change.place() {
        Some(place) => posted::comment(session, &place, &page, Some(change.digest)).await,
        None => Ok(()),
    }
}
