//! enrichment/<dir>/enrichment.yml and its data.json.

use std::sync::Arc;

use model::{
    name::EnrichmentName,
    release::WriteMode,
    schema::{FieldType, TableSchema},
};
use serde_json::Value;

use super::{Loader, columns, is_reserved};
use crate::{
    diagnostic::Diagnostic,
    managed,
    program::{Block, Kind, VrlProgram},
    project::Enrichment,
    rules,
    source::Source,
    spec::{
        EnrichmentSpec, FileKind,
        enrichment::{EnrichmentType, PrimaryKey, WriteModeSpec},
    },
    yaml::Doc,
};

const DIRECTORY: &str = "enrichment";

pub fn load(loader: &mut Loader<'_>) {
    for directory in loader.files.directories(DIRECTORY) {
        let path = format!("{DIRECTORY}/{directory}");
        let file = format!("{path}/enrichment.yml");
        let loaded = match loader.files.get(&file) {
            Some(bytes) => loader.read::<EnrichmentSpec>(FileKind::Enrichment, &file, bytes),
            None => None,
        };
        let table = loaded.and_then(|(doc, spec)| resolve(loader, &path, &doc, spec));
        match table {
            Some(table) => drop(loader.project.enrichment.insert(table.name.clone(), table)),
            None => loader.unread.push(directory.to_owned()),
        }
    }
}

fn resolve(loader: &mut Loader<'_>, directory: &str, doc: &Arc<Doc>, spec: EnrichmentSpec) -> Option<Enrichment> {
    let name = spec.name?;
    let name = loader.name(doc, "/name", EnrichmentName::parse(&name))?;
    if is_reserved(name.as_str()) {
        let message = format!("the name `{name}` belongs to matano");
        let help = "leave out `enrich_`: the table is called so by itself";
        loader.report(doc.at(&rules::RESERVED_NAME, "/name", message).help(help));
        return None;
    }
    if !loader.claim("enrichment table", name.as_str(), doc, "/name") {
        return None;
    }
    if let Some(kind) = spec.managed.as_ref().and_then(|managed| managed.kind.as_deref()) {
        managed_feed(loader, doc, kind);
    }
    let schema = spec.schema.unwrap_or_default();
    let ecs_field_names = schema.ecs_field_names.unwrap_or_default();
    let fields = schema.fields.unwrap_or_default();
    // a feed with fields of ECS carries their free words too, as in the original
    let mut base = TableSchema::default();
    if !ecs_field_names.is_empty() {
        let strings = FieldType::List(Box::new(FieldType::String));
        for (column, kind) in [("labels", FieldType::String), ("tags", strings)] {
            base.insert(column, kind).expect("each column is listed once");
        }
    }
    let layer = columns::Layer { doc, ecs_field_names: &ecs_field_names, fields: &fields };
    let columns = columns::build(loader, base, &[layer]);
    let lookup_keys = existing(loader, doc, &columns, "/lookup_keys", spec.lookup_keys.unwrap_or_default());
    let primary_key = match schema.primary_key {
        None => Vec::new(),
        Some(PrimaryKey::One(column)) => vec![column],
        Some(PrimaryKey::Several(columns)) => columns,
    };
    let primary_key = existing(loader, doc, &columns, "/schema/primary_key", primary_key);
    let kind = spec.enrichment_type.unwrap_or(EnrichmentType::Static);
    let write_mode = write_mode(loader, doc, kind, spec.write_mode, &primary_key);
    let data = match kind {
        EnrichmentType::Static if spec.managed.is_none() => data(loader, doc, directory),
        EnrichmentType::Static | EnrichmentType::Dynamic => None,
    };
    let transform = spec.transform.and_then(|_| Block::of(doc, "/transform")).map(|block| {
        let title = format!("transform of enrich_{name}");
        let mut program = VrlProgram::join(title, Kind::EnrichmentTransform, doc.file(), vec![block]);
        program.enrichment = Some(name.clone());
        program
    });
    let file = doc.file().to_owned();
    let directory = directory.to_owned();
    Some(Enrichment { name, file, directory, schema: columns, lookup_keys, write_mode, primary_key, data, transform })
}

