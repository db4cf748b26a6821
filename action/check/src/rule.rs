//! A rule as a value: what it wants, why, how it looks broken and kept, and the function that holds a project to it.

use project::{Diagnostic, Level, Span};

use crate::context::Context;

/// One thing that a project is held to.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Stable, kebab-case: annotations, SARIF and `explain` name it.
    pub id: &'static str,
    /// Of its diagnostics; a few are milder where the rule says so.
    pub level: Level,
    /// Whether a project may decide otherwise.
    pub standing: Standing,
    /// One sentence without a full stop.
    pub summary: &'static str,
    /// Why it matters and what to do, in whole sentences.
    pub why: &'static str,
    /// An example that breaks it.
    pub bad: &'static str,
    /// The same, kept.
    pub good: &'static str,
    /// Finds what breaks it. `None` where loading the project finds it all.
    pub check: Option<Check>,
}

/// Whether a project may decide how much breaking a rule matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may: its configuration sets the level, and a comment silences a line.
    Adjustable,
    /// Without it there is nothing to release.
    Required,
    /// The same of its errors; its milder findings are the project's to decide.
    ErrorsRequired,
}

/// Finds what breaks a rule.
pub type Check = fn(&Context<'_>) -> Vec<Diagnostic>;

impl Rule {
    /// The documentation of a rule that loading the project enforces.
    pub(crate) const fn loading(rule: project::rules::Rule, page: Page) -> Self {
        let Page { why, bad, good } = page;
        // what loading only warns of was loaded
        let standing = match rule.level {
            Level::Error => Standing::Required,
            Level::Warning | Level::Note => Standing::Adjustable,
        };
        Self { id: rule.id, level: rule.level, standing, summary: rule.about, why, bad, good, check: None }
    }

    /// Whether a project may set the level of some of its findings.
    pub fn is_adjustable(&self) -> bool {
        match self.standing {
            Standing::Adjustable | Standing::ErrorsRequired => true,
            Standing::Required => false,
        }
    }

    /// Whether a finding of this rule stays whatever the project says.
    pub(crate) fn requires(&self, diagnostic: &Diagnostic) -> bool {
        match self.standing {
            Standing::Adjustable => false,
            Standing::Required => true,
            Standing::ErrorsRequired => diagnostic.is_error(),
        }
    }

    /// A diagnostic of this rule, with its level.
    pub(crate) fn diagnostic(&self, file: &str, span: Option<Span>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            rule: self.id,
            severity: self.level,
            file: file.to_owned(),
            span,
            message: message.into(),
            help: None,
            related: Vec::new(),
            fix: None,
        }
    }
}

/// What a rule's documentation has besides its summary.
pub(crate) struct Page {
    pub(crate) why: &'static str,
    pub(crate) bad: &'static str,
    pub(crate) good: &'static str,
}
