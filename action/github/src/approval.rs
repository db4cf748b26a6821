//! Whether somebody with write access agrees to a plan's deletions: by a label or by a comment, after the plan was shown.

use model::time::Timestamp;
use serde::Deserialize;

use crate::{
    client::{Client, escaped},
    error::GithubError,
    pull_request::PullRequest,
};

/// The label that approves whatever deletions the plan shows.
pub const LABEL: &str = "matano:approve-destroy";

/// The comment that approves so many: `/approve-destroy 3`.
pub const COMMAND: &str = "/approve-destroy";

/// Whether deletions are agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// By this person.
    Given {
        /// Their login.
        by: String,
    },
    /// By nobody who may.
    Missing {
        /// Why what was tried does not count, newest first.
        reasons: Vec<String>,
    },
}

/// Something that may be an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attempt {
    who: String,
    at: Timestamp,
    /// The number of a comment; a label has none.
    count: Option<usize>,
}

/// Looks for an approval of so many deletions, of a plan that is shown since `since`. Older words were about another plan.
pub async fn look(
    client: &Client,
    pull: &PullRequest,
    deletions: usize,
    since: Timestamp,
) -> Result<Approval, GithubError> {
    let mut attempts: Vec<Attempt> = client
        .comments(pull.number)
        .await?
        .into_iter()
        .filter_map(|said| Some(Attempt { count: Some(number(&said.body)?), who: said.author, at: said.at }))
        .collect();
    // a label that was taken away again approves nothing
    if pull.labels.iter().any(|label| label == LABEL) {
        attempts.extend(client.labelings(pull.number).await?);
    }
    attempts.sort_by_key(|attempt| std::cmp::Reverse(attempt.at));
    let mut reasons = Vec::new();
    for attempt in attempts {
        if let Some(reason) = refusal(&attempt, deletions, since) {
            reasons.push(reason);
        } else if client.may_write(&attempt.who).await? {
            return Ok(Approval::Given { by: attempt.who });
        } else {
            reasons.push(format!("`{}` has no write access", attempt.who));
        }
    }
    Ok(Approval::Missing { reasons })
}

/// Why an attempt does not count, as far as it says itself.
fn refusal(attempt: &Attempt, deletions: usize, since: Timestamp) -> Option<String> {
    let Attempt { who, at, count } = attempt;
    if *at < since {
        return Some(format!("what `{who}` approved was an older plan"));
    }
    match count {
        Some(count) if *count != deletions => Some(format!("`{who}` approved {count}, the plan removes {deletions}")),
        Some(_) | None => None,
    }
}

/// The number of `/approve-destroy N`, on a line of its own.
fn number(body: &str) -> Option<usize> {
    body.lines().rev().find_map(|line| {
        let mut words = line.split_whitespace();
        let (command, number) = (words.next()?, words.next()?);
        (command == COMMAND && words.next().is_none()).then(|| number.parse().ok())?
    })
}

impl Client {
    /// Whether somebody may push to the repository.
    pub async fn may_write(&self, login: &str) -> Result<bool, GithubError> {
        #[derive(Deserialize)]
        struct Permission {
            permission: String,
        }
        match self.get::<Permission>(&format!("/collaborators/{}/permission", escaped(login))).await {
            Ok(Permission { permission }) => Ok(matches!(permission.as_str(), "admin" | "write")),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Who put the label on a pull request, and when.
    async fn labelings(&self, number: u64) -> Result<Vec<Attempt>, GithubError> {
        #[derive(Deserialize)]
        struct Event {
            event: String,
            label: Option<Label>,
            actor: Option<Actor>,
            created_at: Timestamp,
        }
        #[derive(Deserialize)]
        struct Label {
            name: String,
        }
        #[derive(Deserialize)]
        struct Actor {
            login: String,
        }
        let events: Vec<Event> = self.all(&format!("/issues/{number}/events")).await?;
        let attempt = |event: Event| {
            let ours = event.event == "labeled" && event.label.is_some_and(|label| label.name == LABEL);
            Some(Attempt { who: event.actor.filter(|_| ours)?.login, at: event.created_at, count: None })
        };
        Ok(events.into_iter().filter_map(attempt).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_stands_on_a_line_of_its_own() {
        assert_eq!(number("fine by me\n  /approve-destroy 3 \nthanks"), Some(3));
        for other in
            ["/approve-destroy", "please /approve-destroy 3", "/approve-destroy 3 of them", "/approve-destroy x"]
        {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn an_approval_counts_for_this_number_and_this_plan_only() {
        let attempt = |count, at| Attempt { who: "ann".to_owned(), at: Timestamp::EPOCH.plus_seconds(at), count };
        let since = Timestamp::EPOCH.plus_seconds(10);
        assert_eq!(refusal(&attempt(Some(2), 10), 2, since), None);
        assert_eq!(refusal(&attempt(None, 11), 2, since), None);
        assert!(refusal(&attempt(Some(2), 9), 2, since).unwrap().contains("an older plan"));
        assert!(refusal(&attempt(Some(3), 11), 2, since).unwrap().contains("approved 3, the plan removes 2"));
    }
}
