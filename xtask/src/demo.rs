//! The main job on sample logs, end to end, in `target/demo`. Run twice, the second run changes nothing.

mod pull_request; // a pull request's life
mod releases; // where the Action installs from
mod runner; // a runner and its GitHub
mod slack;

pub use pull_request::run_pull_request;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::step::{capture, cargo, headline, python, run, say, target};

/// What stands in `target/demo` before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Whatever the last run left.
    Continue,
    /// Nothing.
    Fresh,
}

/// The question that the demo ends with.
const QUESTION: &str = "SELECT source.ip AS source_ip, \"user\".name AS user_name, count(*) AS failed_logins \
                        FROM aws_cloudtrail WHERE event.action = 'ConsoleLogin' AND event.outcome = 'failure' \
                        GROUP BY 1, 2 ORDER BY failed_logins DESC, source_ip LIMIT 5";

/// Plays it.
pub fn run_demo(start: Start) -> Result<()> {
    python()?;
    let demo = target().join("demo");
    if start == Start::Fresh && demo.exists() {
        fs::remove_dir_all(&demo).with_context(|| format!("remove {}", demo.display()))?;
    }
    run("build", &mut cargo(&["build", "--package", "operator", "--package", "detect"]))?;
    let (repo, logs) = (demo.join("repo"), demo.join("logs"));
    let slack = slack::Receiver::start()?;
    let matano = Matano { binary: target().join("debug/matano"), repo: repo.clone(), slack: slack.url() };

    if !repo.exists() {
        fs::create_dir_all(&demo).with_context(|| format!("create {}", demo.display()))?;
        run("matano init", Command::new(&matano.binary).args(["init", "--yes"]).arg(&repo))?;
    }
    matano.step(&["check"])?;
    matano.step(&["test"])?;
    matano.step(&["plan"])?;
    matano.step(&["deploy", "--yes"])?;
    sample_logs(&logs)?;
    matano.step(&["ingest", path(&logs)?])?;
    // the sample logs are of one day: its windows are run as if they were due
    let day = ["run", "--once", "--since", "2026-03-02T00:00:00Z", "--until", "2026-03-03T00:00:00Z"];
    matano.step(&day)?;
    matano.step(&["alerts"])?;
    headline("what reached Slack");
    let messages = slack.messages();
    if messages.is_empty() {
        say("   nothing new: these alerts were sent before");
    }
    for message in messages {
        say(&message);
    }
    matano.step(&["query", QUESTION])?;
    headline("done");
    say(&format!("the repo is {}, its lake {}", repo.display(), repo.join(".matano").display()));
    Ok(())
}

/// The program that was built, at work on the demo's repo.
struct Matano {
    binary: PathBuf,
    repo: PathBuf,
    slack: String,
}

impl Matano {
    fn step(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.binary);
        command.args(["--project", path(&self.repo)?]).args(arguments);
        command.env("MATANO_SECRET_SECOPS_SLACK_WEBHOOK_URL", &self.slack);
        run(&format!("matano {}", arguments.join(" ")), &mut command)
    }
}

/// Logs with an attack in them, the same on every machine; made once.
fn sample_logs(directory: &Path) -> Result<()> {
    if directory.exists() {
        return Ok(());
    }
    headline("sample logs");
    let temporary = directory.with_extension("making");
    let manifest = samples::write(&temporary, &samples::SampleOptions::default()).context("make sample logs")?;
    fs::rename(&temporary, directory).with_context(|| format!("rename to {}", directory.display()))?;
    say(&format!("   {} objects, {} events, an attack among them", manifest.objects, manifest.events));
    Ok(())
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// The standard output of one command on the demo's repo, for the checks that read its lake.
pub fn ask(arguments: &[&str]) -> Result<String> {
    let repo = target().join("demo/repo");
    let mut command = Command::new(target().join("debug/matano"));
    capture("matano", command.args(["--project", path(&repo)?]).args(arguments))
}
