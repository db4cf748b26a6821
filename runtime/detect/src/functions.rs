use std::{collections::HashMap, sync::atomic::Ordering};

use model::worker::{Failure, FailureKind, Function, Report};
use pyo3::{intern, prelude::*, types::PyString};

use crate::{
    method,
    worker::{Stop, Worker},
};

/// The functions that a detection's module defines.
pub struct Functions {
    /// In the order of [`Function::ALL`] from [`Function::Detect`] on.
    defined: Vec<Option<Py<PyAny>>>,
}

impl Functions {
    /// A function, where the module defines it.
    pub fn get<'py>(&self, py: Python<'py>, function: Function) -> Option<&Bound<'py, PyAny>> {
        let place = (function as usize).checked_sub(Function::Detect as usize)?;
        self.defined.get(place)?.as_ref().map(|defined| defined.bind(py))
    }
}

/// Where a call belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The detection's place.
    pub detection: u32,
    /// The row, `None` while importing.
    pub row: Option<u64>,
    /// The function.
    pub function: Function,
}

/// What makes two failures the same: detection, function, kind, type of the exception, file and line.
type Mistake = (u32, Function, FailureKind, String, Option<String>, Option<u32>);

/// Calls functions of detections and reports what goes wrong, the same mistake in full only once.
pub struct Caller<'a, 'py> {
    pub py: Python<'py>,
    pub worker: &'a Worker,
    host: &'a Bound<'py, PyAny>,
    known: HashMap<Mistake, u32>,
    /// Failures that the order has reported before.
    before: u32,
}

impl<'a, 'py> Caller<'a, 'py> {
    /// For an order that has reported so many failures already.
    pub fn new(worker: &'a Worker, host: &'a Bound<'py, PyAny>, before: u32) -> Self {
        Self { py: host.py(), worker, host, known: HashMap::new(), before }
    }

    /// Imports a detection. What is wrong with it is returned and not reported.
    pub fn import(&self, detection: u32) -> Result<Functions, Failure> {
        let site = Site { detection, row: None, function: Function::Import };
        let names: Vec<&str> = Function::ALL[Function::Detect as usize..].iter().map(|name| name.as_str()).collect();
        self.worker.progress.begin(0, detection, Function::Import);
        let defined = self.host.call_method1(intern!(self.py, "functions"), (detection, names));
        let defined = defined.and_then(|defined| defined.extract::<Vec<Option<Py<PyAny>>>>());
        self.forget_modules(detection);
        self.worker.progress.end();
        match defined {
            Ok(defined) => Ok(Functions { defined }),
            Err(error) => {
                let brief = self.brief(site, &error);
                Err(self.explain(site, &error, brief.0))
            }
        }
    }

