//! Commits, and the pull requests that they belong to.

use serde_json::Value;

use super::Asked;
use crate::{
    page,
    request::{Answer, Request},
    shape::{self, Place},
    world::World,
};

pub(super) fn commit(world: &World, request: &Request, asked: &Asked, name: &str) -> Answer {
    let repository = &world.repositories[&asked.repository];
    let sha = repository.branches.get(name).map_or(name, String::as_str);
    if !repository.commits.contains_key(sha) {
        return Answer::error(422, &format!("No commit found for SHA: {name}"));
    }
    let place = Place { base: &request.base, repository: &asked.repository };
    Answer::json(200, shape::commit(place, repository, sha))
}

pub(super) fn compare(world: &World, request: &Request, asked: &Asked, both: &str) -> Answer {
    let place = Place { base: &request.base, repository: &asked.repository };
    let found = both
        .split_once("...")
        .and_then(|(base, head)| shape::comparison(place, &world.repositories[&asked.repository], base, head));
    found.map_or_else(Answer::not_found, |comparison| Answer::json(200, comparison))
}

pub(super) fn pull(world: &World, request: &Request, asked: &Asked, number: &str) -> Answer {
    let repository = &world.repositories[&asked.repository];
    match number.parse().ok().filter(|number| repository.pulls.contains_key(number)) {
        Some(number) => Answer::json(200, shape::pull(world, &request.base, repository, number)),
        None => Answer::not_found(),
    }
}

pub(super) fn pulls(world: &World, request: &Request, asked: &Asked) -> Answer {
    let repository = &world.repositories[&asked.repository];
    let state = request.query.get("state").map_or("open", String::as_str);
    let head = request.query.get("head");
    let wanted = repository.pulls.iter().filter(|(number, pull)| {
        let open = repository.issues.get(number).is_some_and(|issue| issue.open);
        let owner = pull.head_repository.split('/').next().unwrap_or_default();
        (state == "all" || (state == "open") == open)
            && head.is_none_or(|head| *head == format!("{owner}:{}", pull.head))
    });
    let numbers: Vec<u64> = wanted.map(|(number, _)| *number).collect();
    page::answer(request, listed(world, request, asked, &numbers))
}

/// A merged pull request belongs to its merge commit and to what it brought; an open one to its head, unless it comes
/// from a fork.
pub(super) fn pulls_of(world: &World, request: &Request, asked: &Asked, sha: &str) -> Answer {
    let repository = &world.repositories[&asked.repository];
    let wanted = repository.pulls.iter().filter(|(_, pull)| match &pull.merged {
        Some((merge, _)) => merge == sha || pull.head_sha == sha,
        None => pull.head_sha == sha && pull.head_repository == repository.full_name,
    });
    let numbers: Vec<u64> = wanted.map(|(number, _)| *number).collect();
    page::answer(request, listed(world, request, asked, &numbers))
}

fn listed(world: &World, request: &Request, asked: &Asked, numbers: &[u64]) -> Vec<Value> {
    let repository = &world.repositories[&asked.repository];
    numbers.iter().map(|number| shape::pull_in_list(world, &request.base, repository, *number)).collect()
}
