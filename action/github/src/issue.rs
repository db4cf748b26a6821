//! The one issue about drift: opened, updated, closed.

use serde::{Deserialize, Serialize};

use crate::{
    client::{Client, escaped},
    error::GithubError,
};

/// The label that the issue is found by.
pub const LABEL: &str = "matano:drift";

/// What became of the issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriftIssue {
    /// There is none, and there was nothing to say.
    None,
    /// It was opened; its page.
    Opened(String),
    /// It was open and says the newest now; its page.
    Updated(String),
    /// There is nothing to say any more; its page.
    Closed(String),
}

/// Makes the issue say this, or closes it. `marker` is the first line of the issue's text and tells projects apart;
/// `author` is whose issues are ours.
pub async fn put(
    client: &Client,
    author: &str,
    marker: &str,
    title: &str,
    text: Option<&str>,
) -> Result<DriftIssue, GithubError> {
    let path = format!("/issues?state=open&labels={}", escaped(LABEL));
    let open: Vec<Wire> = client.all(&path).await?;
    let ours = open.into_iter().find(|issue| {
        issue.pull_request.is_none()
            && issue.user.as_ref().is_some_and(|user| user.login == author)
            && issue.body.as_deref().and_then(|body| body.lines().next()) == Some(marker)
    });
    let body = text.map(|text| format!("{marker}\n{text}"));
    match (ours, body) {
        (None, None) => Ok(DriftIssue::None),
        (None, Some(body)) => {
            let new = New { title, body: &body, labels: [LABEL] };
            Ok(DriftIssue::Opened(client.post::<Wire>("/issues", &new).await?.html_url))
        }
        (Some(issue), Some(body)) => {
            if issue.body.as_deref() != Some(body.as_str()) {
                let change = Change { body: Some(&body), state: None };
                client.patch::<Wire>(&format!("/issues/{}", issue.number), &change).await?;
            }
            Ok(DriftIssue::Updated(issue.html_url))
        }
        (Some(issue), None) => {
            let change = Change { body: None, state: Some("closed") };
            client.patch::<Wire>(&format!("/issues/{}", issue.number), &change).await?;
            Ok(DriftIssue::Closed(issue.html_url))
        }
    }
}

#[derive(Serialize)]
struct New<'a> {
    title: &'a str,
    body: &'a str,
    labels: [&'a str; 1],
}

#[derive(Serialize)]
struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
}

#[derive(Deserialize)]
struct Wire {
    number: u64,
    html_url: String,
    body: Option<String>,
    user: Option<User>,
    pull_request: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}
