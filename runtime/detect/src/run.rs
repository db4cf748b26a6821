use std::{path::Path, sync::Arc, time::Instant};

use arrow::array::RecordBatch;
use columns::row_json;
use model::worker::{Function, ReadColumns, Report, Run, STRIKES, SkipReason};
use pyo3::prelude::*;

use crate::{
    calls::{Callees, Calls},
    error::FileError,
    fired::Fired,
    functions::{Caller, Functions, Site},
    method,
    row::Shown,
    tree::Tree,
    window::{RowFile, Window},
    worker::{Stop, Worker},
};

/// A detection on its way through a file.
pub struct Runner<'a> {
    /// Its place.
    pub detection: u32,
    /// Its functions.
    pub functions: &'a Functions,
    /// How often it was stopped in this file.
    pub strikes: u32,
}

/// Shows every row of an order to every detection.
pub struct Rows<'a, 'py> {
    pub worker: &'a Bound<'py, Worker>,
    pub caller: Caller<'a, 'py>,
    pub runners: Vec<Runner<'a>>,
    pub context_bytes: usize,
    /// `python/show.py`
    pub show: &'a Bound<'py, PyAny>,
}

/// A record, and the calls of those that see it.
struct Round<'py> {
    shown: Shown<'py>,
    calls: Bound<'py, Calls>,
}

impl<'py> Rows<'_, 'py> {
    /// Dotted paths of the columns that were decoded.
    pub fn run(mut self, order: &Run) -> Result<Vec<String>, Stop> {
        let file = Arc::new(RowFile::open(Path::new(&order.file), order.first)?);
        let end = order.end.min(file.rows());
        self.worker.get().share(end.saturating_sub(order.first), file.rows());
        let mut callees = self.callees();
        for (window, rows) in Window::all(&file, order.first..end) {
            let mut round: Option<Round<'py>> = None;
            for (place, row) in rows.enumerate() {
                let left_out = self.left_out();
                if self.is_apart(order, row) {
                    self.one_by_one(order, row, &window, place)?;
                } else {
                    let moved = round
                        .take()
                        .and_then(|Round { shown, calls }| Some(Round { shown: shown.move_to(place)?, calls }));
                    round = self.round(row, &window, place, &callees, moved)?;
                }
                self.leave_out_the_slowest(row)?;
                if left_out != self.left_out() {
                    (callees, round) = (self.callees(), None);
                }
            }
        }
        self.caller.report_printed()?;
        Ok(file.touched())
    }

    /// Detections that see rows, as [`Calls`] has them.
    fn callees(&self) -> Arc<Callees> {
        let py = self.caller.py;
        let running = self.runners.iter().filter(|runner| runner.strikes < STRIKES);
        let functions = running.filter_map(|runner| {
            let detect = runner.functions.get(py, Function::Detect)?;
            Some((runner.detection, detect.clone().unbind()))
        });
        Arc::new(Callees { functions: functions.collect() })
    }

    fn left_out(&self) -> usize {
        self.runners.iter().filter(|runner| runner.strikes >= STRIKES).count()
    }

    /// Whether not every detection is simply called with the row: the first one may have been seen by some already, before
    /// an earlier worker ended, and a scheduled detection may have no `detect`.
    fn is_apart(&self, order: &Run, row: u64) -> bool {
        let resumed = order.seen > 0 || !order.without.is_empty();
        let py = self.caller.py;
        (row == order.first && resumed)
            || self.runners.iter().any(|runner| runner.functions.get(py, Function::Detect).is_none())
    }

    /// Shows a row to all detections that see rows. Returns the record where the next row can have it.
    fn round(
        &mut self,
        row: u64,
        window: &Arc<Window>,
        place: usize,
        callees: &Arc<Callees>,
        mut round: Option<Round<'py>>,
    ) -> Result<Option<Round<'py>>, Stop> {
        let py = self.caller.py;
        let mut next = 0;
        while next < callees.functions.len() {
            let Round { shown, calls } = match round.take() {
                Some(round) => round,
                None => {
                    let shown = Shown::new(py, window, place)?;
                    let calls = Calls::new(self.worker.clone().unbind(), callees.clone(), shown.shared.clone());
                    Round { shown, calls: Bound::new(py, calls)? }
                }
            };
            calls.get().start(row, next);
            let result = method::call(self.show, [calls.as_any(), &shown.record]);
            let ended = calls.get().end();
            next = ended.next;
            if let Some((detection, _)) = next.checked_sub(1).and_then(|last| callees.functions.get(last)) {
                self.judge(*detection, row, &shown, result, ended.busy)?;
            }
            if shown.shared.settle(py)? {
                round = Some(Round { shown, calls });
            }
        }
        Ok(round)
    }

    /// What the detection that the loop ended at made of the row.
    fn judge(
        &mut self,
        detection: u32,
        row: u64,
        shown: &Shown<'py>,
        result: PyResult<Bound<'py, PyAny>>,
        busy: bool,
    ) -> Result<(), Stop> {
        self.caller.forget_found(detection);
        let Some(at) = self.runners.iter().position(|runner| runner.detection == detection) else { return Ok(()) };
        let strikes = match result {
            Ok(fired) if fired.is_truthy()? => self.describe(at, row, shown, &[])?,
            Ok(_) => 0,
            Err(error) if busy => {
                let site = Site { detection, row: Some(row), function: Function::Detect };
                u32::from(self.caller.raised(site, &error)?.is_strike())
            }
            Err(error) => return Err(Stop::Worker(error)),
        };
        self.strike(at, row, strikes)
    }

    /// Shows a row to one detection after the other.
    fn one_by_one(&mut self, order: &Run, row: u64, window: &Arc<Window>, place: usize) -> Result<(), Stop> {
        let py = self.caller.py;
        let at_first = row == order.first;
        let seen: Vec<u32> =
            order.detections.iter().take(order.seen as usize).map(|(detection, _)| *detection).collect();
        let next = order.detections.get(order.seen as usize).map(|(detection, _)| *detection);
        let mut shown = None;
        for at in 0..self.runners.len() {
            let detection = self.runners[at].detection;
            if self.runners[at].strikes >= STRIKES || (at_first && seen.contains(&detection)) {
                continue;
            }
            let without: &[Function] = if at_first && next == Some(detection) { &order.without } else { &[] };
            let record = match shown.take() {
                Some(record) => record,
                None => Shown::new(py, window, place)?,
            };
            self.show(at, row, &record, without)?;
            if record.shared.settle(py)? {
                shown = Some(record);
            }
        }
        Ok(())
    }

    pub(crate) fn show(&mut self, at: usize, row: u64, shown: &Shown<'py>, without: &[Function]) -> Result<(), Stop> {
        let Runner { detection, functions, .. } = self.runners[at];
        let strikes = match functions.get(self.caller.py, Function::Detect) {
            Some(_) if without.contains(&Function::Detect) => 0,
            None => self.describe(at, row, shown, without)?,
            Some(detect) => {
                let site = Site { detection, row: Some(row), function: Function::Detect };
                match self.caller.call(site, detect, &shown.record, |fired| fired.is_truthy())? {
                    Ok(true) => self.describe(at, row, shown, without)?,
                    Ok(false) => 0,
                    Err(kind) => u32::from(kind.is_strike()),
                }
            }
        };
        self.strike(at, row, strikes)
    }

    fn strike(&mut self, at: usize, row: u64, strikes: u32) -> Result<(), Stop> {
        let detection = self.runners[at].detection;
        self.runners[at].strikes += strikes;
        if strikes > 0 && self.runners[at].strikes >= STRIKES {
            let skipped = Report::Skipped { detection, row: row + 1, reason: SkipReason::Strikes };
            self.worker.get().pipe.report(&skipped)?;
        }
        Ok(())
    }

    fn describe(&mut self, at: usize, row: u64, shown: &Shown<'py>, without: &[Function]) -> Result<u32, Stop> {
        let Runner { detection, functions, .. } = self.runners[at];
        let (record, context_bytes) = (&shown.record, self.context_bytes);
        let fired = Fired { functions, record, row, detection, without, context_bytes };
        let (fired, strikes) = fired.describe(&mut self.caller)?;
        self.worker.get().pipe.report(&Report::Match(Box::new(fired)))?;
        Ok(strikes)
    }

    fn leave_out_the_slowest(&mut self, row: u64) -> Result<(), Stop> {
        let Some(slowest) = self.worker.get().take_slowest(Instant::now()) else { return Ok(()) };
        if let Some(runner) = self.runners.iter_mut().find(|runner| runner.detection == slowest)
            && runner.strikes < STRIKES
        {
            runner.strikes = STRIKES;
            let skipped = Report::Skipped { detection: slowest, row: row + 1, reason: SkipReason::Slow };
            self.worker.get().pipe.report(&skipped)?;
        }
        Ok(())
    }
}

