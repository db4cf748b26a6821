//! A process at work on a target: the handlers wired to each other, one release in memory.
//!
//! Start at [`Session::open`]. Raw objects go in by [`Session::ingest`]; [`Session::settle`] brings everything that is on its
//! way to its end: staged rows into the lake, rows past the detections, matches into alerts, alerts out. Every step can
//! be repeated after a crash and picks up what the one before left.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use alert_forwarder::{AlertForwarder, ForwarderOptions, SLACK_API, World};
use alert_writer::AlertWriter;
use columns::Misfit;
use detections::{CacheAccess, DetectReport, FileReport, Host, Outcome};
use lake::Effect;
use lake_writer::{Flush, LakeWriter, WriteError, WriteOptions};
use model::{
    alert::RuleMatch,
    name::{EnrichmentName, LogSourceName, TableName},
    object::SourceObject,
    release::{Bundle, Trigger},
    staged::{BatchId, StagedFile},
    system,
    time::Timestamp,
};
use store::{
    cache::RemoteCache as _,
    http::{HttpClient, HttpLimits},
    ledger::{Lease, Ledger as _},
    ledger_owner::Owner,
    objects::Objects as _,
    staging::Staging as _,
};
use transform::{EnrichmentTables, SourceTransform};
use transformer::{Fate, Limits, Request, Sources, Transformer, When};

use crate::{
    Embedded, EmbeddedError,
    report::{Ingested, Settled},
    target::MadeRows,
    trial,
    uploads::{self, Uploads},
};

/// Asks for the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How many staged files detections look at together.
const FILES_AT_A_TIME: u32 = 64;

/// How many rows of alerts are committed together; each has all of the row that matched.
const ALERT_ROWS: u32 = 2_000;

/// For how long files are ours while detections look at them.
const DETECT_LEASE_SECONDS: u32 = 900;

/// A process at work.
pub struct Session<'a> {
    pub(crate) target: &'a Embedded,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) clock: Clock,
    pub(crate) host: Option<Arc<Host>>,
    pub(crate) alert_writer: AlertWriter,
    pub(crate) uploads: Uploads,
    /// Commits of uploads that no [`Settled`] has counted yet.
    upload_commits: AtomicU64,
    pub(crate) owner: Owner,
    transformer: Transformer,
    lake_writer: LakeWriter,
    forwarder: AlertForwarder,
}

impl<'a> Session<'a> {
    /// Takes up the deployed release, and what processes that were killed have left.
    pub async fn open(target: &'a Embedded, clock: Clock) -> Result<Self, EmbeddedError> {
        let bundle = Arc::new(target.bundle()?);
        let owners = target.layout.owners();
        let owner = Owner::register(&owners, &format!("{}-{}", std::process::id(), (clock)().micros()))?;
        free_ended(target).await?;
        let lookups = EnrichmentTables::of_bundle(&bundle)?;
        let uploads = Uploads::new(lookups.clone());
        uploads.refresh(target, &bundle.release).await?;
        let mut transformer = Transformer::new(
            target.ledger.clone(),
            Arc::new(target.objects.clone()),
            target.staging.clone(),
            Arc::new(sources(target, &bundle, &lookups).await?),
            owner.name(),
            clock.clone(),
        );
        transformer.limits = Limits { workers: target.options.jobs, ..Limits::default() };
        let mut lake_writer = LakeWriter::new(
            target.ledger.clone(),
            target.staging.clone(),
            target.lake.clone(),
            owner.name(),
            clock.clone(),
        );
        for table in bundle.release.tables.values() {
            let options =
                WriteOptions { target_file_bytes: table.storage.target_file_bytes, ..WriteOptions::default() };
            lake_writer.options.insert(table.name.clone(), options);
        }
        for (table, arrival) in uploads::arrivals(&bundle.release) {
            lake_writer.options.insert(table, WriteOptions { arrival, ..WriteOptions::default() });
        }
        let world = World {
            store: target.alerts.clone(),
            secrets: target.secrets.clone(),
            http: HttpClient::new(HttpLimits::default())?,
            stdout: target.options.stdout.clone(),
            clock: clock.clone(),
            jitter: Arc::new(jitter),
            slack_api: target
                .options
                .environment
                .get("MATANO_SLACK_API")
                .cloned()
                .unwrap_or_else(|| SLACK_API.to_owned()),
        };
        Ok(Self {
            host: host(target, &bundle, &clock, &uploads.lines().await)?,
            alert_writer: AlertWriter::new(target.alerts.clone(), &bundle.release),
            forwarder: AlertForwarder::new(world, &bundle.release, ForwarderOptions::default()),
            uploads,
            upload_commits: AtomicU64::new(0),
            owner,
            transformer,
            lake_writer,
            target,
            bundle,
            clock,
        })
    }

