use std::fmt;

use model::{alert::RuleMatch, isolation::RefusedAction, name::DetectionName};
use serde_json::{Value, json};

use crate::failure::DetectionFailure;

/// What came of some files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DetectReport {
    /// In order of files, rows and detections.
    pub matches: Vec<RuleMatch>,
    /// What went wrong with detections, the same thing once with a count.
    pub failures: Vec<DetectionFailure>,
    /// What detections printed.
    pub printed: Vec<Printed>,
    /// What they tried and were refused.
    pub refused: Vec<Refused>,
    /// Each file, in the order given.
    pub files: Vec<FileReport>,
}

/// What came of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The staged file's key.
    pub key: String,
    /// How far it got.
    pub outcome: Outcome,
    /// Columns that some detection touched, as dotted paths in alphabetical order.
    pub columns: Vec<String>,
}

/// How far a file got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every detection of its table judged every row.
    Complete,
    /// Some detection failed on some row; the failures say which.
    Incomplete,
    /// No row was judged: the file could not be read, for this reason.
    Unreadable(String),
}

/// Text that a detection printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// The detection.
    pub detection: DetectionName,
    /// The text, up to a limit.
    pub text: String,
    /// Bytes beyond that.
    pub dropped: u64,
}

/// Something that a detection tried and was refused, whether or not it caught the error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The detection.
    pub detection: DetectionName,
    /// What it wanted to do.
    pub action: RefusedAction,
    /// With what: a path, an address, a command.
    pub target: String,
    /// `detections/root_login/detect.py:7`, or the detection's directory where the place is not known.
    pub place: String,
}

impl Refused {
    /// For logs and reports.
    pub fn to_json(&self) -> Value {
        let Self { detection, action, target, place } = self;
        json!({ "detection": detection.as_str(), "action": action.as_str(), "target": target, "place": place })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: tried to {} `{}`", self.place, self.action.words(), self.target)
    }
}

/// What one detection made of each row of a file: what `matano test` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Every row, in order.
    pub records: Vec<Evaluated>,
    /// What went wrong.
    pub failures: Vec<DetectionFailure>,
    /// What the detection printed.
    pub printed: Vec<Printed>,
}

/// What a detection made of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluated {
    /// It fired: title, severity and the rest.
    Fired(Box<RuleMatch>),
    /// It did not.
    Quiet,
    /// It failed, or did not see the row.
    Failed,
}
