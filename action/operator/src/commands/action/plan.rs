//! `matano action plan`: what a merge would change on the target.

use anyhow::{Context as _, Result};
use github::{Event, page::Planned, pull_request::PullRequest};
use model::{digest::Digest, release::Release};
use plan::{Plan, Style};
use project::Project;

use super::{findings, report, session::Session};
use crate::{exit::Outcome, judge, target, workspace};

/// A plan, or why there is none.
pub enum Made {
    /// This.
    Plan { plan: Box<Plan>, digest: Digest },
    /// The change has mistakes, so that nothing can be made of it.
    Mistakes,
    /// The target could not be asked.
    Failed(anyhow::Error, String),
}

impl Made {
    /// The plan.
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Plan { plan, .. } => Some(plan),
            Self::Mistakes | Self::Failed(..) => None,
        }
    }

    /// The digest of its changes.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Plan { digest, .. } => Some(*digest),
            Self::Mistakes | Self::Failed(..) => None,
        }
    }

    /// As a page shows it.
    pub fn words(&self) -> Planned<'_> {
        match self {
            Self::Plan { plan, .. } => Planned::Made(plan),
            Self::Mistakes => Planned::Missing("the project has mistakes"),
            Self::Failed(_, words) => Planned::Missing(words),
        }
    }

    /// How a job ends that has said all this.
    pub fn outcome(self, has_mistakes: bool) -> Result<Outcome> {
        match self {
            Self::Failed(error, _) => Err(error),
            Self::Mistakes => Ok(Outcome::Findings),
            Self::Plan { plan, .. } if has_mistakes || !plan.problems.is_empty() => Ok(Outcome::Findings),
            Self::Plan { .. } => Ok(Outcome::Fine),
        }
    }
}

/// Findings are mistakes, and a plan that cannot be applied.
pub async fn run(session: &mut Session<'_>) -> Result<Outcome> {
    if matches!(session.runner.event, Event::WorkflowRun(_)) {
        return report::run(session).await;
    }
    let judged = judge::judge(session.global.project.as_deref()).await?;
    let mut found = session.report(&findings::directory(&judged));
    if found.findings.is_none() {
        found.findings = Some(findings::of(&judged));
    }
    let made = if judged.has_errors() {
        session.log(&plan_words(&Made::Mistakes));
        Made::Mistakes
    } else {
        let (bundle, _) = target::lower(judged, session.terminal)?;
        found.release = Some(bundle.release);
        of_release(session, found.release.as_ref()).await
    };
    session.save(&found)?;
    let pull = pull(session).await?;
    report::say(session, &found, pull.as_ref(), &made).await?;
    made.outcome(found.has_mistakes())
}

/// The pull request of the event, where a token can ask for it.
async fn pull(session: &Session<'_>) -> Result<Option<PullRequest>> {
    let (Some(client), Some(number)) = (&session.client, session.runner.pull_request()) else { return Ok(None) };
    Ok(Some(client.pull_request(number).await.context("read the pull request")?))
}

/// The plan of a release on the target that the checkout names. Never fails: what went wrong is said where the plan would
/// be, and ends the job after that.
pub async fn of_release(session: &mut Session<'_>, release: Option<&Release>) -> Made {
    let made = match release {
        None => Made::Mistakes,
        Some(release) => match observe(session, release).await {
            Ok(made) => made,
            Err(error) => {
                let words = format!("{error:#}");
                Made::Failed(error, words)
            }
        },
    };
    session.log(&plan_words(&made));
    made
}

async fn observe(session: &mut Session<'_>, release: &Release) -> Result<Made> {
    let (root, project) = checkout(session)?;
    let target = target::open(&root, &project, session.global, target::jobs(None)).await?;
    let plan = plan::plan(release, &target::observe(&target).await?);
    record(session, &plan)?;
    Ok(Made::Plan { digest: plan.digest_of_changes(release), plan: Box::new(plan) })
}

/// The plan for later steps.
pub fn record(session: &mut Session<'_>, plan: &Plan) -> Result<()> {
    session.write("plan.json", &serde_json::to_vec_pretty(plan)?)?;
    session.output("changes", plan.changes.len());
    session.output("deletions", plan.deletions());
    Ok(())
}

/// The project that is checked out, whatever its mistakes: it says which target is asked.
fn checkout(session: &Session<'_>) -> Result<(std::path::PathBuf, Project)> {
    let workspace = workspace::read(workspace::find(session.global.project.as_deref())?)?;
    let (project, _) = project::load(&workspace.files);
    Ok((workspace.root, project))
}

/// The directory of the checked out project within the repository.
pub fn directory(session: &Session<'_>) -> Result<String> {
    Ok(workspace::directory_in_repository(&workspace::find(session.global.project.as_deref())?))
}

fn plan_words(made: &Made) -> String {
    match made {
        Made::Plan { plan, .. } => plan::render(plan, Style::Plain),
        Made::Mistakes => "no plan: the project has mistakes".to_owned(),
        Made::Failed(_, words) => format!("no plan: {words}"),
    }
}
