//! What there is: repositories with pull requests, comments, check runs, labels, artifacts, and who may do what.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::{fault::Fault, request::Seen};

/// Everything that the server knows. Fields are public: a test arranges what it needs.
#[derive(Debug, Default)]
pub struct World {
    /// By `owner/name`.
    pub repositories: BTreeMap<String, Repository>,
    /// By the token's text. A token that is not here is one that was revoked.
    pub tokens: BTreeMap<String, Token>,
    /// Each meets one request, the first the next.
    pub faults: VecDeque<Fault>,
    /// Every request so far.
    pub seen: Vec<Seen>,
    /// The time, where it stands still; else the clock's.
    pub stopped_at: Option<DateTime<Utc>>,
    last_id: u64,
}

/// Whose token it is and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// `github-actions[bot]`
    pub login: String,
    /// What it may do.
    pub access: Access,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// What a pull request from a fork gets.
    Read,
    /// Checks, comments, labels and issues.
    Write,
}

/// A repository.
#[derive(Debug, Default)]
pub struct Repository {
    /// `owner/name`
    pub full_name: String,
    /// The repository that it is a fork of.
    pub fork_of: Option<String>,
    /// By sha.
    pub commits: BTreeMap<String, Commit>,
    /// Shas by name; `main` is the default.
    pub branches: BTreeMap<String, String>,
    /// By number, which they share with issues.
    pub pulls: BTreeMap<u64, Pull>,
    /// By number; a pull request is one too.
    pub issues: BTreeMap<u64, Issue>,
    /// By id.
    pub comments: BTreeMap<u64, Comment>,
    /// By id.
    pub check_runs: BTreeMap<u64, CheckRun>,
    /// By id.
    pub artifacts: BTreeMap<u64, Artifact>,
    /// `admin`, `maintain`, `write`, `triage` or `read` by login; nobody else is a collaborator.
    pub roles: BTreeMap<String, String>,
}

/// A commit.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// What came before.
    pub parents: Vec<String>,
    /// What it says.
    pub message: String,
}

/// What only a pull request has; the rest is its [`Issue`].
#[derive(Debug, Clone)]
pub struct Pull {
    /// The branch it goes to.
    pub base: String,
    /// Where that branch was when it was opened or updated.
    pub base_sha: String,
    /// The repository that it comes from.
    pub head_repository: String,
    /// The branch there.
    pub head: String,
    /// The newest commit.
    pub head_sha: String,
    /// The commit that merged it, and when.
    pub merged: Option<(String, DateTime<Utc>)>,
}

/// An issue, or the issue's part of a pull request.
#[derive(Debug, Clone)]
pub struct Issue {
    /// What it is called.
    pub title: String,
    /// What it says.
    pub body: String,
    /// Who opened it.
    pub author: String,
    /// Whether it is open.
    pub open: bool,
    /// Names of labels.
    pub labels: Vec<String>,
    /// What happened to it.
    pub events: Vec<Event>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A label came or went.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id.
    pub id: u64,
    /// `labeled` or `unlabeled`
    pub event: String,
    /// The label's name.
    pub label: String,
    /// Who did it.
    pub actor: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A comment on an issue or a pull request.
#[derive(Debug, Clone)]
pub struct Comment {
    /// The number of what it is on.
    pub issue: u64,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub body: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A check run.
#[derive(Debug, Clone)]
pub struct CheckRun {
    /// What it is called.
    pub name: String,
    /// The commit it judges.
    pub head_sha: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// The caller's own id.
    pub external_id: Option<String>,
    /// More, elsewhere.
    pub details_url: Option<String>,
    /// A headline.
    pub title: Option<String>,
    /// Markdown.
    pub summary: Option<String>,
    /// More Markdown.
    pub text: Option<String>,
    /// As they were sent, over all requests.
    pub annotations: Vec<Value>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
}

/// A zip that a workflow run left behind.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Of which run.
    pub run: u64,
    /// What it is called.
    pub name: String,
    /// The zip.
    pub zip: Vec<u8>,
    /// Whether it is too old to be there.
    pub expired: bool,
}

impl World {
    /// One repository with a commit on `main`, a token `write-token` of `github-actions[bot]` and a `read-token`.
    pub fn with_repository(full_name: &str) -> Self {
        let mut world = Self::default();
        let repository = Repository {
            full_name: full_name.to_owned(),
            commits: BTreeMap::from([(sha(1), Commit { parents: Vec::new(), message: "start".to_owned() })]),
            branches: BTreeMap::from([("main".to_owned(), sha(1))]),
            ..Repository::default()
        };
        world.repositories.insert(full_name.to_owned(), repository);
        let bot = |access| Token { login: "github-actions[bot]".to_owned(), access };
        world.tokens.insert("write-token".to_owned(), bot(Access::Write));
        world.tokens.insert("read-token".to_owned(), bot(Access::Read));
        world
    }

