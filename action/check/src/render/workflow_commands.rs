//! Diagnostics as workflow commands: a line of a step's output that GitHub turns into an annotation, no token needed.
//!
//! ```text
//! ::error file=detections/a/detection.yml,line=3,endLine=3,col=5,endColumn=19,title=unknown-table::table `aws_cloudtrial` does not exist
//! ```
//!
//! GitHub shows the first ten of each level in a step and drops the rest, so nothing may rely on them alone.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use std::fmt::Write as _;

use project::{Diagnostic, Level};

use super::{
    annotations::{Annotation, AnnotationLevel},
    printable,
    repository::{Lines, Repository},
    wording,
};

/// One command a line, in the order of the diagnostics.
pub fn report(diagnostics: &[Diagnostic], repository: &Repository<'_>) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostic, repository));
        out.push('\n');
    }
    out
}

/// The command that shows a diagnostic, without a line end.
pub fn one(diagnostic: &Diagnostic, repository: &Repository<'_>) -> String {
    let place = repository.place(diagnostic);
    let Lines { start, end, columns } = place.lines();
    let mut out =
        format!("::{} file={},line={start},endLine={end}", command(diagnostic.severity), property(&place.path));
    // the runner drops columns of a range of lines
    if let Some((start, end)) = columns {
        let _ = write!(out, ",col={start},endColumn={end}");
    }
    let _ = write!(out, ",title={}::{}", property(diagnostic.rule), data(&wording::paragraphs(diagnostic, repository)));
    out
}

/// The command that shows an annotation, without a line end.
pub fn annotation(annotation: &Annotation) -> String {
    let command = match annotation.annotation_level {
        AnnotationLevel::Failure => "error",
        AnnotationLevel::Warning => "warning",
        AnnotationLevel::Notice => "notice",
    };
    let Annotation { path, start_line, end_line, title, message, .. } = annotation;
    let (path, title) = (property(&printable::line(path)), property(&printable::line(title)));
    format!(
        "::{command} file={path},line={start_line},endLine={end_line},title={title}::{}",
        data(&printable::lines(message))
    )
}

/// The command for something that went wrong in no file at all, without a line end.
pub fn failure(title: &str, message: &str) -> String {
    format!("::error title={}::{}", property(&printable::line(title)), data(&printable::lines(message)))
}

fn command(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    }
}

/// As the runner reads it back: `%` first, or the other escapes would be escaped again.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same, and without what ends a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
