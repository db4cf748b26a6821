use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use model::{
    alert::RuleMatch,
    name::TableName,
    worker::{Failure, FailureKind, Function},
};
use serde_json::Value;

use crate::{
    error::HostError,
    failure::DetectionFailure,
    loaded::Loaded,
    report::{Evaluated, Evaluation, FileReport, Outcome, Printed},
    resolve::{Identity, resolve},
    stretch::{Findings, Stretch},
};

/// Names a row.
type Identify<'a> = &'a dyn Fn(u64, &Value) -> Identity;

/// What makes two failures one.
type Key = (u32, Option<String>, Function, FailureKind, String, Option<String>, Option<u32>);

/// What is known of a file so far.
pub struct Tally {
    /// What the file is called.
    pub key: String,
    table: TableName,
    columns: BTreeSet<String>,
    unseen: BTreeMap<u32, u64>,
    unreadable: Option<String>,
    is_incomplete: bool,
}

impl Tally {
    /// Nothing yet.
    pub fn new(key: &str, table: &TableName) -> Self {
        Self {
            key: key.to_owned(),
            table: table.clone(),
            columns: BTreeSet::new(),
            unseen: BTreeMap::new(),
            unreadable: None,
            is_incomplete: false,
        }
    }
}

/// Folds what workers found into what people read.
pub struct Summary<'a> {
    loaded: &'a Loaded,
    failures: BTreeMap<Key, DetectionFailure>,
    printed: BTreeMap<u32, Printed>,
}

impl<'a> Summary<'a> {
    pub fn new(loaded: &'a Loaded) -> Self {
        Self { loaded, failures: BTreeMap::new(), printed: BTreeMap::new() }
    }

    /// What was found in a stretch of a file, or a piece of that. They come in order.
    pub fn part(
        &mut self,
        tally: &mut Tally,
        stretch: &Stretch,
        mut found: Findings,
        identify: Identify<'_>,
        matches: &mut Vec<RuleMatch>,
    ) {
        tally.columns.extend(std::mem::take(&mut found.columns));
        tally.unreadable = tally.unreadable.take().or(found.unreadable.take());
        for (detection, row) in &found.skipped {
            *tally.unseen.entry(*detection).or_default() += stretch.end.saturating_sub(*row);
        }
        for (failure, rows) in std::mem::take(&mut found.failures) {
            tally.is_incomplete |= matches!(failure.function, Function::Import | Function::Detect);
            let first = rows.first().map(|row| record_id(&found, *row, identify));
            self.failure(Some(&tally.key), failure, rows.len() as u64, first);
        }
        for (detection, text, dropped) in std::mem::take(&mut found.printed) {
            self.print(detection, &text, dropped);
        }
        found.matches.sort_by_key(|found| (found.row, found.detection));
        let mut all = std::mem::take(&mut found.matches).into_iter().peekable();
        while let Some(one) = all.next() {
            // the last match of a row takes it
            let event = match all.peek() {
                Some(next) if next.row == one.row => found.rows.get(&one.row).cloned(),
                Some(_) | None => found.rows.remove(&one.row),
            };
            let event = event.unwrap_or_default();
            let (identity, detection) = (identify(one.row, &event), self.loaded.detection(one.detection));
            let record_id = identity.record_id.clone();
            let release = (&self.loaded.release, self.loaded.id);
            let (rule_match, wrong) = resolve(release, detection, &tally.table, one, identity, event);
            matches.push(rule_match);
            for failure in wrong {
                self.failure(Some(&tally.key), failure, 1, Some(record_id.clone()));
            }
        }
    }

    /// A file whose stretches have all been taken in.
    pub fn file(&mut self, tally: Tally) -> FileReport {
        let Tally { key, table: _, columns, unseen, unreadable, is_incomplete: mut incomplete } = tally;
        for (detection, rows) in unseen.into_iter().filter(|(_, rows)| *rows > 0) {
            incomplete = true;
            self.skipped(&key, detection, rows);
        }
        let outcome = match (unreadable, incomplete) {
            (Some(error), _) => Outcome::Unreadable(error),
            (None, true) => Outcome::Incomplete,
            (None, false) => Outcome::Complete,
        };
        FileReport { key, outcome, columns: columns.into_iter().collect() }
    }