    /// The time, to the second, as GitHub has it.
    pub fn now(&self) -> DateTime<Utc> {
        let now = self.stopped_at.unwrap_or_else(Utc::now);
        now - TimeDelta::nanoseconds(i64::from(now.timestamp_subsec_nanos()))
    }

    /// Moves a stopped clock.
    pub fn pass(&mut self, seconds: i64) {
        self.stopped_at = self.stopped_at.map(|time| time + TimeDelta::seconds(seconds));
    }

    /// A repository that must be there.
    ///
    /// # Panics
    /// Where it is not.
    pub fn repository(&mut self, full_name: &str) -> &mut Repository {
        self.repositories.get_mut(full_name).expect("the repository was added before")
    }

    /// Opens a pull request from a branch of this repository, or of a fork that is added.
    pub fn open_pull(&mut self, full_name: &str, head_repository: &str, head: &str, head_sha: &str) -> u64 {
        let (number, now) = (self.next_number(full_name), self.now());
        if full_name != head_repository {
            self.repositories.entry(head_repository.to_owned()).or_insert_with(|| Repository {
                full_name: head_repository.to_owned(),
                fork_of: Some(full_name.to_owned()),
                ..Repository::default()
            });
        }
        let author = head_repository.split('/').next().unwrap_or_default().to_owned();
        let repository = self.repository(full_name);
        let base_sha = repository.branches.get("main").cloned().unwrap_or_default();
        let parents = vec![base_sha.clone()];
        repository.commits.insert(head_sha.to_owned(), Commit { parents, message: "change".to_owned() });
        let pull = Pull {
            base: "main".to_owned(),
            base_sha,
            head_repository: head_repository.to_owned(),
            head: head.to_owned(),
            head_sha: head_sha.to_owned(),
            merged: None,
        };
        repository.pulls.insert(number, pull);
        repository.issues.insert(number, Issue::new("A change", "", &author, now));
        number
    }

    /// Pushes a commit to the branch of a pull request.
    pub fn push(&mut self, full_name: &str, number: u64, head_sha: &str) {
        let now = self.now();
        let repository = self.repository(full_name);
        if let Some(pull) = repository.pulls.get_mut(&number) {
            let parents = vec![std::mem::replace(&mut pull.head_sha, head_sha.to_owned())];
            repository.commits.insert(head_sha.to_owned(), Commit { parents, message: "change".to_owned() });
        }
        if let Some(issue) = repository.issues.get_mut(&number) {
            issue.updated_at = now;
        }
    }

