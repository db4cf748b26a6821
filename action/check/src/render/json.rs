//! Diagnostics for programs: one object, stable within a version.
//!
//! ```json
//! {
//!   "version": 1,
//!   "diagnostics": [
//!     {
//!       "rule": "unknown-table",
//!       "level": "error",
//!       "file": "detections/root_login/detection.yml",
//!       "span": {
//!         "start": {"line": 14, "column": 5, "offset": 211},
//!         "end": {"line": 14, "column": 19, "offset": 225}
//!       },
//!       "message": "table `aws_cloudtrial` does not exist",
//!       "help": "did you mean `aws_cloudtrail`?",
//!       "related": [{"file": "...", "span": {}, "message": "..."}],
//!       "fix": {
//!         "title": "replace with `aws_cloudtrail`",
//!         "safety": "safe",
//!         "edits": [{"span": {}, "text": "aws_cloudtrail"}]
//!       }
//!     }
//!   ],
//!   "summary": {"errors": 1, "warnings": 0, "notes": 0, "files": 1}
//! }
//! ```
//!
//! `level` is `error`, `warning` or `note`. Lines and columns count from 1, columns in characters; `offset` counts bytes
//! from the start of the file. `end` is the first place after the span. `span` is `null` where the whole file is meant,
//! `help` where there is none; `fix` is left out where there is none, its `safety` is `safe` or `suggested`. New members may
//! be added within a version; none is removed or changes its meaning.

use project::{Diagnostic, Level, Pos, Span, diagnostic::Fix};
use serde::Serialize;

use super::Summary;

/// The version of the object.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    diagnostics: Vec<Entry<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Entry<'a> {
    rule: &'a str,
    level: &'static str,
    file: &'a str,
    span: Option<Range>,
    message: &'a str,
    help: Option<&'a str>,
    related: Vec<Related<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a Fix>,
}

#[derive(Serialize)]
struct Related<'a> {
    file: &'a str,
    span: Option<Range>,
    message: &'a str,
}

#[derive(Serialize)]
struct Range {
    start: Place,
    end: Place,
}

#[derive(Serialize)]
struct Place {
    line: usize,
    column: usize,
    offset: usize,
}

/// The object, indented, with a line break at its end.
pub fn report(diagnostics: &[Diagnostic]) -> String {
    let report = Report {
        version: VERSION,
        diagnostics: diagnostics.iter().map(entry).collect(),
        summary: Summary::of(diagnostics),
    };
    let mut out = serde_json::to_string_pretty(&report).expect("the object has string keys and no floats");
    out.push('\n');
    out
}

fn entry(diagnostic: &Diagnostic) -> Entry<'_> {
    let Diagnostic { rule, severity, file, span, message, help, related, fix } = diagnostic;
    Entry {
        rule,
        level: match severity {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        },
        file,
        span: span.as_ref().map(range),
        message,
        help: help.as_deref(),
        related: related
            .iter()
            .map(|related| Related {
                file: &related.file,
                span: related.span.as_ref().map(range),
                message: &related.message,
            })
            .collect(),
        fix: fix.as_ref(),
    }
}

fn range(span: &Span) -> Range {
    let place = |pos: &Pos| Place { line: pos.line, column: pos.column, offset: pos.offset };
    Range { start: place(&span.start), end: place(&span.end) }
}
