//! Events that the events of tests are laid over.

use std::collections::BTreeMap;

use model::{nested::overlay, schema::TableSchema};
use serde_json::{Map, Value};

use super::super::Loader;
use crate::{rules, yaml::Doc};

/// Where fixtures that detections share lie.
const DIRECTORY: &str = "fixtures";
const EXTENSIONS: [&str; 3] = ["yml", "yaml", "json"];

/// The fixtures that a detection's tests can name.
pub struct Fixtures<'a> {
    /// Its detection.yml.
    pub doc: &'a Doc,
    /// The directory of that file.
    pub directory: &'a str,
    /// Those of the file itself.
    pub named: &'a BTreeMap<String, Map<String, Value>>,
}

impl Fixtures<'_> {
    /// An event laid over the fixture it names, nested as the table's columns are. `None` where there is no such fixture.
    pub fn event(
        &self,
        loader: &mut Loader<'_>,
        schema: &TableSchema,
        (pointer, name): (&str, Option<&str>),
        event: Option<&Map<String, Value>>,
    ) -> Option<Value> {
        let event = Value::Object(event.cloned().unwrap_or_default());
        let Some(name) = name else { return Some(event) };
        let mut under = schema.nest(&self.find(loader, pointer, name)?);
        overlay(&mut under, schema.nest(&event));
        Some(under)
    }

    fn find(&self, loader: &mut Loader<'_>, pointer: &str, name: &str) -> Option<Value> {
        if let Some(event) = self.named.get(name) {
            return Some(Value::Object(event.clone()));
        }
        if EXTENSIONS.iter().any(|extension| name.ends_with(&format!(".{extension}"))) {
            let (file, bytes) = super::file(loader, self.doc, pointer, self.directory, name)?;
            return read(loader, &file, &bytes);
        }
        let files = loader.files;
        let paths = EXTENSIONS.iter().map(|extension| format!("{DIRECTORY}/{name}.{extension}"));
        if let Some((path, bytes)) = paths.into_iter().find_map(|path| Some((path.clone(), files.get(&path)?))) {
            return read(loader, &path, bytes);
        }
        let stem = |(path, _): (&'_ str, _)| path.rsplit_once('.').map(|(stem, _)| stem.to_owned());
        let shared: Vec<String> = files.below(DIRECTORY).filter_map(stem).collect();
        let known: Vec<&str> = self.named.keys().chain(&shared).map(String::as_str).collect();
        let mut diagnostic = self.doc.at(&rules::MISSING_FILE, pointer, format!("there is no fixture `{name}`"));
        diagnostic = match known.is_empty() {
            true => diagnostic.help(format!(
                "add it below `fixtures:` of this file, or as {DIRECTORY}/{name}.yml for all detections"
            )),
            false => diagnostic.suggest(name, known),
        };
        loader.report(diagnostic);
        None
    }
}

/// An event in a file of its own; mistakes of it are told once, however many tests name it.
fn read(loader: &mut Loader<'_>, file: &str, bytes: &[u8]) -> Option<Value> {
    if let Some(known) = loader.fixtures.get(file) {
        return known.clone();
    }
    let event = Doc::parse(file, bytes, &mut loader.diagnostics).and_then(|doc| match doc.to_value() {
        value @ Value::Object(_) => Some(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            let message = "expected one event as a mapping of columns";
            let help = "a fixture is one event; give a test several with `sequence`";
            loader.report(doc.at(&rules::INVALID_VALUE, "", message).help(help));
            None
        }
    });
    loader.fixtures.insert(file.to_owned(), event.clone());
    event
}