    /// Merges a pull request with this commit on its base.
    pub fn merge(&mut self, full_name: &str, number: u64, merge_sha: &str) {
        let now = self.now();
        let repository = self.repository(full_name);
        let Some(pull) = repository.pulls.get_mut(&number) else { return };
        pull.merged = Some((merge_sha.to_owned(), now));
        let base = repository.branches.insert(pull.base.clone(), merge_sha.to_owned()).unwrap_or_default();
        let message = format!("Merge pull request #{number} from {}", pull.head);
        let commit = Commit { parents: vec![base, pull.head_sha.clone()], message };
        repository.commits.insert(merge_sha.to_owned(), commit);
        if let Some(issue) = repository.issues.get_mut(&number) {
            (issue.open, issue.updated_at) = (false, now);
        }
    }

    /// Writes a comment as somebody.
    pub fn comment(&mut self, full_name: &str, issue: u64, author: &str, body: &str) -> u64 {
        let (id, now) = (self.next_id(), self.now());
        let comment =
            Comment { issue, author: author.to_owned(), body: body.to_owned(), created_at: now, updated_at: now };
        self.repository(full_name).comments.insert(id, comment);
        id
    }

    /// Puts a label on an issue or a pull request, as somebody.
    pub fn label(&mut self, full_name: &str, number: u64, actor: &str, label: &str) {
        let (id, now) = (self.next_id(), self.now());
        if let Some(issue) = self.repository(full_name).issues.get_mut(&number) {
            if issue.labels.iter().any(|have| have == label) {
                return;
            }
            issue.labels.push(label.to_owned());
            let (actor, label) = (actor.to_owned(), label.to_owned());
            issue.events.push(Event { id, event: "labeled".to_owned(), label, actor, created_at: now });
        }
    }

    /// Takes a label away, as somebody.
    pub fn unlabel(&mut self, full_name: &str, number: u64, actor: &str, label: &str) {
        let (id, now) = (self.next_id(), self.now());
        if let Some(issue) = self.repository(full_name).issues.get_mut(&number) {
            issue.labels.retain(|have| have != label);
            let (actor, label) = (actor.to_owned(), label.to_owned());
            issue.events.push(Event { id, event: "unlabeled".to_owned(), label, actor, created_at: now });
        }
    }

    /// Leaves an artifact of a workflow run.
    pub fn upload(&mut self, full_name: &str, run: u64, name: &str, zip: Vec<u8>) -> u64 {
        let id = self.next_id();
        let artifact = Artifact { run, name: name.to_owned(), zip, expired: false };
        self.repository(full_name).artifacts.insert(id, artifact);
        id
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        1000 + self.last_id
    }

    pub(crate) fn next_number(&mut self, full_name: &str) -> u64 {
        self.repository(full_name).issues.keys().next_back().map_or(1, |last| last + 1)
    }
}

impl Issue {
    pub(crate) fn new(title: &str, body: &str, author: &str, now: DateTime<Utc>) -> Self {
        Self {
            title: title.to_owned(),
            body: body.to_owned(),
            author: author.to_owned(),
            open: true,
            labels: Vec::new(),
            events: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }
}

impl Repository {
    /// A commit and everything before it, itself first.
    pub fn history(&self, sha: &str) -> Vec<String> {
        let (mut out, mut next) = (Vec::new(), VecDeque::from([sha.to_owned()]));
        while let Some(sha) = next.pop_front() {
            if out.contains(&sha) {
                continue;
            }
            if let Some(commit) = self.commits.get(&sha) {
                next.extend(commit.parents.iter().cloned());
                out.push(sha);
            }
        }
        out
    }
}

/// A made-up sha: forty hex digits that end in this number.
pub fn sha(number: u64) -> String {
    format!("{number:040x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_pull_request_is_on_its_base_and_closed() {
        let mut world = World::with_repository("acme/detections");
        let number = world.open_pull("acme/detections", "acme/detections", "change", &sha(2));
        world.merge("acme/detections", number, &sha(3));
        let repository = world.repository("acme/detections");
        assert_eq!(repository.branches["main"], sha(3));
        assert_eq!(repository.history(&sha(3)), [sha(3), sha(1), sha(2)]);
        assert!(!repository.issues[&number].open);
    }
}
