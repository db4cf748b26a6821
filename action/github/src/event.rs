//! What started a workflow: the payload that the runner leaves at `GITHUB_EVENT_PATH`.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows>

use serde::{Deserialize, de::DeserializeOwned};

use crate::repository::CommitSha;

/// What started a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pull request was opened or pushed to. What runs is its own code, with a token that may be read-only.
    PullRequest(PullRequestEvent),
    /// A workflow of a pull request has ended. What runs is the default branch's code, with a token that may write.
    WorkflowRun(WorkflowRunEvent),
    /// Commits came to a branch.
    Push {
        /// The branch's newest commit.
        after: CommitSha,
        /// `refs/heads/main`
        git_ref: String,
    },
    /// Pull requests wait to be merged together.
    MergeGroup {
        /// The commit that would be merged.
        head_sha: CommitSha,
    },
    /// The clock.
    Schedule,
    /// A person.
    WorkflowDispatch,
}

/// `pull_request`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestEvent {
    /// The pull request.
    pub number: u64,
    /// Its newest commit: not the merge commit that is checked out.
    pub head_sha: CommitSha,
    /// `owner/name` of where it comes from; `None` where that repository is gone.
    pub head_repository: Option<String>,
    /// The branch that it goes to.
    pub base: String,
}

/// `workflow_run`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRunEvent {
    /// The run that ended.
    pub id: u64,
    /// The commit that it ran for.
    pub head_sha: CommitSha,
    /// `owner/name` of where that commit comes from.
    pub head_repository: String,
    /// What had started it: `pull_request`.
    pub event: String,
}

/// A payload that nothing can be done with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An event that no job acts on.
    #[error(
        "no job acts on the event `{0}`: start the workflow on pull_request, workflow_run, push, merge_group, schedule or workflow_dispatch"
    )]
    Unknown(String),
    /// It would run a pull request's code with the secrets of the repository.
    #[error(
        "`pull_request_target` would run a pull request's code beside secrets: use pull_request for check and test, and workflow_run for what comes after"
    )]
    PullRequestTarget,
    /// The payload is not what GitHub documents.
    #[error("the payload of the event `{name}` is not understood: {problem}")]
    Malformed {
        /// Which event.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

impl Event {
    /// Reads the payload of the event of this name.
    pub fn parse(name: &str, payload: &[u8]) -> Result<Self, EventError> {
        match name {
            "pull_request" => Ok(Self::PullRequest(read::<wire::PullRequest>(name, payload)?.into())),
            "workflow_run" => Ok(Self::WorkflowRun(read::<wire::WorkflowRun>(name, payload)?.into())),
            "push" => {
                let wire::Push { after, git_ref } = read(name, payload)?;
                Ok(Self::Push { after, git_ref })
            }
            "merge_group" => {
                let wire::MergeGroup { merge_group } = read(name, payload)?;
                Ok(Self::MergeGroup { head_sha: merge_group.head_sha })
            }
            "schedule" => Ok(Self::Schedule),
            "workflow_dispatch" => Ok(Self::WorkflowDispatch),
            "pull_request_target" => Err(EventError::PullRequestTarget),
            other => Err(EventError::Unknown(other.to_owned())),
        }
    }

    /// The pull request's newest commit, or the commit that a merge would make. `None` where the runner's own
    /// `GITHUB_SHA` is the one.
    pub fn head_sha(&self) -> Option<&CommitSha> {
        match self {
            Self::PullRequest(event) => Some(&event.head_sha),
            Self::WorkflowRun(event) => Some(&event.head_sha),
            Self::Push { after, .. } => Some(after),
            Self::MergeGroup { head_sha } => Some(head_sha),
            Self::Schedule | Self::WorkflowDispatch => None,
        }
    }
}

fn read<T: DeserializeOwned>(name: &str, payload: &[u8]) -> Result<T, EventError> {
    serde_json::from_slice(payload)
        .map_err(|error| EventError::Malformed { name: name.to_owned(), problem: error.to_string() })
}

/// The payloads as GitHub writes them, cut to what is read.
mod wire {
    use super::{CommitSha, Deserialize};
    use crate::pull_request::{Repository, Side};

    #[derive(Deserialize)]
    pub struct PullRequest {
        number: u64,
        pull_request: Pull,
    }

    #[derive(Deserialize)]
    struct Pull {
        head: Side,
        base: Side,
    }

    impl From<PullRequest> for super::PullRequestEvent {
        fn from(PullRequest { number, pull_request: Pull { head, base } }: PullRequest) -> Self {
            let head_repository = head.repo.map(|repository| repository.full_name);
            Self { number, head_sha: head.sha, head_repository, base: base.git_ref }
        }
    }

    #[derive(Deserialize)]
    pub struct WorkflowRun {
        workflow_run: Run,
    }

    #[derive(Deserialize)]
    struct Run {
        id: u64,
        head_sha: CommitSha,
        head_repository: Repository,
        event: String,
    }

    impl From<WorkflowRun> for super::WorkflowRunEvent {
        fn from(WorkflowRun { workflow_run: Run { id, head_sha, head_repository, event } }: WorkflowRun) -> Self {
            Self { id, head_sha, head_repository: head_repository.full_name, event }
        }
    }

    #[derive(Deserialize)]
    pub struct Push {
        pub after: CommitSha,
        #[serde(rename = "ref")]
        pub git_ref: String,
    }

    #[derive(Deserialize)]
    pub struct MergeGroup {
        pub merge_group: Group,
    }

    #[derive(Deserialize)]
    pub struct Group {
        pub head_sha: CommitSha,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn the_head_of_a_pull_request_is_its_own_commit() {
        let payload = format!(
            r#"{{"action":"synchronize","number":7,"pull_request":{{"head":{{"ref":"change","sha":"{SHA}","repo":{{"full_name":"fork/detections"}}}},"base":{{"ref":"main","sha":"{SHA}","repo":null}}}}}}"#
        );
        let Event::PullRequest(event) = Event::parse("pull_request", payload.as_bytes()).unwrap() else {
            panic!("another event")
        };
        assert_eq!((event.number, event.head_sha.as_str(), event.base.as_str()), (7, SHA, "main"));
        assert_eq!(event.head_repository.as_deref(), Some("fork/detections"));
    }

    #[test]
    fn an_event_that_nobody_acts_on_says_which_ones_are() {
        let error = Event::parse("issue_comment", b"{}").unwrap_err().to_string();
        assert!(error.contains("`issue_comment`") && error.contains("workflow_run"), "{error}");
        assert_eq!(Event::parse("pull_request_target", b"{}"), Err(EventError::PullRequestTarget));
    }

    #[test]
    fn a_payload_without_what_is_needed_says_what_is_missing() {
        let error = Event::parse("push", br#"{"ref":"refs/heads/main"}"#).unwrap_err().to_string();
        assert!(error.contains("missing field `after`"), "{error}");
        assert!(Event::parse("push", br#"{"ref":"refs/heads/main","after":"HEAD"}"#).is_err());
    }
}
