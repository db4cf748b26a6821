//! Diagnostics for people: message, excerpt with carets, help.
//!
//! ```text
//! error[unknown-table]: table `aws_cloudtrial` does not exist
//!   --> detections/root_login/detection.yml:14:5
//!    |
//! 14 |   - aws_cloudtrial
//!    |     ^^^^^^^^^^^^^^
//! help: did you mean `aws_cloudtrail`?
//! ```

use std::fmt::Write as _;

use project::{Diagnostic, FileSet, Level, Span, managed};

use super::{Summary, excerpt, excerpt::Row, printable};

/// Whether to write colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// Plain text.
    Off,
    /// ANSI escape sequences.
    On,
}

/// How the terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Whether to write colours.
    pub colors: Colors,
    /// How many columns of a file's line are shown.
    pub width: usize,
}

impl Default for Terminal {
    fn default() -> Self {
        Self { colors: Colors::Off, width: 120 }
    }
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const GREEN: &str = "1;32";
const CYAN: &str = "1;36";
const BLUE: &str = "1;34";
const BOLD: &str = "1";

/// Every diagnostic with its excerpt from `files`, and the summary as the last line.
pub fn report(diagnostics: &[Diagnostic], files: &FileSet, terminal: Terminal) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostic, files, terminal));
        out.push('\n');
    }
    let summary = Summary::of(diagnostics);
    let color = match summary {
        Summary { errors: 1.., .. } => RED,
        Summary { warnings: 1.., .. } => YELLOW,
        Summary { errors: _, warnings: _, notes: _, files: _ } => GREEN,
    };
    let pen = Pen { colors: terminal.colors };
    let _ = writeln!(out, "{}", pen.paint(color, &summary.to_string()));
    out
}

/// One diagnostic with its excerpt from `files`.
pub fn one(diagnostic: &Diagnostic, files: &FileSet, terminal: Terminal) -> String {
    let Diagnostic { rule, severity, file, span, message, help, related, fix: _ } = diagnostic;
    let pen = Pen { colors: terminal.colors };
    let color = level_color(*severity);
    let mut parts = vec![Part::new(file, span.as_ref(), files, terminal.width)];
    parts.extend(related.iter().map(|related| Part::new(&related.file, related.span.as_ref(), files, terminal.width)));
    let gutter = parts.iter().map(Part::gutter).max().unwrap_or(1);

    let mut out = String::new();
    let title = pen.paint(color, &format!("{}[{}]", level_word(*severity), printable::line(rule)));
    let _ = writeln!(out, "{title}{}", pen.paint(BOLD, &format!(": {}", printable::line(message))));
    let mut parts = parts.into_iter();
    if let Some(part) = parts.next() {
        part.write(&mut out, gutter, color, pen);
    }
    for (part, related) in parts.zip(related) {
        let _ = writeln!(out, "{}: {}", pen.paint(GREEN, "note"), printable::line(&related.message));
        part.write(&mut out, gutter, GREEN, pen);
    }
    if let Some(help) = help {
        write_help(&mut out, help, pen);
    }
    out
}

fn write_help(out: &mut String, help: &str, pen: Pen) {
    for (index, line) in help.trim_end().lines().enumerate() {
        let line = printable::line(line);
        if index == 0 {
            let _ = writeln!(out, "{}: {line}", pen.paint(CYAN, "help"));
        } else if line.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, "      {line}");
        }
    }
}

/// The word of a level.
fn level_word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

fn level_color(level: Level) -> &'static str {
    match level {
        Level::Error => RED,
        Level::Warning => YELLOW,
        Level::Note => GREEN,
    }
}

/// A place in a file, and what stands there.
struct Part {
    place: String,
    rows: Vec<Row>,
}

impl Part {
    fn new(file: &str, span: Option<&Span>, files: &FileSet, width: usize) -> Self {
        let file_shown = printable::line(file);
        let Some(span) = span else { return Self { place: file_shown, rows: Vec::new() } };
        let place = format!("{file_shown}:{}:{}", span.start.line, span.start.column);
        let bytes = match file.strip_prefix(managed::FILE_PREFIX) {
            Some(path) => managed::files().get(path),
            None => files.get(file),
        };
        let rows = match bytes {
            Some(bytes) => excerpt::rows(&String::from_utf8_lossy(bytes), span, width),
            None => Vec::new(),
        };
        Self { place, rows }
    }

    fn gutter(&self) -> usize {
        excerpt::largest_number(&self.rows).max(1).to_string().len()
    }

    fn write(&self, out: &mut String, gutter: usize, color: &str, pen: Pen) {
        let pad = " ".repeat(gutter);
        let _ = writeln!(out, "{pad}{} {}", pen.paint(BLUE, "-->"), self.place);
        if self.rows.is_empty() {
            return;
        }
        let edge = pen.paint(BLUE, "|");
        let _ = writeln!(out, "{pad} {edge}");
        for row in &self.rows {
            let line = match row {
                Row::Source { number, bar, text } => {
                    let bar = bar.map(|bar| format!("{} ", pen.paint(color, &bar.to_string()))).unwrap_or_default();
                    format!("{} {edge} {bar}{text}", pen.paint(BLUE, &format!("{number:>gutter$}")))
                }
                Row::Mark { bar, text } => {
                    let bar = bar.map(String::from).unwrap_or_default();
                    format!("{pad} {edge} {}", pen.paint(color, &format!("{bar}{text}")))
                }
                Row::Skipped => pen.paint(BLUE, "..."),
            };
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

/// Writes in colour where that is asked for.
#[derive(Clone, Copy)]
struct Pen {
    colors: Colors,
}

impl Pen {
    fn paint(self, color: &str, text: &str) -> String {
        match self.colors {
            Colors::Off => text.to_owned(),
            Colors::On => format!("\u{1b}[{color}m{text}\u{1b}[0m"),
        }
    }
}
