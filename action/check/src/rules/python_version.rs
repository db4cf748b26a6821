//! Python that only a newer Python than the oldest one that runs detections understands.

use project::Diagnostic;

use crate::{
    context::Context,
    rule::{Rule, Standing},
};

/// Python of detections runs on Python 3.11.
pub const RULE: Rule = Rule {
    id: "python-version",
    level: project::Level::Warning,
    standing: Standing::Adjustable,
    summary: "Python of detections runs on Python 3.11",
    why: "Detections run on the Python of the machine they are deployed to, 3.11 or newer. Syntax that came later works \
          on some of them and keeps the whole detection from being imported on others.",
    bad: "type Record = dict\n",
    good: "Record = dict\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let files = context.detections.iter().flat_map(|code| &code.files);
    files
        .flat_map(|file| {
            file.module
                .too_new
                .iter()
                .map(|error| RULE.diagnostic(file.path(), Some(file.span(error.range)), &error.message))
        })
        .collect()
}
