//! What stands at a place: keys of YAML, columns, tables, destinations, rules.

use std::ops::Range;

use project::{Project, spec::FileKind};

use crate::{
    column,
    python_place::{self, PythonPlace},
    schema,
    yaml_place::{self, Role},
};

/// What is shown, in Markdown, and for which stretch of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) markdown: String,
    pub(crate) range: Range<usize>,
}

/// What stands at a byte offset of a file.
pub(crate) fn at(project: &Project, file: &str, text: &str, offset: usize) -> Option<Shown> {
    let range = word(text, offset);
    let name = &text[range.clone()];
    if name.is_empty() {
        return None;
    }
    let markdown = match FileKind::of(file) {
        Some(kind) => in_yaml(project, kind, file, text, &range)?,
        None if file.ends_with(".py") => in_python(project, file, text, &range)?,
        None => return None,
    };
    Some(Shown { markdown, range })
}

/// The word around an offset. Dots join the steps of a path, hyphens the words of a rule's id.
pub(crate) fn word(text: &str, offset: usize) -> Range<usize> {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
    let start = text[..offset].rfind(|c| !inside(c)).map_or(0, |at| text.ceil_char_boundary(at + 1));
    let end = text[offset..].find(|c| !inside(c)).map_or(text.len(), |at| offset + at);
    let word = &text[start..end];
    // the dash of a list, the dot before a path of VRL
    let start = start + (word.len() - word.trim_start_matches(['-', '.']).len());
    start.min(end)..end
}

fn in_yaml(project: &Project, kind: FileKind, file: &str, text: &str, word: &Range<usize>) -> Option<String> {
    let name = &text[word.clone()];
    let place = yaml_place::at(text, word.start);
    match place.role {
        Role::Comment => return column::rule(name),
        Role::Block => return in_block(project, file, &place.path, name),
        Role::Begin | Role::Value => (),
    }
    let tables = column::tables_of(project, file);
    let path: Vec<&str> = place.path.iter().map(String::as_str).collect();
    let is_key = place.role == Role::Begin && text[word.end..].trim_start_matches(['"', '\'']).starts_with(':');
    if let Some(above) = column_path(&path) {
        return if is_key { column::column(project, &tables, &joined(above, name)) } else { None };
    }
    if is_key {
        if path == ["check", "rules"] {
            return column::rule(name);
        }
        let mut key = place.path.clone();
        key.push(name.to_owned());
        return key_words(kind, &key).or_else(|| column::table(project, name));
    }
    match path.as_slice() {
        ["tables", _] | ["tests", _, "table"] => column::table(project, name),
        [.., "destinations", _] => column::destination(project, name),
        [.., "ecs_field_names", _] => column::column(project, &tables, name),
        _ => schema::at(kind, &place.path).values().into_iter().find(|choice| choice.text == name)?.meaning,
    }
}

fn key_words(kind: FileKind, path: &[String]) -> Option<String> {
    let described = schema::at(kind, path);
    let mut out = described.meaning()?.to_owned();
    if let Some(default) = described.default() {
        out.push_str(&format!("\n\ndefault: `{default}`"));
    }
    Some(out)
}

/// The steps below a test's row that a path is at: there are columns.
pub(crate) fn column_path<'a>(path: &'a [&'a str]) -> Option<&'a [&'a str]> {
    match path {
        ["tests", _, "event", below @ ..] => Some(below),
        ["tests", _, "events" | "rows", item, below @ ..] if item.parse::<usize>().is_ok() => Some(below),
        ["tests", _, "rows", _, item, below @ ..] if item.parse::<usize>().is_ok() => Some(below),
        _ => None,
    }
}

/// A column's path; items of lists are no steps of it.
pub(crate) fn joined(above: &[&str], name: &str) -> String {
    let steps = above.iter().filter(|step| step.parse::<usize>().is_err());
    steps.map(|step| format!("{step}.")).chain([name.to_owned()]).collect()
}

fn in_block(project: &Project, file: &str, path: &[String], name: &str) -> Option<String> {
    let tables = column::tables_of(project, file);
    let name = name.trim_end_matches(['.', '-']);
    let column = || column::column(project, &tables, name);
    match path.last().map(String::as_str) {
        Some("query") => column::table(project, name).or_else(column),
        Some("raw") | None => None,
        Some(_) => column().or_else(|| column::table(project, name)),
    }
}

fn in_python(project: &Project, file: &str, text: &str, word: &Range<usize>) -> Option<String> {
    let name = &text[word.clone()];
    let tables = column::tables_of(project, file);
    match python_place::at(text, word.start) {
        PythonPlace::Column { before, .. } => column::column(project, &tables, &format!("{before}{name}")),
        PythonPlace::Rule { .. } => column::rule(name),
        PythonPlace::Enrichment { .. } => column::table(project, name),
        // `enrichment.tor`, and `event.outcome` in any other string
        PythonPlace::Other => match name.strip_prefix("enrichment.") {
            Some(rest) => column::table(project, rest.split('.').next()?),
            None if name.contains('.') => column::ecs_field(name),
            None => None,
        },
    }
}
