use std::{
    collections::BTreeMap,
    io,
    os::fd::RawFd,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use model::{
    isolation::{Confinement, Isolation, Refusal, RefusedAction, Walls},
    worker::{CacheAnswer, CacheRequest, Failure, Load, Order, Report, Run, Try},
};
use pyo3::{
    buffer::PyBuffer,
    exceptions::{PyOSError, PyRuntimeError, PyValueError},
    prelude::*,
    types::PyModule,
};

use crate::{
    attempt,
    clock::Clock,
    enrichment::EnrichmentTable,
    error::FileError,
    functions::{Caller, Functions},
    isolation,
    pipe::Pipe,
    progress::ProgressPage,
    row,
    run::{Rows, Runner, read},
};

/// One end of the conversation with the host, and what every part of the worker has in common.
#[pyclass(frozen)]
pub struct Worker {
    pub(crate) pipe: Pipe,
    pub(crate) progress: ProgressPage,
    /// Set when a detection's own module was imported while it was called.
    pub(crate) found: AtomicBool,
    isolation: OnceLock<Isolation>,
    clock: Mutex<Clock>,
    tables: Mutex<Vec<Py<EnrichmentTable>>>,
}

/// Why an order is not carried out to its end.
#[derive(Debug)]
pub enum Stop {
    /// The file can't be read: the host is told.
    File(FileError),
    /// The host is gone.
    Host(io::Error),
    /// The worker itself is broken.
    Worker(PyErr),
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Host(error)
    }
}

impl From<PyErr> for Stop {
    fn from(error: PyErr) -> Self {
        Self::Worker(error)
    }
}

/// Runs `python/worker.py`.
pub fn main(py: Python<'_>) -> PyResult<()> {
    row::prepare(py)?;
    let refusals = PyModule::new(py, "matano_refusals")?;
    execute(&refusals, include_str!("python/refusals.py"), "<matano refusals>")?;
    let module = PyModule::new(py, "matano_worker")?;
    module.setattr("Worker", py.get_type::<Worker>())?;
    module.setattr("DETECTION_SOURCE", include_str!("python/detection.py"))?;
    module.setattr("refusals", refusals)?;
    execute(&module, include_str!("python/worker.py"), "<matano worker>")?;
    module.call_method0("main").map(drop)
}

/// The function of `python/show.py`.
fn show(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let module = PyModule::new(py, "matano_show")?;
    execute(&module, include_str!("python/show.py"), "<matano show>")?;
    module.getattr("show")
}

fn execute(module: &Bound<'_, PyModule>, source: &str, name: &str) -> PyResult<()> {
    let builtins = module.py().import("builtins")?;
    let code = builtins.call_method1("compile", (source, name, "exec"))?;
    builtins.call_method1("exec", (code, module.dict())).map(drop)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    /// An enrichment table.
    pub(crate) fn enrichment(&self, name: &str) -> PyResult<Py<EnrichmentTable>> {
        EnrichmentTable::find(&lock(&self.tables), name)
    }

    /// A run is about so many of all rows of a file.
    pub(crate) fn share(&self, rows: u64, all: u64) {
        lock(&self.clock).share(rows, all);
    }

    /// The detection to leave out, where the run takes too long.
    pub(crate) fn take_slowest(&self, now: Instant) -> Option<u32> {
        lock(&self.clock).slowest(now)
    }
}

#[pymethods]
impl Worker {
    #[new]
    fn new(orders: RawFd, reports: RawFd, progress: PyBuffer<u8>) -> PyResult<Self> {
        Ok(Self {
            pipe: Pipe::new(orders, reports),
            progress: ProgressPage::new(progress)?,
            found: AtomicBool::new(false),
            isolation: OnceLock::new(),
            clock: Mutex::default(),
            tables: Mutex::default(),
        })
    }