    /// A failure at so many rows.
    pub fn failure(&mut self, input: Option<&str>, failure: Failure, count: u64, record_id: Option<String>) {
        // an import fails once, however many files there are
        let input = input.filter(|_| failure.function != Function::Import).map(str::to_owned);
        let Failure { detection, row: _, function, kind, message, file, line, traceback } = failure;
        let count = if function == Function::Import { 1 } else { count };
        let key = (detection, input.clone(), function, kind, message.clone(), file.clone(), line);
        match self.failures.entry(key) {
            Entry::Vacant(entry) => {
                let detection = self.loaded.detection(detection).name.clone();
                entry.insert(DetectionFailure {
                    detection,
                    input,
                    function,
                    kind,
                    message,
                    file,
                    line,
                    traceback,
                    record_id,
                    count,
                });
            }
            Entry::Occupied(mut entry) if function != Function::Import => entry.get_mut().count += count,
            Entry::Occupied(_) => (),
        }
    }

    fn skipped(&mut self, key: &str, detection: u32, rows: u64) {
        let message =
            format!("left out after it was stopped too often or took too long: {rows} rows of `{key}` were not judged");
        let failure = Failure {
            detection,
            row: None,
            function: Function::Detect,
            kind: FailureKind::Skipped,
            message,
            file: None,
            line: None,
            traceback: String::new(),
        };
        self.failure(Some(key), failure, rows, None);
    }

    fn print(&mut self, detection: u32, text: &str, dropped: u64) {
        let name = &self.loaded.detection(detection).name;
        let printed = self.printed.entry(detection).or_insert_with(|| Printed {
            detection: name.clone(),
            text: String::new(),
            dropped: 0,
        });
        printed.text.push_str(text);
        printed.dropped += dropped;
    }

    /// In order of detections.
    pub fn failures(&mut self) -> Vec<DetectionFailure> {
        std::mem::take(&mut self.failures).into_values().collect()
    }

    /// In order of detections.
    pub fn printed(&mut self) -> Vec<Printed> {
        std::mem::take(&mut self.printed).into_values().collect()
    }
}

fn record_id(found: &Findings, row: u64, identify: Identify<'_>) -> String {
    identify(row, found.rows.get(&row).unwrap_or(&Value::Null)).record_id
}

/// One detection's findings, row by row.
pub fn evaluation(
    loaded: &Loaded,
    table: &TableName,
    stretch: &Stretch,
    found: Findings,
    identify: Identify<'_>,
) -> Result<Evaluation, HostError> {
    if let Some(error) = found.unreadable {
        return Err(HostError::File(error));
    }
    let mut failed: BTreeSet<u64> = BTreeSet::new();
    for (failure, rows) in &found.failures {
        match failure.function {
            Function::Import => failed.extend(stretch.first..stretch.end),
            Function::Detect => failed.extend(rows),
            Function::Title
            | Function::Dedupe
            | Function::Severity
            | Function::Description
            | Function::Runbook
            | Function::Reference
            | Function::Destinations
            | Function::AlertContext => (),
        }
    }
    for (_, row) in &found.skipped {
        failed.extend(*row..stretch.end);
    }
    let fired: Vec<u64> = {
        let mut rows: Vec<u64> = found.matches.iter().map(|found| found.row).collect();
        rows.sort_unstable();
        rows
    };
    let (mut summary, mut matches) = (Summary::new(loaded), Vec::new());
    let key = stretch.path.display().to_string();
    let mut tally = Tally::new(&key, table);
    summary.part(&mut tally, stretch, found, identify, &mut matches);
    summary.file(tally);
    let mut fired = fired.into_iter().zip(matches).collect::<BTreeMap<u64, RuleMatch>>();
    let records = (stretch.first..stretch.end).map(|row| match fired.remove(&row) {
        Some(rule_match) => Evaluated::Fired(Box::new(rule_match)),
        None if failed.contains(&row) => Evaluated::Failed,
        None => Evaluated::Quiet,
    });
    Ok(Evaluation { records: records.collect(), failures: summary.failures(), printed: summary.printed() })
}
