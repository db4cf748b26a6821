//! The files of a managed source, read as the user's are.

use std::sync::Arc;

use super::Loader;
use crate::{
    managed, rules,
    spec::{FileKind, LogSourceSpec, TableSpec},
    yaml::Doc,
};

/// A managed source, parsed.
pub struct ManagedSource {
    /// `aws_cloudtrail`
    pub kind: String,
    /// Its log_source.yml.
    pub source: (Arc<Doc>, LogSourceSpec),
    /// Its tables.
    pub tables: Vec<ManagedTable>,
}

/// A table of a managed source, parsed.
pub struct ManagedTable {
    /// `tables/digest.yml`
    pub path: String,
    /// `digest`
    pub name: String,
    /// Its file.
    pub doc: Arc<Doc>,
    /// What it says.
    pub spec: TableSpec,
}

/// The managed source of a type; a diagnostic at `/managed/type` of `doc` where there is none.
pub fn read(loader: &mut Loader<'_>, doc: &Doc, kind: &str) -> Option<ManagedSource> {
    let kind = kind.to_lowercase();
    let path = format!("{kind}/log_source.yml");
    let Some(bytes) = managed::files().get(&path) else {
        missing(loader, doc, &kind);
        return None;
    };
    let source =
        loader.read::<LogSourceSpec>(FileKind::LogSource, &format!("{}{path}", managed::FILE_PREFIX), bytes)?;
    let mut tables = Vec::new();
    for (path, bytes) in managed::files().below(&kind) {
        let Some(stem) = path.strip_prefix("tables/").and_then(|path| path.strip_suffix(".yml")) else { continue };
        let file = format!("{}{kind}/{path}", managed::FILE_PREFIX);
        if let Some((doc, spec)) = loader.read::<TableSpec>(FileKind::Table, &file, bytes) {
            let name = spec.name.clone().unwrap_or_else(|| stem.to_owned());
            tables.push(ManagedTable { path: path.to_owned(), name, doc, spec });
        }
    }
    Some(ManagedSource { kind, source, tables })
}

fn missing(loader: &mut Loader<'_>, doc: &Doc, kind: &str) {
    const AT: &str = "/managed/type";
    if managed::SOURCE_TYPES.iter().any(|known| known.name == kind) {
        let message = format!("the managed source `{kind}` does not come with this version of matano yet");
        let help = "write it as a log source of your own: remove `managed`, and give it `schema` and `transform`";
        loader.report(doc.at(&rules::MANAGED_SOURCE_MISSING, AT, message).help(help));
        return;
    }
    let known: Vec<&str> =
        managed::shipped_sources().into_iter().chain(managed::SOURCE_TYPES.iter().map(|known| known.name)).collect();
    let message = format!("there is no managed source `{kind}`");
    loader.report(doc.at(&rules::UNKNOWN_MANAGED_TYPE, AT, message).suggest(kind, known));
}
