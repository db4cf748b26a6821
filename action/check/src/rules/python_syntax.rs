//! Python that Python would refuse to import.

use project::Diagnostic;

use crate::{
    context::Context,
    rule::{Rule, Standing},
};

/// Python of detections parses.
pub const RULE: Rule = Rule {
    id: "python-syntax",
    level: project::Level::Error,
    standing: Standing::Required,
    summary: "Python of detections parses",
    why: "A detection whose module cannot be imported never fires. The files of a detection are parsed, never run, while \
          a pull request is checked.",
    bad: "def detect(r)\n    return True\n",
    good: "def detect(r):\n    return True\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let files = context.detections.iter().flat_map(|code| &code.files);
    files
        .flat_map(|file| {
            file.module
                .errors
                .iter()
                .map(|error| RULE.diagnostic(file.path(), Some(file.span(error.range)), &error.message))
        })
        .collect()
}
