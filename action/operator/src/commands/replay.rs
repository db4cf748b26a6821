//! `matano replay`: rejects or whole objects again, after a fix.

use std::sync::Arc;

use anyhow::Result;
use embedded::{Replayed, Session};
use model::time::Timestamp;
use serde_json::json;

use crate::{
    cli::{Global, Replay},
    commands::settled,
    exit::Outcome,
    target,
    terminal::{Terminal, grouped},
};

/// Says what was new and what was there already.
pub async fn run(global: &Global, arguments: &Replay, terminal: Terminal) -> Result<Outcome> {
    let embedded = target::open_deployed(global, target::jobs(None)).await?;
    let session = Session::open(&embedded, Arc::new(Timestamp::now)).await?;
    let progress = terminal.progress("replaying");
    let replayed = if arguments.rejects {
        let source = arguments.source.as_deref().map(|name| session.source(name)).transpose()?;
        session.replay_rejects(source.as_ref()).await?
    } else {
        let requests = session.requests(&arguments.paths, arguments.source.as_deref()).await?;
        session.replay_objects(requests).await?
    };
    progress.finish_and_clear();
    show(&replayed, terminal)?;
    let found = !replayed.rejected.is_empty()
        || !replayed.problems.is_empty()
        || settled::has_findings(&replayed.ingested, &replayed.settled);
    Ok(if found { Outcome::Findings } else { Outcome::Fine })
}

fn show(replayed: &Replayed, terminal: Terminal) -> Result<()> {
    let Replayed { records, new, known, rejected, problems, ingested, settled } = replayed;
    if terminal.is_json() {
        return terminal.json(&json!({
            "records": records,
            "new": new,
            "already_there": known,
            "rejected": rejected,
            "problems": problems,
            "ingested": settled::to_json(ingested, settled, 0.0),
        }));
    }
    terminal.line(&format!(
        "{} records run again: {} rows are new, {} were there already",
        grouped(*records),
        grouped(*new),
        grouped(*known)
    ));
    for (error, count) in rejected {
        let text = format!("{} still rejected", grouped(*count));
        terminal.line(&format!("{}: {error}", terminal.paint("31", &text)));
    }
    for problem in problems {
        terminal.line(&format!("{} {problem}", terminal.paint("33", "!")));
    }
    settled::show_ingested(ingested, 0.0, terminal);
    settled::show_settled(settled, terminal);
    settled::show_problems(ingested, settled, terminal);
    Ok(())
}
