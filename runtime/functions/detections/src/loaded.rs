use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use model::{
    isolation::{Isolation, Refusal},
    name::{DetectionName, EnrichmentName, TableName},
    release::{Bundle, Detection, Release, ReleaseId, Trigger},
    worker::{Failure, Load, LoadDetection, Order, Report},
};
use tempfile::TempDir;
use tracing::warn;

use crate::{
    cache::CacheAccess,
    error::HostError,
    failure,
    host::HostConfig,
    process::{Event, Worker},
    python::Interpreter,
    report::Refused,
    unpack::{self, MODULE},
};

/// What all workers of a host have in common.
#[derive(Debug)]
pub struct Base {
    pub config: HostConfig,
    pub interpreter: Interpreter,
    /// What holds the workers: all of them the same.
    pub isolation: OnceLock<Isolation>,
}

/// A release's detections, laid out for workers, and the workers that know them.
pub struct Loaded {
    pub release: Release,
    pub id: ReleaseId,
    base: Arc<Base>,
    detections: Vec<Detection>,
    load: Load,
    /// Detections that took a worker along while they were imported: they are not tried again.
    broken: Mutex<BTreeMap<u32, Failure>>,
    idle: Mutex<Vec<Worker>>,
    refused: Mutex<BTreeSet<Refused>>,
    root: PathBuf,
    _directory: TempDir,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Loaded {
    /// Writes everything that workers read.
    pub fn new(
        base: Arc<Base>,
        bundle: &Bundle,
        enrichment: &BTreeMap<EnrichmentName, Vec<u8>>,
    ) -> Result<Self, HostError> {
        let directory = tempfile::Builder::new().prefix("matano-release-").tempdir();
        let directory = directory.map_err(HostError::io("make", std::path::Path::new("a temporary directory")))?;
        // the name that Python reports for files below
        let root = directory.path().canonicalize().map_err(HostError::io("find", directory.path()))?;
        let millis = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let load = Load {
            detections: unpack::detections(bundle, &root)?,
            enrichment: unpack::enrichment(bundle, enrichment, &root)?,
            call_millis: millis(base.config.call_deadline),
            import_millis: millis(base.config.import_deadline),
            run_millis: millis(base.config.file_deadline),
            output_bytes: base.config.output_bytes,
        };
        Ok(Self {
            release: bundle.release.clone(),
            id: bundle.release.id(),
            base,
            detections: bundle.release.detections.values().cloned().collect(),
            load,
            broken: Mutex::default(),
            idle: Mutex::default(),
            refused: Mutex::default(),
            root,
            _directory: directory,
        })
    }

    /// How many workers there may be.
    pub fn workers(&self) -> usize {
        self.base.config.workers.get()
    }

    /// A worker that knows the detections: one that is idle, else a new one.
    pub fn take_worker(&self) -> Result<Worker, HostError> {
        if let Some(worker) = lock(&self.idle).pop() {
            return Ok(worker);
        }
        let Base { config, interpreter, isolation } = &*self.base;
        let mut worker = Worker::start(config, interpreter, &self.root)?;
        isolation.get_or_init(|| {
            if let Some(missing) = worker.isolation.missing() {
                warn!(missing, "the operating system does not hold detections entirely");
            }
            worker.isolation.clone()
        });
        worker.order(&Order::Load(self.load.clone()));
        match worker.next() {
            Event::Report(Report::Done { .. }) => Ok(worker),
            Event::Report(report) => Err(HostError::Worker(format!("it was asked to load and reported {report:?}"))),
            Event::End(end) => Err(HostError::Worker(format!("it ended while loading: {}", end.stderr.trim()))),
        }
    }

    /// Takes back a worker that has nothing to do.
    pub fn give_back(&self, worker: Worker) {
        let mut idle = lock(&self.idle);
        if idle.len() < self.workers() {
            idle.push(worker);
        }
    }

    /// Remembers what a detection was refused, once, however often it tried.
    pub fn refused(&self, refusal: Refusal) {
        let Refusal { detection, action, target, file, line } = refusal;
        let detection = self.detection(detection).name.clone();
        let place = failure::place(&detection, file.as_deref(), line);
        lock(&self.refused).insert(Refused { detection, action, target, place });
    }

    /// What was refused since this was last asked.
    pub fn take_refused(&self) -> Vec<Refused> {
        std::mem::take(&mut *lock(&self.refused)).into_iter().collect()
    }

    /// What `remotecache` works with.
    pub fn cache(&self) -> Option<&CacheAccess> {
        self.base.config.cache.as_ref()
    }

    /// A detection by place. Places come from [`Loaded::place`], or from a worker and are checked there.
    pub fn detection(&self, place: u32) -> &Detection {
        &self.detections[place as usize]
    }

    /// The same as workers know it.
    pub fn files(&self, place: u32) -> &LoadDetection {
        &self.load.detections[place as usize]
    }

    /// Whether there is a detection at a place.
    pub fn has(&self, place: u32) -> bool {
        (place as usize) < self.detections.len()
    }

    /// A detection's place.
    pub fn place(&self, name: &DetectionName) -> Result<u32, HostError> {
        let place = self.detections.iter().position(|detection| &detection.name == name);
        place.and_then(|place| u32::try_from(place).ok()).ok_or_else(|| HostError::NotLoaded(name.clone()))
    }

    /// The places of all detections.
    pub fn places_by_name(&self) -> BTreeMap<&DetectionName, u32> {
        self.detections.iter().map(|detection| &detection.name).zip(0..).collect()
    }

    /// Detections with code, in order.
    pub fn with_code(&self) -> Vec<u32> {
        self.places(|detection| match detection.trigger {
            Trigger::Streaming => true,
            Trigger::Scheduled(_) => detection.files.contains_key(MODULE),
        })
    }

    /// Detections that see every row of a table, in order.
    pub fn of_table(&self, table: &TableName) -> Vec<u32> {
        self.places(|detection| match detection.trigger {
            Trigger::Streaming => detection.tables.contains(table),
            Trigger::Scheduled(_) => false,
        })
    }

    fn places(&self, wanted: impl Fn(&Detection) -> bool) -> Vec<u32> {
        (0u32..).zip(&self.detections).filter(|(_, detection)| wanted(detection)).map(|(place, _)| place).collect()
    }

    /// What a detection did when it was last imported, where that ended a worker.
    pub fn broken(&self, place: u32) -> Option<Failure> {
        lock(&self.broken).get(&place).cloned()
    }

    /// Not to be tried again.
    pub fn mark_broken(&self, failure: Failure) {
        lock(&self.broken).insert(failure.detection, failure);
    }
}
