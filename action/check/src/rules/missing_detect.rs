//! A detection without a `detect` that can be called with the record.

use model::ecs::{Alike, closest};
use project::{Diagnostic, project::Trigger};
use ruff_text_size::{Ranged as _, TextRange};

use super::function_signature::describe;
use crate::{
    context::{Context, Python},
    python::{Bindings, fault},
    rule::{Rule, Standing},
};

/// A streaming detection defines `detect(record)`.
pub const RULE: Rule = Rule {
    id: "missing-detect",
    level: project::Level::Error,
    standing: Standing::Required,
    summary: "a streaming detection defines `detect`, a plain function of the record",
    why: "`detect` is called with every record of the detection's tables and decides by what it returns. Without it \
          nothing fires. A coroutine (`async def`) or a generator (`yield`) counts as true and would fire on every \
          record.",
    bad: "def detct(r):\n    return r.deepget(\"user.name\") == \"root\"\n",
    good: "def detect(r):\n    return r.deepget(\"user.name\") == \"root\"\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    context.detections.iter().filter_map(|code| of_module(code.main()?, &code.detection.trigger)).collect()
}

fn of_module(file: &Python, trigger: &Trigger) -> Option<Diagnostic> {
    if !file.module.errors.is_empty() {
        return None;
    }
    let bindings = Bindings::of(file.module.body());
    match bindings.get("detect") {
        Some(bound) => {
            let (fault, range) = fault(bound)?;
            let (message, help) = describe("detect", &fault);
            Some(RULE.diagnostic(file.path(), Some(file.span(range)), message).help(help))
        }
        // the rows of a scheduled detection's query are its matches
        None if bindings.open || matches!(trigger, Trigger::Scheduled(_)) => None,
        None => Some(missing(file, &bindings)),
    }
}

fn missing(file: &Python, bindings: &Bindings<'_>) -> Diagnostic {
    let alike = closest("detect", bindings.functions().map(|function| function.name.as_str()))
        .and_then(|name| bindings.functions().find(|function| function.name.as_str() == name));
    match alike {
        Some(function) => {
            let name = function.name.as_str();
            let message = format!("function `detect` is missing, found `{name}`");
            // what calls it would have to be renamed too
            let certain = file.source().text().matches(name).count() == 1;
            RULE.diagnostic(file.path(), Some(file.span(function.name.range())), message)
                .meant(name, Alike { candidate: "detect", certain })
                .help(format!("rename `{name}` to `detect`"))
        }
        None => RULE
            .diagnostic(file.path(), Some(file.span(TextRange::default())), "function `detect` is missing")
            .help("define it:\ndef detect(r):\n    return r.deepget(\"event.action\") == \"...\""),
    }
}
