//! One request to one answer, by route.

mod check_run;
mod comment;
mod commit;
mod issue;

use serde_json::json;

use crate::{
    page,
    request::{Answer, Request},
    shape::{self, Place},
    world::{Access, World},
};

/// Who asks, and where.
#[derive(Debug, Clone)]
struct Asked {
    /// `owner/name`, of a repository that is there.
    repository: String,
    /// Whose token it is.
    login: String,
    access: Access,
}

/// What a request is answered with.
pub(crate) fn to(world: &mut World, request: &Request) -> Answer {
    if let Some(answer) = blob(world, request) {
        return answer;
    }
    let fault = world.faults.pop_front_if(|fault| fault.meets(request));
    if let Some(answer) = fault.as_ref().and_then(|fault| fault.answer(world)) {
        return answer;
    }
    let mut answer = routed(world, request);
    answer.header("x-ratelimit-limit", "1000");
    answer.header("x-ratelimit-remaining", "999");
    answer.header("x-ratelimit-reset", &(world.now().timestamp() + 3600).to_string());
    match fault {
        Some(fault) => fault.after(answer),
        None => answer,
    }
}

/// An artifact's bytes, as the storage that GitHub redirects to hands them out: to anyone who has the address.
fn blob(world: &World, request: &Request) -> Option<Answer> {
    let [room, id] = request.path.as_slice() else { return None };
    if room != "blobs" {
        return None;
    }
    let id: u64 = id.parse().ok()?;
    let found = world.repositories.values().find_map(|repository| repository.artifacts.get(&id));
    Some(found.map_or_else(Answer::not_found, |artifact| Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/zip".to_owned())],
        body: artifact.zip.clone(),
    }))
}

fn routed(world: &mut World, request: &Request) -> Answer {
    // public repositories answer to anyone who shows no token, but not to a wrong one
    let (login, access) = match &request.token {
        None => ("anonymous".to_owned(), Access::Read),
        Some(token) => match world.tokens.get(token) {
            Some(token) => (token.login.clone(), token.access),
            None => return Answer::error(401, "Bad credentials"),
        },
    };
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["rate_limit"] => rate_limit(world),
        ["repos", owner, name, rest @ ..] => {
            let repository = format!("{owner}/{name}");
            if !world.repositories.contains_key(&repository) {
                return Answer::not_found();
            }
            let asked = Asked { repository, login, access };
            if request.method != "GET" && asked.access == Access::Read {
                return Answer::error(403, "Resource not accessible by integration");
            }
            in_repository(world, request, &asked, rest)
        }
        _ => Answer::not_found(),
    }
}

fn in_repository(world: &mut World, request: &Request, asked: &Asked, rest: &[&str]) -> Answer {
    match (request.method.as_str(), rest) {
        ("GET", []) => Answer::json(200, shape::repository(&request.base, &world.repositories[&asked.repository])),
        ("GET", ["pulls"]) => commit::pulls(world, request, asked),
        ("GET", ["pulls", number]) => commit::pull(world, request, asked, number),
        ("GET", ["commits", sha]) => commit::commit(world, request, asked, sha),
        ("GET", ["commits", sha, "pulls"]) => commit::pulls_of(world, request, asked, sha),
        ("GET", ["commits", sha, "check-runs"]) => check_run::of_commit(world, request, asked, sha),
        ("GET", ["compare", both]) => commit::compare(world, request, asked, both),
        ("POST", ["check-runs"]) => check_run::create(world, request, asked),
        ("GET", ["check-runs", id]) => check_run::get(world, request, asked, id),
        ("PATCH", ["check-runs", id]) => check_run::update(world, request, asked, id),
        ("GET", ["check-runs", id, "annotations"]) => check_run::annotations(world, request, asked, id),
        ("GET", ["issues"]) => issue::list(world, request, asked),
        ("POST", ["issues"]) => issue::create(world, request, asked),
        ("PATCH", ["issues", number]) => issue::update(world, request, asked, number),
        ("GET", ["issues", "comments", id]) => comment::get(world, request, asked, id),
        ("PATCH", ["issues", "comments", id]) => comment::update(world, request, asked, id),
        ("DELETE", ["issues", "comments", id]) => comment::delete(world, asked, id),
        ("GET", ["issues", number, "comments"]) => comment::list(world, request, asked, number),
        ("POST", ["issues", number, "comments"]) => comment::create(world, request, asked, number),
        ("GET", ["issues", number, "labels"]) => issue::labels(world, request, asked, number),
        ("POST", ["issues", number, "labels"]) => issue::add_labels(world, request, asked, number),
        ("DELETE", ["issues", number, "labels", label]) => issue::remove_label(world, request, asked, number, label),
        ("GET", ["issues", number, "events"]) => issue::events(world, request, asked, number),
        ("GET", ["collaborators", login, "permission"]) => permission(world, request, asked, login),
        ("GET", ["actions", "runs", run, "artifacts"]) => artifacts(world, request, asked, run),
        ("GET", ["actions", "artifacts", id, "zip"]) => archive(world, request, asked, id),
        _ => Answer::not_found(),
    }
}

fn rate_limit(world: &World) -> Answer {
    let reset = world.now().timestamp() + 3600;
    let rate = json!({ "limit": 1000, "remaining": 999, "used": 1, "reset": reset });
    Answer::json(200, json!({ "resources": { "core": rate, "search": rate }, "rate": rate }))
}

/// The older word `permission` knows no `maintain` and no `triage`.
fn permission(world: &World, request: &Request, asked: &Asked, login: &str) -> Answer {
    let role = world.repositories[&asked.repository].roles.get(login).map_or("read", String::as_str);
    let permission = match role {
        "maintain" => "write",
        "triage" => "read",
        other => other,
    };
    let mut user = shape::user(&request.base, login);
    user["role_name"] = role.into();
    Answer::json(200, json!({ "permission": permission, "role_name": role, "user": user }))
}

fn artifacts(world: &World, request: &Request, asked: &Asked, run: &str) -> Answer {
    let place = Place { base: &request.base, repository: &asked.repository };
    let name = request.query.get("name");
    let found = world.repositories[&asked.repository]
        .artifacts
        .iter()
        .filter(|(_, artifact)| artifact.run.to_string() == run && name.is_none_or(|name| *name == artifact.name));
    let found: Vec<_> = found.map(|(id, artifact)| shape::artifact(place, *id, artifact)).collect();
    let total = found.len();
    let (found, link) = page::of(request, found);
    let mut answer = Answer::json(200, json!({ "total_count": total, "artifacts": found }));
    if let Some(link) = link {
        answer.header("link", &link);
    }
    answer
}

fn archive(world: &World, request: &Request, asked: &Asked, id: &str) -> Answer {
    let found = id.parse().ok().and_then(|id: u64| world.repositories[&asked.repository].artifacts.get(&id));
    match found {
        None => Answer::not_found(),
        Some(artifact) if artifact.expired => Answer::error(410, "Artifact has expired"),
        Some(_) => {
            let mut answer = Answer::empty(302);
            answer.header("location", &format!("{}/blobs/{id}", request.base));
            answer
        }
    }
}
