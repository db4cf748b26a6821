//! Detections that do not say how bad it is.

use project::{Diagnostic, Level, rules};

use crate::{
    context::{Code, Context},
    python::Bindings,
    rule::{Rule, Standing},
};

/// A detection has a severity.
pub const RULE: Rule = Rule {
    id: "missing-severity",
    level: Level::Warning,
    standing: Standing::Adjustable,
    summary: "a detection says how bad it is: `alert.severity`, or a function `severity`",
    why: "Without a severity an alert is `notice` where there are destinations, and else `info`, which is sent nowhere. \
          Whoever is called at night should be called because somebody decided it.",
    bad: "name: root_login\ntables: [aws_cloudtrail]\n",
    good: "name: root_login\ntables: [aws_cloudtrail]\nalert: {severity: high}\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    context.detections.iter().filter_map(|code| of_detection(context, code)).collect()
}

fn of_detection(context: &Context<'_>, code: &Code<'_>) -> Option<Diagnostic> {
    let file = &code.detection.file;
    let doc = context.project.doc(file)?;
    let decides = |python: &crate::context::Python| {
        let bindings = Bindings::of(python.module.body());
        bindings.open || bindings.get("severity").is_some() || !python.module.errors.is_empty()
    };
    let is_said = doc.node("/alert/severity").is_some() || code.main().is_some_and(decides);
    // the other rule asks for one too
    if is_said || context.was_found(rules::DESTINATION_ON_INFO.id, file, None) {
        return None;
    }
    let message = format!("detection `{}` has no severity", code.detection.name);
    let help = "add `alert: {severity: ...}`: info, notice, low, medium, high or critical";
    Some(RULE.diagnostic(file, doc.span("/name"), message).help(help))
}
