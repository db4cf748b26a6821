//! Runs every rule over a project.

use project::{Diagnostic, Project, diagnostic};

use crate::{context::Context, rules::RULES};

/// Everything that is wrong with a project: what loading it found and what its rules find, sorted by file, line and rule,
/// each said once.
pub fn check(project: &Project, found_by_loading: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let context = Context::new(project, &found_by_loading);
    let found: Vec<Diagnostic> = RULES.iter().filter_map(|rule| rule.check).flat_map(|check| check(&context)).collect();
    let mut diagnostics = found_by_loading;
    diagnostics.extend(found);
    diagnostic::sort(&mut diagnostics);
    diagnostics
}
