//! Detections whose tests prove one half of what they do.

use project::{Detection, Diagnostic, Level};

use crate::{
    context::Context,
    rule::{Rule, Standing},
};

/// Some test must not fire.
pub const QUIET: Rule = Rule {
    id: "missing-quiet-test",
    level: Level::Warning,
    standing: Standing::Adjustable,
    summary: "a test of a detection proves that it stays quiet",
    why: "A detection that fires on everything passes every test that must fire. One event that is nearly what is looked \
          for, with `fires: false`, shows where the line is.",
    bad: "tests:\n  - name: root signs in\n    event: {user.name: root}\n    fires: true\n",
    good: "tests:\n  - name: root signs in\n    event: {user.name: root}\n    fires: true\n  - name: someone else signs \
           in\n    event: {user.name: alice}\n    fires: false\n",
    check: Some(quiet),
};

/// Some test must fire.
pub const FIRING: Rule = Rule {
    id: "missing-firing-test",
    level: Level::Warning,
    standing: Standing::Adjustable,
    summary: "a test of a detection proves that it fires",
    why: "A detection that never fires passes every test that must stay quiet, and looks like one that has nothing to find.",
    bad: "tests:\n  - name: someone else signs in\n    event: {user.name: alice}\n    fires: false\n",
    good: "tests:\n  - name: root signs in\n    event: {user.name: root}\n    fires: true\n  - name: someone else signs \
           in\n    event: {user.name: alice}\n    fires: false\n",
    check: Some(firing),
};

fn quiet(context: &Context<'_>) -> Vec<Diagnostic> {
    without(context, false, &QUIET, |detection| {
        let message = format!("every test of `{detection}` must fire, none must stay quiet");
        (message, "add one with an event that is nearly what is looked for, and `fires: false`")
    })
}

fn firing(context: &Context<'_>) -> Vec<Diagnostic> {
    without(context, true, &FIRING, |detection| {
        let message = format!("every test of `{detection}` must stay quiet, none must fire");
        (message, "add one with an event that is looked for, and `fires: true`")
    })
}

/// Detections none of whose tests has this outcome, and which have some.
fn without(
    context: &Context<'_>,
    fires: bool,
    rule: &Rule,
    describe: impl Fn(&str) -> (String, &'static str),
) -> Vec<Diagnostic> {
    let one_sided = |detection: &&Detection| {
        // tests with mistakes were left out, and may be the other half
        let is_whole = !context.is_broken(&detection.file);
        is_whole && !detection.tests.is_empty() && detection.tests.iter().all(|test| test.fires != fires)
    };
    let all = context.project.detections.values().filter(one_sided);
    all.map(|detection| {
        let span = context.project.doc(&detection.file).and_then(|doc| doc.key_span("/tests"));
        let (message, help) = describe(detection.name.as_str());
        rule.diagnostic(&detection.file, span, message).help(help)
    })
    .collect()
}
