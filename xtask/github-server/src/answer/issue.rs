//! Issues and labels.

use serde_json::Value;

use super::Asked;
use crate::{
    page,
    request::{Answer, Request},
    shape::{self, Place},
    world::{Issue, World},
};

pub(super) fn list(world: &World, request: &Request, asked: &Asked) -> Answer {
    let repository = &world.repositories[&asked.repository];
    let state = request.query.get("state").map_or("open", String::as_str);
    let labels: Vec<&str> = request.query.get("labels").map(|labels| labels.split(',').collect()).unwrap_or_default();
    let creator = request.query.get("creator");
    let wanted = repository.issues.iter().filter(|(_, issue)| {
        (state == "all" || (state == "open") == issue.open)
            && labels.iter().all(|label| issue.labels.iter().any(|have| have == label))
            && creator.is_none_or(|creator| *creator == issue.author)
    });
    page::answer(request, wanted.map(|(number, _)| shown(world, request, asked, *number)).collect())
}

pub(super) fn create(world: &mut World, request: &Request, asked: &Asked) -> Answer {
    let Some(title) = request.text("title").filter(|title| !title.is_empty()) else {
        return Answer::invalid("Issue", "title", "missing_field");
    };
    let mut issue = Issue::new(title, request.text("body").unwrap_or_default(), &asked.login, world.now());
    issue.labels = names(request.body.get("labels"));
    let number = world.next_number(&asked.repository);
    world.repository(&asked.repository).issues.insert(number, issue);
    Answer::json(201, shown(world, request, asked, number))
}

pub(super) fn update(world: &mut World, request: &Request, asked: &Asked, number: &str) -> Answer {
    let now = world.now();
    let Some(number) = number.parse::<u64>().ok() else { return Answer::not_found() };
    let Some(issue) = world.repository(&asked.repository).issues.get_mut(&number) else { return Answer::not_found() };
    if let Some(title) = request.text("title") {
        issue.title = title.to_owned();
    }
    if let Some(body) = request.text("body") {
        issue.body = body.to_owned();
    }
    if let Some(state) = request.text("state") {
        issue.open = state == "open";
    }
    issue.updated_at = now;
    Answer::json(200, shown(world, request, asked, number))
}

pub(super) fn labels(world: &World, request: &Request, asked: &Asked, number: &str) -> Answer {
    match found(world, asked, number) {
        Some((_, issue)) => page::answer(request, labels_of(request, asked, issue)),
        None => Answer::not_found(),
    }
}

pub(super) fn add_labels(world: &mut World, request: &Request, asked: &Asked, number: &str) -> Answer {
    let Some((number, _)) = found(world, asked, number) else { return Answer::not_found() };
    for label in names(request.body.get("labels")) {
        world.label(&asked.repository, number, &asked.login, &label);
    }
    Answer::json(200, labels_of(request, asked, &world.repositories[&asked.repository].issues[&number]).into())
}

pub(super) fn remove_label(world: &mut World, request: &Request, asked: &Asked, number: &str, label: &str) -> Answer {
    let Some((number, issue)) = found(world, asked, number) else { return Answer::not_found() };
    if !issue.labels.iter().any(|have| have == label) {
        return Answer::error(404, "Label does not exist");
    }
    world.unlabel(&asked.repository, number, &asked.login, label);
    Answer::json(200, labels_of(request, asked, &world.repositories[&asked.repository].issues[&number]).into())
}

pub(super) fn events(world: &World, request: &Request, asked: &Asked, number: &str) -> Answer {
    let place = Place { base: &request.base, repository: &asked.repository };
    match found(world, asked, number) {
        Some((_, issue)) => {
            page::answer(request, issue.events.iter().map(|event| shape::event(place, event)).collect())
        }
        None => Answer::not_found(),
    }
}

fn found<'a>(world: &'a World, asked: &Asked, number: &str) -> Option<(u64, &'a Issue)> {
    let number = number.parse().ok()?;
    Some((number, world.repositories[&asked.repository].issues.get(&number)?))
}

fn shown(world: &World, request: &Request, asked: &Asked, number: u64) -> Value {
    let repository = &world.repositories[&asked.repository];
    let comments = repository.comments.values().filter(|comment| comment.issue == number).count();
    let place = Place { base: &request.base, repository: &asked.repository };
    shape::issue(place, number, &repository.issues[&number], comments, repository.pulls.contains_key(&number))
}

fn labels_of(request: &Request, asked: &Asked, issue: &Issue) -> Vec<Value> {
    let place = Place { base: &request.base, repository: &asked.repository };
    issue.labels.iter().map(|name| shape::label(place, name)).collect()
}

fn names(labels: Option<&Value>) -> Vec<String> {
    let labels = labels.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    labels.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
