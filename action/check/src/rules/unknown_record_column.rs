//! Keys that Python reads from the record and no table of the detection has.

use model::ecs::{Alike, alike, ecs};
use project::{
    Diagnostic, Level,
    diagnostic::{Fix, Safety},
    project::Trigger,
};

use crate::{
    columns::{Columns, End, elsewhere},
    context::{Code, Context, Python},
    python::{Read, RecordAccess, accesses},
    rule::{Rule, Standing},
};

/// What Python reads from the record are columns.
pub const RULE: Rule = Rule {
    id: "unknown-record-column",
    level: Level::Warning,
    standing: Standing::Adjustable,
    summary: "what Python reads from the record is a column of one of the detection's tables",
    why: "`deepget` and `get` of a column that does not exist are None on every row, so a detection with a typo in a path \
          never fires and nobody is told; a subscript raises. Paths are followed through variables and functions of \
          detect.py; what the text does not tell is not judged, nor is what lies inside of JSON text.",
    bad: "def detect(r):\n    return r.deepget(\"event.outcom\") == \"failure\"\n",
    good: "def detect(r):\n    return r.deepget(\"event.outcome\") == \"failure\"\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    context.detections.iter().flat_map(|code| of_detection(context, code)).collect()
}

fn of_detection(context: &Context<'_>, code: &Code<'_>) -> Vec<Diagnostic> {
    let detection = code.detection;
    // the record of a scheduled detection is the row of its query
    if !matches!(detection.trigger, Trigger::Streaming) {
        return Vec::new();
    }
    let Some(file) = code.main().filter(|file| file.module.errors.is_empty()) else { return Vec::new() };
    let Some(columns) = Columns::of(context, &detection.tables) else { return Vec::new() };
    accesses(file.module.body()).iter().filter_map(|access| judge(file, &columns, access)).collect()
}

fn judge(file: &Python, columns: &Columns<'_>, access: &RecordAccess) -> Option<Diagnostic> {
    let path: Vec<String> = access.base.iter().chain(&access.keys).cloned().collect();
    let known = columns.known(&path);
    // what leads to it was told where it is read
    if known.end == End::Open || known.keys < access.base.len() {
        return None;
    }
    let span = file.source().span(access.range.start, access.range.end);
    let dotted = access.path();
    let diagnostic = |message: String| RULE.diagnostic(file.path(), Some(span), message);
    if let Some(key) = dotted_key(columns, access) {
        let help = format!("keys hold no dots; a path needs `deepget(\"{key}\")`");
        let diagnostic = diagnostic(format!("the record has no key `{key}`")).help(help);
        return Some(match &access.kind {
            Read::Get(method) => {
                let span = file.source().span(method.start, method.end);
                diagnostic.fix(Fix::replacement(span, "get", "deepget", Safety::Safe))
            }
            Read::Path | Read::Key => diagnostic,
        });
    }
    let diagnostic = diagnostic(format!("`{dotted}` is not a column of {}", columns.names()));
    Some(match &access.kind {
        Read::Path => meant_path(diagnostic, columns, access, &dotted),
        Read::Get(_) | Read::Key => meant_key(diagnostic, columns, access, &dotted),
    })
}

/// A dotted path where a key is asked for, as in `r.get("user.name")`, if it leads to a column.
fn dotted_key<'a>(columns: &Columns<'_>, access: &'a RecordAccess) -> Option<&'a str> {
    let [key] = access.keys.as_slice() else { return None };
    let path: Vec<String> = access.base.iter().map(String::as_str).chain(key.split('.')).map(str::to_owned).collect();
    (key.contains('.') && columns.known(&path).end == End::Open).then_some(key)
}

fn meant_path(diagnostic: Diagnostic, columns: &Columns<'_>, access: &RecordAccess, dotted: &str) -> Diagnostic {
    let written = access.keys.join(".");
    let below = if access.base.is_empty() { String::new() } else { format!("{}.", access.base.join(".")) };
    let all = columns.all();
    let candidates = all.iter().filter_map(|path| path.strip_prefix(below.as_str()));
    let found = alike(&written, candidates).filter(|found| found.certain || ecs().field(dotted).is_none());
    match found {
        Some(alike) => replaced(diagnostic, &written, alike, &below),
        None => elsewhere(diagnostic, dotted),
    }
}

fn meant_key(diagnostic: Diagnostic, columns: &Columns<'_>, access: &RecordAccess, dotted: &str) -> Diagnostic {
    let written = access.keys.join(".");
    match alike(&written, columns.members(&access.base)) {
        Some(alike) => replaced(diagnostic, &written, alike, ""),
        None => elsewhere(diagnostic, dotted),
    }
}

/// Offers a candidate, said with the path that leads to it.
fn replaced(diagnostic: Diagnostic, written: &str, alike: Alike<'_>, below: &str) -> Diagnostic {
    let help = format!("did you mean `{below}{}`?", alike.candidate);
    diagnostic.meant(written, alike).help(help)
}
