//! What names something else: tables, destinations, enrichment tables; and log sources that claim the same objects.

use std::sync::LazyLock;

use model::name::{DestinationName, EnrichmentName, TableName};
use regex::Regex;

use super::Loader;
use crate::{
    diagnostic::Diagnostic,
    project::LogSource,
    rules::{self, Rule},
    source::Source,
    yaml::Doc,
};

/// A table that a detection names. A query may also read what matano itself writes, and enrichment tables.
pub fn table(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, name: &str, in_query: bool) -> Option<TableName> {
    let parsed = TableName::parse(name).ok();
    if let Some(table) = &parsed
        && loader.project.tables.contains_key(table)
    {
        return parsed;
    }
    let own = [TableName::alerts(), TableName::rejects()];
    let own = own.into_iter().chain(loader.project.enrichment.keys().map(TableName::of_enrichment));
    let own: Vec<TableName> = own.collect();
    if let Some(table) = parsed.filter(|table| own.contains(table)) {
        if in_query {
            return Some(table);
        }
        let message = format!("the rows of `{table}` do not pass through detections");
        let help = "use a `schedule` and a `query` to look at this table";
        loader.report(doc.at(&rules::UNKNOWN_TABLE, pointer, message).help(help));
        return None;
    }
    if !loader.may_be_unread(name.strip_prefix("enrich_").unwrap_or(name)) {
        let mut known: Vec<&str> = loader.project.tables.keys().map(TableName::as_str).collect();
        if in_query {
            known.extend(own.iter().map(TableName::as_str));
        }
        let diagnostic = doc.at(&rules::UNKNOWN_TABLE, pointer, format!("table `{name}` does not exist"));
        let diagnostic = diagnostic.suggest(name, known);
        loader.report(diagnostic);
    }
    None
}

/// A destination that a detection names.
pub fn destination(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, name: &str) -> Option<DestinationName> {
    let known = &loader.project.destinations;
    if let Some(destination) = known.get(name) {
        return Some(destination.name.clone());
    }
    if loader.unread.iter().any(|stem| stem == name) {
        return None;
    }
    let diagnostic = doc.at(&rules::UNKNOWN_DESTINATION, pointer, format!("destination `{name}` does not exist"));
    let mut diagnostic = diagnostic.suggest(name, known.keys().map(DestinationName::as_str));
    if known.is_empty() {
        diagnostic = diagnostic.help("add it as a file in integrations/destinations/");
    }
    loader.report(diagnostic);
    None
}

/// What can only be checked when everything is loaded.
pub fn check(loader: &mut Loader<'_>) {
    overlapping_sources(loader);
    lookups_in_vrl(loader);
    lookups_in_python(loader);
    super::tests::also_fires(loader);
}

/// Two log sources that can both claim one object.
fn overlapping_sources(loader: &mut Loader<'_>) {
    let sources: Vec<&LogSource> = loader.project.log_sources.values().collect();
    let mut out = Vec::new();
    for (index, left) in sources.iter().enumerate() {
        for right in &sources[index + 1..] {
            let (one, other) = (&left.objects, &right.objects);
            let nested = one.key_prefix.starts_with(&other.key_prefix) || other.key_prefix.starts_with(&one.key_prefix);
            // whether two patterns exclude each other cannot be told; a pattern against none never does
            let told_apart =
                one.key_pattern.is_some() && other.key_pattern.is_some() && one.key_pattern != other.key_pattern;
            if one.bucket == other.bucket && nested && !told_apart {
                out.push(overlap(loader, left, right));
            }
        }
    }
    loader.diagnostics.extend(out);
}

fn overlap(loader: &Loader<'_>, left: &LogSource, right: &LogSource) -> Diagnostic {
    // the later file is the one to blame: it was probably written later
    let (first, second) = if left.file <= right.file { (left, right) } else { (right, left) };
    let place = |source: &LogSource| {
        let doc = loader.project.doc(&source.file)?;
        let pointers =
            ["/ingest/s3_source/key_prefix", "/ingest/s3_source/key_pattern", "/ingest/s3_source/bucket_name"];
        let pointer = pointers.into_iter().find(|pointer| doc.node(pointer).is_some()).unwrap_or("/name");
        Some(doc.point(pointer))
    };
    let bucket = match &second.objects.bucket {
        Some(bucket) => format!("of the bucket `{bucket}`"),
        None => "of the ingestion bucket".to_owned(),
    };
    let longer = first.objects.key_prefix.as_str().max(second.objects.key_prefix.as_str());
    let message = format!("objects {bucket} below `{longer}` belong to both `{}` and `{}`", first.name, second.name);
    Diagnostic::new(&rules::OVERLAPPING_SOURCES, &second.file, place(second), message)
        .help("give both a `key_pattern` that tells them apart, or prefixes that do")
        .related(&first.file, place(first), "the other one is here")
}

