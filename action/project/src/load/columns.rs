//! The columns of a table: those of matano, those of ECS that it asks for, and its own, from all its layers.

use std::collections::BTreeMap;

use model::{
    ecs::ecs,
    schema::{Field, FieldType, SchemaConflict, TableSchema},
};
use serde_json::Value;

use super::Loader;
use crate::{
    rules,
    spec::table::FieldSpec,
    yaml::{Doc, Node},
};

/// What one file adds to the columns of a table.
pub struct Layer<'a> {
    /// The file.
    pub doc: &'a Doc,
    /// Its `schema.ecs_field_names`.
    pub ecs_field_names: &'a [String],
    /// Its `schema.fields`.
    pub fields: &'a [FieldSpec],
}

/// `base`, then what ECS has under the names of all layers, then the layers' own columns.
pub fn build(loader: &mut Loader<'_>, base: TableSchema, layers: &[Layer<'_>]) -> TableSchema {
    let mut schema = base;
    for layer in layers {
        select(loader, layer, &mut schema);
    }
    let mut first_named: BTreeMap<String, (String, String)> = BTreeMap::new();
    for layer in layers {
        for field in layer.fields {
            own_field(loader, layer, field, &mut schema, &mut first_named);
        }
    }
    schema
}

fn select(loader: &mut Loader<'_>, layer: &Layer<'_>, schema: &mut TableSchema) {
    for (index, name) in layer.ecs_field_names.iter().enumerate() {
        let pointer = format!("/schema/ecs_field_names/{index}");
        let (unknown, conflicts) = ecs().select(std::slice::from_ref(name), schema);
        if !unknown.is_empty() {
            let message = format!("`{name}` is neither a field nor a group of ECS {}", model::ecs::VERSION);
            let mut diagnostic = layer.doc.at(&rules::UNKNOWN_ECS_FIELD, &pointer, message);
            diagnostic = match ecs().alike(name) {
                Some(alike) => diagnostic.meant(name, alike),
                None => diagnostic.help("a column of your own belongs into `schema.fields`"),
            };
            loader.report(diagnostic);
        }
        for conflict in conflicts {
            loader.report(layer.doc.at(&rules::SCHEMA_CONFLICT, &pointer, conflict.to_string()));
        }
    }
}

fn own_field(
    loader: &mut Loader<'_>,
    layer: &Layer<'_>,
    field: &FieldSpec,
    schema: &mut TableSchema,
    first_named: &mut BTreeMap<String, (String, String)>,
) {
    let own = TableSchema { fields: vec![Field { name: field.name.clone(), kind: field.kind.clone() }] };
    if !names_are_good(loader, layer, &own) {
        return;
    }
    for (path, kind) in own.leaves() {
        let pointer = pointer_of(layer.doc, &path);
        if path == "matano" || path.starts_with("matano.") {
            let message = format!("the column `{path}` belongs to matano");
            loader.report(layer.doc.at(&rules::RESERVED_NAME, &pointer, message).help("choose another name"));
            continue;
        }
        if let Some(conflict) = ecs_conflict(&path, kind) {
            let SchemaConflict { path, left, right } = conflict;
            let message = format!("expected `{path}` to be {} as in ECS, found {}", words(&right), words(&left));
            let help = format!("give it that type, or ask for it with `ecs_field_names: [{path}]`");
            let at = pointer_of(layer.doc, &path);
            loader.report(layer.doc.at(&rules::ECS_CONFLICT, &at, message).help(help));
            continue;
        }
        match schema.insert(&path, kind.clone()) {
            Ok(()) => {
                first_named.entry(path).or_insert_with(|| (layer.doc.file().to_owned(), pointer));
            }
            Err(SchemaConflict { path, left, right }) => {
                let message = format!("the column `{path}` is {} already, found {}", words(&left), words(&right));
                let mut diagnostic = layer.doc.at(&rules::SCHEMA_CONFLICT, &pointer_of(layer.doc, &path), message);
                if let Some((file, pointer)) = first_named.get(&path) {
                    let span = loader.project.doc(file).map(|doc| doc.point(pointer));
                    diagnostic = diagnostic.related(file, span, "it is declared here");
                }
                loader.report(diagnostic.help("give it one type, or another name"));
            }
        }
    }
}

