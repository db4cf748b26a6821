//! Sends deliveries to their destinations: Slack, webhooks, standard output.
//!
//! Start at [`AlertForwarder::forward`]: it takes what is due from the outbox, finds the words, sends them, and settles
//! each delivery as done, again, or dead letter with the reason. Destinations run side by side, so one that is slow or
//! wrong holds up no other. Nothing here decides what is due; that was decided when the alert was written.
//!
//! A delivery arrives at least once. The outbox is settled after the destination has answered, so a crash between the
//! two sends it again: a webhook's receiver knows it by `X-Matano-Delivery`; edits of a Slack message can be repeated,
//! and what was posted is remembered before the next step, so that what may come twice is one Slack message at most.

mod attempt; // how one try ended
mod backoff; // when to try again
mod slack; // the Web API and incoming webhooks
mod webhook; // signed JSON

use std::{
    collections::BTreeMap,
    fmt,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use alert::{console, decide, news::News};
pub use backoff::Backoff;
use futures::future::join_all;
use model::{
    delivery::DeliveryKey,
    name::DestinationName,
    release::{Destination, DestinationKind, Release},
    time::Timestamp,
};
use store::{
    alerts::{AlertStore, Leased},
    error::StoreError,
    http::HttpClient,
    secrets::Secrets,
};

use attempt::{Attempt, Sender};

/// Where Slack's Web API is.
pub const SLACK_API: &str = "https://slack.com/api";

/// What the forwarder works with.
#[derive(Clone)]
pub struct World {
    /// The outbox.
    pub store: Arc<dyn AlertStore>,
    /// Tokens, URLs and keys.
    pub secrets: Arc<dyn Secrets>,
    /// For Slack and webhooks.
    pub http: HttpClient,
    /// Where destinations of type stdout write.
    pub stdout: Arc<Mutex<dyn Write + Send>>,
    /// The time.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// From 0 to 1, different each time: spreads retries.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// [`SLACK_API`], save in tests.
    pub slack_api: String,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, secrets, http, stdout: _, clock: _, jitter: _, slack_api } = self;
        let mut out = f.debug_struct("World");
        out.field("store", store).field("secrets", secrets).field("http", http).field("slack_api", slack_api);
        out.finish_non_exhaustive()
    }
}

/// How long, how often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwarderOptions {
    /// For how long a delivery is ours; more than all requests of one delivery may take.
    pub lease_seconds: u32,
    /// Deliveries to one destination in one call; 0 is no limit.
    pub per_destination: u32,
    /// When to try again, and when to give up.
    pub backoff: Backoff,
}

impl Default for ForwarderOptions {
    fn default() -> Self {
        Self { lease_seconds: 120, per_destination: 0, backoff: Backoff::default() }
    }
}

/// What one call did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Arrived.
    pub sent: Vec<Settled>,
    /// To be tried again.
    pub again: Vec<Settled>,
    /// Given up.
    pub dead: Vec<Settled>,
    /// Destinations whose deliveries the store could not read or settle; other destinations are not affected.
    pub failed: Vec<(DestinationName, String)>,
}

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The delivery.
    pub key: DeliveryKey,
    /// Where it went, or should have.
    pub destination: DestinationName,
    /// The number of this attempt.
    pub attempt: u32,
    /// Why it did not arrive.
    pub reason: Option<String>,
}

/// Sends what is due.
#[derive(Debug)]
pub struct AlertForwarder {
    world: World,
    destinations: BTreeMap<DestinationName, Destination>,
    options: ForwarderOptions,
}

impl AlertForwarder {
    /// A forwarder that knows the destinations of this release.
    pub fn new(world: World, release: &Release, options: ForwarderOptions) -> Self {
        Self { world, destinations: release.destinations.clone(), options }
    }

    /// Sends all that is due now, destinations side by side, each in order.
    pub async fn forward(&self) -> Result<Report, StoreError> {
        let due = self.world.store.due((self.world.clock)()).await?;
        let mut report = Report::default();
        for mut one in join_all(due.iter().map(|destination| self.forward_to(destination))).await {
            report.sent.append(&mut one.sent);
            report.again.append(&mut one.again);
            report.dead.append(&mut one.dead);
            report.failed.append(&mut one.failed);
        }
        Ok(report)
    }

