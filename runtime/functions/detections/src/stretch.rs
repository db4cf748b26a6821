use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::worker::{
    CacheAnswer, CacheRequest, Failure, Function, Match, Order, Progress, Read, ReadColumns, Report, Run, STRIKES,
};
use serde_json::Value;
use tracing::warn;

use crate::{
    blame,
    error::HostError,
    loaded::Loaded,
    process::{End, Event, Worker},
    unpack::text,
};

/// Rows whose order is one message.
const READ_ROWS: usize = 10_000;

/// Matches of so many rows are handed on together.
const ROWS_AT_A_TIME: usize = 2 * 1024;

/// A worker that dies so often without a detection being at fault is not started again.
const UNEXPLAINED: u32 = 3;

/// Rows of one file for some detections.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// Which of the files.
    pub file: usize,
    /// Where it lies.
    pub path: PathBuf,
    /// The first row.
    pub first: u64,
    /// The row after the last.
    pub end: u64,
    /// The detections, by place.
    pub detections: Vec<u32>,
}

/// How often each detection was stopped in one file, by whichever worker.
#[derive(Debug, Default)]
pub struct Strikes(Mutex<BTreeMap<u32, u32>>);

impl Strikes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, detection: u32) -> u32 {
        self.lock().get(&detection).copied().unwrap_or(0)
    }

    fn add(&self, detection: u32, strikes: u32) {
        *self.lock().entry(detection).or_default() += strikes;
    }
}

/// What came of a stretch.
#[derive(Debug, Default)]
pub struct Findings {
    /// Rows that detections fired on.
    pub matches: Vec<Match>,
    /// What went wrong, with the rows it went wrong at.
    pub failures: Vec<(Failure, Vec<u64>)>,
    /// Detections that did not see the rest of the stretch, and from which row on.
    pub skipped: Vec<(u32, u64)>,
    /// What detections printed, and how many bytes more.
    pub printed: Vec<(u32, String, u64)>,
    /// Rows as JSON: all of those that were fired on, and what identifies those that failed.
    pub rows: BTreeMap<u64, Value>,
    /// Attempts that are over.
    pub tried: Vec<Tried>,
    /// Columns that were decoded.
    pub columns: Vec<String>,
    /// Why the file can't be read.
    pub unreadable: Option<String>,
}

/// An attempt that is over.
#[derive(Debug)]
pub struct Tried {
    /// Its number.
    pub attempt: u32,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// What was printed meanwhile, and how many bytes more.
    pub printed: Vec<(u32, String, u64)>,
}

/// Answers what detections ask `remotecache`, given which call is going on.
pub type Answer<'a> = &'a (dyn Fn(Progress, CacheRequest) -> CacheAnswer + Sync);

/// A place for a worker, which is there when it is needed.
pub struct Seat<'a> {
    loaded: &'a Loaded,
    worker: Option<Worker>,
    /// In place of the host's own cache.
    answer: Option<Answer<'a>>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.loaded.give_back(worker);
        }
    }
}

impl<'a> Seat<'a> {
    /// An empty one.
    pub fn new(loaded: &'a Loaded) -> Self {
        Self { loaded, worker: None, answer: None }
    }

    /// An empty one, whose detections remember elsewhere.
    pub fn with_cache(loaded: &'a Loaded, answer: Answer<'a>) -> Self {
        Self { loaded, worker: None, answer: Some(answer) }
    }

