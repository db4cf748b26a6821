//! Rules that are named and do not exist.

use model::ecs::alike;
use project::{Diagnostic, Level, Span, project::Config, yaml::escape};

use super::{RULES, of};
use crate::{
    context::Context,
    rule::{Rule, Standing},
};

/// Rules that are named exist.
pub const RULE: Rule = Rule {
    id: "unknown-rule",
    level: Level::Warning,
    standing: Standing::Adjustable,
    summary: "rules that are named exist",
    why: "A level in `check.rules` or a comment `# matano: ignore[...]` for a rule that does not exist has no effect. It is a \
          typo, or the rule has another name in this version; docs/rules.md lists them all.",
    bad: "check:\n  rules:\n    untested-detections: error\n",
    good: "check:\n  rules:\n    untested-detection: error\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let config = context.project.doc(Config::FILE);
    let in_config = context.project.config.rules.keys().map(|id| {
        let span = config.and_then(|doc| doc.key_span(&format!("/check/rules/{}", escape(id))));
        (Config::FILE, id, span)
    });
    let in_comments = context
        .suppressions
        .iter()
        .flat_map(|one| one.rules.iter().map(|(id, span)| (one.file.as_str(), id, Some(*span))));
    let unknown = in_config.chain(in_comments).filter(|(_, id, _)| of(id).is_none());
    unknown.map(|(file, id, span)| missing(file, id, span)).collect()
}

fn missing(file: &str, id: &str, span: Option<Span>) -> Diagnostic {
    let diagnostic = RULE.diagnostic(file, span, format!("there is no rule `{id}`"));
    match alike(id, RULES.iter().map(|rule| rule.id)) {
        Some(alike) => diagnostic.meant(id, alike),
        None => diagnostic.help("`matano explain` lists them"),
    }
}
