//! GitHub's OpenAPI description, cut to the operations that we use and to what these refer to.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// Below `/repos/{owner}/{repo}`: every operation that the client sends or the server answers.
const OPERATIONS: &[(&str, &[&str])] = &[
    ("", &["get"]),
    ("/pulls", &["get"]),
    ("/pulls/{pull_number}", &["get"]),
    ("/commits/{ref}", &["get"]),
    ("/commits/{commit_sha}/pulls", &["get"]),
    ("/commits/{ref}/check-runs", &["get"]),
    ("/compare/{basehead}", &["get"]),
    ("/check-runs", &["post"]),
    ("/check-runs/{check_run_id}", &["get", "patch"]),
    ("/check-runs/{check_run_id}/annotations", &["get"]),
    ("/issues", &["get", "post"]),
    ("/issues/{issue_number}", &["patch"]),
    ("/issues/comments/{comment_id}", &["get", "patch", "delete"]),
    ("/issues/{issue_number}/comments", &["get", "post"]),
    ("/issues/{issue_number}/labels", &["get", "post"]),
    ("/issues/{issue_number}/labels/{name}", &["delete"]),
    ("/issues/{issue_number}/events", &["get"]),
    ("/collaborators/{username}/permission", &["get"]),
    ("/actions/runs/{run_id}/artifacts", &["get"]),
    ("/actions/artifacts/{artifact_id}/{archive_format}", &["get"]),
];

/// What any operation may answer, though the description does not say so at each: a wrong token, a missing permission,
/// limits, and trouble of GitHub's own.
const ERRORS: &[&str] = &["401", "403", "404", "410", "422", "429", "500", "502", "503"];

/// The description of [`OPERATIONS`] alone.
pub fn cut(whole: &Value) -> Result<Value> {
    let mut paths = Map::new();
    paths.insert("/rate_limit".to_owned(), json!({ "get": operation(whole, "/rate_limit", "get")? }));
    for (path, methods) in OPERATIONS {
        let path = format!("/repos/{{owner}}/{{repo}}{path}");
        let mut kept = Map::new();
        for method in *methods {
            kept.insert((*method).to_owned(), operation(whole, &path, method)?);
        }
        paths.insert(path, Value::Object(kept));
    }
    let paths = Value::Object(paths);
    let components = components(whole, &paths)?;
    Ok(json!({
        "openapi": whole["openapi"], "info": whole["info"], "servers": whole["servers"],
        "paths": paths, "components": components,
    }))
}

fn operation(whole: &Value, path: &str, method: &str) -> Result<Value> {
    let found = whole["paths"][path].get(method);
    let mut operation = found.with_context(|| format!("GitHub describes no {method} {path} any more"))?.clone();
    let responses =
        operation["responses"].as_object_mut().with_context(|| format!("{method} {path} has no answers"))?;
    for status in ERRORS {
        responses.entry((*status).to_owned()).or_insert_with(|| {
            let message =
                json!({ "type": "object", "required": ["message"], "properties": { "message": { "type": "string" } } });
            json!({ "description": "an error", "content": { "application/json": { "schema": message } } })
        });
    }
    if path.ends_with("/{archive_format}") {
        // the proxy follows the redirect to the storage by itself
        responses.insert("200".to_owned(), json!({ "description": "the zip" }));
    }
    Ok(operation)
}

/// Everything that is referred to, and what that refers to.
fn components(whole: &Value, paths: &Value) -> Result<Value> {
    let (mut known, mut next) = (BTreeSet::new(), references(paths));
    let mut out = Map::new();
    while let Some(reference) = next.pop() {
        if !known.insert(reference.clone()) {
            continue;
        }
        let found = reference.strip_prefix('#').and_then(|pointer| whole.pointer(pointer));
        let found = found.with_context(|| format!("`{reference}` is not there"))?;
        next.extend(references(found));
        let mut names = reference.trim_start_matches("#/components/").splitn(2, '/');
        let (section, name) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        let section = out.entry(section.to_owned()).or_insert_with(|| json!({}));
        section[name] = found.clone();
    }
    Ok(Value::Object(out))
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_referred_to_is_kept_and_the_rest_goes() {
        let whole = json!({ "components": { "schemas": {
            "a": { "items": { "$ref": "#/components/schemas/b" } },
            "b": { "anyOf": [{ "$ref": "#/components/schemas/a" }] },
            "c": {},
        } } });
        let kept = components(&whole, &json!([{ "$ref": "#/components/schemas/a" }])).unwrap();
        assert_eq!(kept["schemas"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(components(&whole, &json!({ "$ref": "#/components/schemas/d" })).is_err());
    }
}
