use std::{collections::BTreeMap, fs, path::PathBuf};

use github_server::{Flow, World, world::sha};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::repo::{Ended, Repo};

pub const REPOSITORY: &str = "acme/detections";
pub const BOT: &str = "github-actions[bot]";

/// A repo with one log source and one detection, the GitHub that it is on, and a runner.
pub struct Stage {
    pub repo: Repo,
    pub flow: Flow,
    runner: TempDir,
    runs: u64,
}

/// How a job ended, and what it left on the runner.
pub struct Job {
    pub ended: Ended,
    pub outputs: BTreeMap<String, String>,
    pub summary: String,
}

/// What a job runs as.
pub struct Run<'a> {
    pub event: &'a str,
    pub payload: Value,
    pub sha: String,
    pub token: Option<&'a str>,
    pub arguments: &'a [&'a str],
    /// The run of before, once more.
    pub again: bool,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(Repo::numbers())
    }

    pub fn with(repo: Repo) -> Self {
        let flow = Flow::start(World::with_repository(REPOSITORY)).unwrap();
        let roles = [("ann".to_owned(), "write".to_owned()), ("tim".to_owned(), "triage".to_owned())];
        flow.world().repository(REPOSITORY).roles.extend(roles);
        Self { repo, flow, runner: tempfile::tempdir().unwrap(), runs: 0 }
    }

    /// Opens a pull request from a branch of the repository, at commit 2.
    pub fn open(&self) -> u64 {
        self.flow.world().open_pull(REPOSITORY, REPOSITORY, "change", &sha(2))
    }

    /// Merges it as commit 9.
    pub fn merge(&self, number: u64) {
        self.flow.world().merge(REPOSITORY, number, &sha(9));
    }

    /// Removes everything that the repo detects and takes in.
    pub fn empty(&self) {
        fs::remove_dir_all(self.repo.path().join("log_sources")).unwrap();
        fs::remove_dir_all(self.repo.path().join("detections")).unwrap();
    }

    /// Where a job leaves its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.runner.path().join("matano").join(name)
    }

    /// Runs a job as a runner does.
    pub fn job(&mut self, job: &str, run: Run<'_>) -> Job {
        let Run { event, payload, sha, token, arguments, again } = run;
        self.runs += u64::from(!again);
        let path = |name: &str| self.runner.path().join(name);
        fs::write(path("event.json"), payload.to_string()).unwrap();
        for file in ["output", "summary"] {
            fs::write(path(file), "").unwrap();
        }
        let all: Vec<&str> = ["action", job].iter().chain(arguments).copied().collect();
        let mut command = self.repo.command(&all);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("GITHUB_") || name.starts_with("INPUT_") || name.starts_with("RUNNER_") {
                command.env_remove(name);
            }
        }
        command
            .env("GITHUB_API_URL", self.flow.url())
            .env("GITHUB_SERVER_URL", "https://github.com")
            .env("GITHUB_REPOSITORY", REPOSITORY)
            .env("GITHUB_REF_NAME", "main")
            .env("GITHUB_SHA", sha)
            .env("GITHUB_EVENT_NAME", event)
            .env("GITHUB_EVENT_PATH", path("event.json"))
            .env("GITHUB_RUN_ID", (100 + self.runs).to_string())
            .env("GITHUB_RUN_ATTEMPT", if again { "2" } else { "1" })
            .env("GITHUB_OUTPUT", path("output"))
            .env("GITHUB_STEP_SUMMARY", path("summary"))
            .env("RUNNER_TEMP", self.runner.path());
        if let Some(token) = token {
            command.env("INPUT_TOKEN", token);
        }
        let ended = Ended::of(&mut command, b"");
        let outputs = outputs(&fs::read_to_string(path("output")).unwrap());
        Job { ended, outputs, summary: fs::read_to_string(path("summary")).unwrap() }
    }

    /// A job in the workflow of the pull request itself.
    pub fn proposed(&mut self, job: &str, number: u64, token: Option<&str>) -> Job {
        let head = self.head(number);
        let payload = json!({
            "action": "synchronize", "number": number,
            "pull_request": {
                "head": { "ref": "change", "sha": head, "repo": { "full_name": REPOSITORY } },
                "base": { "ref": "main", "sha": sha(1), "repo": { "full_name": REPOSITORY } },
            },
        });
        // what is checked out is a merge commit of GitHub's own
        self.job(job, Run { event: "pull_request", payload, sha: sha(77), token, arguments: &[], again: false })
    }

    /// The deploy of commit 9, or the same once more.
    pub fn deployed(&mut self, again: bool) -> Job {
        let payload = json!({ "ref": "refs/heads/main", "before": sha(1), "after": sha(9) });
        let token = Some("write-token");
        self.job("deploy", Run { event: "push", payload, sha: sha(9), token, arguments: &[], again })
    }

    /// The job `report` after a run for this commit of this repository.
    pub fn reported(&mut self, run: u64, head: &str, head_repository: &str) -> Job {
        let payload = json!({
            "action": "completed",
            "workflow_run": {
                "id": run, "event": "pull_request", "head_sha": head, "conclusion": "success",
                "head_repository": { "full_name": head_repository },
            },
        });
        let token = Some("write-token");
        self.job("report", Run { event: "workflow_run", payload, sha: sha(1), token, arguments: &[], again: false })
    }

    pub fn head(&self, number: u64) -> String {
        self.flow.world().repository(REPOSITORY).pulls[&number].head_sha.clone()
    }

    /// Texts of all comments of the bot on a pull request.
    pub fn comments(&self, number: u64) -> Vec<String> {
        let mut world = self.flow.world();
        let comments = world.repository(REPOSITORY).comments.values();
        let ours = comments.filter(|comment| comment.issue == number && comment.author == BOT);
        ours.map(|comment| comment.body.clone()).collect()
    }

    /// The only one.
    pub fn comment(&self, number: u64) -> String {
        let mut comments = self.comments(number);
        assert_eq!(comments.len(), 1, "{comments:#?}");
        comments.remove(0)
    }

    /// The names of the detections that are deployed.
    pub fn live(&self) -> Vec<String> {
        let info = self.repo.fine(&["--output", "json", "info"]).json();
        let names = info["detections"].as_array().cloned().unwrap_or_default();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }
}

impl Job {
    /// Ended with this code.
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.ended.code, code, "{}\n{}", self.ended.out, self.ended.err);
        self
    }
}

fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, end) = line.split_once("<<").unwrap();
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        out.insert(name.to_owned(), value.join("\n"));
    }
    out
}
