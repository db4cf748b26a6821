//! VRL that does not compile.

use project::Diagnostic;

use super::unknown_enrichment;
use crate::{
    context::Context,
    rule::{Rule, Standing},
    vrl::{Advice, advice, placed},
};

/// VRL of a project compiles.
pub const RULE: Rule = Rule {
    id: "vrl-compile",
    level: project::Level::Error,
    standing: Standing::Required,
    summary: "VRL compiles",
    why: "A program that does not compile makes no rows: every record of its log source would be a reject. The message, \
          the places and the hints are those of the VRL compiler; it sees the record as matano gives it, without \
          network, environment or files.",
    bad: "transform: |\n  .user.name = downcase(.json.user)\n",
    good: "transform: |\n  .user.name = downcase(.json.user) ?? null\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for program in &context.programs {
        for error in program.errors() {
            // another rule has a better message for it
            if unknown_enrichment::asked_for(error).is_some() {
                continue;
            }
            match advice(error, &program.source.text) {
                Some(Advice::Migrate(_)) => (),
                advice @ (Some(Advice::Rewrite(_)) | None) => out.push(placed(&RULE, &program.source, error, advice)),
            }
        }
    }
    out
}
