//! What is known about a column, a table or a rule, in Markdown.

use check::{RULES, explain};
use model::{
    ecs::{self, ecs},
    name::TableName,
    schema::TableSchema,
};
use project::{Project, Table};

/// A list of columns in a hover ends here.
const MOST_COLUMNS: usize = 40;

/// The tables that a file is about: those of a detection, of a log source, or the one of a table file.
pub(crate) fn tables_of<'a>(project: &'a Project, file: &str) -> Vec<&'a Table> {
    let within = |directory: &str| file.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
    if let Some(detection) = project.detections.values().find(|detection| within(&detection.directory)) {
        return detection.tables.iter().filter_map(|name| project.tables.get(name)).collect();
    }
    let Some(source) = project.log_sources.values().find(|source| within(&source.directory)) else { return Vec::new() };
    let tables: Vec<&Table> = source.tables.values().filter_map(|name| project.tables.get(name)).collect();
    let own: Vec<&Table> = tables.iter().copied().filter(|table| table.files.iter().any(|one| one == file)).collect();
    if own.is_empty() { tables } else { own }
}

/// A column: its type in ECS and in the tables that have it, and the values that ECS allows.
pub(crate) fn column(project: &Project, tables: &[&Table], path: &str) -> Option<String> {
    let mut out = ecs_field(path).unwrap_or_default();
    let all: Vec<&Table> = if tables.is_empty() { project.tables.values().collect() } else { tables.to_vec() };
    let having: Vec<(&TableName, String)> =
        all.iter().filter_map(|table| Some((&table.name, table.schema.get(path)?.to_string()))).collect();
    for (table, kind) in &having {
        if !out.is_empty() {
            out.push_str("\n\n");
        } else {
            out.push_str(&format!("**`{path}`**\n\n"));
        }
        out.push_str(&format!("column of `{table}`: `{}`", shortened(kind)));
    }
    if having.is_empty() && !out.is_empty() && !tables.is_empty() {
        let names: Vec<String> = tables.iter().map(|table| format!("`{}`", table.name)).collect();
        out.push_str(&format!("\n\nno column of {}", names.join(", ")));
    }
    (!out.is_empty()).then_some(out)
}

/// What ECS says of a field or a group.
pub(crate) fn ecs_field(path: &str) -> Option<String> {
    let version = ecs::VERSION;
    let Some(field) = ecs().field(path) else {
        return ecs().is_group(path).then(|| format!("**`{path}`** group of ECS {version}"));
    };
    let array = if field.array { ", normally several values" } else { "" };
    let mut out = format!("**`{path}`** `{}`{array} (ECS {version})", field.ecs_type);
    if !field.allowed.is_empty() {
        let values: Vec<String> = field.allowed.iter().map(|value| format!("`{value}`")).collect();
        out.push_str(&format!("\n\nvalues: {}", values.join(", ")));
    }
    Some(out)
}

/// A table and its columns. Enrichment tables are those that begin with `enrich_`.
pub(crate) fn table(project: &Project, name: &str) -> Option<String> {
    if let Some(table) = project.tables.values().find(|table| table.name.as_str() == name) {
        let head = format!("**`{name}`** table of the log source `{}`", table.log_source);
        return Some(format!("{head}\n\n{}", columns(&table.schema)));
    }
    let short = name.strip_prefix("enrich_").unwrap_or(name);
    let table = project.enrichment.values().find(|table| table.name.as_str() == short)?;
    let keys: Vec<String> = table.lookup_keys.iter().map(|key| format!("`{key}`")).collect();
    let head = format!("**`{short}`** enrichment table, looked up by {}", keys.join(", "));
    Some(format!("{head}\n\n{}", columns(&table.schema)))
}

fn columns(schema: &TableSchema) -> String {
    let leaves = schema.leaves();
    let mut out = String::new();
    for (path, kind) in leaves.iter().take(MOST_COLUMNS) {
        out.push_str(&format!("- `{path}` `{}`\n", shortened(&kind.to_string())));
    }
    if leaves.len() > MOST_COLUMNS {
        out.push_str(&format!("\n{} more columns", leaves.len() - MOST_COLUMNS));
    }
    out
}

/// A destination.
pub(crate) fn destination(project: &Project, name: &str) -> Option<String> {
    let destination = project.destinations.values().find(|destination| destination.name.as_str() == name)?;
    Some(format!("**`{name}`** destination, see `{}`", destination.file))
}

/// A rule of `check`.
pub(crate) fn rule(id: &str) -> Option<String> {
    let rule = RULES.iter().find(|rule| rule.id == id)?;
    let text = explain::explain(rule.id).ok()?;
    Some(format!("```text\n{}\n```", text.trim_end()))
}

fn shortened(kind: &str) -> String {
    const MOST: usize = 80;
    if kind.len() <= MOST {
        return kind.to_owned();
    }
    format!("{}…", &kind[..kind.floor_char_boundary(MOST)])
}
