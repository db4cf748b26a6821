//! A repository.

use serde_json::{Map, Value, json};

use super::{Place, id_of, user};
use crate::world::Repository;

/// Members that hold an address below the repository's own.
const ADDRESSES: &[&str] = &[
    "archive",
    "assignees",
    "blobs",
    "branches",
    "collaborators",
    "comments",
    "commits",
    "compare",
    "contents",
    "contributors",
    "deployments",
    "downloads",
    "events",
    "forks",
    "git_commits",
    "git_refs",
    "git_tags",
    "hooks",
    "issue_comment",
    "issue_events",
    "issues",
    "keys",
    "labels",
    "languages",
    "merges",
    "milestones",
    "notifications",
    "pulls",
    "releases",
    "stargazers",
    "statuses",
    "subscribers",
    "subscription",
    "tags",
    "teams",
    "trees",
];

/// The whole repository; enough for every place where GitHub shows one.
pub(crate) fn repository(base: &str, repository: &Repository) -> Value {
    let place = Place { base, repository: &repository.full_name };
    let (owner, name) = repository.full_name.split_once('/').unwrap_or(("", &repository.full_name));
    let mut out = Map::new();
    for address in ADDRESSES {
        out.insert(format!("{address}_url"), place.api(&format!("/{address}")).into());
    }
    let time = "2026-01-01T00:00:00Z";
    let rest = json!({
        "id": id_of(&repository.full_name),
        "node_id": format!("R_{}", id_of(&repository.full_name)),
        "name": name,
        "full_name": repository.full_name,
        "owner": user(base, owner),
        "private": false,
        "html_url": place.page(""),
        "description": null,
        "fork": repository.fork_of.is_some(),
        "url": place.api(""),
        "clone_url": place.page(".git"),
        "git_url": format!("git://github.com/{}.git", repository.full_name),
        "ssh_url": format!("git@github.com:{}.git", repository.full_name),
        "svn_url": place.page(""),
        "mirror_url": null,
        "homepage": null,
        "language": "Python",
        "default_branch": "main",
        "visibility": "public",
        "forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0, "size": 0,
        "open_issues": 0, "open_issues_count": 0, "network_count": 0, "subscribers_count": 0,
        "has_downloads": true, "has_issues": true, "has_projects": false, "has_wiki": false, "has_pages": false,
        "has_discussions": false, "archived": false, "disabled": false,
        "license": null,
        "pushed_at": time, "created_at": time, "updated_at": time,
    });
    if let Value::Object(rest) = rest {
        out.extend(rest);
    }
    Value::Object(out)
}
