//! What a host and its Python worker say to each other, and what can go wrong with a detection.
//!
//! Both speak frames: eight bytes that no text has, four bytes of length, little-endian, and that much JSON. The worker is
//! another process with other people's code in it: the host believes nothing it says beyond these types, and looks for the
//! next frame after bytes that are none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::isolation::{Isolation, Refusal};

/// No frame's message is longer, in bytes.
pub const MAX_FRAME: usize = 64 * 1024 * 1024;

/// How a frame begins.
pub const FRAME_START: [u8; 8] = *b"\xffmatano\xfe";

/// A message as the bytes of its frame.
pub fn frame<T: Serialize>(message: &T) -> Vec<u8> {
    let header = FRAME_START.len() + 4;
    let mut out = FRAME_START.to_vec();
    out.resize(header, 0);
    serde_json::to_writer(&mut out, message).expect("messages have string keys and are written to memory");
    let length = u32::try_from(out.len() - header).expect("a message is shorter than four gigabytes");
    out[FRAME_START.len()..header].copy_from_slice(&length.to_le_bytes());
    out
}

/// The message in a frame's body.
pub fn unframe<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// What the host asks of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Know these detections. Nothing is imported yet.
    Load(Load),
    /// Import these detections, by their place in [`Load::detections`], and say what is wrong with them.
    Import(Vec<u32>),
    /// Show rows to detections.
    Run(Run),
    /// Show stretches of rows, each to one detection alone.
    Try(Try),
    /// Give rows as JSON.
    Read(Read),
    /// The answer to [`Report::Cache`].
    Cache(CacheAnswer),
}

/// The detections a worker can run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// In the order that other messages count them by.
    pub detections: Vec<LoadDetection>,
    /// Tables that detections look values up in.
    pub enrichment: Vec<LoadEnrichment>,
    /// Milliseconds that one call of one function may take.
    pub call_millis: u64,
    /// Milliseconds that the import of one detection may take.
    pub import_millis: u64,
    /// Milliseconds of all rows of a file after which the slowest detection is left out; a [`Run`] has its share of them.
    pub run_millis: u64,
    /// Bytes of printed text, and of one `alert_context`, that are kept.
    pub output_bytes: u64,
}

/// One detection as files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadDetection {
    /// Its name.
    pub name: String,
    /// Its directory's name, a Python identifier.
    pub package: String,
    /// Its directory.
    pub directory: String,
    /// The directory of its installed requirements.
    pub site_packages: Option<String>,
    /// Whether its module must have a function `detect`; a scheduled one may leave that to its query.
    pub needs_detect: bool,
}

/// One enrichment table as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadEnrichment {
    /// Its name, without `enrich_`.
    pub name: String,
    /// Dotted columns by which a row can be looked up.
    pub lookup_keys: Vec<String>,
    /// A Parquet file.
    pub file: String,
}

/// Rows for detections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// A Parquet file.
    pub file: String,
    /// The first row.
    pub first: u64,
    /// The row after the last.
    pub end: u64,
    /// Which detections, by their place in [`Load::detections`], and how often each has been stopped in this file.
    pub detections: Vec<(u32, u32)>,
    /// How many of `detections` have already seen the first row.
    pub seen: u32,
    /// Functions that the next detection must not be asked for at the first row: they ended an earlier worker.
    pub without: Vec<Function>,
}

/// A detection stopped this often in one file is left out for the rest of the file.
pub const STRIKES: u32 = 2;

/// Stretches of rows, each for one detection alone: tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// A Parquet file.
    pub file: String,
    /// One after the other.
    pub attempts: Vec<TryRows>,
}

/// A stretch of rows for one detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TryRows {
    /// What [`Report::Tried`] calls it.
    pub number: u32,
    /// The detection, by its place in [`Load::detections`].
    pub detection: u32,
    /// The first row.
    pub first: u64,
    /// The row after the last.
    pub end: u64,
    /// What stands in for what the detection uses.
    #[serde(default)]
    pub stand_ins: StandIns,
}

/// What stands in, for a while, for what a detection uses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StandIns {
    /// By dotted path: `json.loads`, or `detect.now` for the detection's own module.
    pub attributes: BTreeMap<String, StandIn>,
    /// In place of the tables of the same names.
    pub enrichment: Vec<LoadEnrichment>,
}

impl StandIns {
    /// Whether nothing stands in for anything.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.enrichment.is_empty()
    }
}

/// What stands in for an attribute of a module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandIn {
    /// This value.
    Value(Value),
    /// A function that returns this value, each time a copy of its own.
    Returns(Value),
    /// A function that returns this time, an RFC 3339 text, as an aware `datetime`.
    ReturnsTime(String),
    /// A function that raises an exception: `ValueError`, or `ValueError: what it says`.
    Raises(String),
}