    /// Calls a function with a record and looks at what it returns, both within the deadline. `Err` is the kind of failure,
    /// which has been reported.
    pub fn call<T>(
        &mut self,
        site: Site,
        function: &Bound<'py, PyAny>,
        record: &Bound<'py, PyAny>,
        look: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
    ) -> Result<Result<T, FailureKind>, Stop> {
        self.worker.progress.begin(site.row.unwrap_or(0), site.detection, site.function);
        let result = method::call(function, [record]).and_then(|value| look(&value));
        self.forget_found(site.detection);
        self.worker.progress.end();
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(error) => self.raised(site, &error).map(Err),
        }
    }

    /// Failures from here on are told in full again: they are somebody else's.
    pub fn forget_failures(&mut self) {
        self.before = self.before.saturating_add(u32::try_from(self.known.len()).unwrap_or(u32::MAX));
        self.known.clear();
    }

    /// Puts stand-ins in place of attributes; `Err` is a failure that has been reported.
    pub fn stand_in(&mut self, site: Site, attributes: &[(String, String)]) -> Result<Result<(), FailureKind>, Stop> {
        let row = site.row.unwrap_or(0);
        // within a call, so that the detection's own modules are found
        self.worker.progress.begin(row, site.detection, site.function);
        let result = self.host.call_method1(intern!(self.py, "stand_in"), (site.detection, attributes.to_vec()));
        self.forget_modules(site.detection);
        self.worker.progress.end();
        match result {
            Ok(_) => Ok(Ok(())),
            Err(error) => self.raised(site, &error).map(Err),
        }
    }

    /// Puts back what stand-ins stood in for.
    pub fn stand_back(&self) -> Result<(), Stop> {
        Ok(self.host.call_method0(intern!(self.py, "stand_back")).map(drop)?)
    }

    /// Reports what a function should not have returned.
    pub fn wrong_output(&mut self, site: Site, function: &Bound<'py, PyAny>, message: &str) -> Result<(), Stop> {
        let kind = FailureKind::Output;
        self.report(site, (site.detection, site.function, kind, message.to_owned(), None, None), |caller| {
            let place = caller.host.call_method1(intern!(caller.py, "where"), (site.detection, function));
            let (file, line) = place.and_then(|place| place.extract()).unwrap_or((None, None));
            let (message, traceback) = (message.to_owned(), String::new());
            let Site { detection, row, function } = site;
            Failure { detection, row, function, kind, message, file, line, traceback }
        })
    }

    /// What detections have printed since.
    pub fn report_printed(&self) -> Result<(), Stop> {
        let printed: Vec<(u32, String, u64)> = self.host.call_method0(intern!(self.py, "take_printed"))?.extract()?;
        for (detection, text, dropped) in printed {
            self.worker.pipe.report(&Report::Printed { detection, text, dropped })?;
        }
        Ok(())
    }

    /// After a call: the modules that it imported.
    pub fn forget_found(&self, detection: u32) {
        if self.worker.found.swap(false, Ordering::Relaxed) {
            self.forget_modules(detection);
        }
    }

    /// Reports an exception, and says of what kind it is.
    pub fn raised(&mut self, site: Site, error: &PyErr) -> Result<FailureKind, Stop> {
        let (kind, class, file, line) = self.brief(site, error);
        self.report(site, (site.detection, site.function, kind, class, file, line), |caller| {
            caller.explain(site, error, kind)
        })?;
        Ok(kind)
    }

    fn report(&mut self, site: Site, mistake: Mistake, explain: impl FnOnce(&Self) -> Failure) -> Result<(), Stop> {
        let report = match self.known.get(&mistake) {
            Some(failure) => Report::Again { failure: *failure, row: site.row.unwrap_or(0) },
            None => {
                let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX).saturating_add(self.before);
                let failure = explain(self);
                self.known.insert(mistake, number);
                Report::Failure(Box::new(failure))
            }
        };
        Ok(self.worker.pipe.report(&report)?)
    }

    fn brief(&self, site: Site, error: &PyErr) -> (FailureKind, String, Option<String>, Option<u32>) {
        // until here the traceback is only beside the exception; without memory it stays there
        let _kept = error.value(self.py).setattr(intern!(self.py, "__traceback__"), error.traceback(self.py));
        let told = self.host.call_method1(intern!(self.py, "brief"), (site.detection, error.value(self.py)));
        match told.and_then(|told| told.extract::<(String, String, Option<String>, Option<u32>)>()) {
            Ok((kind, class, file, line)) => {
                let kind = match serde_json::from_value(kind.into()) {
                    Ok(FailureKind::Raised) | Err(_) if site.function == Function::Import => FailureKind::Import,
                    Ok(kind) => kind,
                    Err(_) => FailureKind::Raised,
                };
                (kind, class, file, line)
            }
            // there was no memory left even for this
            Err(_) => (FailureKind::Memory, "MemoryError".to_owned(), None, None),
        }
    }

    fn explain(&self, site: Site, error: &PyErr, kind: FailureKind) -> Failure {
        let told = self.host.call_method1(intern!(self.py, "explain"), (site.detection, error.value(self.py)));
        let (message, file, line, traceback) = told.and_then(|told| told.extract()).unwrap_or_else(|_| {
            let class = error.get_type(self.py).name();
            let class =
                class.as_ref().map_or("an exception".into(), |name: &Bound<'_, PyString>| name.to_string_lossy());
            (class.into_owned(), None, None, String::new())
        });
        let Site { detection, row, function } = site;
        Failure { detection, row, function, kind, message, file, line, traceback }
    }

    /// Takes the modules that only this detection may see out of everybody's sight.
    fn forget_modules(&self, detection: u32) {
        // a failure here would mean that `sys.modules` is damaged: what follows shows it soon enough
        drop(self.host.call_method1(intern!(self.py, "forget"), (detection,)));
    }
}
