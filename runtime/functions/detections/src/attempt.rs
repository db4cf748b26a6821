use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use model::{
    name::{DetectionName, TableName},
    time::Timestamp,
    worker::{
        CacheAnswer, CacheOperation, CacheRequest, CacheValue, Failure, Function, Match, Order, Progress, STRIKES,
        StandIns, Try, TryRows,
    },
};
use serde_json::Value;

use crate::{
    blame,
    cache::{self, CacheAccess},
    error::HostError,
    failure::DetectionFailure,
    host::Host,
    loaded::Loaded,
    report::{Evaluated, Evaluation},
    resolve::Identity,
    stretch::{Findings, Seat, Stretch, Strikes, Tried, count_unexplained},
    summary::{self, Summary},
    unpack::text,
};

/// So many detections are one piece of work: few enough that every worker has something to do to the end.
const PIECE: usize = 32;

/// What tests want to know: what each detection makes of its own rows, and of everybody's.
pub struct Rehearsal<'a> {
    /// The rows, table by table.
    pub tables: &'a [RehearsalTable<'a>],
    /// A few rows for one detection, each on their own.
    pub attempts: &'a [Attempt],
    /// Detections that are shown every row of their tables too.
    pub sweep: &'a BTreeSet<DetectionName>,
}

/// Rows of one table.
pub struct RehearsalTable<'a> {
    /// The table.
    pub table: TableName,
    /// A Parquet file with the rows in their order.
    pub file: PathBuf,
    /// The time of each row.
    pub times: Vec<Timestamp>,
    /// A row as nested JSON without nulls.
    pub event: &'a (dyn Fn(usize) -> Value + Sync),
    /// What a row is called, by its number and its JSON.
    pub identify: &'a (dyn Fn(u64, &Value) -> Identity + Sync),
}

/// A few rows for one detection, with a cache of its own.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The detection.
    pub detection: DetectionName,
    /// Which of [`Rehearsal::tables`].
    pub table: usize,
    /// Which rows of it.
    pub rows: Range<u64>,
    /// What stands in for what the detection uses.
    pub stand_ins: StandIns,
    /// What `remotecache` holds at the first row, by namespace and key.
    pub remembered: BTreeMap<String, BTreeMap<String, CacheValue>>,
}

/// What came of a rehearsal.
#[derive(Debug, Default)]
pub struct Rehearsed {
    /// In the order of the attempts.
    pub attempts: Vec<Attempted>,
    /// Detections that fired on rows which no attempt of theirs has: by table, row and detection.
    pub fired: BTreeSet<Found>,
    /// Detections that failed on such rows.
    pub failed: Vec<SweptFailure>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempted {
    /// What the detection made of each row.
    pub evaluation: Evaluation,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// A detection and a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Which of [`Rehearsal::tables`].
    pub table: usize,
    /// Which row of it.
    pub row: u64,
    /// The detection.
    pub detection: DetectionName,
}

/// A failure on rows that are not a detection's own.
#[derive(Debug, Clone, PartialEq)]
pub struct SweptFailure {
    /// What went wrong.
    pub failure: DetectionFailure,
    /// Which of [`Rehearsal::tables`].
    pub table: usize,
    /// At which rows of it.
    pub rows: Vec<u64>,
}

impl Host {
    /// Shows the rows of tests to their detections. Each attempt remembers on its own in `cache`, at the time of its rows.
    pub fn rehearse(&self, rehearsal: &Rehearsal<'_>, cache: &CacheAccess) -> Result<Rehearsed, HostError> {
        let loaded = self.loaded()?;
        let stage = Stage::new(&loaded, rehearsal, cache)?;
        let pieces: Vec<&[u32]> = stage.detections.chunks(PIECE).collect();
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<Played>, HostError> {
            let answer = |progress: Progress, request: CacheRequest| stage.remember(progress, request);
            let mut seat = Seat::with_cache(&loaded, &answer);
            let mut out = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(piece) = pieces.get(at) else { return Ok(out) };
                out.push(stage.play(&mut seat, piece)?);
            }
        };
        let played = thread::scope(|scope| {
            let helpers: Vec<_> = (1..loaded.workers().min(pieces.len())).map(|_| scope.spawn(work)).collect();
            let mut all = vec![work()];
            let joined = helpers.into_iter().map(|helper| {
                helper.join().unwrap_or_else(|_| Err(HostError::Worker("its thread panicked".to_owned())))
            });
            // every thread is waited for, whatever the first one says
            all.extend(joined);
            all.into_iter().collect::<Result<Vec<_>, _>>()
        })?;
        stage.gather(played.into_iter().flatten())
    }
}