/// Reports rows as JSON.
pub fn read(worker: &Worker, order: &model::worker::Read) -> Result<(), Stop> {
    let file = RowFile::open(Path::new(&order.file), 0)?;
    let columns = match order.columns {
        ReadColumns::All => None,
        ReadColumns::Identity => Some(identity(file.tree())),
    };
    if columns.as_ref().is_some_and(Vec::is_empty) {
        for row in &order.rows {
            worker.pipe.report(&Report::Row { row: *row, event: serde_json::json!({}) })?;
        }
        return Ok(());
    }
    let mut rows = order.rows.iter();
    for batch in file.rows_at(&order.rows, columns)? {
        let batch: RecordBatch = batch?;
        for (place, row) in (0..batch.num_rows()).zip(&mut rows) {
            worker.pipe.report(&Report::Row { row: *row, event: row_json(&batch, place) })?;
        }
    }
    match rows.next() {
        None => Ok(()),
        Some(row) => Err(FileError::new(Path::new(&order.file), format!("it has no row {row}")).into()),
    }
}

/// The Parquet columns of `ts` and `matano.record_id`.
fn identity(tree: &Tree) -> Vec<usize> {
    let ts = tree.member(Tree::ROOT, "ts");
    let record_id = tree.member(Tree::ROOT, "matano").and_then(|matano| tree.member(matano, "record_id"));
    ts.into_iter().chain(record_id).flat_map(|node| tree.stored(node)).collect()
}
