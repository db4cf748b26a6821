//! The commit that a change starts from, and what its code makes of the tests of the change.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use github::Event;

use super::session::Session;
use crate::{
    commands::test::{
        before::{self, Before},
        bench::{Settings, Subject},
    },
    exit::environment,
    judge,
    target::{self, Origin},
    workspace,
};

/// What a runner checks out for a pull request is a merge: its first parent is the base.
const BASE: &str = "HEAD^1";

/// What is known of the base, where there is one that can be looked at. What is not known is no error: it is not shown.
pub async fn before(session: &Session<'_>, head: &Origin) -> Option<Before> {
    let asked = session.options.base.as_deref().filter(|base| !base.is_empty());
    let base = match (&session.runner.event, asked) {
        (_, Some(base)) => base,
        (Event::PullRequest(_), None) => BASE,
        (
            Event::WorkflowRun(_)
            | Event::Push { .. }
            | Event::MergeGroup { .. }
            | Event::Schedule
            | Event::WorkflowDispatch,
            None,
        ) => return None,
    };
    match look(session, head, base).await {
        Ok(before) => Some(before),
        Err(error) => {
            session.notice(&format!("what the change makes of the tests is not shown: the base `{base}`: {error:#}"));
            None
        }
    }
}

async fn look(session: &Session<'_>, head: &Origin, base: &str) -> Result<Before> {
    let temporary = tempfile::tempdir().context("make a temporary directory")?;
    let checkout = Checkout::add(&head.root, base, temporary.path().join("base"))?;
    let project = checkout.directory.join(workspace::directory_in_repository(&head.root));
    let judged = judge::judge(Some(&project)).await?;
    if judged.has_errors() {
        return Err(environment("it has mistakes"));
    }
    let (bundle, origin) = target::lower(judged, session.terminal)?;
    let subject = Subject { project: &origin.project, root: &origin.root, bundle };
    before::look(subject, &head.project, &Settings::default())
}

/// Another commit of a repository, in a directory of its own until it is dropped.
struct Checkout {
    root: PathBuf,
    directory: PathBuf,
}

impl Checkout {
    fn add(root: &Path, commit: &str, directory: PathBuf) -> Result<Self> {
        let path = directory.display().to_string();
        git(root, &["worktree", "add", "--detach", "--quiet", &path, commit])
            .context("it is not there; fetch it, with `fetch-depth: 2` at least")?;
        Ok(Self { root: root.to_path_buf(), directory })
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // what stays behind is in a temporary directory, and git forgets it by itself
        let _ = git(&self.root, &["worktree", "remove", "--force", &self.directory.display().to_string()]);
    }
}

fn git(root: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("git");
    let output = command.arg("-C").arg(root).args(arguments).stdin(Stdio::null()).output().context("start git")?;
    if output.status.success() {
        return Ok(());
    }
    Err(environment(format!("git: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