    fn worker(&mut self) -> Result<&mut Worker, HostError> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => self.loaded.take_worker()?,
        };
        Ok(self.worker.insert(worker))
    }

    /// The call that a worker died of. Detections can write where it stands, so it is looked at twice.
    pub fn blamed(&self, end: &End) -> Option<(u32, Function)> {
        end.progress.call.filter(|(detection, _)| self.loaded.has(*detection))
    }

    /// Imports detections and returns what is wrong with them.
    pub fn import(&mut self, detections: &[u32]) -> Result<Vec<Failure>, HostError> {
        let mut todo: Vec<u32> = detections.iter().copied().filter(|one| self.loaded.broken(*one).is_none()).collect();
        let mut unexplained = 0;
        loop {
            let mut findings = Findings::default();
            match self.carry_out(&Order::Import(todo.clone()), &mut findings, None)? {
                None => {
                    let broken = detections.iter().filter_map(|one| self.loaded.broken(*one));
                    return Ok(findings.failures.into_iter().map(|(failure, _)| failure).chain(broken).collect());
                }
                Some(end) => match self.blamed(&end) {
                    Some((detection, Function::Import)) => {
                        self.loaded.mark_broken(blame::failure(
                            &end,
                            detection,
                            Function::Import,
                            self.loaded.files(detection),
                        ));
                        todo.retain(|one| *one != detection);
                    }
                    Some(_) | None => count_unexplained(&mut unexplained, &end)?,
                },
            }
        }
    }

    /// Shows a stretch to its detections.
    pub fn judge(&mut self, stretch: &Stretch, strikes: &Strikes) -> Result<Findings, HostError> {
        let mut findings = Findings::default();
        let mut run = self.first_run(stretch, strikes, &mut findings)?;
        let mut unexplained = 0;
        while !run.detections.is_empty() && findings.unreadable.is_none() {
            match self.carry_out(&Order::Run(run.clone()), &mut findings, Some(strikes))? {
                None => break,
                Some(end) => match self.blamed(&end) {
                    Some((detection, function)) => {
                        warn!(
                            detection = self.loaded.detection(detection).name.as_str(),
                            ?function,
                            "a detection ended its worker"
                        );
                        self.resume(&mut run, strikes, &mut findings, (&end, detection, function));
                    }
                    None => count_unexplained(&mut unexplained, &end)?,
                },
            }
        }
        Ok(findings)
    }

    /// The same, and hands the findings on with the rows that somebody will ask about: matches of so many rows at a time, for
    /// rows are large, and a detection may fire on all of them.
    pub fn run(
        &mut self,
        stretch: &Stretch,
        strikes: &Strikes,
        on: &mut dyn FnMut(Findings) -> ControlFlow<()>,
    ) -> Result<(), HostError> {
        let mut findings = self.judge(stretch, strikes)?;
        let mut rest = std::mem::take(&mut findings.matches);
        rest.sort_by_key(|found| (found.row, found.detection));
        loop {
            let later = rest.chunk_by(|one, next| one.row == next.row).take(ROWS_AT_A_TIME).map(<[Match]>::len).sum();
            let later = rest.split_off(later);
            findings.matches = std::mem::replace(&mut rest, later);
            let piece = self.describe(stretch, std::mem::take(&mut findings))?;
            if on(piece).is_break() || rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads the rows that somebody will ask about.
    pub fn describe(&mut self, stretch: &Stretch, mut findings: Findings) -> Result<Findings, HostError> {
        if findings.unreadable.is_none() {
            self.read_rows(&text(&stretch.path)?, &mut findings)?;
        }
        Ok(findings)
    }

    fn first_run(&self, stretch: &Stretch, strikes: &Strikes, findings: &mut Findings) -> Result<Run, HostError> {
        let mut detections = Vec::new();
        for detection in &stretch.detections {
            let so_far = strikes.of(*detection);
            if let Some(failure) = self.loaded.broken(*detection) {
                findings.failures.push((failure, Vec::new()));
            } else if so_far >= STRIKES {
                findings.skipped.push((*detection, stretch.first));
            } else {
                detections.push((*detection, so_far));
            }
        }
        let file = text(&stretch.path)?;
        Ok(Run { file, first: stretch.first, end: stretch.end, detections, seen: 0, without: Vec::new() })
    }

    /// After a worker's death: what is left to do, and for whom.
    fn resume(
        &self,
        run: &mut Run,
        strikes: &Strikes,
        findings: &mut Findings,
        (end, detection, function): (&End, u32, Function),
    ) {
        let failure = blame::failure(end, detection, function, self.loaded.files(detection));
        let row = end.progress.row;
        if function == Function::Import {
            self.loaded.mark_broken(failure.clone());
            findings.failures.push((failure, Vec::new()));
            run.detections.retain(|(one, _)| *one != detection);
            return;
        }
        findings.failures.push((failure, vec![row]));
        strikes.add(detection, 1);
        // strikes of this stretch that the dead worker had counted
        for (one, count) in &mut run.detections {
            *count = strikes.of(*one);
        }
        if row != run.first {
            run.without.clear();
        }
        run.first = row;
        let place = run.detections.iter().position(|(one, _)| *one == detection).unwrap_or(0);
        run.seen = u32::try_from(place).unwrap_or(u32::MAX);
        if function == Function::Detect {
            run.seen += 1;
            run.without.clear();
        } else {
            // it fired, which is known; that it fired must not get lost with the rest of what it says
            run.without.push(function);
        }
        if strikes.of(detection) >= STRIKES && function == Function::Detect {
            leave_out(findings, detection, row + 1);
        }
    }

    /// `Some` where the worker ended instead.
    pub fn carry_out(
        &mut self,
        order: &Order,
        findings: &mut Findings,
        strikes: Option<&Strikes>,
    ) -> Result<Option<End>, HostError> {
        let (loaded, own) = (self.loaded, self.answer);
        let worker = self.worker()?;
        worker.order(order);
        let first = findings.failures.len();
        loop {
            let report = match worker.next() {
                Event::Report(report) => report,
                Event::End(end) => {
                    self.worker = None;
                    return Ok(Some(end));
                }
            };
            if about(&report).is_some_and(|detection| !loaded.has(detection)) {
                return Err(nonsense("a detection that there is not"));
            }
            match report {
                Report::Match(found) => findings.matches.push(*found),
                Report::Failure(failure) => {
                    count_strike(strikes, &failure);
                    let rows = failure.row.into_iter().collect();
                    findings.failures.push((*failure, rows));
                }
                Report::Again { failure, row } => {
                    let failure = findings.failures.get_mut(first + failure as usize);
                    let (failure, rows) = failure.ok_or_else(|| nonsense("a failure that it did not report"))?;
                    rows.push(row);
                    count_strike(strikes, failure);
                }
                Report::Skipped { detection, row, reason: _ } => {
                    if let Some(strikes) = strikes {
                        let missing = STRIKES.saturating_sub(strikes.of(detection));
                        strikes.add(detection, missing);
                    }
                    leave_out(findings, detection, row);
                }
                Report::Tried { attempt, micros } => {
                    let printed = std::mem::take(&mut findings.printed);
                    findings.tried.push(Tried { attempt, micros, printed });
                }
                Report::Printed { detection, text, dropped } => findings.printed.push((detection, text, dropped)),
                Report::Row { row, event } => drop(findings.rows.insert(row, event)),
                Report::Cache(request) => {
                    let answer = match own {
                        Some(answer) => answer(worker.progress(), request),
                        None => crate::cache::answer(loaded.cache(), request),
                    };
                    worker.order(&Order::Cache(answer));
                }
                Report::Done { columns } => {
                    findings.columns.extend(columns);
                    return Ok(None);
                }
                Report::Refused(error) => {
                    findings.unreadable = Some(error);
                    return Ok(None);
                }
                Report::Refusal(refusal) => loaded.refused(refusal),
                Report::Ready(_) => return Err(nonsense("that it is ready, again")),
            }
        }
    }

    fn read_rows(&mut self, file: &str, findings: &mut Findings) -> Result<(), HostError> {
        let mut fired: Vec<u64> = findings.matches.iter().map(|found| found.row).collect();
        fired.sort_unstable();
        fired.dedup();
        let mut failed: Vec<u64> = findings.failures.iter().filter_map(|(_, rows)| rows.first().copied()).collect();
        failed.sort_unstable();
        failed.dedup();
        failed.retain(|row| fired.binary_search(row).is_err());
        for (rows, columns) in [(fired, ReadColumns::All), (failed, ReadColumns::Identity)] {
            for rows in rows.chunks(READ_ROWS) {
                let order = Order::Read(Read { file: file.to_owned(), rows: rows.to_vec(), columns });
                let mut unexplained = 0;
                while let Some(end) = self.carry_out(&order, findings, None)? {
                    count_unexplained(&mut unexplained, &end)?;
                }
            }
        }
        Ok(())
    }
}

/// The detection that a report is about.
fn about(report: &Report) -> Option<u32> {
    match report {
        Report::Match(found) => Some(found.detection),
        Report::Failure(failure) => Some(failure.detection),
        Report::Skipped { detection, .. } | Report::Printed { detection, .. } => Some(*detection),
        Report::Refusal(refusal) => Some(refusal.detection),
        Report::Ready(_)
        | Report::Again { .. }
        | Report::Tried { .. }
        | Report::Row { .. }
        | Report::Cache(_)
        | Report::Done { .. }
        | Report::Refused(_) => None,
    }
}

fn count_strike(strikes: Option<&Strikes>, failure: &Failure) {
    if let Some(strikes) = strikes
        && failure.kind.is_strike()
    {
        strikes.add(failure.detection, 1);
    }
}

fn leave_out(findings: &mut Findings, detection: u32, row: u64) {
    if !findings.skipped.iter().any(|(one, _)| *one == detection) {
        findings.skipped.push((detection, row));
    }
}

/// Gives up on a worker that dies again and again without a detection being at fault.
pub fn count_unexplained(unexplained: &mut u32, end: &End) -> Result<(), HostError> {
    *unexplained += 1;
    if *unexplained < UNEXPLAINED {
        return Ok(());
    }
    let status = end.status.map_or_else(String::new, |status| status.to_string());
    Err(HostError::Worker(format!("it ended outside of any detection, {status}: {}", end.stderr.trim())))
}

fn nonsense(what: &str) -> HostError {
    HostError::Worker(format!("it reported {what}"))
}
