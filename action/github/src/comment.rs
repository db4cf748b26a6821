//! The one comment of a pull request and project: found by a hidden marker and its author, edited in place.
//!
//! Two runs at once may both find none and both write one. Whoever looks afterwards folds them: the oldest stays and
//! gets the newest words, by the number of the run; the others go.

use std::cmp::Reverse;

use model::{digest::Digest, time::Timestamp};
use serde::{Deserialize, Serialize};

use crate::{client::Client, error::GithubError, repository::CommitSha};

/// How often the comments are looked at before a run lets others have the last word.
const ROUNDS: usize = 4;

/// Which run of a workflow: later ones are greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// `GITHUB_RUN_ID`
    pub id: u64,
    /// `GITHUB_RUN_ATTEMPT`
    pub attempt: u64,
}

/// What a comment says to the runs that come after: one line of HTML that nobody sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The project's directory within the repository.
    pub project: String,
    /// Who wrote it last.
    pub run: Run,
    /// The commit that it speaks of.
    pub head: CommitSha,
    /// The plan that it shows.
    pub plan: Option<ShownPlan>,
}

/// A plan that people could see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownPlan {
    /// Digest of its changes.
    pub digest: Digest,
    /// Since when it is shown, for this commit.
    pub since: Timestamp,
}

const BEGIN: &str = "<!-- matano:pull-request";

impl Marker {
    /// The hidden line.
    pub fn line(&self) -> String {
        let Self { project, run, head, plan } = self;
        let plan = plan.map(|ShownPlan { digest, since }| format!(" plan={digest} since={since}")).unwrap_or_default();
        format!("{BEGIN} project={} run={}.{} head={head}{plan} -->", quoted(project), run.id, run.attempt)
    }

    /// The hidden line of the project's issue about drift.
    pub fn drift_line(project: &str) -> String {
        format!("<!-- matano:drift project={} -->", quoted(project))
    }

    /// Reads the hidden line at the begin of a comment.
    pub fn parse(body: &str) -> Option<Self> {
        let fields = body.lines().next()?.trim_end().strip_prefix(BEGIN)?.strip_suffix("-->")?;
        let field =
            |name: &str| fields.split_ascii_whitespace().find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        let (id, attempt) = field("run")?.split_once('.')?;
        let plan = match (field("plan"), field("since")) {
            (Some(digest), Some(since)) => Some(ShownPlan { digest: digest.parse().ok()?, since: since.parse().ok()? }),
            (_, _) => None,
        };
        Some(Self {
            project: unquoted(field("project")?)?,
            run: Run { id: id.parse().ok()?, attempt: attempt.parse().ok()? },
            head: CommitSha::parse(field("head")?).ok()?,
            plan,
        })
    }
}

/// Letters, digits, `/`, `_` and `.` as they are, the rest in hex: no space, no `--`, no `>`.
fn quoted(text: &str) -> String {
    let mut out = String::from(".");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

fn unquoted(text: &str) -> Option<String> {
    let mut parts = text.strip_prefix('.')?.split('%');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(out).ok()
}

/// A comment of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Its id.
    pub id: u64,
    /// Its page.
    pub url: String,
    /// What it says of itself.
    pub marker: Marker,
    /// The whole text.
    pub body: String,
}

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The comment's page.
    pub url: String,
    /// Who GitHub says has written it.
    pub author: String,
    /// Whether it says what was given; not where a newer run has spoken.
    pub is_ours: bool,
}

/// The place of the one comment.
#[derive(Clone, Copy)]
pub struct Sticky<'a> {
    /// How GitHub is asked.
    pub client: &'a Client,
    /// The pull request.
    pub number: u64,
    /// Whose comments are ours: `github-actions[bot]`.
    pub author: &'a str,
    /// The project's directory within the repository.
    pub project: &'a str,
}

