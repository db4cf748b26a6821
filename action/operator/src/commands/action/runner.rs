//! What a GitHub runner says of itself, and the files it reads back.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/variables> and
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use github::{CommitSha, Event, RepositoryName, comment::Run, page};

use crate::exit::environment;

/// A payload larger than this is not GitHub's.
const PAYLOAD_BYTES: u64 = 64 * 1024 * 1024;

/// What a runner says of itself.
#[derive(Debug, Clone)]
pub struct Runner {
    /// `GITHUB_REPOSITORY`
    pub repository: RepositoryName,
    /// `GITHUB_SHA`: what is checked out. In a pull request that is a merge commit of GitHub's own.
    pub sha: CommitSha,
    /// `GITHUB_REF_NAME`: `main`
    pub branch: String,
    /// What started the workflow.
    pub event: Event,
    /// `GITHUB_API_URL`
    pub api_url: String,
    /// The page of this run.
    pub run_url: String,
    /// Which run this is.
    pub run: Run,
    /// `GITHUB_OUTPUT`
    output: Option<PathBuf>,
    /// `GITHUB_STEP_SUMMARY`
    summary: Option<PathBuf>,
    /// `RUNNER_TEMP`
    pub temp: Option<PathBuf>,
}

impl Runner {
    /// Reads the environment and the event's payload.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let needed = |name: &str| {
            given(name).ok_or_else(|| {
                environment(format!("`{name}` is not set: `matano action` runs on a GitHub runner, which sets it"))
            })
        };
        let number = |name: &str| -> Result<u64> {
            let text = needed(name)?;
            text.parse().map_err(|_| environment(format!("`{name}`: expected a number, found `{text}`")))
        };
        let wrong = |name: &'static str| move |error: github::NameError| environment(format!("`{name}`: {error}"));
        let repository = RepositoryName::parse(&needed("GITHUB_REPOSITORY")?).map_err(wrong("GITHUB_REPOSITORY"))?;
        let sha = CommitSha::parse(&needed("GITHUB_SHA")?).map_err(wrong("GITHUB_SHA"))?;
        let payload = payload(Path::new(&needed("GITHUB_EVENT_PATH")?))?;
        let event =
            Event::parse(&needed("GITHUB_EVENT_NAME")?, &payload).map_err(|error| environment(error.to_string()))?;
        let run = Run { id: number("GITHUB_RUN_ID")?, attempt: number("GITHUB_RUN_ATTEMPT")? };
        let server = given("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
        Ok(Self {
            run_url: format!("{server}/{repository}/actions/runs/{}", run.id),
            branch: needed("GITHUB_REF_NAME")?,
            api_url: given("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned()),
            output: given("GITHUB_OUTPUT").map(PathBuf::from),
            summary: given("GITHUB_STEP_SUMMARY").map(PathBuf::from),
            temp: given("RUNNER_TEMP").map(PathBuf::from),
            repository,
            sha,
            event,
            run,
        })
    }

    /// The commit that is judged: the pull request's newest, not the merge commit that is checked out.
    pub fn head(&self) -> &CommitSha {
        self.event.head_sha().unwrap_or(&self.sha)
    }

    /// The pull request that the event is about, as the event says.
    pub fn pull_request(&self) -> Option<u64> {
        match &self.event {
            Event::PullRequest(event) => Some(event.number),
            Event::WorkflowRun(_)
            | Event::Push { .. }
            | Event::MergeGroup { .. }
            | Event::Schedule
            | Event::WorkflowDispatch => None,
        }
    }

    /// Adds outputs of the step. Each value stands between lines that nobody can guess, so that none ends early.
    pub fn set_outputs(&self, outputs: &[(&str, String)]) -> Result<()> {
        let Some(path) = &self.output else { return Ok(()) };
        let mut text = String::new();
        for (name, value) in outputs {
            let end = format!("end-{}", uuid::Uuid::new_v4().simple());
            text.push_str(&format!("{name}<<{end}\n{value}\n{end}\n"));
        }
        append(path, &text)
    }

    /// Adds Markdown to the job's summary, as much as GitHub takes.
    pub fn add_summary(&self, markdown: &str) -> Result<()> {
        let Some(path) = &self.summary else { return Ok(()) };
        let there = fs::metadata(path).map_or(0, |metadata| metadata.len());
        let room = (page::SUMMARY_BYTES as u64).saturating_sub(there);
        // the caller has made it fit an empty one; a step that writes twice must not lose the first
        if markdown.len() as u64 > room {
            return Ok(());
        }
        append(path, markdown)
    }
}

fn payload(path: &Path) -> Result<Vec<u8>> {
    let size = fs::metadata(path).with_context(|| format!("read the event's payload {}", path.display()))?.len();
    if size > PAYLOAD_BYTES {
        return Err(environment(format!("the event's payload has {size} bytes, expected {PAYLOAD_BYTES} at most")));
    }
    fs::read(path).with_context(|| format!("read the event's payload {}", path.display()))
}

fn append(path: &Path, text: &str) -> Result<()> {
    let file = File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("write {}", path.display()))
}

/// The lines around text of the project in the log: between them the runner looks for no commands, wherever in a line they
/// stand.
pub fn fence() -> (String, String) {
    let token = uuid::Uuid::new_v4().simple().to_string();
    (format!("::stop-commands::{token}"), format!("::{token}::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(directory: &Path) -> Vec<(&'static str, String)> {
        let event = directory.join("event.json");
        fs::write(&event, r#"{"ref":"refs/heads/main","after":"1111111111111111111111111111111111111111"}"#).unwrap();
        vec![
            ("GITHUB_REPOSITORY", "acme/detections".to_owned()),
            ("GITHUB_SHA", "2222222222222222222222222222222222222222".to_owned()),
            ("GITHUB_EVENT_NAME", "push".to_owned()),
            ("GITHUB_EVENT_PATH", event.display().to_string()),
            ("GITHUB_RUN_ID", "7".to_owned()),
            ("GITHUB_RUN_ATTEMPT", "2".to_owned()),
            ("GITHUB_OUTPUT", directory.join("output").display().to_string()),
            ("GITHUB_REF_NAME", "main".to_owned()),
        ]
    }

    fn read(variables: &[(&'static str, String)]) -> Result<Runner> {
        Runner::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn every_variable_that_is_needed_is_named_when_it_is_missing_or_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let all = variables(directory.path());
        assert_eq!(read(&all).unwrap().head().as_str(), "1".repeat(40));
        for missing in 0..6 {
            let mut some = all.clone();
            let (name, _) = some.remove(missing);
            assert!(read(&some).unwrap_err().to_string().contains(name));
            some.push((name, "?".to_owned()));
            let error = format!("{:#}", read(&some).unwrap_err());
            assert!(error.contains('?'), "{name}: {error}");
        }
    }

    #[test]
    fn an_output_that_tries_to_end_early_stays_one_output() {
        let directory = tempfile::tempdir().unwrap();
        let runner = read(&variables(directory.path())).unwrap();
        runner.set_outputs(&[("report", "a\nend-0\nchanges<<end\n9".to_owned())]).unwrap();
        let text = fs::read_to_string(directory.path().join("output")).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let end = first.strip_prefix("report<<").unwrap();
        assert_eq!(rest.matches(end).count(), 1);
        assert!(rest.ends_with(&format!("\n{end}\n")));
    }

    #[test]
    fn text_for_the_log_stands_between_lines_that_it_cannot_guess() {
        let (begin, end) = fence();
        let token = begin.strip_prefix("::stop-commands::").unwrap();
        assert_eq!(end, format!("::{token}::"));
        assert_ne!(fence().0, begin);
    }
}
