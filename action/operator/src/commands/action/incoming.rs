//! The report of an untrusted run, in a workflow that `workflow_run` started on the default branch.
//!
//! What the report says of itself counts for nothing: the run's commit and repository are GitHub's word, and the pull
//! request is the one that the API finds at both.

use anyhow::{Context as _, Result};
use github::{
    Client, Event,
    artifact::{self, ArtifactLimits},
    event::WorkflowRunEvent,
    pull_request::{Mismatch, PullRequest},
    report::Report,
};

use super::session::Session;
use crate::exit::{environment, input};

/// A report and the pull request that it is about.
pub struct Incoming {
    pub report: Report,
    /// `None` where the run was for no pull request, such as a merge queue's.
    pub pull: PullRequest,
}

/// What became of the search.
pub enum Received {
    /// This.
    Report(Box<Incoming>),
    /// Nothing is to be said about it, because.
    Nothing(String),
}

/// Downloads, opens and verifies.
pub async fn receive(session: &Session<'_>, run: &WorkflowRunEvent) -> Result<Received> {
    let Some(client) = &session.client else {
        return Err(environment(
            "the report of another run is read with a token: give one with --token or GITHUB_TOKEN",
        ));
    };
    if run.event != "pull_request" {
        return Ok(Received::Nothing(format!("run {} was started by `{}`, not by a pull request", run.id, run.event)));
    }
    let bytes = artifact::download(client, run.id, &session.options.artifact, ArtifactLimits::default()).await;
    let bytes = bytes.map_err(refused)?;
    let report = Report::parse(&bytes).and_then(|report| report.of_commit(&run.head_sha));
    let report = report.map_err(|error| input(error.to_string()))?;
    let Some(number) = report.pull_request else {
        return Err(input("the report is refused: it names no pull request"));
    };
    let pull = find(client, number).await?;
    match pull.matches(&run.head_sha, &run.head_repository) {
        Ok(()) => Ok(Received::Report(Box::new(Incoming { report, pull }))),
        // pushed to or closed since: somebody else reports
        Err(Mismatch::Closed(_)) => Ok(Received::Nothing(Mismatch::Closed(number).to_string())),
        Err(mismatch) => Err(input(mismatch.to_string())),
    }
}

/// The run that a job is for; an error that says what to use instead.
pub fn run_of(session: &Session<'_>) -> Result<WorkflowRunEvent> {
    match &session.runner.event {
        Event::WorkflowRun(run) => Ok(run.clone()),
        Event::PullRequest(_)
        | Event::Push { .. }
        | Event::MergeGroup { .. }
        | Event::Schedule
        | Event::WorkflowDispatch => Err(environment(
            "the job `report` is for workflows that `workflow_run` starts: in a pull request's own workflow use `plan`",
        )),
    }
}

async fn find(client: &Client, number: u64) -> Result<PullRequest> {
    match client.pull_request(number).await {
        Ok(pull) => Ok(pull),
        Err(error) if error.is_not_found() => Err(input(Mismatch::Unknown(number).to_string())),
        Err(error) => Err(error).context("verify the pull request's number"),
    }
}

fn refused(error: artifact::ArtifactError) -> anyhow::Error {
    match error {
        artifact::ArtifactError::Github(error) => {
            anyhow::Error::from(error).context("read the report of the other run")
        }
        error @ (artifact::ArtifactError::Missing { .. } | artifact::ArtifactError::Refused(_)) => {
            input(error.to_string())
        }
    }
}