fn managed_feed(loader: &mut Loader<'_>, doc: &Doc, kind: &str) {
    let kind = kind.to_lowercase();
    let diagnostic = if managed::ENRICHMENT_TYPES.contains(&kind.as_str()) {
        let message = format!("the managed enrichment table `{kind}` does not come with this version of matano yet");
        let help = "fetch the feed yourself, and upload it to a table of your own with `enrichment_type: dynamic`";
        doc.at(&rules::MANAGED_SOURCE_MISSING, "/managed/type", message).help(help)
    } else {
        let message = format!("there is no managed enrichment table `{kind}`");
        doc.at(&rules::UNKNOWN_MANAGED_TYPE, "/managed/type", message)
            .suggest(&kind, managed::ENRICHMENT_TYPES.iter().copied())
    };
    loader.report(diagnostic);
}

/// Those of `names` that are columns; the others are reported where they stand.
fn existing(
    loader: &mut Loader<'_>,
    doc: &Doc,
    columns: &TableSchema,
    pointer: &str,
    names: Vec<String>,
) -> Vec<String> {
    let leaves: Vec<String> = columns.leaves().into_iter().map(|(path, _)| path).collect();
    let mut out = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        if leaves.contains(&name) {
            out.push(name);
            continue;
        }
        let item = format!("{pointer}/{index}");
        let at = if doc.node(&item).is_some() { item.as_str() } else { pointer };
        let message = format!("the table has no column `{name}`");
        loader.report(doc.at(&rules::UNKNOWN_COLUMN, at, message).suggest(&name, leaves.iter().map(String::as_str)));
    }
    out
}

fn write_mode(
    loader: &mut Loader<'_>,
    doc: &Doc,
    kind: EnrichmentType,
    written: Option<WriteModeSpec>,
    primary_key: &[String],
) -> WriteMode {
    if kind == EnrichmentType::Static && written.is_some() {
        let message = "a static table is always replaced as a whole";
        let help = "remove `write_mode`, or write `enrichment_type: dynamic`";
        loader.report(doc.at(&rules::INVALID_VALUE, "/write_mode", message).help(help));
        return WriteMode::Overwrite;
    }
    match written {
        None | Some(WriteModeSpec::Overwrite) => WriteMode::Overwrite,
        Some(WriteModeSpec::Append) => WriteMode::Append,
        Some(WriteModeSpec::Merge) => {
            if primary_key.is_empty() && doc.node("/schema/primary_key").is_none() {
                let message = "`write_mode: merge` needs `schema.primary_key`";
                loader.report(doc.at(&rules::MISSING_KEY, "/write_mode", message));
            }
            WriteMode::Merge
        }
    }
}

/// data.json: one JSON object a line.
fn data(loader: &mut Loader<'_>, doc: &Doc, directory: &str) -> Option<Vec<u8>> {
    let file = format!("{directory}/data.json");
    let Some(bytes) = loader.files.get(&file) else {
        let message = format!("a static table needs its rows in {file}");
        let help = "write one JSON object a line, or `enrichment_type: dynamic` for a table that is uploaded";
        loader.report(doc.at(&rules::MISSING_FILE, "/name", message).help(help));
        return None;
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        loader.report(Diagnostic::new(&rules::INVALID_UTF8, &file, None, "expected UTF-8 text"));
        return None;
    };
    let source = Source::new(&file, text.to_owned());
    let text = text.trim_start_matches('\u{feff}');
    let mut good = true;
    for (index, line) in text.lines().enumerate() {
        let problem = match serde_json::from_str::<Value>(line) {
            _ if line.trim().is_empty() => continue,
            Ok(Value::Object(_)) => continue,
            Ok(_) => "expected a JSON object on each line".to_owned(),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default();
                let reason = reason.replace("EOF while parsing", "the line ends inside").to_lowercase();
                format!("expected a JSON object on each line: {reason}")
            }
        };
        let span = source.line_span(index + 1);
        let help = "put each object on a line of its own, without a list around them";
        loader.report(Diagnostic::new(&rules::INVALID_DATA, &file, Some(span), problem).help(help));
        good = false;
        // a pretty-printed file would be reported line by line
        break;
    }
    good.then(|| text.as_bytes().to_vec())
}
