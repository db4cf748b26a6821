//! What can be written at a place: keys and values of YAML, columns, tables, destinations, rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use check::RULES;
use lsp_types::CompletionItemKind;
use model::{ecs::ecs, name::TableName};
use project::{Project, managed, spec::FileKind};

use crate::{
    column::{self, tables_of},
    hover::{column_path, joined},
    python_place::{self, PythonPlace},
    schema,
    yaml_place::{self, Role},
};

/// Something that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) label: String,
    pub(crate) kind: CompletionItemKind,
    /// A few words behind the label.
    pub(crate) detail: Option<String>,
    /// More, in Markdown.
    pub(crate) words: Option<String>,
    /// What is put in.
    pub(crate) text: String,
}

/// All that can be written in place of a stretch of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offers {
    pub(crate) range: Range<usize>,
    pub(crate) offers: Vec<Offer>,
}

/// What can be written at a byte offset of a file.
pub(crate) fn at(project: &Project, file: &str, text: &str, offset: usize) -> Offers {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    match FileKind::of(file) {
        Some(kind) => in_yaml(project, kind, file, text, offset),
        None if file.ends_with(".py") => in_python(project, file, text, offset),
        None => Offers { range: offset..offset, offers: Vec::new() },
    }
}

fn in_yaml(project: &Project, kind: FileKind, file: &str, text: &str, offset: usize) -> Offers {
    let range = begun(text, offset);
    let place = yaml_place::at(text, range.start);
    let path: Vec<&str> = place.path.iter().map(String::as_str).collect();
    let mut offers = match place.role {
        Role::Comment => comment(text, offset),
        Role::Block => block(project, file, path.last().copied().unwrap_or_default(), text, range.start),
        Role::Begin | Role::Value => Vec::new(),
    };
    if matches!(place.role, Role::Comment | Role::Block) {
        return Offers { range, offers };
    }
    if let Some(above) = column_path(&path) {
        if place.role == Role::Begin {
            offers = columns(project, file, &joined(above, "")).map(|offer| as_key(offer, text, offset)).collect();
        }
        return Offers { range, offers };
    }
    offers.extend(named(project, kind, &path));
    let described = schema::at(kind, &place.path);
    if place.role == Role::Begin {
        let keys = described.keys().into_iter().map(|key| Offer {
            kind: CompletionItemKind::PROPERTY,
            words: key.meaning,
            ..Offer::plain(key.text)
        });
        offers.extend(keys.map(|offer| as_key(offer, text, offset)));
    }
    if offers.is_empty() || place.role == Role::Value {
        let values = described.values().into_iter().map(|value| Offer {
            kind: CompletionItemKind::VALUE,
            words: value.meaning,
            ..Offer::plain(value.text)
        });
        offers.extend(values);
    }
    // the schema lists names too, with less to say
    let mut seen = BTreeSet::new();
    offers.retain(|offer| seen.insert(offer.label.clone()));
    Offers { range, offers }
}

impl Offer {
    fn plain(label: String) -> Self {
        Self { text: label.clone(), label, kind: CompletionItemKind::VALUE, detail: None, words: None }
    }
}

/// A key is followed by a colon, where none stands there.
fn as_key(mut offer: Offer, text: &str, offset: usize) -> Offer {
    let rest = text[offset..].lines().next().unwrap_or_default();
    if !rest.contains(':') {
        offer.text.push_str(": ");
    }
    offer
}

/// The word that is being written: from its begin to the cursor.
fn begun(text: &str, offset: usize) -> Range<usize> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
    let start = text[..offset].rfind(|c| !inside(c)).map_or(0, |at| text.ceil_char_boundary(at + 1));
    let word = &text[start..offset];
    // a dash alone begins an item of a list
    if word == "-" { offset..offset } else { start..offset }
}

/// Names that a path asks for.
fn named(project: &Project, kind: FileKind, path: &[&str]) -> Vec<Offer> {
    match (kind, path) {
        (FileKind::Detection, ["tables", _] | ["tests", _, "table"]) => tables(project),
        (FileKind::Detection, ["tests", _, "rows"]) => tables(project),
        (FileKind::Detection, [.., "destinations", _]) => destinations(project),
        (FileKind::LogSource | FileKind::Table, [.., "ecs_field_names", _]) => ecs_names(),
        (FileKind::LogSource | FileKind::Enrichment, ["managed", "type"]) => {
            managed::shipped_sources().into_iter().map(|name| Offer::plain(name.to_owned())).collect()
        }
        (FileKind::Config, ["check", "rules"]) => rules(),
        (
            FileKind::Config
            | FileKind::LogSource
            | FileKind::Table
            | FileKind::Detection
            | FileKind::Destination
            | FileKind::Enrichment,
            _,
        ) => Vec::new(),
    }
}

