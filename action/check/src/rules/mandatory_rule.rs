//! Rules that a project tries to do without and cannot.

use project::{
    Diagnostic, Level,
    project::{Config, RuleSetting},
    yaml::escape,
};

use super::of;
use crate::{
    context::Context,
    rule::{Rule, Standing},
};

/// What keeps a project from being released is not switched off.
pub const RULE: Rule = Rule {
    id: "mandatory-rule",
    level: Level::Error,
    standing: Standing::Required,
    summary: "a rule without which nothing can be released is not switched off",
    why: "A table that does not exist, VRL that does not compile or Python that cannot be imported would not begin to work \
          because nobody is told. Such rules have no other level than error, and comments do not silence them. \
          `matano explain <rule>` says which they are.",
    bad: "# matano.config.yml\ncheck:\n  rules:\n    unknown-table: warning\n",
    good: "# matano.config.yml\ncheck:\n  rules:\n    untested-detection: error\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let set = context.project.config.rules.iter().filter(|(id, setting)| {
        let is_fixed = of(id).is_some_and(|rule| !rule.is_adjustable());
        is_fixed && **setting != RuleSetting::Level(Level::Error)
    });
    set.map(|(id, _)| {
        let doc = context.project.doc(Config::FILE);
        let span = doc.map(|doc| doc.point(&format!("/check/rules/{}", escape(id))));
        let message = format!("`{id}` is always an error: nothing can be released that breaks it");
        RULE.diagnostic(Config::FILE, span, message).help("remove it from `check.rules`")
    })
    .collect()
}
