//! Tables to look values up in, held in memory, as `get_enrichment_table_record` sees them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use model::{
    name::EnrichmentName,
    release::{Bundle, EnrichmentTable},
};
use vrl::value::{KeyString, ObjectMap, Value};

use crate::TransformError;

/// All enrichment tables of a release, by name without `enrich_`. Clones share the rows: programs that were compiled with
/// one see what [`EnrichmentTables::replace`] puts in through another.
#[derive(Debug, Clone, Default)]
pub struct EnrichmentTables(BTreeMap<EnrichmentName, Arc<Current>>);

/// The rows that a table has now.
#[derive(Debug)]
pub(crate) struct Current(RwLock<Arc<LookupTable>>);

impl Current {
    pub(crate) fn table(&self) -> Arc<LookupTable> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One table with an index for each of its lookup keys.
#[derive(Debug)]
pub struct LookupTable {
    lookup_keys: Vec<String>,
    rows: Vec<Value>,
    /// Of each lookup key: rows by the key's value as text. Of rows with the same value the last wins.
    indexes: HashMap<String, HashMap<String, Vec<usize>>>,
}

impl EnrichmentTables {
    /// No tables.
    pub fn none() -> Self {
        Self::default()
    }

    /// Tables as declared, without rows: what compiling needs.
    pub fn declared<'a>(tables: impl IntoIterator<Item = (&'a EnrichmentName, &'a [String])>) -> Self {
        let mut out = Self::default();
        for (name, lookup_keys) in tables {
            out.insert(name.clone(), LookupTable::new(lookup_keys, &[]));
        }
        out
    }

    /// Tables of a release with the rows that came with the project. Uploaded rows come with [`Self::replace`].
    pub fn of_bundle(bundle: &Bundle) -> Result<Self, TransformError> {
        let mut out = Self::default();
        for (name, table) in &bundle.release.enrichment {
            let rows = static_rows(bundle, table)?;
            out.insert(name.clone(), LookupTable::new(&table.lookup_keys, &rows));
        }
        Ok(out)
    }

    fn insert(&mut self, name: EnrichmentName, table: LookupTable) {
        self.0.insert(name, Arc::new(Current(RwLock::new(Arc::new(table)))));
    }

    /// Gives a table other rows, while programs look values up in it. One that is not there stays unknown.
    pub fn replace(&self, name: &EnrichmentName, table: LookupTable) {
        if let Some(current) = self.0.get(name) {
            *current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        }
    }

    /// A table by name, with or without `enrich_`.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Current>> {
        self.0.get(name).or_else(|| self.0.get(name.strip_prefix("enrich_")?))
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &EnrichmentName> {
        self.0.keys()
    }
}

/// The rows that come with the project: one JSON object a line; none where they are uploaded.
pub fn static_rows(bundle: &Bundle, table: &EnrichmentTable) -> Result<Vec<serde_json::Value>, TransformError> {
    let Some(digest) = table.data else { return Ok(Vec::new()) };
    let text = bundle.text(digest).ok_or(TransformError::MissingResource { digest })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let row = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line);
            row.map(serde_json::Value::Object).map_err(|error| TransformError::EnrichmentData {
                table: table.name.clone(),
                line: index + 1,
                error: error.to_string(),
            })
        })
        .collect()
}

impl LookupTable {
    /// Rows as nested JSON objects, and the dotted columns by which they are looked up.
    pub fn new(lookup_keys: &[String], rows: &[serde_json::Value]) -> Self {
        let rows: Vec<Value> = rows.iter().map(Value::from).collect();
        let mut indexes: HashMap<String, HashMap<String, Vec<usize>>> = HashMap::new();
        for key in lookup_keys {
            let index = indexes.entry(key.clone()).or_default();
            for (at, row) in rows.iter().enumerate() {
                if let Some(text) = at_path(row, key).and_then(key_text) {
                    index.entry(text).or_default().push(at);
                }
            }
        }
        Self { lookup_keys: lookup_keys.to_vec(), rows, indexes }
    }

    /// The last row for which all conditions hold. A lone value is a condition on the table's only lookup key.
    pub(crate) fn find(&self, condition: &Value) -> Result<Option<&Value>, String> {
        let single;
        let conditions: &ObjectMap = match (condition, self.lookup_keys.as_slice()) {
            (Value::Object(conditions), _) if conditions.is_empty() => {
                return Err("expected a condition on at least one column, found `{}`".to_owned());
            }
            (Value::Object(conditions), _) => conditions,
            (Value::Null, _) => return Ok(None),
            (value, [key]) => {
                single = ObjectMap::from([(KeyString::from(key.as_str()), value.clone())]);
                &single
            }
            (_, keys) => {
                return Err(format!(
                    "expected a condition `{{column: value}}`: the table has {} lookup keys, and a lone value needs \
                     exactly one",
                    keys.len()
                ));
            }
        };
        let holds = |row: &&Value| {
            conditions.iter().all(|(path, want)| {
                key_text(want).is_some_and(|want| at_path(row, path).and_then(key_text).as_ref() == Some(&want))
            })
        };
        let indexed = conditions.iter().find_map(|(path, want)| Some((self.indexes.get(path.as_str())?, want)));
        Ok(match indexed {
            Some((index, want)) => {
                let rows = key_text(want).and_then(|text| index.get(&text));
                rows.into_iter().flatten().rev().map(|&at| &self.rows[at]).find(holds)
            }
            None => self.rows.iter().rev().find(holds),
        })
    }
}

pub(crate) fn at_path<'a>(row: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(value) = row.as_object().and_then(|members| members.get(path)) {
        return Some(value);
    }
    path.split('.').try_fold(row, |value, name| value.as_object()?.get(name))
}

/// Equal values have equal texts; objects and lists are no keys.
fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::Bytes(_) | Value::String(_) => value.to_str().map(str::to_owned),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Timestamp(time) => Some(time.to_rfc3339()),
        Value::Regex(_) | Value::Object(_) | Value::Array(_) | Value::Null => None,
    }
}