/// Rows as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// A Parquet file.
    pub file: String,
    /// Which rows, ascending.
    pub rows: Vec<u64>,
    /// Everything in the row, or only what tells it from others.
    pub columns: ReadColumns,
}

/// How much of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadColumns {
    /// Every column.
    All,
    /// `ts` and `matano.record_id`.
    Identity,
}

/// What a detection's module may define.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// The module itself, while it is imported.
    Import,
    /// `detect(record)`: whether the row matches.
    Detect,
    /// `title(record)`
    Title,
    /// `dedupe(record)`
    Dedupe,
    /// `severity(record)`
    Severity,
    /// `description(record)`
    Description,
    /// `runbook(record)`
    Runbook,
    /// `reference(record)`: a string or a list of strings.
    Reference,
    /// `destinations(record)`: names.
    Destinations,
    /// `alert_context(record)`: a dictionary.
    AlertContext,
}

impl Function {
    /// All, in the order they are called in.
    pub const ALL: [Self; 10] = [
        Self::Import,
        Self::Detect,
        Self::Title,
        Self::Dedupe,
        Self::Severity,
        Self::Description,
        Self::Runbook,
        Self::Reference,
        Self::Destinations,
        Self::AlertContext,
    ];

    /// As Python spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Detect => "detect",
            Self::Title => "title",
            Self::Dedupe => "dedupe",
            Self::Severity => "severity",
            Self::Description => "description",
            Self::Runbook => "runbook",
            Self::Reference => "reference",
            Self::Destinations => "destinations",
            Self::AlertContext => "alert_context",
        }
    }
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The worker has started and has given up what it must not have.
    Ready(Isolation),
    /// A detection fired.
    Match(Box<Match>),
    /// Something went wrong with a detection. Failures are counted from zero in each order.
    Failure(Box<Failure>),
    /// The same went wrong again.
    Again {
        /// Which failure of this order.
        failure: u32,
        /// At which row.
        row: u64,
    },
    /// A detection is left out from this row on.
    Skipped {
        /// Its place in [`Load::detections`].
        detection: u32,
        /// The first row that it will not see.
        row: u64,
        /// Why.
        reason: SkipReason,
    },
    /// An attempt of [`Try`] is over.
    Tried {
        /// Its [`TryRows::number`].
        attempt: u32,
        /// How long it took, in microseconds.
        micros: u64,
    },
    /// A detection printed something.
    Printed {
        /// Its place in [`Load::detections`].
        detection: u32,
        /// What, up to [`Load::output_bytes`].
        text: String,
        /// Bytes beyond that.
        dropped: u64,
    },
    /// A detection tried what it must not do. The same thing is told once in an order.
    Refusal(Refusal),
    /// A row that was asked for.
    Row {
        /// Which.
        row: u64,
        /// Without nulls.
        event: Value,
    },
    /// A detection wants something of the cache, and waits.
    Cache(CacheRequest),
    /// The order is carried out.
    Done {
        /// Dotted paths of the columns that were decoded.
        columns: Vec<String>,
    },
    /// The order can't be carried out: the file is missing or broken.
    Refused(String),
}

/// Why a detection is left out for the rest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// It was stopped [`STRIKES`] times.
    Strikes,
    /// The file took too long, and this detection most of that.
    Slow,
}

/// What a detection's code says about a row it fired on. `None` where the code says nothing or failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// The row in the file.
    pub row: u64,
    /// The detection's place in [`Load::detections`].
    pub detection: u32,
    /// `title()`
    pub title: Option<String>,
    /// `dedupe()`
    pub dedupe: Option<String>,
    /// `severity()`
    pub severity: Option<String>,
    /// `description()`
    pub description: Option<String>,
    /// `runbook()`
    pub runbook: Option<String>,
    /// `reference()`
    pub references: Option<Vec<String>>,
    /// `destinations()`
    pub destinations: Option<Vec<String>>,
    /// `alert_context()`, a JSON object.
    pub context: Option<Value>,
}

/// What went wrong with a detection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The detection's place in [`Load::detections`].
    pub detection: u32,
    /// The row, `None` while importing.
    pub row: Option<u64>,
    /// In which function.
    pub function: Function,
    /// What kind.
    pub kind: FailureKind,
    /// In one line: `KeyError: 'user'`.
    pub message: String,
    /// Relative to the project: `detections/root_login/detect.py`.
    pub file: Option<String>,
    /// In that file, from one.
    pub line: Option<u32>,
    /// As Python prints it, with paths relative to the project; empty where there is none.
    pub traceback: String,
}

