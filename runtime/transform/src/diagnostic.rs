use std::{fmt, ops::Range};

use vrl::diagnostic::{Diagnostic, DiagnosticList, Severity};

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VrlSeverity {
    /// The program does not compile.
    Error,
    /// It compiles, and something in it is probably a mistake.
    Warning,
    /// Worth knowing.
    Note,
}

/// A place in a program and what is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VrlLabel {
    /// Bytes of the program's text.
    pub span: Range<usize>,
    /// What is there.
    pub message: String,
    /// Whether this is where the mistake is, rather than something that explains it.
    pub primary: bool,
}

/// One thing that the VRL compiler has to say, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VrlDiagnostic {
    /// How bad it is.
    pub severity: VrlSeverity,
    /// VRL's number for it: `E110`; nothing for what this crate found itself.
    pub code: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the program's text; empty at 0 where it is about the whole.
    pub span: Range<usize>,
    /// All places that VRL points at.
    pub labels: Vec<VrlLabel>,
    /// How to mend it, and where to read more.
    pub notes: Vec<String>,
}

impl VrlDiagnostic {
    pub(crate) fn error(message: impl Into<String>, span: Range<usize>) -> Self {
        Self {
            severity: VrlSeverity::Error,
            code: None,
            message: message.into(),
            span,
            labels: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn new(diagnostic: &Diagnostic, text: &str) -> Self {
        let clamp = |at: usize| text.floor_char_boundary(at.min(text.len()));
        let labels: Vec<VrlLabel> = diagnostic
            .labels
            .iter()
            .map(|label| {
                let start = clamp(label.span.start());
                let span = start..clamp(label.span.end()).max(start);
                VrlLabel { span, message: label.message.clone(), primary: label.primary }
            })
            .collect();
        let placed = |primary: bool| move |label: &&VrlLabel| label.primary == primary && !label.span.is_empty();
        let place = labels.iter().find(placed(true)).or_else(|| labels.iter().find(placed(false))).or(labels.first());
        let severity = match diagnostic.severity {
            Severity::Bug | Severity::Error => VrlSeverity::Error,
            Severity::Warning => VrlSeverity::Warning,
            Severity::Note => VrlSeverity::Note,
        };
        Self {
            severity,
            code: (diagnostic.code != 0).then(|| format!("E{:03}", diagnostic.code)),
            message: diagnostic.message.clone(),
            span: place.map_or(0..0, |label| label.span.clone()),
            notes: diagnostic.notes.iter().map(ToString::to_string).filter(|note| !note.trim().is_empty()).collect(),
            labels,
        }
    }
}

impl fmt::Display for VrlDiagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.labels.iter().find(|label| label.primary && label.message != self.message) {
            Some(label) => write!(f, ": {}", label.message),
            None => Ok(()),
        }
    }
}

/// Why a program does not compile: everything that VRL found, errors first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VrlDiagnostics(pub Vec<VrlDiagnostic>);

impl VrlDiagnostics {
    pub(crate) fn new(list: &DiagnosticList, text: &str) -> Self {
        let mut all: Vec<VrlDiagnostic> = list.iter().map(|one| VrlDiagnostic::new(one, text)).collect();
        all.sort_by_key(|one| one.severity);
        Self(all)
    }
}

impl fmt::Display for VrlDiagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{diagnostic} at byte {}", diagnostic.span.start)?;
        }
        Ok(())
    }
}

impl std::error::Error for VrlDiagnostics {}
