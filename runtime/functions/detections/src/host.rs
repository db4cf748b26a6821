use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    ops::{ControlFlow, RangeInclusive},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use columns::FileReader;
use model::{
    alert::RuleMatch,
    isolation::Isolation,
    name::{DetectionName, EnrichmentName, TableName},
    release::Bundle,
    staged::StagedFile,
    worker::Match,
};
use serde_json::Value;

use crate::{
    cache::CacheAccess,
    error::HostError,
    failure::DetectionFailure,
    line,
    loaded::{Base, Loaded},
    python,
    report::{DetectReport, Refused},
    resolve::Identity,
    stretch::{Findings, Seat, Stretch, Strikes},
    summary::{Summary, Tally},
    unpack::MODULE,
};

/// Fewer rows are not worth an order of their own, for every stretch opens its file and the columns anew; more rows may
/// mean too many matches in memory.
const STRETCH_ROWS: RangeInclusive<u64> = 4 * 1024..=64 * 1024;

/// In how many stretches each worker's share is cut, so that none waits long for the last.
const STRETCHES: u64 = 8;

/// How workers are started and what they may use.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// The interpreter: a path, or a command to be found on `PATH`.
    pub python: PathBuf,
    /// The extension module, see [`crate::locate_module`].
    pub module: PathBuf,
    /// How many processes, at most.
    pub workers: NonZeroUsize,
    /// How long one call of one function may take.
    pub call_deadline: Duration,
    /// How long the import of one detection may take.
    pub import_deadline: Duration,
    /// How long a file may take before the slowest detection is left out; each of its parts has its share of that.
    pub file_deadline: Duration,
    /// How much memory detections may take in one process, in bytes, beyond what the interpreter needs.
    pub memory_bytes: u64,
    /// How much of what a detection prints, and of an `alert_context`, is kept, in bytes.
    pub output_bytes: u64,
    /// How much the operating system must hold detections.
    pub isolation: IsolationPolicy,
    /// Directories below which the files of rows lie: detections may read all of them.
    pub rows: Vec<PathBuf>,
    /// What `remotecache` works with; without it, detections that use it fail.
    pub cache: Option<CacheAccess>,
}

/// How much the operating system must hold detections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationPolicy {
    /// Entirely, or they are not run.
    Required,
    /// As far as it can.
    Preferred,
    /// Not at all: Python's own guard rail is all there is.
    Off,
}

impl HostConfig {
    /// With `python3`, one worker, five seconds a call and 512 MB.
    pub fn new(module: PathBuf) -> Self {
        Self {
            python: PathBuf::from("python3"),
            module,
            workers: NonZeroUsize::MIN,
            call_deadline: Duration::from_secs(5),
            import_deadline: Duration::from_secs(30),
            file_deadline: Duration::from_secs(300),
            memory_bytes: 512 * 1024 * 1024,
            output_bytes: 64 * 1024,
            isolation: IsolationPolicy::Preferred,
            rows: Vec::new(),
            cache: None,
        }
    }
}

/// Runs the detections of a release in Python processes, which are started when they are first needed and kept.
pub struct Host {
    base: Arc<Base>,
    loaded: RwLock<Option<Arc<Loaded>>>,
}

impl Host {
    /// Checks that there is an interpreter and a module. No worker is started yet.
    pub fn start(config: HostConfig) -> Result<Self, HostError> {
        if !config.module.is_file() {
            return Err(HostError::NoModule { looked: vec![config.module] });
        }
        let interpreter = python::find_interpreter(&config.python)?;
        Ok(Self { base: Arc::new(Base { config, interpreter, isolation: OnceLock::new() }), loaded: RwLock::new(None) })
    }

    /// Takes up a release in place of the last one. Work that is going on ends with the old release.
    pub fn load(&self, bundle: &Bundle) -> Result<(), HostError> {
        self.load_with(bundle, &BTreeMap::new())
    }