/// What a piece of work found.
#[derive(Default)]
struct Played {
    attempts: Vec<(usize, Attempted)>,
    fired: Vec<Found>,
    failed: Vec<SweptFailure>,
}

/// A rehearsal, looked at from the detections' side.
struct Stage<'a> {
    loaded: &'a Loaded,
    rehearsal: &'a Rehearsal<'a>,
    cache: &'a CacheAccess,
    /// Detections with something to do, by place.
    detections: Vec<u32>,
    /// Those that see every row.
    sweep: BTreeSet<u32>,
    /// By detection: its attempts, in order.
    of_detection: BTreeMap<u32, Vec<usize>>,
    /// By detection, table and first row: the attempt.
    attempts: BTreeMap<(u32, usize, u64), usize>,
    /// Namespaces that hold what their attempt says they hold.
    seeded: Mutex<BTreeSet<String>>,
    /// By detection: the table that is being shown to it.
    shown: Mutex<BTreeMap<u32, Shown>>,
}

/// What is being shown to a detection.
#[derive(Clone, Copy)]
struct Shown {
    table: usize,
    own: bool,
}

impl<'a> Stage<'a> {
    fn new(loaded: &'a Loaded, rehearsal: &'a Rehearsal<'a>, cache: &'a CacheAccess) -> Result<Self, HostError> {
        let places: BTreeMap<&DetectionName, u32> = loaded.places_by_name();
        let place = |name: &DetectionName| places.get(name).copied().ok_or_else(|| HostError::NotLoaded(name.clone()));
        let (mut of_detection, mut attempts) = (BTreeMap::<u32, Vec<usize>>::new(), BTreeMap::new());
        for (number, attempt) in rehearsal.attempts.iter().enumerate() {
            let place = place(&attempt.detection)?;
            of_detection.entry(place).or_default().push(number);
            attempts.insert((place, attempt.table, attempt.rows.start), number);
        }
        let sweep = rehearsal.sweep.iter().map(place).collect::<Result<BTreeSet<u32>, _>>()?;
        let detections: BTreeSet<u32> = of_detection.keys().chain(&sweep).copied().collect();
        let detections = detections.into_iter().collect();
        let (seeded, shown) = (Mutex::default(), Mutex::default());
        Ok(Self { loaded, rehearsal, cache, detections, sweep, of_detection, attempts, seeded, shown })
    }

    /// The attempt that a row of a table belongs to, for a detection.
    fn attempt_at(&self, detection: u32, table: usize, row: u64) -> Option<usize> {
        let (_, number) = self.attempts.range((detection, table, 0)..=(detection, table, row)).next_back()?;
        self.rehearsal.attempts[*number].rows.contains(&row).then_some(*number)
    }

    fn play(&self, seat: &mut Seat<'_>, detections: &[u32]) -> Result<Played, HostError> {
        let mut played = Played::default();
        for (table, rows) in self.rehearsal.tables.iter().enumerate() {
            let own: Vec<(u32, usize)> = detections
                .iter()
                .flat_map(|place| self.of_detection.get(place).into_iter().flatten().map(|number| (*place, *number)))
                .filter(|(_, number)| self.rehearsal.attempts[*number].table == table)
                .collect();
            if !own.is_empty() {
                self.show(detections, Shown { table, own: true });
                self.own_rows(seat, table, &own, &mut played)?;
            }
            let of_table = self.loaded.of_table(&rows.table);
            let swept = |place: &u32| self.sweep.contains(place) && of_table.binary_search(place).is_ok();
            let seen: Vec<u32> = detections.iter().copied().filter(swept).collect();
            if !seen.is_empty() && !rows.times.is_empty() {
                self.show(detections, Shown { table, own: false });
                self.every_row(seat, table, seen, &mut played)?;
            }
        }
        Ok(played)
    }

    fn show(&self, detections: &[u32], shown: Shown) {
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(detections.iter().map(|detection| (*detection, shown)));
    }

