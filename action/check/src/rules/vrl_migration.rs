//! VRL of the original Matano that the VRL of today does not accept, with what to write instead.

use project::Diagnostic;

use crate::{
    context::Context,
    rule::{Rule, Standing},
    vrl::{Advice, advice, placed},
};

/// VRL is that of today.
pub const RULE: Rule = Rule {
    id: "vrl-migration",
    level: project::Level::Error,
    standing: Standing::Required,
    summary: "VRL written for the original Matano compiles with the VRL of today",
    why: "Since the original, VRL has become stricter: some functions can no longer fail, so that `??` behind them is an \
          error; `to_unix_timestamp` now can; `set` and `|=` want to know that their argument is an object; arithmetic \
          wants to know that no side is null. The help has the rewrite. `to_timestamp` and `bitwise_and`, which VRL \
          dropped, still work.",
    bad: "transform: |\n  .url.query = join([.a, .b], \"&\") ?? null\n",
    good: "transform: |\n  .url.query = join([.a, .b], \"&\")\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for program in &context.programs {
        for error in program.errors() {
            if let Some(advice @ Advice::Migrate(_)) = advice(error, &program.source.text) {
                out.push(placed(&RULE, &program.source, error, Some(advice)));
            }
        }
    }
    out
}