fn comment(text: &str, offset: usize) -> Vec<Offer> {
    let line = text[..offset].lines().next_back().unwrap_or_default();
    if line.contains("matano") { rules() } else { Vec::new() }
}

/// In a program: columns by their paths, in SQL also tables.
fn block(project: &Project, file: &str, key: &str, text: &str, start: usize) -> Vec<Offer> {
    if key == "raw" {
        return Vec::new();
    }
    if key == "query" {
        return tables(project).into_iter().chain(columns(project, file, "")).collect();
    }
    let before = text[..start].lines().next_back().unwrap_or_default().trim_end_matches('"');
    if before.contains("get_enrichment_table_record") {
        return enrichment(project);
    }
    // VRL's paths begin with a dot
    columns(project, file, "")
        .map(|offer| Offer { label: format!(".{}", offer.label), text: format!(".{}", offer.text), ..offer })
        .collect()
}

fn in_python(project: &Project, file: &str, text: &str, offset: usize) -> Offers {
    let (start, offers) = match python_place::at(text, offset) {
        PythonPlace::Column { before, start } => (start, columns(project, file, &before).collect()),
        PythonPlace::Enrichment { start } => (start, enrichment(project)),
        PythonPlace::Rule { start } => (start, rules()),
        PythonPlace::Other => (offset, Vec::new()),
    };
    Offers { range: start..offset, offers }
}

/// The columns of a file's tables below a path that ends with a dot, or all; where no table is known, the fields of ECS.
fn columns(project: &Project, file: &str, below: &str) -> impl Iterator<Item = Offer> {
    let tables = tables_of(project, file);
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    for table in &tables {
        for (path, kind) in table.schema.leaves() {
            found.entry(path).or_insert_with(|| Some(kind.to_string()));
        }
    }
    if tables.is_empty() {
        found.extend(ecs().fields().iter().map(|field| (field.path.to_owned(), Some(field.ecs_type.to_owned()))));
    }
    let below = below.to_owned();
    found.into_iter().filter_map(move |(path, kind)| {
        let label = path.strip_prefix(&below)?.to_owned();
        let words = column::ecs_field(&path);
        Some(Offer { kind: CompletionItemKind::FIELD, detail: kind, words, ..Offer::plain(label) })
    })
}

fn ecs_names() -> Vec<Offer> {
    let fields = ecs().fields().iter().map(|field| Offer {
        kind: CompletionItemKind::FIELD,
        detail: Some(field.ecs_type.to_owned()),
        words: column::ecs_field(field.path),
        ..Offer::plain(field.path.to_owned())
    });
    fields.collect()
}

fn tables(project: &Project) -> Vec<Offer> {
    let logs = project.tables.values().map(|table| (table.name.to_string(), format!("of {}", table.log_source)));
    let own = [TableName::alerts(), TableName::rejects()].map(|name| (name.to_string(), "of matano".to_owned()));
    let tables = logs.chain(own).map(|(name, detail)| Offer {
        kind: CompletionItemKind::STRUCT,
        detail: Some(detail),
        words: column::table(project, &name),
        ..Offer::plain(name)
    });
    tables.collect()
}

fn enrichment(project: &Project) -> Vec<Offer> {
    let tables = project.enrichment.values().map(|table| Offer {
        kind: CompletionItemKind::STRUCT,
        detail: Some("enrichment table".to_owned()),
        words: column::table(project, table.name.as_str()),
        ..Offer::plain(table.name.to_string())
    });
    tables.collect()
}

fn destinations(project: &Project) -> Vec<Offer> {
    let destinations = project.destinations.values().map(|destination| Offer {
        kind: CompletionItemKind::REFERENCE,
        detail: Some(destination.file.clone()),
        ..Offer::plain(destination.name.to_string())
    });
    destinations.collect()
}

fn rules() -> Vec<Offer> {
    let rules = RULES.iter().map(|rule| Offer {
        kind: CompletionItemKind::CONSTANT,
        detail: Some(rule.summary.to_owned()),
        words: column::rule(rule.id),
        ..Offer::plain(rule.id.to_owned())
    });
    rules.collect()
}
