//! Commits and how two of them lie to each other.

use serde_json::{Value, json};

use super::Place;
use crate::world::Repository;

/// A commit.
pub(crate) fn commit(place: Place<'_>, of: &Repository, sha: &str) -> Value {
    let found = of.commits.get(sha).cloned().unwrap_or_default();
    let api = |sha: &str| place.api(&format!("/commits/{sha}"));
    let page = |sha: &str| place.page(&format!("/commit/{sha}"));
    let parents = found.parents.iter().filter(|sha| !sha.is_empty());
    let parents: Vec<Value> =
        parents.map(|sha| json!({ "sha": sha, "url": api(sha), "html_url": page(sha) })).collect();
    json!({
        "sha": sha, "node_id": format!("C_{sha}"), "url": api(sha), "html_url": page(sha),
        "comments_url": format!("{}/comments", api(sha)),
        "commit": {
            "url": place.api(&format!("/git/commits/{sha}")), "message": found.message, "comment_count": 0,
            "author": null, "committer": null,
            "tree": { "sha": sha, "url": place.api(&format!("/git/trees/{sha}")) },
        },
        "author": null, "committer": null, "parents": parents,
    })
}

/// What `head` has that `base` lacks, and the other way round; `None` where one of them is not there.
pub(crate) fn comparison(place: Place<'_>, of: &Repository, base: &str, head: &str) -> Option<Value> {
    let resolve = |name: &str| {
        let name = name.rsplit(':').next().unwrap_or(name);
        of.branches.get(name).cloned().or_else(|| of.commits.contains_key(name).then(|| name.to_owned()))
    };
    let (from, to) = (resolve(base)?, resolve(head)?);
    let (before, after) = (of.history(&from), of.history(&to));
    let ahead: Vec<&String> = after.iter().filter(|sha| !before.contains(sha)).collect();
    let behind = before.iter().filter(|sha| !after.contains(sha)).count();
    let merge_base = after.iter().find(|sha| before.contains(sha))?;
    let status = match (ahead.len(), behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        (_, _) => "diverged",
    };
    let page = place.page(&format!("/compare/{base}...{head}"));
    Some(json!({
        "url": place.api(&format!("/compare/{base}...{head}")), "html_url": page, "permalink_url": page,
        "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"),
        "base_commit": commit(place, of, &from), "merge_base_commit": commit(place, of, merge_base),
        "status": status, "ahead_by": ahead.len(), "behind_by": behind, "total_commits": ahead.len(),
        "commits": ahead.iter().rev().map(|sha| commit(place, of, sha)).collect::<Vec<_>>(), "files": [],
    }))
}