impl Sticky<'_> {
    /// The comment with the newest words, where there is one.
    pub async fn find(&self) -> Result<Option<Own>, GithubError> {
        Ok(self.own().await?.into_iter().max_by_key(|own| (own.marker.run, Reverse(own.id))))
    }

    /// Makes it say this. `body` begins with the marker's line.
    pub async fn put(&self, marker: &Marker, body: &str) -> Result<Written, GithubError> {
        let mut written = None;
        for _ in 0..ROUNDS {
            let own = self.own().await?;
            let newest = own.iter().max_by_key(|own| own.marker.run);
            let outdated = newest.filter(|newest| newest.marker.run > marker.run);
            let wanted = outdated.map_or(body, |newest| newest.body.as_str());
            let Some((first, others)) = own.split_first() else {
                let created = self.create(body).await?;
                if created.author() != self.author {
                    // another token than the caller thinks: looking for it would find nothing
                    return Ok(Written { author: created.author(), url: created.html_url, is_ours: true });
                }
                written = Some(created);
                continue;
            };
            if first.body != wanted {
                match self.edit(first.id, wanted).await {
                    // deleted by a person at this moment: look again
                    Err(error) if error.is_not_found() => continue,
                    edited => written = Some(edited?),
                }
            }
            for other in others {
                self.client.delete(&format!("/issues/comments/{}", other.id)).await?;
            }
            if first.body == wanted && others.is_empty() {
                let author = self.author.to_owned();
                return Ok(Written { url: first.url.clone(), author, is_ours: outdated.is_none() });
            }
        }
        // others write all the time
        match written {
            Some(written) => Ok(Written { author: written.author(), url: written.html_url, is_ours: true }),
            None => Err(GithubError::Answer {
                request: format!("comment on #{}", self.number),
                problem: "the comment disappears whenever it is written".to_owned(),
            }),
        }
    }

    /// All of ours, oldest first. A person's comment that copies the marker is not.
    async fn own(&self) -> Result<Vec<Own>, GithubError> {
        let all: Vec<Wire> = self.client.all(&format!("/issues/{}/comments", self.number)).await?;
        let mut own: Vec<Own> = all.into_iter().filter_map(|comment| self.recognized(comment)).collect();
        own.sort_by_key(|own| own.id);
        Ok(own)
    }

    fn recognized(&self, comment: Wire) -> Option<Own> {
        let body = comment.body.as_deref().unwrap_or_default();
        let marker = Marker::parse(body).filter(|marker| marker.project == self.project)?;
        (comment.author() == self.author).then(|| Own {
            id: comment.id,
            url: comment.html_url.clone(),
            marker,
            body: body.to_owned(),
        })
    }

    async fn create(&self, body: &str) -> Result<Wire, GithubError> {
        self.client.post(&format!("/issues/{}/comments", self.number), &Body { body }).await
    }

    async fn edit(&self, id: u64, body: &str) -> Result<Wire, GithubError> {
        self.client.patch(&format!("/issues/comments/{id}"), &Body { body }).await
    }
}

/// A comment of anyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub author: String,
    pub body: String,
    pub at: Timestamp,
}

impl Client {
    /// Every comment on a pull request, oldest first.
    pub(crate) async fn comments(&self, number: u64) -> Result<Vec<Said>, GithubError> {
        let all: Vec<Wire> = self.all(&format!("/issues/{number}/comments")).await?;
        let said = |comment: Wire| Said {
            author: comment.author(),
            body: comment.body.unwrap_or_default(),
            at: comment.created_at,
        };
        Ok(all.into_iter().map(said).collect())
    }
}

#[derive(Serialize)]
struct Body<'a> {
    body: &'a str,
}

#[derive(Deserialize)]
struct Wire {
    id: u64,
    html_url: String,
    body: Option<String>,
    user: Option<User>,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl Wire {
    fn author(&self) -> String {
        self.user.as_ref().map(|user| user.login.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(project: &str) -> Marker {
        Marker {
            project: project.to_owned(),
            run: Run { id: 12, attempt: 3 },
            head: CommitSha::parse("1111111111111111111111111111111111111111").unwrap(),
            plan: Some(ShownPlan { digest: Digest::of(b"plan"), since: Timestamp::EPOCH }),
        }
    }

    #[test]
    fn a_marker_is_read_back_whatever_the_project_is_called() {
        for project in ["", "detections", "a b--> <!-- %", "日本/語"] {
            let marker = marker(project);
            let line = marker.line();
            assert_eq!(line.matches("--").count(), 2, "{line}");
            assert_eq!(Marker::parse(&format!("{line}\r\nwords")), Some(marker.clone()), "{line}");
            let without = Marker { plan: None, ..marker };
            assert_eq!(Marker::parse(&without.line()), Some(without));
        }
    }

    #[test]
    fn a_marker_that_is_quoted_or_cut_is_none() {
        let line = marker("p").line();
        for body in
            [format!("> {line}"), format!("words\n{line}"), line.replace(" -->", ""), line.replace("run=", "r=")]
        {
            assert_eq!(Marker::parse(&body), None, "{body}");
        }
    }

    #[test]
    fn later_attempts_of_a_run_and_later_runs_are_newer() {
        let run = |id, attempt| Run { id, attempt };
        assert!(run(1, 2) > run(1, 1) && run(2, 1) > run(1, 9));
    }
}
