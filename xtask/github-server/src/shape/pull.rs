//! A pull request.

use serde_json::{Map, Value, json};

use super::{Place, id_of, label, repository, time, user};
use crate::world::{Repository, World};

/// As in a list.
pub(crate) fn pull_in_list(world: &World, base: &str, of: &Repository, number: u64) -> Value {
    Value::Object(members(world, base, of, number))
}

/// On its own, with what is counted only then.
pub(crate) fn pull(world: &World, base: &str, of: &Repository, number: u64) -> Value {
    let mut out = members(world, base, of, number);
    let merged = of.pulls.get(&number).is_some_and(|pull| pull.merged.is_some());
    let comments = of.comments.values().filter(|comment| comment.issue == number).count();
    let rest = json!({
        "merged": merged,
        "mergeable": (!merged).then_some(true),
        "rebaseable": null,
        "mergeable_state": if merged { "unknown" } else { "clean" },
        "merged_by": null,
        "comments": comments,
        "review_comments": 0,
        "maintainer_can_modify": false,
        "commits": 1,
        "additions": 1,
        "deletions": 0,
        "changed_files": 1,
    });
    if let Value::Object(rest) = rest {
        out.extend(rest);
    }
    Value::Object(out)
}

fn members(world: &World, base: &str, of: &Repository, number: u64) -> Map<String, Value> {
    let place = Place { base, repository: &of.full_name };
    let (Some(pull), Some(issue)) = (of.pulls.get(&number), of.issues.get(&number)) else { return Map::new() };
    let (api, page) = (place.api(&format!("/pulls/{number}")), place.page(&format!("/pull/{number}")));
    let issue_api = place.api(&format!("/issues/{number}"));
    let statuses = place.api(&format!("/statuses/{}", pull.head_sha));
    let link = |href: &str| json!({ "href": href });
    let out = json!({
        "url": api, "id": id_of(&api), "node_id": format!("PR_{}", id_of(&api)), "number": number,
        "html_url": page, "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"),
        "issue_url": issue_api,
        "commits_url": format!("{api}/commits"),
        "review_comments_url": format!("{api}/comments"),
        "review_comment_url": place.api("/pulls/comments{/number}"),
        "comments_url": format!("{issue_api}/comments"),
        "statuses_url": statuses,
        "state": if issue.open { "open" } else { "closed" },
        "locked": false,
        "title": issue.title,
        "user": user(base, &issue.author),
        "body": issue.body,
        "labels": issue.labels.iter().map(|name| label(place, name)).collect::<Vec<_>>(),
        "milestone": null, "assignee": null, "auto_merge": null, "draft": false,
        "created_at": time(issue.created_at), "updated_at": time(issue.updated_at),
        "closed_at": pull.merged.as_ref().map(|(_, at)| time(*at)),
        "merged_at": pull.merged.as_ref().map(|(_, at)| time(*at)),
        "merge_commit_sha": pull.merged.as_ref().map(|(sha, _)| sha),
        "author_association": "CONTRIBUTOR",
        "head": side(world, base, &pull.head_repository, &pull.head, &pull.head_sha),
        "base": side(world, base, &of.full_name, &pull.base, &pull.base_sha),
        "_links": {
            "self": link(&api), "html": link(&page), "issue": link(&issue_api),
            "comments": link(&format!("{issue_api}/comments")),
            "review_comments": link(&format!("{api}/comments")),
            "review_comment": link(&place.api("/pulls/comments{/number}")),
            "commits": link(&format!("{api}/commits")),
            "statuses": link(&statuses),
        },
    });
    match out {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn side(world: &World, base: &str, full_name: &str, branch: &str, sha: &str) -> Value {
    let owner = full_name.split('/').next().unwrap_or_default();
    let found = world.repositories.get(full_name).map(|found| repository(base, found));
    json!({ "label": format!("{owner}:{branch}"), "ref": branch, "sha": sha, "user": user(base, owner), "repo": found })
}
