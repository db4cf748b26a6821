//! A check run: begun, annotated fifty findings at a time, ended with a conclusion.
//!
//! <https://docs.github.com/en/rest/checks/runs>

use check::render::annotations::Annotation;
use serde::{Deserialize, Serialize};

use crate::{client::Client, error::GithubError, repository::CommitSha};

/// GitHub takes no more in one request.
const BATCH: usize = 50;

/// GitHub's limit for the summary, in characters; bytes are never fewer.
pub const SUMMARY_BYTES: usize = 65_535;

/// A check run that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// Its id.
    pub id: u64,
    /// Its page.
    pub url: Option<String>,
}

/// How it ended. There is no way to complete a check run without one, which GitHub would take and show as running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// All is well.
    Success,
    /// Something must be mended.
    Failure,
    /// A person must act: approve, update the branch.
    ActionRequired,
    /// Worth a look.
    Neutral,
}

/// What a check run shows.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Output<'a> {
    /// One line.
    pub title: &'a str,
    /// Markdown of at most [`SUMMARY_BYTES`].
    pub summary: &'a str,
}

/// Begins a check run on a commit.
pub async fn begin(
    client: &Client,
    name: &str,
    head_sha: &CommitSha,
    details_url: Option<&str>,
) -> Result<CheckRun, GithubError> {
    let body = Begin { name, head_sha: head_sha.as_str(), status: "in_progress", details_url };
    Ok(client.post::<Wire>("/check-runs", &body).await?.into())
}

/// Sends all annotations and ends it.
pub async fn end(
    client: &Client,
    run: &CheckRun,
    output: Output<'_>,
    annotations: &[Annotation],
    conclusion: Conclusion,
) -> Result<(), GithubError> {
    let path = format!("/check-runs/{}", run.id);
    let batches = annotations.chunks(BATCH).chain(annotations.is_empty().then_some([].as_slice()));
    let last = annotations.len().div_ceil(BATCH).max(1);
    for (number, batch) in batches.enumerate() {
        let done = number + 1 == last;
        let Output { title, summary } = output;
        let body = End {
            status: if done { "completed" } else { "in_progress" },
            conclusion: done.then_some(conclusion),
            output: Batch { title, summary, annotations: batch },
        };
        client.patch::<Wire>(&path, &body).await?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Begin<'a> {
    name: &'a str,
    head_sha: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details_url: Option<&'a str>,
}

#[derive(Serialize)]
struct End<'a> {
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conclusion: Option<Conclusion>,
    output: Batch<'a>,
}

#[derive(Serialize)]
struct Batch<'a> {
    title: &'a str,
    summary: &'a str,
    annotations: &'a [Annotation],
}

#[derive(Deserialize)]
struct Wire {
    id: u64,
    html_url: Option<String>,
}

impl From<Wire> for CheckRun {
    fn from(Wire { id, html_url }: Wire) -> Self {
        Self { id, url: html_url }
    }
}
