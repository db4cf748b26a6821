//! Diagnostics as the annotations of a check run: plain data, within GitHub's limits. Sending them, 50 at a time, is the
//! client's business.
//!
//! <https://docs.github.com/en/rest/checks/runs>: `annotations`

use project::{Diagnostic, FileSet, Level};
use serde::{Deserialize, Serialize};

use super::{
    repository::{Lines, Place, Repository},
    terminal::{self, Terminal},
    wording,
};

/// GitHub's limit for `message` and for `raw_details`.
const MOST_BYTES: usize = 64 * 1024;

/// One annotation. Serializes as GitHub's API wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// The path within the repository.
    pub path: String,
    /// Counted from 1.
    pub start_line: usize,
    /// The last line that belongs to it.
    pub end_line: usize,
    /// Only where it is within one line, or GitHub refuses the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_column: Option<usize>,
    /// The column behind the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_column: Option<usize>,
    /// How it is shown.
    pub annotation_level: AnnotationLevel,
    /// The rule.
    pub title: String,
    /// The message and what to do.
    pub message: String,
    /// The diagnostic as a terminal shows it, with its excerpt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_details: Option<String>,
}

/// How GitHub shows an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnnotationLevel {
    /// Of a note.
    Notice,
    /// Of a warning.
    Warning,
    /// Of an error.
    Failure,
}

/// One annotation for each diagnostic, in their order. `files` has the lines for excerpts.
pub fn of(diagnostics: &[Diagnostic], repository: &Repository<'_>, files: &FileSet) -> Vec<Annotation> {
    diagnostics.iter().map(|diagnostic| one(diagnostic, repository, files)).collect()
}

fn one(diagnostic: &Diagnostic, repository: &Repository<'_>, files: &FileSet) -> Annotation {
    let place = repository.place(diagnostic);
    let Lines { start, end, columns } = place.lines();
    let details = terminal::one(diagnostic, files, Terminal::default());
    let Place { path, .. } = place;
    Annotation {
        path,
        start_line: start,
        end_line: end,
        start_column: columns.map(|(start, _)| start),
        end_column: columns.map(|(_, end)| end),
        annotation_level: match diagnostic.severity {
            Level::Error => AnnotationLevel::Failure,
            Level::Warning => AnnotationLevel::Warning,
            Level::Note => AnnotationLevel::Notice,
        },
        title: diagnostic.rule.to_owned(),
        message: wording::clipped(&wording::paragraphs(diagnostic, repository), MOST_BYTES),
        raw_details: Some(wording::clipped(&details, MOST_BYTES)),
    }
}
