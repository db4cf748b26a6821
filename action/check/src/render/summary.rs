//! How many of what, in how many files.

use std::{collections::BTreeSet, fmt};

use project::{Diagnostic, Level};
use serde::Serialize;

/// Counts of diagnostics. Displayed as the last line of a report: `3 errors, 1 warning in 2 files`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Mistakes that stop a deployment.
    pub errors: usize,
    /// Things that are probably not meant.
    pub warnings: usize,
    /// Things worth knowing.
    pub notes: usize,
    /// Files that have any of them.
    pub files: usize,
}

impl Summary {
    /// Counts.
    pub fn of(diagnostics: &[Diagnostic]) -> Self {
        let mut summary = Self::default();
        for diagnostic in diagnostics {
            match diagnostic.severity {
                Level::Error => summary.errors += 1,
                Level::Warning => summary.warnings += 1,
                Level::Note => summary.notes += 1,
            }
        }
        let files: BTreeSet<&str> = diagnostics.iter().map(|diagnostic| diagnostic.file.as_str()).collect();
        summary.files = files.len();
        summary
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { errors, warnings, notes, files } = *self;
        let counts: Vec<String> = [(errors, "error"), (warnings, "warning"), (notes, "note")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| counted(count, noun))
            .collect();
        if counts.is_empty() {
            return f.write_str("no problems found");
        }
        write!(f, "{} in {}", counts.join(", "), counted(files, "file"))
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_words_a_person_would_use() {
        let summary = Summary { errors: 3, warnings: 1, notes: 0, files: 2 };
        assert_eq!(summary.to_string(), "3 errors, 1 warning in 2 files");
        assert_eq!(Summary { errors: 1, warnings: 0, notes: 2, files: 1 }.to_string(), "1 error, 2 notes in 1 file");
        assert_eq!(Summary::default().to_string(), "no problems found");
    }
}
