//! What the VRL compiler warns of.

use project::Diagnostic;

use crate::{
    context::{Context, is_managed},
    rule::{Rule, Standing},
    vrl::placed,
};

/// VRL compiles without warnings.
pub const RULE: Rule = Rule {
    id: "vrl-warning",
    level: project::Level::Warning,
    standing: Standing::Adjustable,
    summary: "VRL compiles without warnings",
    why: "The VRL compiler found something that has no effect or will stop working: a result that is not used, a `!` on a \
          function that cannot fail, a function that is going away.",
    bad: "transform: |\n  upcase(\"get\")\n  .http.request.method = \"GET\"\n",
    good: "transform: |\n  .http.request.method = upcase(\"get\")\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for program in &context.programs {
        out.extend(program.warnings().map(|warning| placed(&RULE, &program.source, warning, None)));
    }
    // warnings about programs that come with matano are nothing the reader can act on
    out.retain(|diagnostic| !is_managed(&diagnostic.file));
    out
}