    fn own_rows(
        &self,
        seat: &mut Seat<'_>,
        table: usize,
        attempts: &[(u32, usize)],
        played: &mut Played,
    ) -> Result<(), HostError> {
        let file = text(&self.rehearsal.tables[table].file)?;
        let order = |(detection, number): &(u32, usize)| {
            let attempt = &self.rehearsal.attempts[*number];
            TryRows {
                number: u32::try_from(*number).unwrap_or(u32::MAX),
                detection: *detection,
                first: attempt.rows.start,
                end: attempt.rows.end,
                stand_ins: attempt.stand_ins.clone(),
            }
        };
        let mut todo: Vec<TryRows> = attempts.iter().map(order).collect();
        let (mut findings, mut unexplained) = (Findings::default(), 0);
        todo.retain(|attempt| {
            let broken = self.loaded.broken(attempt.detection);
            findings.failures.extend(broken.clone().map(|failure| (failure, Vec::new())));
            broken.is_none()
        });
        while !todo.is_empty() && findings.unreadable.is_none() {
            let order = Order::Try(Try { file: file.clone(), attempts: todo.clone() });
            let Some(end) = seat.carry_out(&order, &mut findings, None)? else { break };
            match seat.blamed(&end) {
                Some((detection, function)) => {
                    let failure = blame::failure(&end, detection, function, self.loaded.files(detection));
                    let row = end.progress.row;
                    if function == Function::Import {
                        self.loaded.mark_broken(failure.clone());
                        findings.failures.push((failure, Vec::new()));
                        todo.retain(|attempt| attempt.detection != detection);
                    } else {
                        findings.failures.push((failure, vec![row]));
                        let at = todo.iter().position(|attempt| {
                            attempt.detection == detection && (attempt.first..attempt.end).contains(&row)
                        });
                        todo.drain(..at.map_or(todo.len(), |at| at + 1));
                    }
                    // what was over before is told already
                    let over: BTreeSet<u32> = findings.tried.iter().map(|tried| tried.attempt).collect();
                    todo.retain(|attempt| !over.contains(&attempt.number));
                }
                None => count_unexplained(&mut unexplained, &end)?,
            }
        }
        if let Some(error) = findings.unreadable {
            return Err(HostError::File(error));
        }
        self.divide(table, attempts, findings, played)
    }

    /// What was found, attempt by attempt.
    fn divide(
        &self,
        table: usize,
        attempts: &[(u32, usize)],
        findings: Findings,
        played: &mut Played,
    ) -> Result<(), HostError> {
        let rows = &self.rehearsal.tables[table];
        let mut matches: BTreeMap<usize, Vec<Match>> = BTreeMap::new();
        for found in findings.matches {
            if let Some(number) = self.attempt_at(found.detection, table, found.row) {
                matches.entry(number).or_default().push(found);
            }
        }
        let mut failures: BTreeMap<usize, Vec<(Failure, Vec<u64>)>> = BTreeMap::new();
        for (failure, at) in findings.failures {
            let numbers = match failure.row {
                Some(row) => self.attempt_at(failure.detection, table, row).into_iter().collect(),
                // an import: of every attempt
                None => self.of_detection.get(&failure.detection).cloned().unwrap_or_default(),
            };
            for number in numbers {
                failures.entry(number).or_default().push((failure.clone(), at.clone()));
            }
        }
        let mut tried: BTreeMap<u32, Tried> = findings.tried.into_iter().map(|tried| (tried.attempt, tried)).collect();
        for (place, number) in attempts {
            let attempt = &self.rehearsal.attempts[*number];
            let over = u32::try_from(*number).ok().and_then(|number| tried.remove(&number));
            let matches = matches.remove(number).unwrap_or_default();
            let stretch = Stretch {
                file: table,
                path: rows.file.clone(),
                first: attempt.rows.start,
                end: attempt.rows.end,
                detections: vec![*place],
            };
            let event = |row: u64| usize::try_from(row).map_or(Value::Null, |row| (rows.event)(row));
            let failures = failures.remove(number).unwrap_or_default();
            let unjudged = unjudged(&failures, over.is_some(), &attempt.rows);
            let found = Findings {
                rows: matches.iter().map(|found| (found.row, event(found.row))).collect(),
                matches,
                failures,
                printed: over.as_ref().map(|tried| tried.printed.clone()).unwrap_or_default(),
                ..Findings::default()
            };
            let mut evaluation = summary::evaluation(self.loaded, &rows.table, &stretch, found, rows.identify)?;
            let behind = unjudged.start.saturating_sub(attempt.rows.start);
            evaluation.records.truncate(usize::try_from(behind).unwrap_or(usize::MAX));
            evaluation.records.extend(unjudged.map(|_| Evaluated::Failed));
            let micros = over.map_or(0, |tried| tried.micros);
            played.attempts.push((*number, Attempted { evaluation, micros }));
        }
        Ok(())
    }