    /// The release at work.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The objects at and below some addresses, as requests.
    pub async fn requests(&self, addresses: &[String], source: Option<&str>) -> Result<Vec<Request>, EmbeddedError> {
        let source = source.map(|name| self.source(name)).transpose()?;
        let mut out = Vec::new();
        for address in addresses {
            for listed in self.target.objects.list(address).await? {
                out.push(Request { address: listed.address, source: source.clone() });
            }
        }
        Ok(out)
    }

    /// A log source of the release, or `enrich_<table>` for uploads.
    pub fn source(&self, name: &str) -> Result<LogSourceName, EmbeddedError> {
        let sources = self.bundle.release.sources();
        sources.get_key_value(name).map(|(name, _)| name.clone()).ok_or_else(|| EmbeddedError::UnknownSource {
            name: name.to_owned(),
            deployed: sources.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        })
    }

    /// What is done with the objects of a log source.
    pub(crate) fn transform_of(&self, name: &LogSourceName) -> Result<Arc<SourceTransform>, EmbeddedError> {
        let found = self.transformer.sources.get(name).cloned();
        found.ok_or_else(|| EmbeddedError::UnknownSource { name: name.to_string(), deployed: String::new() })
    }

    /// The log source of an object: the one asked for, else the one that its key says.
    pub(crate) fn log_source_of(&self, request: &Request, object: &SourceObject) -> Option<LogSourceName> {
        let routed = || self.transformer.sources.routes.route(&object.bucket, &object.key).cloned();
        request.source.clone().or_else(routed)
    }

    /// Objects that a killed process had begun and nobody has finished.
    pub async fn unfinished(&self) -> Result<Vec<Request>, EmbeddedError> {
        let objects = self.target.ledger.unfinished((self.clock)()).await?;
        Ok(objects.iter().map(|object| Request { address: object.uri(), source: None }).collect())
    }

    /// Reads objects into staging. Their rows are in the lake after [`Session::settle`].
    ///
    /// Uploads to enrichment tables come first, one after the other, and are in the lake before anything else is read: the
    /// records of this call are looked up in them.
    pub async fn ingest(
        &self,
        requests: Vec<Request>,
        mut on: impl FnMut(&Ingested),
    ) -> Result<Ingested, EmbeddedError> {
        // one that a killed process had begun may be asked for, too
        let mut addresses = BTreeSet::new();
        let requests = requests.into_iter().filter(|request| addresses.insert(request.address.clone())).collect();
        let mut total = Ingested::default();
        let mut finished = Vec::new();
        let mut note = |request, fate: Fate| {
            if let Fate::Done { report, .. } = &fate {
                finished.push(report.object.clone());
            }
            add(&mut total, request, fate);
            on(&total);
        };
        let (uploads, others) = self.divide(requests).await;
        if !uploads.is_empty() {
            for upload in uploads {
                self.process(vec![upload], &mut note).await?;
            }
            // what fails is tried again, and reported, by `settle`
            let report = self.lake_writer.flush(Flush::Due).await?;
            self.upload_commits.fetch_add(report.commits.len() as u64, Ordering::Relaxed);
        }
        self.refresh_enrichment().await?;
        self.process(others, &mut note).await?;
        for object in finished {
            self.target.objects.local.forget(&object)?;
        }
        Ok(total)
    }

    /// Reads objects, those too that somebody held who has ended meanwhile.
    async fn process(&self, requests: Vec<Request>, note: &mut impl FnMut(Request, Fate)) -> Result<(), EmbeddedError> {
        let (mut waiting, mut busy) = (requests, Vec::new());
        loop {
            self.transformer
                .process(std::mem::take(&mut waiting), |request, fate| match fate {
                    Fate::Busy { .. } => busy.push((request, fate)),
                    Fate::Done { .. } | Fate::NoSource(_) | Fate::Again(_) | Fate::Dead { .. } => note(request, fate),
                })
                .await;
            // who held them may have been killed since
            if busy.is_empty() || free_ended(self.target).await? == 0 {
                break;
            }
            waiting = busy.drain(..).map(|(request, _)| request).collect();
        }
        for (request, fate) in busy {
            note(request, fate);
        }
        Ok(())
    }

    /// Commits, detects, alerts and sends until nothing is left that can be done now.
    pub async fn settle(&self, flush: Flush) -> Result<Settled, EmbeddedError> {
        let mut settled = Settled { commits: self.upload_commits.swap(0, Ordering::Relaxed), ..Settled::default() };
        self.commit(flush, &mut settled).await?;
        self.refresh_enrichment().await?;
        self.detect(&mut settled).await?;
        self.alert(&mut settled).await?;
        // staged files are deleted once they are committed and seen
        self.commit(flush, &mut settled).await?;
        self.target.cache.sweep((self.clock)()).await?;
        Ok(settled)
    }