    /// Carries out the host's orders, one after the other, until there are no more.
    fn serve<'py>(slf: &Bound<'py, Self>, host: &Bound<'py, PyAny>) -> PyResult<()> {
        let (py, worker) = (slf.py(), slf.get());
        let pipe = &worker.pipe;
        let show = show(py)?;
        let mut session = Session { worker: slf, host, show: &show, load: None, loaded: BTreeMap::new() };
        let isolation = worker.isolation.get().cloned().unwrap_or_else(|| Isolation::none("it was not asked for"));
        pipe.report(&Report::Ready(isolation))?;
        loop {
            let Some(order) = py.detach(|| pipe.order())? else { return Ok(()) };
            match session.carry_out(order) {
                Ok(columns) => pipe.report(&Report::Done { columns })?,
                Err(Stop::File(error)) => pipe.report(&Report::Refused(error.to_string()))?,
                Err(Stop::Host(error)) => return Err(PyOSError::new_err(error.to_string())),
                Err(Stop::Worker(error)) => return Err(error),
            }
        }
    }

    /// Raises the walls. Returns what may be read, and where may be written.
    fn isolate(&self, confinement: &str) -> PyResult<(Vec<String>, String)> {
        let confinement: Confinement =
            serde_json::from_str(confinement).map_err(|error| PyValueError::new_err(error.to_string()))?;
        self.isolation.get_or_init(|| match confinement.walls {
            Walls::Raised => isolation::raise(&confinement),
            Walls::Down => Isolation::none("switched off"),
        });
        Ok((confinement.readable, confinement.writable))
    }

    /// Tells the host what a detection was refused.
    fn refusal(
        &self,
        detection: u32,
        action: &str,
        target: String,
        file: Option<String>,
        line: Option<u32>,
    ) -> PyResult<()> {
        let action = RefusedAction::ALL.into_iter().find(|known| known.as_str() == action);
        let action = action.ok_or_else(|| PyValueError::new_err("no action that is refused"))?;
        Ok(self.pipe.report(&Report::Refusal(Refusal { detection, action, target, file, line }))?)
    }

    /// The detection that is being called or imported.
    fn current(&self) -> Option<u32> {
        let progress = self.progress.now();
        progress.call.filter(|_| progress.busy).map(|(detection, _)| detection)
    }

    /// The limit in seconds of the call that is going on, where it is exceeded.
    fn overdue(&self) -> Option<f64> {
        lock(&self.clock).overdue(self.progress.now(), Instant::now()).map(|limit| limit.as_secs_f64())
    }

    /// A detection's own module was found.
    fn found_modules(&self) {
        self.found.store(true, Ordering::Relaxed);
    }

    /// An enrichment table.
    fn table(&self, name: &str) -> PyResult<Py<EnrichmentTable>> {
        self.enrichment(name)
    }

    /// Asks the host's cache, in JSON.
    fn cache(&self, py: Python<'_>, request: &str) -> PyResult<String> {
        let request: CacheRequest =
            serde_json::from_str(request).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let answer = py.detach(|| {
            self.pipe.report(&Report::Cache(request))?;
            self.pipe.order()
        })?;
        match answer {
            Some(Order::Cache(answer @ (CacheAnswer::Value(_) | CacheAnswer::Failed(_)))) => {
                serde_json::to_string(&answer).map_err(|error| PyRuntimeError::new_err(error.to_string()))
            }
            Some(Order::Load(_) | Order::Import(_) | Order::Run(_) | Order::Try(_) | Order::Read(_)) | None => {
                Err(PyRuntimeError::new_err("the cache did not answer"))
            }
        }
    }
}

/// What lasts from one order to the next.
struct Session<'a, 'py> {
    worker: &'a Bound<'py, Worker>,
    host: &'a Bound<'py, PyAny>,
    show: &'a Bound<'py, PyAny>,
    load: Option<Load>,
    loaded: BTreeMap<u32, Result<Functions, Failure>>,
}