    /// Until nothing is due there, or it needs rest.
    async fn forward_to(&self, name: &DestinationName) -> Report {
        let mut report = Report::default();
        if let Err(error) = self.forward_each(name, &mut report).await {
            tracing::warn!(destination = %name, error = %error, "could not settle a delivery");
            report.failed.push((name.clone(), error.to_string()));
        }
        report
    }

    async fn forward_each(&self, name: &DestinationName, report: &mut Report) -> Result<(), StoreError> {
        let World { store, clock, jitter, .. } = &self.world;
        let (mut handled, mut misses) = (0, 0);
        while self.options.per_destination == 0 || handled < self.options.per_destination {
            let Some(leased) = store.lease(name, clock(), self.options.lease_seconds).await? else { break };
            handled += 1;
            let outcome = self.send(name, &leased).await;
            match self.settle(&leased, outcome, report).await? {
                Rest::None => misses = 0,
                Rest::Until(time) => return store.hold(name, time).await,
                Rest::Perhaps => misses += 1,
            }
            // one delivery may be at fault for one failure, not for several different ones in a row
            if misses == MISSES {
                let wait = self.options.backoff.after(1, jitter()).unwrap_or_default();
                return store.hold(name, clock().plus_seconds(wait)).await;
            }
        }
        Ok(())
    }

    async fn settle(&self, leased: &Leased, outcome: Attempt, report: &mut Report) -> Result<Rest, StoreError> {
        let World { store, clock, jitter, .. } = &self.world;
        let delivery = &leased.delivery;
        let settled = |reason: Option<String>| Settled {
            key: delivery.key,
            destination: delivery.destination.clone(),
            attempt: leased.attempt,
            reason,
        };
        let now = clock();
        let (reason, rest) = match outcome {
            Attempt::Done => {
                store.done(leased, now).await?;
                report.sent.push(settled(None));
                return Ok(Rest::None);
            }
            Attempt::Again { reason, not_before } => {
                let asked = not_before.map(|after| after.time(now).min(now.plus_seconds(MOST_PATIENCE)));
                let rest = asked.map_or(Rest::Perhaps, Rest::Until);
                if let Some(wait) = self.options.backoff.after(leased.attempt, jitter()) {
                    store.retry(leased, now.plus_seconds(wait).max(asked.unwrap_or(now)), &reason).await?;
                    report.again.push(settled(Some(reason)));
                    return Ok(rest);
                }
                (format!("gave up after {} attempts: {reason}", leased.attempt), rest)
            }
            Attempt::Dead(reason) => (reason, Rest::None),
        };
        tracing::warn!(destination = %delivery.destination, alert = %delivery.alert, reason, "gave up a delivery");
        store.bury(leased, &reason, now).await?;
        report.dead.push(settled(Some(reason)));
        Ok(rest)
    }

    async fn send(&self, name: &DestinationName, leased: &Leased) -> Attempt {
        let Some(destination) = self.destinations.get(name) else { return Attempt::Dead(decide::unknown(name)) };
        let sender = Sender { world: &self.world, leased, name };
        let news = News::between(leased.before.as_ref(), &leased.after);
        match &destination.kind {
            DestinationKind::Slack { channel } => slack::send(&sender, &news, channel.as_deref()).await,
            DestinationKind::Webhook { url } => webhook::send(&sender, &news, url.as_deref()).await,
            DestinationKind::Stdout => self.print(&news),
            DestinationKind::Ses { .. } => {
                Attempt::Dead("mail through Amazon SES needs the target `aws`: use another destination here".to_owned())
            }
        }
    }

    fn print(&self, news: &News<'_>) -> Attempt {
        // a writer that panicked was not ours; the lines before it are whole
        let mut out = self.world.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        match out.write_all(console::lines(news).as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Attempt::Done,
            Err(error) => Attempt::again(format!("standard output: {error}")),
        }
    }
}

/// Whether a destination is left alone for a while.
enum Rest {
    /// It works.
    None,
    /// It asked for it.
    Until(Timestamp),
    /// It, or the delivery, failed.
    Perhaps,
}

/// So many failures in a row are the destination's.
const MISSES: u32 = 3;

/// A `Retry-After` further off than this many seconds is not believed.
const MOST_PATIENCE: i64 = 24 * 3600;
