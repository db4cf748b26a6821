//! Files that are not UTF-8. Loading finds those that it reads; Python it carries along as bytes.

use project::{Diagnostic, rules, source::Source};

use crate::{
    context::Context,
    rule::{Rule, Standing},
};

/// Files of the project are UTF-8 text.
pub const RULE: Rule = Rule {
    id: rules::INVALID_UTF8.id,
    level: rules::INVALID_UTF8.level,
    standing: Standing::Required,
    summary: rules::INVALID_UTF8.about,
    why: "YAML, VRL, SQL and Python of a project are read as UTF-8. A file in another encoding would be read differently \
          on every machine, or not at all. Save it as UTF-8; a byte order mark does no harm.",
    bad: "# detections/root_login/detect.py, saved as Latin-1, with an umlaut in a comment\n",
    good: "# the same file, saved as UTF-8\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for detection in context.project.detections.values() {
        for (name, bytes) in detection.files.iter().filter(|(name, _)| name.ends_with(".py")) {
            let Err(error) = std::str::from_utf8(bytes) else { continue };
            let file = detection.path_of(name);
            if context.was_found(RULE.id, &file, None) {
                continue;
            }
            let good = error.valid_up_to();
            let source = Source::new(&file, String::from_utf8_lossy(bytes).into_owned());
            let span = source.span(good, good + char::REPLACEMENT_CHARACTER.len_utf8());
            let message = format!("expected UTF-8 text, found the byte `0x{:02x}`", bytes[good]);
            out.push(RULE.diagnostic(&file, Some(span), message).help("save the file in the encoding UTF-8"));
        }
    }
    out
}