impl<'py> Session<'_, 'py> {
    fn carry_out(&mut self, order: Order) -> Result<Vec<String>, Stop> {
        match order {
            Order::Load(load) => self.load(load).map(|()| Vec::new()),
            Order::Import(detections) => self.timed(|session| session.import(&detections)).map(|_| Vec::new()),
            Order::Run(run) => self.timed(|session| session.run(&run)),
            Order::Try(order) => self.timed(|session| session.attempt(&order)),
            Order::Read(order) => read(self.worker.get(), &order).map(|()| Vec::new()),
            Order::Cache(_) => Err(Stop::Worker(PyRuntimeError::new_err("an answer that nobody asked for"))),
        }
    }

    fn load(&mut self, load: Load) -> Result<(), Stop> {
        let py = self.host.py();
        let detections: Vec<_> = load
            .detections
            .iter()
            .map(|detection| {
                let (name, package) = (&detection.name, &detection.package);
                (name, package, &detection.directory, detection.site_packages.as_ref(), detection.needs_detect)
            })
            .collect();
        self.host.call_method1("load", (detections, load.output_bytes))?;
        let tables = load.enrichment.iter().map(|table| Py::new(py, EnrichmentTable::new(table.clone())));
        *lock(&self.worker.get().tables) = tables.collect::<PyResult<_>>()?;
        let millis = Duration::from_millis;
        *lock(&self.worker.get().clock) =
            Clock::new(millis(load.call_millis), millis(load.import_millis), millis(load.run_millis));
        self.loaded.clear();
        self.load = Some(load);
        Ok(())
    }

    /// With the timer that stops what takes too long.
    fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        let tick = {
            let mut clock = lock(&self.worker.get().clock);
            clock.start(Instant::now());
            clock.tick()
        };
        self.host.call_method1("arm", (tick.as_secs_f64(),))?;
        let result = work(self);
        self.worker.get().progress.end();
        self.host.call_method0("disarm")?;
        result
    }

    /// Imports what is not imported yet, and reports what can't be, each time anew. Returns how many that are.
    fn import(&mut self, detections: &[u32]) -> Result<u32, Stop> {
        let caller = Caller::new(self.worker.get(), self.host, 0);
        let mut failures = 0;
        for detection in detections {
            let loaded = self.loaded.entry(*detection).or_insert_with(|| caller.import(*detection));
            if let Err(failure) = loaded {
                self.worker.get().pipe.report(&Report::Failure(Box::new(failure.clone())))?;
                failures += 1;
            }
        }
        caller.report_printed()?;
        Ok(failures)
    }

    fn run(&mut self, run: &Run) -> Result<Vec<String>, Stop> {
        let detections: Vec<u32> = run.detections.iter().map(|(detection, _)| *detection).collect();
        let failures = self.import(&detections)?;
        let runners = run.detections.iter().filter_map(|(detection, strikes)| match self.loaded.get(detection) {
            Some(Ok(functions)) => Some(Runner { detection: *detection, functions, strikes: *strikes }),
            Some(Err(_)) | None => None,
        });
        let runners = runners.collect();
        self.rows(failures, runners).run(run)
    }

    fn attempt(&mut self, order: &Try) -> Result<Vec<String>, Stop> {
        let mut detections: Vec<u32> = order.attempts.iter().map(|attempt| attempt.detection).collect();
        detections.sort_unstable();
        detections.dedup();
        let failures = self.import(&detections)?;
        let rows = self.rows(failures, Vec::new());
        attempt::run(rows, order, |detection| self.loaded.get(&detection).and_then(|loaded| loaded.as_ref().ok()))
    }

    fn rows<'a>(&'a self, failures: u32, runners: Vec<Runner<'a>>) -> Rows<'a, 'py> {
        let context_bytes =
            self.load.as_ref().map_or(0, |load| usize::try_from(load.output_bytes).unwrap_or(usize::MAX));
        let caller = Caller::new(self.worker.get(), self.host, failures);
        Rows { worker: self.worker, caller, runners, context_bytes, show: self.show }
    }
}