static VRL_LOOKUP: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"get_enrichment_table_record!?\(\s*(?:table\s*:\s*)?"([^"\\]*)""#));
static PYTHON_IMPORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^[ \t]*from[ \t]+detection\.enrichment[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-Za-z_][A-Za-z0-9_]*(?:\s+as\s+[A-Za-z_][A-Za-z0-9_]*)?"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant that a test runs")
}

fn lookups_in_vrl(loader: &mut Loader<'_>) {
    let mut out = Vec::new();
    for program in loader.project.programs() {
        for found in VRL_LOOKUP.captures_iter(&program.text) {
            let Some(name) = found.get(1) else { continue };
            let line = program.text[..name.start()].rsplit('\n').next().unwrap_or_default();
            if line.trim_start().starts_with('#') {
                continue;
            }
            let (file, span) = program.span(name.range());
            out.extend(unknown_enrichment(loader, name.as_str()).map(|found| found.at(&file, span)));
        }
    }
    loader.diagnostics.extend(out);
}

fn lookups_in_python(loader: &mut Loader<'_>) {
    let mut out = Vec::new();
    for detection in loader.project.detections.values() {
        for (path, bytes) in &detection.files {
            let Ok(text) = std::str::from_utf8(bytes) else { continue };
            let source = Source::new(&detection.path_of(path), text.to_owned());
            for import in PYTHON_IMPORT.captures_iter(text) {
                let Some(names) = import.get(1) else { continue };
                for word in WORD.find_iter(names.as_str()) {
                    let name = word.as_str().split_whitespace().next().unwrap_or_default();
                    let start = names.start() + word.start();
                    let span = source.span(start, start + name.len());
                    let found = unknown_enrichment(loader, name).map(|found| found.at(source.file(), Some(span)));
                    out.extend(found.map(|found| keeping_name(found, name, word.as_str())));
                }
            }
        }
    }
    loader.diagnostics.extend(out);
}

/// What follows an import goes on to use the name that it had.
fn keeping_name(mut diagnostic: Diagnostic, name: &str, import: &str) -> Diagnostic {
    let has_alias = import.trim() != name;
    for edit in diagnostic.fix.iter_mut().flat_map(|fix| &mut fix.edits).filter(|_| !has_alias) {
        edit.text = format!("{} as {name}", edit.text);
    }
    diagnostic
}

/// An enrichment table that does not exist, not yet tied to a place.
struct Unknown<'a> {
    name: String,
    known: Vec<&'a EnrichmentName>,
}

impl Unknown<'_> {
    fn at(self, file: &str, span: Option<crate::diagnostic::Span>) -> Diagnostic {
        const RULE: &Rule = &rules::UNKNOWN_ENRICHMENT;
        let message = format!("enrichment table `{}` does not exist", self.name);
        let mut diagnostic = Diagnostic::new(RULE, file, span, message);
        if self.known.is_empty() {
            return diagnostic.help("add it as enrichment/<dir>/enrichment.yml");
        }
        let bare = self.name.strip_prefix("enrich_").unwrap_or(&self.name);
        diagnostic = diagnostic.suggest(bare, self.known.iter().map(|name| name.as_str()));
        diagnostic
    }
}

fn unknown_enrichment<'a>(loader: &'a Loader<'_>, name: &str) -> Option<Unknown<'a>> {
    let known = &loader.project.enrichment;
    if known.contains_key(name) || loader.may_be_unread(name) {
        return None;
    }
    Some(Unknown { name: name.to_owned(), known: known.keys().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_are_found_in_vrl_and_python() {
        let found = VRL_LOOKUP.captures(r#"x = get_enrichment_table_record!( "tor", .source.ip)"#).unwrap();
        assert_eq!(&found[1], "tor");
        let found = PYTHON_IMPORT.captures("import os\nfrom detection.enrichment import a, b as c # x\n").unwrap();
        let words: Vec<&str> = WORD.find_iter(&found[1]).map(|word| word.as_str()).collect();
        assert_eq!(words, ["a", "b as c"]);
    }
}