    fn every_row(
        &self,
        seat: &mut Seat<'_>,
        table: usize,
        detections: Vec<u32>,
        played: &mut Played,
    ) -> Result<(), HostError> {
        let rows = &self.rehearsal.tables[table];
        let stretch =
            Stretch { file: table, path: rows.file.clone(), first: 0, end: rows.times.len() as u64, detections };
        let findings = seat.judge(&stretch, &Strikes::default())?;
        if let Some(error) = findings.unreadable {
            return Err(HostError::File(error));
        }
        let foreign = |detection: u32, row: u64| self.attempt_at(detection, table, row).is_none();
        for found in findings.matches {
            if foreign(found.detection, found.row) {
                let detection = self.loaded.detection(found.detection).name.clone();
                played.fired.push(Found { table, row: found.row, detection });
            }
        }
        for (failure, at) in findings.failures {
            let at: Vec<u64> = at.into_iter().filter(|row| foreign(failure.detection, *row)).collect();
            // what cannot be imported fails its own tests already
            if at.is_empty() || failure.function == Function::Import {
                continue;
            }
            let mut summary = Summary::new(self.loaded);
            summary.failure(None, failure, at.len() as u64, None);
            let failures = summary.failures().into_iter();
            played.failed.extend(failures.map(|failure| SweptFailure { failure, table, rows: at.clone() }));
        }
        Ok(())
    }

    fn gather(&self, played: impl Iterator<Item = Played>) -> Result<Rehearsed, HostError> {
        let (mut attempts, mut out) = (BTreeMap::new(), Rehearsed::default());
        for played in played {
            attempts.extend(played.attempts);
            out.fired.extend(played.fired);
            out.failed.extend(played.failed);
        }
        out.attempts = attempts.into_values().collect();
        out.failed.sort_by(|a, b| {
            let key = |one: &SweptFailure| (one.failure.detection.clone(), one.table, one.rows.first().copied());
            key(a).cmp(&key(b))
        });
        if out.attempts.len() == self.rehearsal.attempts.len() {
            Ok(out)
        } else {
            Err(HostError::Worker("some tests were left undone".to_owned()))
        }
    }

    /// What a detection remembers while it is shown a row: its own in each attempt, at the time of the row.
    fn remember(&self, progress: Progress, mut request: CacheRequest) -> CacheAnswer {
        let Some((detection, function)) = progress.call else {
            return CacheAnswer::Failed("nothing is being called".to_owned());
        };
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).get(&detection).copied();
        let Some(Shown { table, own }) = shown.filter(|_| function != Function::Import) else {
            return CacheAnswer::Failed("tests have no remote cache while a module is imported".to_owned());
        };
        let times = &self.rehearsal.tables[table].times;
        let time = |row: u64| usize::try_from(row).ok().and_then(|row| times.get(row)).copied();
        let now = time(progress.row).unwrap_or(Timestamp::EPOCH);
        let attempt = own.then(|| self.attempt_at(detection, table, progress.row)).flatten();
        let namespace = std::mem::take(&mut request.namespace);
        let scope = match attempt {
            Some(number) => format!("{number}"),
            // rows that are not its own have nothing to do with each other
            None => format!("{detection}/{table}/{}", progress.row),
        };
        request.namespace = format!("{scope}\u{0}{namespace}");
        if let Some(attempt) = attempt.map(|number| &self.rehearsal.attempts[number]) {
            let first = time(attempt.rows.start).unwrap_or(now);
            let new = self.seeded.lock().unwrap_or_else(PoisonError::into_inner).insert(request.namespace.clone());
            for (key, value) in attempt.remembered.get(&namespace).into_iter().flatten().filter(|_| new) {
                let operation = CacheOperation::Set(value.clone());
                let seed = CacheRequest { key: key.clone(), operation, ..request.clone() };
                if let failed @ CacheAnswer::Failed(_) = cache::answer_at(self.cache, seed, first) {
                    return failed;
                }
            }
        }
        cache::answer_at(self.cache, request, now)
    }
}

/// The rows of an attempt that nobody looked at, because it was stopped too often or its worker ended.
fn unjudged(failures: &[(Failure, Vec<u64>)], is_over: bool, rows: &Range<u64>) -> Range<u64> {
    let strikes: usize =
        failures.iter().filter(|(failure, _)| failure.kind.is_strike()).map(|(_, rows)| rows.len()).sum();
    let last = failures.iter().flat_map(|(_, rows)| rows).max().copied();
    match (is_over, last) {
        (true, Some(row)) if u32::try_from(strikes).unwrap_or(u32::MAX) >= STRIKES => row + 1..rows.end,
        (true, Some(_) | None) => rows.end..rows.end,
        (false, Some(row)) => row + 1..rows.end,
        (false, None) => rows.clone(),
    }
}