    /// The same, with JSON lines in place of what the release brings for some enrichment tables.
    pub fn load_with(&self, bundle: &Bundle, enrichment: &BTreeMap<EnrichmentName, Vec<u8>>) -> Result<(), HostError> {
        let loaded = Loaded::new(self.base.clone(), bundle, enrichment)?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(loaded));
        Ok(())
    }

    /// What holds the workers, once there is one.
    pub fn isolation(&self) -> Option<&Isolation> {
        self.base.isolation.get()
    }

    /// What detections of the release have tried and were refused, since this was last asked.
    pub fn refused(&self) -> Result<Vec<Refused>, HostError> {
        Ok(self.loaded()?.take_refused())
    }

    pub(crate) fn loaded(&self) -> Result<Arc<Loaded>, HostError> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone();
        loaded.ok_or_else(|| HostError::Release("none is loaded".to_owned()))
    }

    /// Imports every detection and returns what is wrong with them.
    pub fn imports(&self) -> Result<Vec<DetectionFailure>, HostError> {
        let loaded = self.loaded()?;
        let failures = Seat::new(&loaded).import(&loaded.with_code())?;
        let mut summary = Summary::new(&loaded);
        for failure in failures {
            summary.failure(None, failure, 1, None);
        }
        Ok(summary.failures())
    }

    /// Shows every row of every file to the streaming detections of its table.
    pub fn detect(&self, files: &[(StagedFile, PathBuf)]) -> Result<DetectReport, HostError> {
        let mut all = Vec::new();
        let report = self.detect_each(files, &mut |matches| {
            all.extend(matches);
            ControlFlow::Continue(())
        })?;
        Ok(DetectReport { matches: all, ..report })
    }

    /// The same, with matches handed on as they come, in order of files, rows and detections: the report has none. Work stops
    /// while they are not taken, and ends early where `on` breaks; what is reported then is of no use.
    pub fn detect_each(
        &self,
        files: &[(StagedFile, PathBuf)],
        on: &mut dyn FnMut(Vec<RuleMatch>) -> ControlFlow<()>,
    ) -> Result<DetectReport, HostError> {
        let loaded = self.loaded()?;
        let stretches = stretches(&loaded, files);
        let mut summary = Summary::new(&loaded);
        let mut tallies: Vec<Tally> = files.iter().map(|(file, _)| Tally::new(&file.key, &file.table)).collect();
        line::run(&loaded, &stretches, files.len(), &mut |stretch, found| {
            let tally = &mut tallies[stretch.file];
            let key = tally.key.clone();
            let mut matches = Vec::new();
            summary.part(tally, stretch, found, &|row, event| Identity::of(event, &key, row), &mut matches);
            if matches.is_empty() { ControlFlow::Continue(()) } else { on(matches) }
        })?;
        let files = tallies.into_iter().map(|tally| summary.file(tally)).collect();
        let (failures, printed, refused) = (summary.failures(), summary.printed(), loaded.take_refused());
        Ok(DetectReport { matches: Vec::new(), failures, printed, refused, files })
    }

    /// The rows that a scheduled detection's query returned as its matches: all of them, or those that its `detect` picks.
    ///
    /// The file may have any columns. `identify` names a row, so that the same row of the same window is the same match.
    pub fn scheduled(
        &self,
        detection: &DetectionName,
        table: &TableName,
        file: &Path,
        identify: &dyn Fn(u64, &Value) -> Identity,
    ) -> Result<DetectReport, HostError> {
        let loaded = self.loaded()?;
        let place = loaded.place(detection)?;
        let rows = rows_of(file)?;
        let stretch = Stretch { file: 0, path: file.to_owned(), first: 0, end: rows, detections: vec![place] };
        let mut seat = Seat::new(&loaded);
        let findings = if loaded.detection(place).files.contains_key(MODULE) {
            seat.judge(&stretch, &Strikes::default())?
        } else {
            let matches = (0..rows).map(|row| Match { row, detection: place, ..Match::default() }).collect();
            Findings { matches, ..Findings::default() }
        };
        let findings = seat.describe(&stretch, findings)?;
        let (mut summary, mut matches) = (Summary::new(&loaded), Vec::new());
        let mut tally = Tally::new(detection.as_str(), table);
        summary.part(&mut tally, &stretch, findings, identify, &mut matches);
        let files = vec![summary.file(tally)];
        let (failures, printed, refused) = (summary.failures(), summary.printed(), loaded.take_refused());
        Ok(DetectReport { matches, failures, printed, refused, files })
    }
}

fn rows_of(file: &Path) -> Result<u64, HostError> {
    let reader = FileReader::open(file).map_err(|error| HostError::File(error.to_string()))?;
    Ok(reader.rows() as u64)
}

/// Files cut so that every worker has something to do.
fn stretches(loaded: &Loaded, files: &[(StagedFile, PathBuf)]) -> Vec<Stretch> {
    let total: u64 = files.iter().map(|(file, _)| file.rows).sum();
    let share = total / (loaded.workers() as u64 * STRETCHES);
    let share = share.clamp(*STRETCH_ROWS.start(), *STRETCH_ROWS.end());
    let mut out = Vec::new();
    for (number, (file, path)) in files.iter().enumerate() {
        let detections = loaded.of_table(&file.table);
        if detections.is_empty() {
            continue;
        }
        for part in 0..file.rows.div_ceil(share) {
            let (first, end) = (part * share, file.rows.min((part + 1) * share));
            out.push(Stretch { file: number, path: path.clone(), first, end, detections: detections.clone() });
        }
    }
    out
}