    async fn commit(&self, flush: Flush, settled: &mut Settled) -> Result<(), EmbeddedError> {
        let report = self.lake_writer.flush(flush).await?;
        settled.commits += report.commits.len() as u64;
        settled.problems.extend(
            report
                .failures
                .iter()
                .map(|(table, error)| format!("table `{table}` was not written and will be tried again: {error}")),
        );
        settled.problems.extend(report.untidy.iter().map(|(table, error)| untidy(table, error)));
        settled.uncommitted |= !report.failures.is_empty();
        Ok(())
    }

    async fn detect(&self, settled: &mut Settled) -> Result<(), EmbeddedError> {
        let mut tried: Vec<String> = Vec::new();
        loop {
            let lease = Lease::new(self.owner.name(), (self.clock)(), DETECT_LEASE_SECONDS);
            let files = self.target.ledger.take_unseen(&lease, (self.clock)(), FILES_AT_A_TIME).await?;
            let fresh: Vec<StagedFile> = files.into_iter().filter(|file| !tried.contains(&file.key)).collect();
            if fresh.is_empty() {
                return Ok(());
            }
            tried.extend(fresh.iter().map(|file| file.key.clone()));
            self.detect_files(fresh, settled).await?;
        }
    }

    async fn detect_files(&self, files: Vec<StagedFile>, settled: &mut Settled) -> Result<(), EmbeddedError> {
        let mut seen: Vec<String> = Vec::new();
        let mut local: Vec<(StagedFile, PathBuf)> = Vec::new();
        for file in files {
            if self.host.is_some() && self.is_watched(&file.table) {
                let path = self.target.staging.fetch(&file.key).await?;
                local.push((file, path));
            } else {
                seen.push(file.key);
            }
        }
        if let (Some(host), false) = (&self.host, local.is_empty()) {
            settled.rows_seen += local.iter().map(|(file, _)| file.rows).sum::<u64>();
            for file in self.judge(host.clone(), local, settled).await? {
                match &file.outcome {
                    Outcome::Complete | Outcome::Incomplete => seen.push(file.key.clone()),
                    Outcome::Unreadable(reason) => {
                        settled
                            .problems
                            .push(format!("detections could not read staged rows and will try again: {reason}"));
                    }
                }
            }
        }
        Ok(self.target.ledger.seen(&seen).await?)
    }

    /// Shows files to detections, and takes in what they say while they are at it. Matches of a file count although the rest
    /// of it may fail: it is shown again then, and a match counts once.
    pub(crate) async fn judge(
        &self,
        host: Arc<Host>,
        files: Vec<(StagedFile, PathBuf)>,
        settled: &mut Settled,
    ) -> Result<Vec<FileReport>, EmbeddedError> {
        let (send, mut found) = tokio::sync::mpsc::channel(1);
        let judging = tokio::task::spawn_blocking(move || {
            host.detect_each(&files, &mut |matches| match send.blocking_send(matches) {
                Ok(()) => ControlFlow::Continue(()),
                // there was an error, and nobody waits for more
                Err(_) => ControlFlow::Break(()),
            })
        });
        while let Some(matches) = found.recv().await {
            self.take_in(matches, settled).await?;
        }
        let report = judging.await.map_err(|error| EmbeddedError::Stopped(error.to_string()))??;
        let files = report.files.clone();
        self.absorb(report, settled).await?;
        Ok(files)
    }

    /// Takes matches into alerts and failures into the report.
    pub(crate) async fn absorb(&self, report: DetectReport, settled: &mut Settled) -> Result<(), EmbeddedError> {
        settled.failures.extend(report.failures);
        settled.printed.extend(report.printed);
        settled.refused.extend(report.refused);
        settled.unheld = self.host.as_ref().and_then(|host| host.isolation()?.missing());
        self.take_in(report.matches, settled).await
    }

    async fn take_in(&self, matches: Vec<RuleMatch>, settled: &mut Settled) -> Result<(), EmbeddedError> {
        settled.matches += matches.len() as u64;
        for absorbed in self.alert_writer.write(matches, (self.clock)()).await? {
            settled.new_matches += absorbed.new_matches;
            if absorbed.new_matches > 0 && absorbed.alert.alert.is_active() {
                settled.alerts.insert(absorbed.alert.alert.id);
            }
        }
        Ok(())
    }

