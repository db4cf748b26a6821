//! The world as GitHub writes it in JSON: every member that its description requires.
//!
//! <https://github.com/github/rest-api-description>

mod check_run;
mod commit;
mod issue;
mod pull;
mod repository;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

pub(crate) use check_run::{artifact, check_run};
pub(crate) use commit::{commit, comparison};
pub(crate) use issue::{comment, event, issue, label};
pub(crate) use pull::{pull, pull_in_list};
pub(crate) use repository::repository;

/// Where things are: the API's address and the page's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// `http://127.0.0.1:1234`
    pub base: &'a str,
    /// `owner/name`
    pub repository: &'a str,
}

impl Place<'_> {
    /// An address of the API.
    pub fn api(&self, path: &str) -> String {
        format!("{}/repos/{}{path}", self.base, self.repository)
    }

    /// A page for people.
    pub fn page(&self, path: &str) -> String {
        format!("https://github.com/{}{path}", self.repository)
    }
}

/// `2026-01-31T12:00:00Z`
pub(crate) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A number that belongs to a name.
pub(crate) fn id_of(name: &str) -> u64 {
    name.bytes().fold(7, |id: u64, byte| (id.wrapping_mul(31) + u64::from(byte)) % 1_000_000_007)
}

/// A user or a bot.
pub(crate) fn user(base: &str, login: &str) -> Value {
    let url = format!("{base}/users/{}", login.replace('[', "%5B").replace(']', "%5D"));
    json!({
        "login": login,
        "id": id_of(login),
        "node_id": format!("U_{}", id_of(login)),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}", id_of(login)),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("https://github.com/{}", login.trim_end_matches("[bot]")),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following"),
        "gists_url": format!("{url}/gists"),
        "starred_url": format!("{url}/starred"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events"),
        "received_events_url": format!("{url}/received_events"),
        "type": if login.ends_with("[bot]") { "Bot" } else { "User" },
        "site_admin": false,
    })
}
