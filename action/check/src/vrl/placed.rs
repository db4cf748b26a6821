//! Diagnostics of the compiler as ours: at their place in the YAML file, with everything the compiler says.

use std::ops::Range;

use model::ecs::{Alike, alike, closest};
use project::{Diagnostic, Span, VrlProgram};
use transform::{VrlDiagnostic, VrlLabel, VrlSeverity};

use super::Advice;
use crate::rule::Rule;

/// A diagnostic of `rule` where the compiler found `error`. Its help is the advice, then what the compiler says; advice
/// for a migration stands alone, as the compiler cannot know that the program once was good.
pub(crate) fn placed(rule: &Rule, program: &VrlProgram, error: &VrlDiagnostic, advice: Option<Advice>) -> Diagnostic {
    let (file, span) = program.span(before_the_end(error.span.clone(), &program.text));
    let main = error.labels.iter().find(|label| label.primary && label.span == error.span);
    let mut diagnostic = rule.diagnostic(&file, span, message(error, main, program));
    if let Some((name, alike)) = error.labels.iter().find_map(|label| guess(label, error, program)) {
        diagnostic = diagnostic.meant(name, alike);
    }
    let (mut help, is_migration): (Vec<String>, bool) = match advice {
        None => (Vec::new(), false),
        Some(Advice::Rewrite(advice)) => (vec![advice], false),
        Some(Advice::Migrate(advice)) => (vec![advice], true),
    };
    let others = error.labels.iter().filter(|label| main != Some(label) && says_something(label, program));
    for label in others.filter(|_| !is_migration) {
        let (label_file, label_span) = program.span(label.span.clone());
        let line = |span: Option<Span>| span.map(|span| span.start.line);
        let near = label.span.is_empty() || (label_file == file && line(label_span) == line(span));
        if near {
            help.push(in_our_words(&label.message));
        } else {
            diagnostic = diagnostic.related(&label_file, label_span, in_our_words(&label.message));
        }
    }
    if !is_migration {
        help.extend(error.notes.iter().map(|note| note.trim_end().to_owned()));
    }
    help.extend(error.code.as_deref().map(|code| about(code, error.severity)));
    if help.is_empty() { diagnostic } else { diagnostic.help(help.join("\n")) }
}

/// What the compiler takes an unknown name for, and that name, where it is what the error is about.
fn guess<'a>(label: &'a VrlLabel, error: &VrlDiagnostic, program: &'a VrlProgram) -> Option<(&'a str, Alike<'a>)> {
    let guess = label.message.strip_prefix("did you mean \"")?.strip_suffix("\"?")?;
    let name = program.text.get(label.span.clone()).filter(|_| label.span == error.span)?;
    Some((name, alike(name, [guess])?))
}

/// What is missing at the end of a program is missing behind its last character, not on the blank line after it.
fn before_the_end(span: Range<usize>, text: &str) -> Range<usize> {
    let end = text.trim_end().len();
    if span.is_empty() && span.start > end { end..end } else { span }
}

/// The compiler's number for an error, with its page where it has one.
fn about(code: &str, severity: VrlSeverity) -> String {
    let kind = match severity {
        VrlSeverity::Error => "error",
        VrlSeverity::Warning => "warning",
        VrlSeverity::Note => "note",
    };
    match code.trim_start_matches('E').parse::<u32>() {
        Ok(number @ 100..=110) => format!("VRL {kind} {code}, see https://errors.vrl.dev/{number}"),
        Ok(_) | Err(_) => format!("VRL {kind} {code}"),
    }
}

/// Not so: guesses that are nothing like the name, and lists of every token of the language.
fn says_something(label: &VrlLabel, program: &VrlProgram) -> bool {
    const MANY: usize = 12;
    if let Some(guess) = label.message.strip_prefix("did you mean \"") {
        let name = program.text.get(label.span.clone()).unwrap_or_default();
        return closest(name, [guess.trim_end_matches(['"', '?'])]).is_some();
    }
    let tokens = label.message.strip_prefix("expected one of: ").map_or(0, |list| list.matches(", ").count());
    tokens < MANY && !label.message.trim().is_empty()
}

fn message(error: &VrlDiagnostic, main: Option<&VrlLabel>, program: &VrlProgram) -> String {
    let message = one_line(&error.message);
    let label = main.map(|label| one_line(label.message.trim_start_matches("help: "))).unwrap_or_default();
    let code = program.text.get(error.span.clone()).unwrap_or_default();
    match label.as_str() {
        "undefined function" | "undefined variable" => format!("{message} `{code}`"),
        "" => message,
        label if message.contains(label) => message,
        label => format!("{message}: {label}"),
    }
}

fn in_our_words(label: &str) -> String {
    let label = one_line(label);
    match label.strip_prefix("did you mean \"").and_then(|rest| rest.strip_suffix("\"?")) {
        Some(guess) => format!("did you mean `{guess}`?"),
        None => label,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}
