//! One run of a job: what was asked, what the runner says, and what is left behind.

use std::{fs, future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use check::render::workflow_commands;
use github::{
    Client, Connection,
    pace::{Clock, Patience},
    page::{self, Page, Planned, Stage},
    report::Report,
};
use model::time::Timestamp;

use super::runner::{Runner, fence};
use crate::{
    cli::{Action, Global},
    terminal::Terminal,
};

/// Where nothing says where files go.
const DIRECTORY: &str = "matano-report";

/// One run of a job.
pub struct Session<'a> {
    pub global: &'a Global,
    pub options: &'a Action,
    pub terminal: Terminal,
    pub runner: Runner,
    /// `None` without a token.
    pub client: Option<Client>,
    directory: PathBuf,
    outputs: Vec<(&'static str, String)>,
}

/// The wall clock.
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl<'a> Session<'a> {
    /// Reads the environment and makes the directory for files.
    pub fn start(global: &'a Global, options: &'a Action, terminal: Terminal) -> Result<Self> {
        let runner = Runner::read(|name| std::env::var(name).ok())?;
        let asked = options.directory.clone().filter(|directory| !directory.as_os_str().is_empty());
        let directory = asked.unwrap_or_else(|| match &runner.temp {
            Some(temp) => temp.join("matano"),
            None => PathBuf::from(DIRECTORY),
        });
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        let given = |token: Option<String>| token.filter(|token| !token.is_empty());
        let token = given(options.token.clone()).or_else(|| given(std::env::var("INPUT_TOKEN").ok()));
        let client = match token {
            None => None,
            Some(token) => {
                let (api_url, repository) = (runner.api_url.clone(), runner.repository.clone());
                let connection = Connection { api_url, token: Some(token), repository };
                Some(Client::new(connection, Arc::new(WallClock), Patience::default())?)
            }
        };
        Ok(Self { global, options, terminal, runner, client, directory, outputs: Vec::new() })
    }

    /// Sets an output of the step.
    pub fn output(&mut self, name: &'static str, value: impl ToString) {
        self.outputs.push((name, value.to_string()));
    }

    /// Writes a file for later steps; its path.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.directory.join(name);
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// The report that an earlier step of this job began, if it is about the same commit and project.
    pub fn report(&self, project: &str) -> Report {
        let (head, number) = (self.runner.head(), self.runner.pull_request());
        let begun = fs::read(self.directory.join(github::artifact::FILE)).ok();
        let begun = begun.and_then(|bytes| Report::parse(&bytes).ok());
        let same = |report: &Report| report.head == *head && report.project == project && report.pull_request == number;
        begun.filter(same).unwrap_or_else(|| Report::new(head.clone(), number, project))
    }

    /// Writes the report for later steps and jobs.
    pub fn save(&mut self, report: &Report) -> Result<()> {
        let path = self.write(github::artifact::FILE, &report.to_json())?;
        self.output("report", path.display());
        Ok(())
    }

    /// A workflow command, one line.
    pub fn command(&self, line: &str) {
        self.terminal.line(line);
    }

    /// Text for the log in which the runner looks for no commands.
    pub fn log(&self, text: &str) {
        let (begin, end) = fence();
        self.terminal.line(&format!("{begin}\n{}\n{end}", text.trim_end()));
    }

    /// Writes for the log through `show`, and the runner looks for no commands in it.
    pub fn fenced(&self, show: impl FnOnce() -> Result<()>) -> Result<()> {
        let (begin, end) = fence();
        self.terminal.line(&begin);
        let shown = show();
        self.terminal.line(&end);
        shown
    }

    /// Adds a report to the job's summary.
    pub fn summarize(&self, report: &Report) -> Result<()> {
        let page = Page {
            report: Some(report),
            plan: Planned::NotAsked,
            stage: Stage::Proposed { behind: 0, base: "", max_deletes: 0 },
            head: &report.head,
            project: &report.project,
            run_url: None,
        };
        self.runner.add_summary(&page::render(&page, page::SUMMARY_BYTES / 2))
    }

    /// Something that is not as it should be and fails nothing.
    pub fn notice(&self, message: &str) {
        self.command(&workflow_commands::failure("matano", message).replacen("::error", "::notice", 1));
    }

    /// What ended the job.
    pub fn failure(&self, message: &str) {
        self.command(&workflow_commands::failure("matano", message));
    }

    /// Hands the outputs to the runner.
    pub fn finish(&mut self) -> Result<()> {
        self.runner.set_outputs(&std::mem::take(&mut self.outputs))
    }
}
