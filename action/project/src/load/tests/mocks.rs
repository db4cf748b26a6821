//! What stands in for what a detection uses.

use model::{
    name::EnrichmentName,
    nested::overlay,
    worker::{CacheValue, StandIn},
};
use serde_json::{Map, Value, json};

use super::{super::Loader, input, objects};
use crate::{
    project::Mocks,
    rules,
    spec::test::{MocksSpec, TableMockSpec},
    yaml::{Doc, escape},
};

/// The mocks of a test. Enrichment tables are loaded before detections, so that they are known here.
pub fn mocks(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, spec: MocksSpec) -> Mocks {
    let MocksSpec { enrichment, remotecache, attributes } = spec;
    let mut out = Mocks::default();
    for (name, rows) in enrichment.unwrap_or_default() {
        let at = format!("{pointer}/enrichment/{}", escape(&name));
        out.enrichment.extend(table(loader, doc, &at, &name, rows));
    }
    for (namespace, values) in remotecache.unwrap_or_default() {
        let values = values.into_iter().map(|(key, value)| (key, remembered(value))).collect();
        out.remembered.insert(namespace, values);
    }
    for (path, written) in attributes.unwrap_or_default() {
        let at = format!("{pointer}/attributes/{}", escape(&path));
        if !path.contains('.') {
            let message = format!("expected a module and what it has, such as `detect.now`, found `{path}`");
            loader.report(doc.at_key(&rules::INVALID_VALUE, &at, message));
        } else if let Some(what) = stand_in(loader, doc, &at, written) {
            out.attributes.insert(path, what);
        }
    }
    out
}

fn table(
    loader: &mut Loader<'_>,
    doc: &Doc,
    pointer: &str,
    name: &str,
    rows: TableMockSpec,
) -> Option<(EnrichmentName, Vec<Value>)> {
    let Some(table) = loader.project.enrichment.get(name) else {
        if !loader.may_be_unread(name) {
            let known: Vec<String> = loader.project.enrichment.keys().map(ToString::to_string).collect();
            let message = format!("enrichment table `{name}` does not exist");
            let bare = name.strip_prefix("enrich_").unwrap_or(name);
            let diagnostic = doc.at_key(&rules::UNKNOWN_ENRICHMENT, pointer, message);
            loader.report(diagnostic.suggest(bare, known.iter().map(String::as_str)));
        }
        return None;
    };
    let rows = match (rows, table.lookup_keys.as_slice()) {
        (TableMockSpec::Rows(rows), _) => objects(&rows),
        (TableMockSpec::ByKey(rows), [key]) => {
            let row = |(value, rest): (String, Map<String, Value>)| {
                let mut row = table.schema.nest(&Value::Object(rest));
                overlay(&mut row, table.schema.nest(&json!({ key.as_str(): value })));
                row
            };
            rows.into_iter().map(row).collect()
        }
        (TableMockSpec::ByKey(_), keys) => {
            let message = match keys.len() {
                0 => format!("the enrichment table `{name}` has no lookup key to give rows by"),
                _ => format!("the enrichment table `{name}` has several lookup keys"),
            };
            let help = "give the rows as a list, with all their columns";
            loader.report(doc.at_key(&rules::INVALID_VALUE, pointer, message).help(help));
            return None;
        }
    };
    Some((table.name.clone(), rows))
}

/// `{strings: [...]}` is a set of strings, anything else is itself.
fn remembered(value: Value) -> CacheValue {
    if let Value::Object(members) = &value
        && let (1, Some(Value::Array(strings))) = (members.len(), members.get("strings"))
    {
        let mut strings: Vec<String> = strings.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        strings.sort();
        strings.dedup();
        return CacheValue::Strings(strings);
    }
    CacheValue::Json(value)
}

fn stand_in(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, written: Value) -> Option<StandIn> {
    const KINDS: [&str; 4] = ["value", "returns", "returns_time", "raises"];
    let Value::Object(members) = &written else { return Some(StandIn::Value(written)) };
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| members.contains_key(*kind)).collect();
    let [kind] = kinds.as_slice() else {
        if kinds.is_empty() {
            return Some(StandIn::Value(written));
        }
        let message = format!("expected one of `value`, `returns`, `returns_time` and `raises`, found {}", kinds.len());
        loader.report(doc.at_key(&rules::INVALID_VALUE, pointer, message));
        return None;
    };
    if members.len() > 1 {
        let message = format!("expected `{kind}` alone, found other keys next to it");
        let help = "write a mapping that is the value itself as `{value: {...}}`";
        loader.report(doc.at_key(&rules::INVALID_VALUE, pointer, message).help(help));
        return None;
    }
    let content = members.get(*kind).cloned().unwrap_or_default();
    let at = format!("{pointer}/{kind}");
    let text = |loader: &mut Loader<'_>, what: &str| {
        let text = content.as_str().map(str::to_owned);
        if text.is_none() {
            loader.report(doc.at(&rules::INVALID_VALUE, &at, format!("expected {what}, found no text")));
        }
        text
    };
    Some(match *kind {
        "returns" => StandIn::Returns(content),
        "returns_time" => {
            let text = text(loader, "a time such as `2026-01-01T00:00:00Z`")?;
            StandIn::ReturnsTime(input::time(loader, doc, &at, &text)?.to_string())
        }
        "raises" => StandIn::Raises(text(loader, "an exception such as `ValueError: what it says`")?),
        _ => StandIn::Value(content),
    })
}
