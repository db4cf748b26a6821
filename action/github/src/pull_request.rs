//! Pull requests as the API knows them: the word that counts, whatever a payload or an artifact claims.

use serde::Deserialize;

use crate::{
    client::{Client, escaped},
    error::GithubError,
    repository::CommitSha,
};

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Whether it is open.
    pub is_open: bool,
    /// Its newest commit.
    pub head_sha: CommitSha,
    /// `owner/name` of where it comes from; `None` where that is gone.
    pub head_repository: Option<String>,
    /// The branch that it goes to.
    pub base: String,
    /// The commit on that branch that merged it.
    pub merged_as: Option<CommitSha>,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Who opened it.
    pub author: String,
}

/// Why a pull request is not the one that a run was for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The number names none.
    #[error("pull request #{0} does not exist: the number is not to be trusted")]
    Unknown(u64),
    /// It comes from elsewhere.
    #[error(
        "pull request #{number} comes from `{found}`, but the run was for `{expected}`: the number is not to be trusted"
    )]
    OtherRepository {
        /// The number that was claimed.
        number: u64,
        /// Where the run's commit comes from.
        expected: String,
        /// Where the pull request comes from.
        found: String,
    },
    /// Its newest commit is another one.
    #[error(
        "pull request #{number} is at commit {found}, but the run was for {expected}: either it was pushed to since, and a newer run reports, or the number is not to be trusted"
    )]
    OtherHead {
        /// The number that was claimed.
        number: u64,
        /// The run's commit.
        expected: CommitSha,
        /// The pull request's.
        found: CommitSha,
    },
    /// It is closed.
    #[error("pull request #{0} is closed: there is nobody to report to")]
    Closed(u64),
}

impl PullRequest {
    /// Whether it is the one that a run for this commit was about.
    pub fn matches(&self, head_sha: &CommitSha, head_repository: &str) -> Result<(), Mismatch> {
        let number = self.number;
        let found = self.head_repository.clone().unwrap_or_default();
        if found != head_repository {
            return Err(Mismatch::OtherRepository { number, expected: head_repository.to_owned(), found });
        }
        if self.head_sha != *head_sha {
            let (expected, found) = (head_sha.clone(), self.head_sha.clone());
            return Err(Mismatch::OtherHead { number, expected, found });
        }
        if !self.is_open {
            return Err(Mismatch::Closed(number));
        }
        Ok(())
    }
}

impl Client {
    /// One pull request.
    pub async fn pull_request(&self, number: u64) -> Result<PullRequest, GithubError> {
        Ok(self.get::<Wire>(&format!("/pulls/{number}")).await?.into())
    }

    /// The pull request that was merged as this commit of this branch.
    pub async fn merged_as(&self, sha: &CommitSha, branch: &str) -> Result<Option<PullRequest>, GithubError> {
        let found: Vec<Wire> = self.all(&format!("/commits/{sha}/pulls")).await?;
        let mut found = found.into_iter().filter(|pull| pull.merged_at.is_some()).map(PullRequest::from);
        Ok(found.find(|pull| pull.merged_as.as_ref() == Some(sha) && pull.base == branch))
    }

    /// How many commits the base has that the pull request lacks.
    pub async fn behind(&self, base: &str, head: &CommitSha) -> Result<u64, GithubError> {
        #[derive(Deserialize)]
        struct Comparison {
            behind_by: u64,
        }
        let both = escaped(&format!("{base}...{head}"));
        let Comparison { behind_by } = self.get(&format!("/compare/{both}?per_page=1")).await?;
        Ok(behind_by)
    }
}

#[derive(Deserialize)]
struct Wire {
    number: u64,
    state: String,
    merged_at: Option<String>,
    merge_commit_sha: Option<CommitSha>,
    head: Side,
    base: Side,
    #[serde(default)]
    labels: Vec<Label>,
    user: Option<User>,
}

/// Head or base, as the API and payloads of events have it.
#[derive(Deserialize)]
pub(crate) struct Side {
    #[serde(rename = "ref")]
    pub git_ref: String,
    pub sha: CommitSha,
    pub repo: Option<Repository>,
}

#[derive(Deserialize)]
pub(crate) struct Repository {
    pub full_name: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl From<Wire> for PullRequest {
    fn from(wire: Wire) -> Self {
        let Wire { number, state, merged_at, merge_commit_sha, head, base, labels, user } = wire;
        Self {
            number,
            is_open: state == "open",
            head_sha: head.sha,
            head_repository: head.repo.map(|repository| repository.full_name),
            base: base.git_ref,
            // before a merge the field names a commit that only tries it
            merged_as: merge_commit_sha.filter(|_| merged_at.is_some()),
            labels: labels.into_iter().map(|label| label.name).collect(),
            author: user.map(|user| user.login).unwrap_or_default(),
        }
    }
}
