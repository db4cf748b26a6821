//! Issues, their comments, labels and events.

use serde_json::{Value, json};

use super::{Place, id_of, time, user};
use crate::world::{Comment, Event, Issue};

/// An issue; a pull request says so.
pub(crate) fn issue(place: Place<'_>, number: u64, issue: &Issue, comments: usize, is_pull: bool) -> Value {
    let api = place.api(&format!("/issues/{number}"));
    let page = place.page(&format!("/issues/{number}"));
    let mut out = json!({
        "id": id_of(&api), "node_id": format!("I_{}", id_of(&api)), "number": number,
        "url": api, "html_url": page, "repository_url": place.api(""),
        "labels_url": format!("{api}/labels{{/name}}"),
        "comments_url": format!("{api}/comments"), "events_url": format!("{api}/events"),
        "title": issue.title, "body": issue.body, "user": user(place.base, &issue.author),
        "labels": issue.labels.iter().map(|name| label(place, name)).collect::<Vec<_>>(),
        "state": if issue.open { "open" } else { "closed" }, "state_reason": null,
        "locked": false, "assignee": null, "assignees": [], "milestone": null, "comments": comments,
        "created_at": time(issue.created_at), "updated_at": time(issue.updated_at),
        "closed_at": (!issue.open).then(|| time(issue.updated_at)),
        "author_association": "NONE",
    });
    if is_pull {
        let (api, page) = (place.api(&format!("/pulls/{number}")), place.page(&format!("/pull/{number}")));
        out["pull_request"] = json!({
            "url": api, "html_url": page, "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"),
        });
    }
    out
}

/// A label.
pub(crate) fn label(place: Place<'_>, name: &str) -> Value {
    json!({
        "id": id_of(name), "node_id": format!("LA_{}", id_of(name)), "url": place.api(&format!("/labels/{}", id_of(name))),
        "name": name, "description": "", "color": "ededed", "default": false,
    })
}

/// A comment.
pub(crate) fn comment(place: Place<'_>, id: u64, comment: &Comment) -> Value {
    let issue = comment.issue;
    json!({
        "id": id, "node_id": format!("IC_{id}"), "url": place.api(&format!("/issues/comments/{id}")),
        "html_url": place.page(&format!("/pull/{issue}#issuecomment-{id}")),
        "issue_url": place.api(&format!("/issues/{issue}")),
        "body": comment.body, "user": user(place.base, &comment.author),
        "created_at": time(comment.created_at), "updated_at": time(comment.updated_at),
        "author_association": "NONE", "performed_via_github_app": null,
    })
}

/// A label came or went.
pub(crate) fn event(place: Place<'_>, event: &Event) -> Value {
    json!({
        "id": event.id, "node_id": format!("E_{}", event.id), "url": place.api(&format!("/issues/events/{}", event.id)),
        "actor": user(place.base, &event.actor), "event": event.event, "commit_id": null, "commit_url": null,
        "created_at": time(event.created_at), "performed_via_github_app": null,
        "label": { "name": event.label, "color": "ededed" },
    })
}
