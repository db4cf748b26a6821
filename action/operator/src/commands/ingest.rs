//! `matano ingest`: raw logs into the lake, and past the detections.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use embedded::{Flush, Session};
use model::time::Timestamp;

use crate::{
    cli::{Global, Ingest},
    commands::settled,
    exit::Outcome,
    target,
    terminal::{Terminal, grouped},
};

/// Ends when every row is committed, seen by the detections, and every alert that is due was sent.
pub async fn run(global: &Global, arguments: &Ingest, terminal: Terminal) -> Result<Outcome> {
    let embedded = target::open_deployed(global, target::jobs(arguments.jobs)).await?;
    let session = Session::open(&embedded, Arc::new(Timestamp::now)).await?;
    let mut requests = session.requests(&arguments.paths, arguments.source.as_deref()).await?;
    requests.extend(session.unfinished().await?);
    let (total, started) = (requests.len(), Instant::now());
    let progress = terminal.progress("ingesting");
    let ingested = session
        .ingest(requests, |so_far| {
            let done = so_far.objects + so_far.known + so_far.problems.len() as u64;
            progress.set_message(format!("{done} of {total} objects, {} rows", grouped(so_far.rows)));
        })
        .await?;
    progress.set_message("committing and detecting");
    let settled = session.settle(Flush::All).await?;
    progress.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    if terminal.is_json() {
        terminal.json(&settled::to_json(&ingested, &settled, seconds))?;
    } else {
        settled::show_ingested(&ingested, seconds, terminal);
        settled::show_settled(&settled, terminal);
        settled::show_problems(&ingested, &settled, terminal);
    }
    Ok(if settled::has_findings(&ingested, &settled) { Outcome::Findings } else { Outcome::Fine })
}
