use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use model::worker::Function;
use pyo3::prelude::*;

use crate::{row::Shared, worker::Worker};

/// Functions `detect` that a record is shown to, one after the other.
pub struct Callees {
    /// Of each detection, its place and the function.
    pub functions: Vec<(u32, Py<PyAny>)>,
}

/// Gives `python/show.py` one function after the other, and keeps account of the calls between.
#[pyclass(frozen)]
pub struct Calls {
    worker: Py<Worker>,
    callees: Arc<Callees>,
    shared: Arc<Shared>,
    row: AtomicU64,
    next: AtomicUsize,
    /// Whether the last one that was given is being called.
    busy: AtomicBool,
}

/// Where a loop over the calls ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The callee that comes next.
    pub next: usize,
    /// Whether the one before it was being called.
    pub busy: bool,
}

impl Calls {
    /// Calls with the record that `shared` belongs to.
    pub fn new(worker: Py<Worker>, callees: Arc<Callees>, shared: Arc<Shared>) -> Self {
        let (row, next, busy) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        Self { worker, callees, shared, row, next, busy }
    }

    /// From this callee on, at this row.
    pub fn start(&self, row: u64, next: usize) {
        self.row.store(row, Ordering::Relaxed);
        self.next.store(next, Ordering::Relaxed);
    }

    /// After the loop, however it ended.
    pub fn end(&self) -> Ended {
        self.worker.get().progress.end();
        let busy = self.busy.load(Ordering::Relaxed);
        self.busy.store(false, Ordering::Relaxed);
        Ended { next: self.next.load(Ordering::Relaxed), busy }
    }
}

#[pymethods]
impl Calls {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// Nothing also where the record is of no use to the next, or where there is something to do outside.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let worker = self.worker.get();
        if self.busy.load(Ordering::Relaxed) {
            worker.progress.end();
            self.busy.store(false, Ordering::Relaxed);
            if worker.found.load(Ordering::Relaxed) || !self.shared.settle(py)? {
                return Ok(None);
            }
        }
        let next = self.next.load(Ordering::Relaxed);
        let Some((detection, function)) = self.callees.functions.get(next) else { return Ok(None) };
        self.next.store(next + 1, Ordering::Relaxed);
        self.busy.store(true, Ordering::Relaxed);
        worker.progress.begin(self.row.load(Ordering::Relaxed), *detection, Function::Detect);
        Ok(Some(function.clone_ref(py)))
    }
}
