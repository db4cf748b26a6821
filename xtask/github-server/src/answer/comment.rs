//! Comments on issues and pull requests.

use super::Asked;
use crate::{
    page,
    request::{Answer, Request},
    shape::{self, Place},
    world::World,
};

/// GitHub's limit, in characters.
const MOST: usize = 65_536;

pub(super) fn list(world: &World, request: &Request, asked: &Asked, number: &str) -> Answer {
    let repository = &world.repositories[&asked.repository];
    let Some(number) = number.parse().ok().filter(|number| repository.issues.contains_key(number)) else {
        return Answer::not_found();
    };
    let place = Place { base: &request.base, repository: &asked.repository };
    let comments = repository.comments.iter().filter(|(_, comment)| comment.issue == number);
    page::answer(request, comments.map(|(id, comment)| shape::comment(place, *id, comment)).collect())
}

pub(super) fn get(world: &World, request: &Request, asked: &Asked, id: &str) -> Answer {
    let place = Place { base: &request.base, repository: &asked.repository };
    let found = id.parse().ok().and_then(|id| world.repositories[&asked.repository].comments.get_key_value(&id));
    found.map_or_else(Answer::not_found, |(id, comment)| Answer::json(200, shape::comment(place, *id, comment)))
}

pub(super) fn create(world: &mut World, request: &Request, asked: &Asked, number: &str) -> Answer {
    let Some(number) =
        number.parse().ok().filter(|number| world.repository(&asked.repository).issues.contains_key(number))
    else {
        return Answer::not_found();
    };
    let body = match body(request) {
        Ok(body) => body.to_owned(),
        Err(refusal) => return *refusal,
    };
    let id = world.comment(&asked.repository, number, &asked.login, &body);
    let place = Place { base: &request.base, repository: &asked.repository };
    Answer::json(201, shape::comment(place, id, &world.repositories[&asked.repository].comments[&id]))
}

pub(super) fn update(world: &mut World, request: &Request, asked: &Asked, id: &str) -> Answer {
    let now = world.now();
    let Some(id) = id.parse::<u64>().ok() else { return Answer::not_found() };
    let Some(comment) = world.repository(&asked.repository).comments.get_mut(&id) else { return Answer::not_found() };
    let body = match body(request) {
        Ok(body) => body.to_owned(),
        Err(refusal) => return *refusal,
    };
    (comment.body, comment.updated_at) = (body, now);
    let place = Place { base: &request.base, repository: &asked.repository };
    Answer::json(200, shape::comment(place, id, comment))
}

pub(super) fn delete(world: &mut World, asked: &Asked, id: &str) -> Answer {
    let id = id.parse::<u64>().ok();
    match id.and_then(|id| world.repository(&asked.repository).comments.remove(&id)) {
        Some(_) => Answer::empty(204),
        None => Answer::not_found(),
    }
}

fn body(request: &Request) -> Result<&str, Box<Answer>> {
    match request.text("body") {
        None | Some("") => Err(Box::new(Answer::invalid("IssueComment", "body", "missing_field"))),
        Some(body) if body.chars().count() > MOST => {
            Err(Box::new(Answer::error(422, "Body is too long (maximum is 65536 characters)")))
        }
        Some(body) => Ok(body),
    }
}