/// What kind of thing goes wrong with a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Its module can't be imported.
    Import,
    /// It raised an exception.
    Raised,
    /// It took longer than its deadline.
    Timeout,
    /// It wanted more memory than there is for it.
    Memory,
    /// It called itself too deeply.
    Recursion,
    /// It tried to end the process.
    Exit,
    /// It tried what detections may not do.
    Refused,
    /// It ended the process.
    Crash,
    /// It returned what its function may not return.
    Output,
    /// It was left out for part of a file.
    Skipped,
}

impl FailureKind {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Raised => "raised",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Recursion => "recursion",
            Self::Exit => "exit",
            Self::Refused => "refused",
            Self::Crash => "crash",
            Self::Output => "output",
            Self::Skipped => "skipped",
        }
    }

    /// Whether the detection was stopped from outside, or nearly took its worker along.
    pub fn is_strike(self) -> bool {
        match self {
            Self::Timeout | Self::Memory | Self::Crash => true,
            Self::Import
            | Self::Raised
            | Self::Recursion
            | Self::Exit
            | Self::Refused
            | Self::Output
            | Self::Skipped => false,
        }
    }
}

/// What a detection wants of `remotecache`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheRequest {
    /// The cache's namespace.
    pub namespace: String,
    /// The key in it.
    pub key: String,
    /// How long what is written stays, in seconds.
    pub ttl_seconds: u32,
    /// What to do.
    pub operation: CacheOperation,
}

/// One operation on one key. Each is atomic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheOperation {
    /// The value, nothing where it is missing or expired.
    Get,
    /// Replaces the value and starts its time to live anew.
    Set(CacheValue),
    /// Removes the value; nothing happens where there is none.
    Delete,
    /// Adds to a number, which begins at zero; the time to live begins with the first addition.
    Add(i64),
    /// Puts strings into a set; the time to live begins with the first.
    AddStrings(Vec<String>),
    /// Takes strings out of a set.
    RemoveStrings(Vec<String>),
}

/// What a cache holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheValue {
    /// A set of strings, in ascending order.
    Strings(Vec<String>),
    /// Anything else, as JSON; whole numbers can be counted up and down.
    Json(Value),
}

/// What the cache says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheAnswer {
    /// The value as it is after the operation, `None` where there is none.
    Value(Option<CacheValue>),
    /// The operation failed: what the detection is told.
    Failed(String),
}

/// Where a worker is: the content of the file that it shares with its host, four words of eight bytes, little-endian.
///
/// The worker writes it before each call, without a system call, so that the host knows whom to blame for a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Grows with each call.
    pub sequence: u64,
    /// The row.
    pub row: u64,
    /// What is being called, or was called last.
    pub call: Option<(u32, Function)>,
    /// Whether the call is still going on.
    pub busy: bool,
}

impl Progress {
    /// The size of the file in bytes.
    pub const BYTES: usize = 32;

    /// In the third word: a call is going on.
    pub const BUSY: u64 = 1 << 63;

    /// The third word during a call.
    pub fn call_word(detection: u32, function: Function) -> u64 {
        Self::BUSY | (u64::from(detection) + 1) << 8 | function as u64
    }

    /// Reads the words.
    pub fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at * 8..at * 8 + 8]);
            u64::from_le_bytes(word)
        };
        let (call, busy) = (word(2) & !Self::BUSY, word(2) & Self::BUSY != 0);
        let detection = (call >> 8).checked_sub(1).and_then(|number| u32::try_from(number).ok());
        let function = Function::ALL.into_iter().find(|function| *function as u64 == call & 0xff);
        Self { sequence: word(0), row: word(1), call: detection.zip(function), busy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_how_long_it_is() {
        let bytes = frame(&Report::Refused("no such file".to_owned()));
        assert_eq!(bytes[..8], FRAME_START);
        assert_eq!(u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize, bytes.len() - 12);
        assert_eq!(unframe::<Report>(&bytes[12..]), Ok(Report::Refused("no such file".to_owned())));
        assert!(unframe::<Report>(b"{}").is_err());
    }

    #[test]
    fn progress_names_the_call_and_whether_it_is_over() {
        let mut bytes = [0; Progress::BYTES];
        assert_eq!(Progress::decode(&bytes).call, None);
        for function in Function::ALL {
            for (word, busy) in
                [(Progress::call_word(7, function), true), (Progress::call_word(7, function) & !Progress::BUSY, false)]
            {
                bytes[16..24].copy_from_slice(&word.to_le_bytes());
                let progress = Progress::decode(&bytes);
                assert_eq!((progress.call, progress.busy), (Some((7, function)), busy));
            }
        }
    }
}
