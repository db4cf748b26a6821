use std::{path::Path, sync::Arc, time::Instant};

use arrow::array::RecordBatch;
use columns::row_json;
use model::worker::{Function, ReadColumns, Report, Run, STRIKES, SkipReason};
use pyo3::prelude::*;

use crate::{
    error::FileError,
    fired::Fired,
    functions::{Caller, Functions, Site},
    record::Shown,
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
    pub worker: &'a Worker,
    pub caller: Caller<'a, 'py>,
    pub runners: Vec<Runner<'a>>,
    pub context_bytes: usize,
}

impl<'py> Rows<'_, 'py> {
    /// Dotted paths of the columns that were decoded.
    pub fn run(mut self, order: &Run) -> Result<Vec<String>, Stop> {
        let file = Arc::new(RowFile::open(Path::new(&order.file), order.first)?);
        // the first row may have been seen by some already, before an earlier worker ended
        let seen: Vec<u32> =
            order.detections.iter().take(order.seen as usize).map(|(detection, _)| *detection).collect();
        let next = order.detections.get(order.seen as usize).map(|(detection, _)| *detection);
        for (window, rows) in Window::all(&file, order.first..order.end.min(file.rows())) {
            for (place, row) in rows.enumerate() {
                let at_first = row == order.first;
                let mut shown = None;
                for at in 0..self.runners.len() {
                    let detection = self.runners[at].detection;
                    if self.runners[at].strikes >= STRIKES || (at_first && seen.contains(&detection)) {
                        continue;
                    }
                    let without: &[Function] = if at_first && next == Some(detection) { &order.without } else { &[] };
                    let record = match shown.take() {
                        Some(record) => record,
                        None => Shown::new(self.caller.py, &window, place)?,
                    };
                    self.show(at, row, &record, without)?;
                    if record.settle()? {
                        shown = Some(record);
                    }
                }
                self.leave_out_the_slowest(row)?;
            }
        }
        self.caller.report_printed()?;
        Ok(file.touched())
    }

    pub(crate) fn show(&mut self, at: usize, row: u64, shown: &Shown<'py>, without: &[Function]) -> Result<(), Stop> {
        let Runner { detection, functions, .. } = self.runners[at];
        let py = self.caller.py;
        let strikes = match functions.get(py, Function::Detect) {
            Some(_) if without.contains(&Function::Detect) => 0,
            None => self.describe(at, row, shown, without)?,
            Some(detect) => {
                let site = Site { detection, row: Some(row), function: Function::Detect };
                match self.caller.call(site, detect, &shown.record, |fired| fired.is_truthy())? {
                    Ok(true) => self.describe(at, row, shown, without)?,
                    Ok(false) => return Ok(()),
                    Err(kind) => u32::from(kind.is_strike()),
                }
            }
        };
        self.runners[at].strikes += strikes;
        if strikes > 0 && self.runners[at].strikes >= STRIKES {
            let skipped = Report::Skipped { detection, row: row + 1, reason: SkipReason::Strikes };
            self.worker.pipe.report(&skipped)?;
        }
        Ok(())
    }

    fn describe(&mut self, at: usize, row: u64, shown: &Shown<'py>, without: &[Function]) -> Result<u32, Stop> {
        let Runner { detection, functions, .. } = self.runners[at];
        let (record, context_bytes) = (&shown.record, self.context_bytes);
        let fired = Fired { functions, record, row, detection, without, context_bytes };
        let (fired, strikes) = fired.describe(&mut self.caller)?;
        self.worker.pipe.report(&Report::Match(Box::new(fired)))?;
        Ok(strikes)
    }

    fn leave_out_the_slowest(&mut self, row: u64) -> Result<(), Stop> {
        let Some(slowest) = self.worker.take_slowest(Instant::now()) else { return Ok(()) };
        if let Some(runner) = self.runners.iter_mut().find(|runner| runner.detection == slowest)
            && runner.strikes < STRIKES
        {
            runner.strikes = STRIKES;
            let skipped = Report::Skipped { detection: slowest, row: row + 1, reason: SkipReason::Slow };
            self.worker.pipe.report(&skipped)?;
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
