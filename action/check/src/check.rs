//! Runs every rule over a project, and lets the project decide what it may.

use project::{
    Diagnostic, Project, diagnostic,
    project::{Config, RuleSetting},
};

use crate::{
    context::Context,
    rules::{self, RULES},
    suppression::silence,
};

/// Everything that is wrong with a project: what loading it found and what its rules find, without what the project
/// silences and with the levels that it sets, sorted by file, line and rule, each said once.
pub fn check(project: &Project, found_by_loading: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let context = Context::new(project, &found_by_loading);
    let found: Vec<Diagnostic> = RULES.iter().filter_map(|rule| rule.check).flat_map(|check| check(&context)).collect();
    let suppressions = context.suppressions;
    let mut diagnostics = found_by_loading;
    diagnostics.extend(found);
    let mut diagnostics = with_levels(silence(diagnostics, &suppressions), &project.config);
    diagnostic::sort(&mut diagnostics);
    diagnostics
}

/// The level that the project sets for each rule, where it may.
fn with_levels(mut diagnostics: Vec<Diagnostic>, config: &Config) -> Vec<Diagnostic> {
    if config.rules.is_empty() {
        return diagnostics;
    }
    diagnostics.retain_mut(|diagnostic| match config.rules.get(diagnostic.rule) {
        None => true,
        Some(_) if rules::of(diagnostic.rule).is_none_or(|rule| rule.requires(diagnostic)) => true,
        Some(RuleSetting::Off) => false,
        Some(RuleSetting::Level(level)) => {
            diagnostic.severity = *level;
            true
        }
    });
    diagnostics
}
