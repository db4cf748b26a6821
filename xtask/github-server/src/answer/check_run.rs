//! Check runs. Annotations are appended, at most fifty a request.

use serde_json::{Value, json};

use super::Asked;
use crate::{
    page,
    request::{Answer, Request},
    shape::{self, Place},
    world::{CheckRun, World},
};

const ANNOTATIONS: usize = 50;

pub(super) fn create(world: &mut World, request: &Request, asked: &Asked) -> Answer {
    let (Some(name), Some(head_sha)) = (request.text("name"), request.text("head_sha")) else {
        return Answer::invalid("CheckRun", "name", "missing_field");
    };
    if !world.repositories[&asked.repository].commits.contains_key(head_sha) {
        return Answer::error(422, &format!("No commit found for SHA: {head_sha}"));
    }
    let mut run = CheckRun {
        name: name.to_owned(),
        head_sha: head_sha.to_owned(),
        status: "queued".to_owned(),
        conclusion: None,
        external_id: None,
        details_url: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        started_at: world.now(),
        completed_at: None,
    };
    if let Some(refusal) = change(&mut run, world, request) {
        return refusal;
    }
    let id = world.next_id();
    world.repository(&asked.repository).check_runs.insert(id, run);
    shown(world, request, asked, id, 201)
}

pub(super) fn update(world: &mut World, request: &Request, asked: &Asked, id: &str) -> Answer {
    let Some((id, mut run)) = found(world, asked, id).map(|(id, run)| (id, run.clone())) else {
        return Answer::not_found();
    };
    if let Some(refusal) = change(&mut run, world, request) {
        return refusal;
    }
    world.repository(&asked.repository).check_runs.insert(id, run);
    shown(world, request, asked, id, 200)
}

pub(super) fn get(world: &World, request: &Request, asked: &Asked, id: &str) -> Answer {
    match found(world, asked, id) {
        Some((id, _)) => shown(world, request, asked, id, 200),
        None => Answer::not_found(),
    }
}

pub(super) fn annotations(world: &World, request: &Request, asked: &Asked, id: &str) -> Answer {
    let Some((_, run)) = found(world, asked, id) else { return Answer::not_found() };
    let annotations = run.annotations.iter().map(|annotation| {
        let get = |name: &str| annotation.get(name).cloned().unwrap_or(Value::Null);
        json!({
            "path": get("path"), "start_line": get("start_line"), "end_line": get("end_line"),
            "start_column": get("start_column"), "end_column": get("end_column"),
            "annotation_level": get("annotation_level"), "title": get("title"), "message": get("message"),
            "raw_details": get("raw_details"), "blob_href": "",
        })
    });
    page::answer(request, annotations.collect())
}

pub(super) fn of_commit(world: &World, request: &Request, asked: &Asked, sha: &str) -> Answer {
    let place = Place { base: &request.base, repository: &asked.repository };
    let name = request.query.get("check_name");
    let found = world.repositories[&asked.repository].check_runs.iter();
    let found = found.filter(|(_, run)| run.head_sha == sha && name.is_none_or(|name| *name == run.name));
    let found: Vec<Value> = found.map(|(id, run)| shape::check_run(place, *id, run)).collect();
    let total = found.len();
    let (found, link) = page::of(request, found);
    let mut answer = Answer::json(200, json!({ "total_count": total, "check_runs": found }));
    if let Some(link) = link {
        answer.header("link", &link);
    }
    answer
}

fn found<'a>(world: &'a World, asked: &Asked, id: &str) -> Option<(u64, &'a CheckRun)> {
    let id = id.parse().ok()?;
    Some((id, world.repositories[&asked.repository].check_runs.get(&id)?))
}

fn shown(world: &World, request: &Request, asked: &Asked, id: u64, status: u16) -> Answer {
    let place = Place { base: &request.base, repository: &asked.repository };
    Answer::json(status, shape::check_run(place, id, &world.repositories[&asked.repository].check_runs[&id]))
}

/// Takes over what the request says; what GitHub would refuse comes back.
fn change(run: &mut CheckRun, world: &World, request: &Request) -> Option<Answer> {
    let text = |name: &str| request.text(name).map(str::to_owned);
    run.status = text("status").unwrap_or_else(|| run.status.clone());
    run.external_id = text("external_id").or(run.external_id.take());
    run.details_url = text("details_url").or(run.details_url.take());
    if let Some(conclusion) = text("conclusion") {
        (run.conclusion, run.status) = (Some(conclusion), "completed".to_owned());
    }
    if run.status == "completed" {
        if run.conclusion.is_none() {
            return Some(Answer::invalid("CheckRun", "conclusion", "missing_field"));
        }
        run.completed_at.get_or_insert_with(|| world.now());
    }
    let output = request.body.get("output")?;
    let text = |name: &str| output.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(title), Some(summary)) = (text("title"), text("summary")) else {
        return Some(Answer::invalid("CheckRun", "output", "missing_field"));
    };
    (run.title, run.summary) = (Some(title), Some(summary));
    run.text = text("text").or(run.text.take());
    let annotations = output.get("annotations").and_then(Value::as_array).cloned().unwrap_or_default();
    if annotations.len() > ANNOTATIONS {
        return Some(Answer::error(422, "Invalid request. No more than 50 items are allowed."));
    }
    run.annotations.extend(annotations);
    None
}
