//! Detections that no test proves to fire.

use project::{Diagnostic, project::Trigger};

use crate::{
    context::Context,
    rule::{Rule, Standing},
};

/// A detection has tests.
pub const RULE: Rule = Rule {
    id: "untested-detection",
    level: project::Level::Warning,
    standing: Standing::Adjustable,
    summary: "a detection has tests",
    why: "A detection that never fires looks exactly like one that has nothing to find. A test with one event that must \
          fire, and one that must not, proves that it reads the columns that the log source writes. `matano test` runs \
          them.",
    bad: "name: root_login\ntables: [aws_cloudtrail]\n",
    good: "name: root_login\ntables: [aws_cloudtrail]\ntests:\n  - name: root signs in\n    event: {event.action: \
           ConsoleLogin, user.name: root}\n    fires: true\n  - name: someone else signs in\n    event: {event.action: \
           ConsoleLogin, user.name: alice}\n    fires: false\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for detection in context.project.detections.values() {
        let doc = context.project.doc(&detection.file);
        // tests that have mistakes of their own are written nevertheless
        if !detection.tests.is_empty() || doc.is_some_and(|doc| doc.node("/tests/0").is_some()) {
            continue;
        }
        let span = doc.and_then(|doc| doc.span("/name"));
        let message = format!("detection `{}` has no tests", detection.name);
        out.push(RULE.diagnostic(&detection.file, span, message).help(match &detection.trigger {
            Trigger::Streaming => STREAMING,
            Trigger::Scheduled(_) => SCHEDULED,
        }));
    }
    out
}

const STREAMING: &str = "add one that must fire, and one that must not:\n\
                         tests:\n  - name: it fires\n    event: {event.action: ...}\n    fires: true";
const SCHEDULED: &str = "add one that must fire, and one that must not:\n\
                         tests:\n  - name: it fires\n    rows: {some_table: [{event.action: ...}]}\n    \
                         window: {start: 2026-01-01T00:00:00Z, end: 2026-01-01T01:00:00Z}\n    fires: true";
