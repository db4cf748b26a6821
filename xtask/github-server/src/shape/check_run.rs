//! What a workflow run leaves: check runs and artifacts.

use serde_json::{Value, json};

use super::{Place, id_of, time};
use crate::world::{Artifact, CheckRun};

/// A check run.
pub(crate) fn check_run(place: Place<'_>, id: u64, run: &CheckRun) -> Value {
    let api = place.api(&format!("/check-runs/{id}"));
    json!({
        "id": id, "node_id": format!("CR_{id}"), "head_sha": run.head_sha, "name": run.name,
        "external_id": run.external_id.as_deref().unwrap_or_default(),
        "url": api, "html_url": place.page(&format!("/runs/{id}")),
        "details_url": run.details_url, "status": run.status, "conclusion": run.conclusion,
        "started_at": time(run.started_at), "completed_at": run.completed_at.map(time),
        "output": {
            "title": run.title, "summary": run.summary, "text": run.text,
            "annotations_count": run.annotations.len(), "annotations_url": format!("{api}/annotations"),
        },
        "check_suite": { "id": id_of(&run.head_sha) }, "app": null, "pull_requests": [],
    })
}

/// An artifact.
pub(crate) fn artifact(place: Place<'_>, id: u64, artifact: &Artifact) -> Value {
    let api = place.api(&format!("/actions/artifacts/{id}"));
    let time = "2026-01-01T00:00:00Z";
    json!({
        "id": id, "node_id": format!("MDg6QXJ0aWZhY3Q{id}"), "name": artifact.name, "size_in_bytes": artifact.zip.len(),
        "url": api, "archive_download_url": format!("{api}/zip"), "expired": artifact.expired,
        "created_at": time, "updated_at": time, "expires_at": "2026-04-01T00:00:00Z",
        "workflow_run": { "id": artifact.run },
    })
}
