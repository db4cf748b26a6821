//! `matano run`: new files and schedules until Ctrl-C.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result};
use embedded::{Flush, Ingested, Session, Settled, Stretch};
use model::time::Timestamp;
use tokio::{signal, time};

use crate::{
    cli::{Global, Run},
    commands::settled,
    exit::{Outcome, environment},
    moment, target,
    terminal::Terminal,
};

/// Looks at the watched directories and at the schedules again and again. Ctrl-C ends it after the step it is in.
pub async fn run(global: &Global, arguments: &Run, terminal: Terminal) -> Result<Outcome> {
    for directory in &arguments.watch {
        if !directory.is_dir() {
            return Err(environment(format!("`{}` is no directory that can be watched", directory.display())));
        }
    }
    let embedded = target::open_deployed(global, target::jobs(None)).await?;
    let mut past = past(arguments)?;
    let mut looked = Looked::default();
    let mut stop = std::pin::pin!(stopped());
    let mut release = None;
    let mut session = Session::open(&embedded, Arc::new(Timestamp::now)).await?;
    if !arguments.once {
        terminal.note("watching; Ctrl-C ends it after the step it is in");
    }
    loop {
        // a deploy in another process is taken up at the next look
        let deployed = embedded.deployed()?.map(|release| release.id());
        if release.is_some() && release != deployed {
            session = Session::open(&embedded, Arc::new(Timestamp::now)).await?;
            terminal.note("a new release is deployed: it is taken up now");
        }
        release = deployed;
        let (ingested, settled) = look(&session, arguments, past.take(), &mut looked).await?;
        report(&ingested, &settled, terminal)?;
        if arguments.once {
            let found = settled::has_findings(&ingested, &settled);
            return Ok(if found { Outcome::Findings } else { Outcome::Fine });
        }
        tokio::select! {
            stopped = &mut stop => {
                stopped?;
                // rows that waited for others are not left behind
                let settled = session.settle(Flush::All).await?;
                report(&Ingested::default(), &settled, terminal)?;
                terminal.note("stopped: nothing is half done");
                return Ok(Outcome::Fine);
            }
            () = time::sleep(Duration::from_secs(arguments.interval.max(1))) => (),
        }
    }
}

/// The stretch of time whose windows are run again.
fn past(arguments: &Run) -> Result<Option<Stretch>> {
    let now = Timestamp::now();
    let Some(since) = &arguments.since else { return Ok(None) };
    let end = arguments.until.as_deref().map_or(Ok(now), |text| moment::parse(text, now))?;
    Ok(Some(Stretch { start: moment::parse(since, now)?, end }))
}

/// Ctrl-C, or the signal that ends services.
async fn stopped() -> Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        ctrl_c = signal::ctrl_c() => ctrl_c.context("listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

/// Files that were ingested by this process, by size and time of change: they are not read again to find out that they
/// are known.
#[derive(Default)]
struct Looked(HashMap<String, (u64, SystemTime)>);

impl Looked {
    /// What a file looks like now; `None` where it cannot be told.
    fn stamp(address: &str) -> Option<(u64, SystemTime)> {
        let metadata = std::fs::metadata(address).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    }

    fn is_known(&self, address: &str) -> bool {
        Self::stamp(address).is_some_and(|stamp| self.0.get(address) == Some(&stamp))
    }
}

async fn look(
    session: &Session<'_>,
    arguments: &Run,
    past: Option<Stretch>,
    looked: &mut Looked,
) -> Result<(Ingested, Settled)> {
    let started = Instant::now();
    let mut addresses = Vec::new();
    for directory in &arguments.watch {
        addresses.push(directory.to_str().context("a watched directory's name is not UTF-8")?.to_owned());
    }
    let mut requests = session.requests(&addresses, arguments.source.as_deref()).await?;
    requests.retain(|request| !looked.is_known(&request.address));
    // taken before they are read: a file that changes meanwhile is looked at again
    let stamps: Vec<_> = requests
        .iter()
        .filter_map(|request| Some((request.address.clone(), Looked::stamp(&request.address)?)))
        .collect();
    requests.extend(session.unfinished().await?);
    let ingested = session.ingest(requests, |_| ()).await?;
    if ingested.problems.is_empty() {
        looked.0.extend(stamps);
    }
    let flush = if arguments.once { Flush::All } else { Flush::Due };
    let mut settled = session.settle(flush).await?;
    if let Some(past) = past {
        session.backfill(past, &mut settled).await?;
    }
    session.run_schedules(&mut settled).await?;
    tracing::debug!(elapsed = ?started.elapsed(), "looked");
    Ok((ingested, settled))
}

/// Says what happened, if anything did.
fn report(ingested: &Ingested, settled: &Settled, terminal: Terminal) -> Result<()> {
    let news =
        ingested.objects > 0 || settled.windows > 0 || settled.sent > 0 || settled::has_findings(ingested, settled);
    if !news {
        return Ok(());
    }
    if terminal.is_json() {
        return terminal.json(&settled::to_json(ingested, settled, 0.0));
    }
    let known = Ingested { known: 0, ..ingested.clone() };
    terminal.line(&format!("{}  {} objects, {} rows", Timestamp::now(), known.objects, known.rows));
    settled::show_settled(settled, terminal);
    settled::show_problems(&known, settled, terminal);
    Ok(())
}
