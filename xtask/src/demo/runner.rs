//! A GitHub runner and the GitHub it belongs to: the template's workflows run as they stand, over a repository of git and a
//! GitHub that keeps its state in memory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use github_server::{Server, World};
use serde_json::{Value, json};

use super::releases::Releases;
use crate::step::{capture, environment, root};

/// The repository of the demo.
pub const REPOSITORY: &str = "acme/detections";

/// The machines, the hosted repository, and GitHub's API.
pub struct GitHub {
    server: Server,
    releases: Releases,
    directory: PathBuf,
    python: PathBuf,
    runs: u64,
}

/// One run of a workflow's job.
pub struct Run {
    /// Its id.
    pub id: u64,
    /// `success`, `failure` or `skipped`.
    pub conclusion: String,
    /// What its steps printed.
    pub log: String,
    /// The job's summary, as Markdown.
    pub summary: String,
}

/// What sets a workflow off.
pub struct Trigger<'a> {
    /// The file of the workflow in the repository, and its job.
    pub workflow: (&'a str, &'a str),
    /// The event's name and payload.
    pub event: (&'a str, Value),
    /// The commit that is checked out.
    pub sha: String,
    /// The ref of the run.
    pub git_ref: String,
    /// The token of the job, as its permissions make it.
    pub token: &'a str,
}

impl GitHub {
    /// Starts it over a directory, with a repository that has these files on `main`.
    pub fn start(directory: &Path, binary: &Path) -> Result<Self> {
        let python = environment("lint")?;
        let mut world = World::with_repository(REPOSITORY);
        world.repository(REPOSITORY).roles.insert("dana".to_owned(), "maintain".to_owned());
        let server = Server::start(world).context("start the GitHub of the demo")?;
        let releases = Releases::start(&directory.join("releases"), binary)?;
        Ok(Self { server, releases, directory: directory.to_path_buf(), python, runs: 0 })
    }

    /// What GitHub knows, to look at and to change.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The hosted repository.
    pub fn repository(&self) -> PathBuf {
        self.directory.join("repository")
    }

    /// Runs git on the hosted repository.
    pub fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=dana", "-c", "user.email=dana@example.com", "-c", "init.defaultBranch=main"]);
        git.args(["-c", "advice.detachedHead=false", "-c", "commit.gpgsign=false"]);
        let output = capture("git", git.arg("-C").arg(self.repository()).args(arguments))?;
        Ok(output.trim().to_owned())
    }

    /// Runs a job to its end, and keeps what it uploaded.
    pub fn run(&mut self, trigger: &Trigger<'_>) -> Result<Run> {
        self.runs += 1;
        let id = self.runs;
        let case = self.case(trigger, id);
        let path = self.directory.join(format!("run-{id}.json"));
        fs::write(&path, case.to_string()).with_context(|| format!("write {}", path.display()))?;
        let mut runner = Command::new(&self.python);
        runner.arg("-B").arg(root().join("xtask/runner/run.py")).arg(&path).stdin(Stdio::null());
        let result = capture("the runner", &mut runner)?;
        let result: Value = serde_json::from_str(&result).context("read what the runner says")?;
        self.keep_artifacts(id)?;
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        let log: Vec<&str> = result["log"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Ok(Run { id, conclusion: text("conclusion"), log: log.join("\n"), summary: text("summary") })
    }

    fn case(&self, trigger: &Trigger<'_>, id: u64) -> Value {
        let (workflow, job) = trigger.workflow;
        let (event_name, event) = &trigger.event;
        json!({
            "workflow": self.repository().join(".github/workflows").join(workflow),
            "job": job,
            "event_name": event_name,
            "event": event,
            "repository": REPOSITORY,
            "source": self.repository(),
            "sha": trigger.sha,
            "ref": trigger.git_ref,
            "run_id": id.to_string(),
            "token": trigger.token,
            "api_url": self.server.url(),
            "server_url": self.releases.url(),
            "action_root": root(),
            "state": self.directory.join("runner"),
            "path": [self.releases.tools()],
            // as a team with a runner of its own sets it
            "vars": {"MATANO_DIRECTORY": self.directory.join("deployed")},
        })
    }

    fn keep_artifacts(&self, id: u64) -> Result<()> {
        let directory = self.directory.join("runner/artifacts").join(id.to_string());
        let Ok(entries) = fs::read_dir(&directory) else { return Ok(()) };
        for entry in entries {
            let path = entry.context("read the artifacts")?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).context("the name of an artifact")?;
            let zip = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            self.server.world().upload(REPOSITORY, id, name, zip);
        }
        Ok(())
    }

    /// The one comment of a pull request; none or several are a failure.
    pub fn comment(&self, pull: u64) -> Result<String> {
        let world = self.server.world();
        let repository = world.repositories.get(REPOSITORY).context("the repository is there")?;
        let comments: Vec<&str> = repository
            .comments
            .values()
            .filter(|comment| comment.issue == pull && comment.author == "github-actions[bot]")
            .map(|comment| comment.body.as_str())
            .collect();
        match comments.as_slice() {
            [comment] => Ok((*comment).to_owned()),
            others => bail!("expected one comment on pull request {pull}, found {}", others.len()),
        }
    }
}
