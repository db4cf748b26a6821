//! `matano action JOB`: the jobs of the GitHub Action.
//!
//! Every job writes what it found where GitHub shows it: workflow commands, a check run, the one comment, the job
//! summary, outputs. What the runner says is read once, in [`runner`]; without a token, as in forks, workflow commands and
//! the summary are all there is, and that is no error.

mod runner; // the runner's environment and files
mod session; // one run of a job: options, runner, client

mod findings; // what check and test found, as a report
mod incoming; // the report of an untrusted run
mod posted; // check runs and the comment
mod previous; // the commit that a change starts from

mod check;
mod deploy;
mod drift;
mod plan;
mod report;
mod test;

use anyhow::Result;

use crate::{
    cli::{Action, Global, Job},
    exit::Outcome,
    terminal::Terminal,
};
use session::Session;

/// Runs one job.
pub async fn run(global: &Global, arguments: &Action, terminal: Terminal) -> Result<Outcome> {
    let mut session = Session::start(global, arguments, terminal)?;
    let result = match arguments.job {
        Job::Check => check::run(&mut session).await,
        Job::Test => test::run(&mut session).await,
        Job::Plan => plan::run(&mut session).await,
        Job::Report => report::run(&mut session).await,
        Job::Deploy => deploy::run(&mut session).await,
        Job::Drift => drift::run(&mut session).await,
    };
    if let Err(error) = &result {
        session.failure(&format!("{error:#}"));
    }
    // outputs are for the steps that come after, also after a failure
    session.finish()?;
    result
}
