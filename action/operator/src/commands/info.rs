//! `matano info`: what is deployed, where it is, and what it holds.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    cli::Global,
    exit::Outcome,
    target,
    terminal::{Terminal, grouped},
};

/// Reads only.
pub async fn run(global: &Global, terminal: Terminal) -> Result<Outcome> {
    let target = target::open_deployed(global, 1).await?;
    let (release, tables, counts) = (target.deployed()?, target.tables().await?, target.counts().await?);
    if terminal.is_json() {
        let mut rows: Vec<Value> = Vec::new();
        for (name, table) in &tables {
            rows.push(json!({
                "name": name.as_str(),
                "rows": table.rows,
                "files": table.files,
                "bytes": table.bytes,
                "snapshots": table.snapshots,
                "last_commit": table.last_commit.map(|time| time.to_string()),
                "location": table.location,
                "metadata_location": target.metadata_location(name).await?,
            }));
        }
        terminal.json(&json!({
            "target": "embedded",
            "directory": target.layout().root(),
            "catalog": target.layout().catalog(),
            "release": release.as_ref().map(|release| release.id().to_string()),
            "log_sources": release.as_ref().map(|release| release.log_sources.keys().collect::<Vec<_>>()),
            "detections": release.as_ref().map(|release| release.detections.keys().collect::<Vec<_>>()),
            "destinations": release.as_ref().map(|release| release.destinations.keys().collect::<Vec<_>>()),
            "tables": rows,
            "objects": { "done": counts.done, "in_progress": counts.claimed, "failed": counts.dead },
            "staged_files": { "uncommitted": counts.pending, "undetected": counts.unseen },
        }))?;
        return Ok(Outcome::Fine);
    }
    terminal.line(&format!("target     embedded, {}", target.layout().root().display()));
    match &release {
        Some(release) => terminal.line(&format!(
            "release    {} ({} log sources, {} detections, {} destinations)",
            release.id().short(),
            release.log_sources.len(),
            release.detections.len(),
            release.destinations.len()
        )),
        None => terminal.line("release    none: `matano deploy` makes one"),
    }
    let failed = if counts.dead > 0 { format!(", {} failed", grouped(counts.dead)) } else { String::new() };
    terminal.line(&format!("objects    {} ingested{failed}", grouped(counts.done)));
    for (name, table) in &tables {
        let last =
            table.last_commit.map_or_else(String::new, |time| format!(", last commit {}", &time.to_string()[..19]));
        terminal.line(&format!(
            "table      {name}: {} rows in {} files, {} bytes{last}",
            grouped(table.rows),
            grouped(table.files),
            grouped(table.bytes)
        ));
    }
    Ok(Outcome::Fine)
}