    /// Brings rows of alerts into the lake and deliveries to their destinations.
    pub(crate) async fn alert(&self, settled: &mut Settled) -> Result<(), EmbeddedError> {
        let (table, schema) = (TableName::alerts(), system::alerts());
        while let Some(batch) = self.alert_writer.next_rows(ALERT_ROWS).await? {
            let (id, release) = (BatchId(batch.id), self.bundle.release.id());
            let made = MadeRows { schema: &schema, rows: &batch.rows, batch: id, release };
            for Misfit { column, error, value, .. } in
                self.target.commit_rows(&table, made, &Effect::Append, &self.owner).await?
            {
                settled.problems.push(format!(
                    "`{column}` of a matched row is null in `{table}`: {error}, found `{value}`; `event.original` has it"
                ));
            }
            self.alert_writer.rows_done(batch.id).await?;
            settled.commits += 1;
            if let Err(error) = self.lake_writer.tidy(&table).await {
                settled.problems.push(untidy(&table, &error));
            }
        }
        let report = self.forwarder.forward().await?;
        settled.sent += report.sent.len() as u64;
        let say = |fate: &str, destination: &dyn std::fmt::Display, reason: Option<&str>| {
            format!("alert for `{destination}` {fate}: {}", reason.unwrap_or("no reason given"))
        };
        for again in &report.again {
            settled.problems.push(say("will be sent again", &again.destination, again.reason.as_deref()));
        }
        for dead in &report.dead {
            settled.problems.push(say(
                "was given up (`matano alerts --dead-letters`)",
                &dead.destination,
                dead.reason.as_deref(),
            ));
        }
        for (destination, reason) in &report.failed {
            settled.problems.push(say("could not be settled", destination, Some(reason)));
        }
        Ok(())
    }

    fn is_watched(&self, table: &TableName) -> bool {
        let streaming = |trigger: &Trigger| match trigger {
            Trigger::Streaming => true,
            Trigger::Scheduled(_) => false,
        };
        self.bundle.release.detections.values().any(|found| streaming(&found.trigger) && found.tables.contains(table))
    }
}

/// Frees what processes held that have ended without saying so. Returns how many those were.
async fn free_ended(target: &Embedded) -> Result<usize, EmbeddedError> {
    let owners = target.layout.owners();
    let ended = Owner::ended(&owners)?;
    for owner in &ended {
        target.ledger.abandon(owner).await?;
        target.staging.sweep(owner)?;
        Owner::bury(&owners, owner)?;
    }
    Ok(ended.len())
}

/// The programs of a release, with the field ids that the lake gave to its columns.
async fn sources(target: &Embedded, bundle: &Bundle, lookups: &EnrichmentTables) -> Result<Sources, EmbeddedError> {
    let mut ids = BTreeMap::new();
    let tables = bundle.release.sources().into_values().flat_map(|source| source.tables.into_values());
    for table in tables.chain([TableName::rejects()]) {
        let of_table = target.lake.field_ids(&table).await?;
        ids.insert(table, of_table);
    }
    Ok(Sources::new(&bundle.release, |name| SourceTransform::compile(bundle, name, &ids, lookups))?)
}

/// Python, where the release has detections.
fn host(
    target: &Embedded,
    bundle: &Bundle,
    clock: &Clock,
    enrichment: &BTreeMap<EnrichmentName, Vec<u8>>,
) -> Result<Option<Arc<Host>>, EmbeddedError> {
    if bundle.release.detections.is_empty() {
        return Ok(None);
    }
    let options = &target.options;
    let mut config = trial::host_config(&options.python, options.jobs, &target.layout.staging())?;
    config.cache = Some(CacheAccess {
        cache: target.cache.clone(),
        runtime: tokio::runtime::Handle::current(),
        now: clock.clone(),
    });
    let host = Host::start(config)?;
    host.load_with(bundle, enrichment)?;
    Ok(Some(Arc::new(host)))
}

/// Something between 0 and 1 that differs from call to call: spreads retries, nothing else.
fn jitter() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    // each RandomState has keys of its own
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

/// Runs synchronous work where blocking is fine.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EmbeddedError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| EmbeddedError::Stopped(error.to_string()))
}

fn untidy(table: &TableName, error: &WriteError) -> String {
    format!("old snapshots and files of `{table}` stay for now; its new rows are written: {error}")
}

fn add(total: &mut Ingested, request: Request, fate: Fate) {
    match fate {
        Fate::Done { report, when: When::Now } => {
            total.objects += 1;
            total.bytes += report.bytes;
            total.records += report.records;
            total.rows += report.rows;
            total.rejects += report.rejects;
            total.dropped += report.dropped;
        }
        Fate::Done { report: _, when: When::Before } => total.known += 1,
        Fate::NoSource(object) => total.problems.push(format!(
            "`{}` was left out: no log source has a `key_prefix` or `key_pattern` that fits; name one with --source",
            object.uri()
        )),
        Fate::Busy { object, until } => {
            total.problems.push(format!("`{}` is being read by another process (until {until} at most)", object.uri()));
        }
        Fate::Again(error) => {
            total.problems.push(format!("`{}` was not read and can be ingested again: {error}", request.address));
        }
        Fate::Dead { object, reason } => {
            total.problems.push(format!("`{}` cannot be read: {reason}; `matano replay` tries it again", object.uri()));
        }
    }
}
