//! Enrichment tables that are looked up and do not exist.

use project::{Diagnostic, Span, rules};
use transform::VrlDiagnostic;

use crate::{
    context::Context,
    python::table_uses,
    rule::{Rule, Standing},
};

/// Enrichment tables that are looked up exist.
pub const RULE: Rule = Rule {
    id: rules::UNKNOWN_ENRICHMENT.id,
    level: rules::UNKNOWN_ENRICHMENT.level,
    standing: Standing::Required,
    summary: rules::UNKNOWN_ENRICHMENT.about,
    why: "`from detection.enrichment import x` fails where there is no directory in `enrichment` with an enrichment.yml \
          of that name, and with it the whole detection. In VRL such a table is an error of the program.",
    bad: "from detection.enrichment import tor_exit\n",
    good: "from detection.enrichment import tor_exits\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for file in context.detections.iter().flat_map(|code| &code.files).filter(|file| file.module.errors.is_empty()) {
        for used in table_uses(file.module.body()) {
            let found = missing(context, &used.name, file.path(), Some(file.span(used.range)));
            // an import gives the name to all that follows
            let is_only = file.source().text().matches(&used.name).count() == 1;
            out.extend(found.map(|found| if is_only { found } else { found.without_fix() }));
        }
    }
    for program in &context.programs {
        for error in program.errors() {
            if let Some(name) = asked_for(error) {
                let (file, span) = program.source.span(error.span.clone());
                out.extend(missing(context, name, &file, span));
            }
        }
    }
    out
}

/// A diagnostic for a table that does not exist, unless loading said so, or it may be declared in a file with errors.
fn missing(context: &Context<'_>, name: &str, file: &str, span: Option<Span>) -> Option<Diagnostic> {
    let known = context.enrichment_tables();
    let bare = name.strip_prefix("enrich_").unwrap_or(name);
    if known.contains(&name) || context.was_found(RULE.id, file, span) || may_be_unread(context, bare) {
        return None;
    }
    let diagnostic = RULE.diagnostic(file, span, format!("enrichment table `{name}` does not exist"));
    Some(if known.is_empty() {
        diagnostic.help(format!("declare it in `enrichment/{name}/enrichment.yml`"))
    } else {
        diagnostic.suggest(bare, known.iter().copied())
    })
}

fn may_be_unread(context: &Context<'_>, name: &str) -> bool {
    let errors = context.found.iter().filter(|diagnostic| diagnostic.is_error());
    let mut directories = errors.filter_map(|one| one.file.strip_prefix("enrichment/")?.split_once('/'));
    directories.any(|(directory, _)| name.starts_with(directory))
}

/// The table that a program looks up, where that is what the compiler complains of.
pub(super) fn asked_for(error: &VrlDiagnostic) -> Option<&str> {
    let of_table = |label: &&transform::VrlLabel| label.message.contains("enum variant for argument \"table\"");
    error.labels.iter().find(of_table)?;
    let received = error.labels.iter().find_map(|label| label.message.strip_prefix("received: "))?;
    Some(received.trim_matches('"'))
}
