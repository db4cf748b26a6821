use std::fmt;

use model::{
    name::DetectionName,
    worker::{FailureKind, Function},
};
use serde_json::{Value, json};

/// Something that went wrong with one detection, as often as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectionFailure {
    /// The detection.
    pub detection: DetectionName,
    /// The file it was shown, by the staged file's key; `None` while importing.
    pub input: Option<String>,
    /// In which function.
    pub function: Function,
    /// What kind.
    pub kind: FailureKind,
    /// In one line: `KeyError: 'user'`.
    pub message: String,
    /// Relative to the project: `detections/root_login/detect.py`. The directory is called by the detection's name.
    pub file: Option<String>,
    /// In that file, from one.
    pub line: Option<u32>,
    /// As Python prints it, with paths relative to the project; empty where there is none.
    pub traceback: String,
    /// `matano.record_id` of the first row it happened at.
    pub record_id: Option<String>,
    /// At how many rows it happened; for [`FailureKind::Skipped`], how many rows the detection did not see.
    pub count: u64,
}

impl DetectionFailure {
    /// `detections/root_login/detect.py:7`, or the detection's directory where the place is not known.
    pub fn place(&self) -> String {
        place(&self.detection, self.file.as_deref(), self.line)
    }

    /// Whether rows went by that the detection did not judge.
    pub fn is_incomplete(&self) -> bool {
        match self.function {
            Function::Import | Function::Detect => true,
            Function::Title
            | Function::Dedupe
            | Function::Severity
            | Function::Description
            | Function::Runbook
            | Function::Reference
            | Function::Destinations
            | Function::AlertContext => false,
        }
    }

    /// For logs and reports; without the traceback, which may hold payloads.
    pub fn to_json(&self) -> Value {
        json!({
            "detection": self.detection.as_str(),
            "input": self.input,
            "function": self.function.as_str(),
            "kind": self.kind.as_str(),
            "message": self.message,
            "place": self.place(),
            "record_id": self.record_id,
            "count": self.count,
        })
    }
}

/// `detections/root_login/detect.py:7`, or the detection's directory where the place is not known.
pub fn place(detection: &DetectionName, file: Option<&str>, line: Option<u32>) -> String {
    match (file, line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.to_owned(),
        (None, _) => format!("detections/{detection}"),
    }
}

impl fmt::Display for DetectionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.message)?;
        if self.count > 1 {
            write!(f, " ({} rows)", self.count)?;
        }
        Ok(())
    }
}