/// A type as people read it: ECS has structs of a hundred fields.
fn words(kind: &FieldType) -> String {
    let whole = kind.to_string();
    match kind {
        _ if whole.len() <= 80 => format!("`{whole}`"),
        FieldType::List(_) => "a list of structs".to_owned(),
        FieldType::Struct(_)
        | FieldType::Boolean
        | FieldType::Int
        | FieldType::Long
        | FieldType::Float
        | FieldType::Double
        | FieldType::String
        | FieldType::Timestamp
        | FieldType::Date => "a struct".to_owned(),
    }
}

/// The type that ECS gives a column or one of its parents, where it is another one: (ours, theirs).
fn ecs_conflict(path: &str, kind: &FieldType) -> Option<SchemaConflict> {
    let mut own = TableSchema::default();
    own.insert(path, kind.clone()).ok()?;
    let parents = path.match_indices('.').map(|(at, _)| &path[..at]).filter(|parent| ecs().field(parent).is_some());
    for name in parents.chain([path]) {
        if name == "@timestamp" {
            continue;
        }
        let mut theirs = TableSchema::default();
        if ecs().field(name).is_none() && !ecs().is_group(name) {
            continue;
        }
        ecs().select(&[name.to_owned()], &mut theirs);
        // a group that ECS also lists as a field of its own (`dns.answers`) is open for more members
        if let Err(conflict) = own.union(&theirs) {
            return Some(conflict);
        }
    }
    None
}

/// Names that need no quoting, as Athena, Glue and Python want them.
fn names_are_good(loader: &mut Loader<'_>, layer: &Layer<'_>, own: &TableSchema) -> bool {
    fn walk(path: &str, kind: &FieldType, out: &mut Vec<(String, String)>) {
        match kind {
            FieldType::Struct(fields) => {
                for field in fields {
                    let path = format!("{path}.{}", field.name);
                    out.push((path.clone(), field.name.clone()));
                    walk(&path, &field.kind, out);
                }
            }
            FieldType::List(element) => walk(path, element, out),
            FieldType::Boolean
            | FieldType::Int
            | FieldType::Long
            | FieldType::Float
            | FieldType::Double
            | FieldType::String
            | FieldType::Timestamp
            | FieldType::Date => (),
        }
    }
    let mut paths = Vec::new();
    for field in &own.fields {
        paths.push((field.name.clone(), field.name.clone()));
        walk(&field.name, &field.kind, &mut paths);
    }
    let mut good = true;
    for (path, name) in paths {
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain {
            let message = format!("a column's name is made of letters, digits and `_`, found `{name}`");
            let at = format!("{}/name", pointer_of(layer.doc, &path));
            let mut diagnostic = layer.doc.at(&rules::INVALID_NAME, &at, message);
            if name.contains('.') {
                diagnostic = diagnostic.help("write `a.b` as a struct `a` with a field `b`");
            }
            loader.report(diagnostic);
            good = false;
        }
    }
    good
}

/// The pointer of the field at a dotted path; of the nearest parent where it is not found (names may hold dots).
pub fn pointer_of(doc: &Doc, path: &str) -> String {
    let mut pointer = "/schema/fields".to_owned();
    let mut rest = path;
    while !rest.is_empty() {
        let fields = doc.node(&pointer).map(Node::to_value);
        let Some(fields) = fields.as_ref().and_then(Value::as_array) else { break };
        let name_of = |field: &Value| field.get("name").and_then(Value::as_str).map(str::to_owned);
        let found = fields.iter().enumerate().find_map(|(index, field)| {
            let name = name_of(field)?;
            let behind = rest.strip_prefix(name.as_str())?;
            (behind.is_empty() || behind.starts_with('.')).then(|| (index, behind.trim_start_matches('.')))
        });
        let Some((index, behind)) = found else { break };
        pointer = format!("{pointer}/{index}");
        rest = behind;
        if rest.is_empty() {
            return pointer;
        }
        let mut kind = format!("{pointer}/type");
        while doc.node(&format!("{kind}/element")).is_some() {
            kind.push_str("/element");
        }
        pointer = format!("{kind}/fields");
    }
    pointer
}
