//! Functions of a detection besides `detect` that cannot be called with the record.

use project::Diagnostic;

use crate::{
    context::{Context, Python},
    python::{Bindings, FUNCTIONS, Fault, fault},
    rule::{Rule, Standing},
};

/// `title`, `dedupe` and the others take the record.
pub const RULE: Rule = Rule {
    id: "function-signature",
    level: project::Level::Error,
    standing: Standing::Adjustable,
    summary: "`title`, `dedupe`, `severity` and the other functions of a detection take the record",
    why: "Each of title, dedupe, severity, description, runbook, reference, alert_context and destinations is called \
          with the record, and with nothing else. One that cannot be called that way fails on every match, and the \
          alert falls back to what detection.yml says.",
    bad: "def title():\n    return \"root login\"\n",
    good: "def title(r):\n    return \"root login\"\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    context.detections.iter().filter_map(|code| code.main()).flat_map(of_module).collect()
}

fn of_module(file: &Python) -> Vec<Diagnostic> {
    if !file.module.errors.is_empty() {
        return Vec::new();
    }
    let bindings = Bindings::of(file.module.body());
    let faults = FUNCTIONS.iter().filter_map(|name| Some((name, fault(bindings.get(name)?)?)));
    faults
        .map(|(name, (fault, range))| {
            let (message, help) = describe(name, &fault);
            RULE.diagnostic(file.path(), Some(file.span(range)), message).help(help)
        })
        .collect()
}

/// A fault in words, and what to do about it.
pub(super) fn describe(name: &str, fault: &Fault) -> (String, String) {
    match fault {
        Fault::NotAFunction(kind) => (
            format!("expected `{name}` to be a function, found {kind}"),
            format!("define it with `def {name}(r):`, or give the value another name"),
        ),
        Fault::Async => (
            format!("expected `{name}` to be a plain function, found `async def`"),
            format!("write `def {name}(r):`; nothing awaits what it returns"),
        ),
        Fault::Generator => (
            format!("expected `{name}` to return a value, found `yield`"),
            "use `return`; what a generator yields is never read".to_owned(),
        ),
        Fault::TakesNothing => {
            (format!("`{name}` is called with the record, but takes no argument"), format!("write `def {name}(r):`"))
        }
        Fault::NeedsMore(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let verb = if names.len() == 1 { "it a default" } else { "them defaults" };
            (
                format!("`{name}` is called with the record alone, but also needs {}", names.join(", ")),
                format!("write `def {name}(r):`, or give {verb}"),
            )
        }
    }
}
