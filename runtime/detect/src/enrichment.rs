use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arrow::array::Array;
use model::worker::LoadEnrichment;
use pyo3::{
    exceptions::{PyImportError, PyValueError},
    prelude::*,
    types::PyString,
};

use crate::{
    row::Shown,
    tree::{Kind, Tree},
    value::to_python,
    window::{RowFile, WINDOW, Window},
};

/// A table that detections look values up in: `from detection.enrichment import tor_exits`.
#[pyclass(frozen)]
pub struct EnrichmentTable {
    name: String,
    /// Replaced while a test has rows of its own.
    content: Mutex<Arc<Content>>,
}

/// A table's rows.
pub struct Content {
    load: LoadEnrichment,
    rows: OnceLock<Vec<Arc<Window>>>,
    /// By lookup key: the last row of each value.
    indexes: Mutex<HashMap<String, Arc<HashMap<String, u64>>>>,
}

impl EnrichmentTable {
    /// Reads nothing yet.
    pub fn new(load: LoadEnrichment) -> Self {
        Self { name: load.name.clone(), content: Mutex::new(Arc::new(Content::new(load))) }
    }

    /// The rows there are.
    pub fn content(&self) -> Arc<Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts rows in place of those there are, for everyone who has imported the table.
    pub fn replace(&self, content: Arc<Content>) {
        *self.content.lock().unwrap_or_else(PoisonError::into_inner) = content;
    }

    /// The table of this name among those there are.
    pub fn find(tables: &[Py<Self>], name: &str) -> PyResult<Py<Self>> {
        Python::attach(|py| match tables.iter().find(|table| table.get().name == name) {
            Some(table) => Ok(table.clone_ref(py)),
            None => {
                let names: Vec<&str> = tables.iter().map(|table| table.get().name.as_str()).collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Err(PyImportError::new_err(format!("there is no enrichment table `{name}`; there are: {names}")))
            }
        })
    }
}

impl Content {
    /// Reads nothing yet.
    pub fn new(load: LoadEnrichment) -> Self {
        Self { load, rows: OnceLock::new(), indexes: Mutex::default() }
    }

    fn windows(&self) -> PyResult<&Vec<Arc<Window>>> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows);
        }
        let file = Arc::new(RowFile::open(Path::new(&self.load.file), 0)?);
        let rows = file.rows();
        let windows = Window::all(&file, 0..rows).map(|(window, _)| window).collect();
        Ok(self.rows.get_or_init(|| windows))
    }

    fn key<'a>(&'a self, wanted: Option<&'a str>) -> PyResult<&'a str> {
        let keys = &self.load.lookup_keys;
        let (name, known) = (&self.load.name, keys.join(", "));
        match (wanted, keys.as_slice()) {
            (_, []) => Err(PyValueError::new_err(format!(
                "enrichment table `{name}` has no lookup keys; add `lookup_keys` to its enrichment.yml"
            ))),
            (None, [only]) => Ok(only),
            (None, _) => Err(PyValueError::new_err(format!(
                "enrichment table `{name}` has several lookup keys; pass `lookup_key`, one of: {known}"
            ))),
            (Some(wanted), _) if keys.iter().any(|key| key == wanted) => Ok(wanted),
            (Some(wanted), _) => Err(PyValueError::new_err(format!(
                "`{wanted}` is no lookup key of enrichment table `{name}`; expected one of: {known}"
            ))),
        }
    }

    fn index(&self, py: Python<'_>, key: &str) -> PyResult<Arc<HashMap<String, u64>>> {
        let known = self.indexes.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(index) = known {
            return Ok(index);
        }
        let mut index = HashMap::new();
        let mut row = 0;
        for window in self.windows()? {
            let mut at = Tree::ROOT;
            for part in key.split('.') {
                at = window.tree().member(at, part).ok_or_else(|| {
                    let name = &self.load.name;
                    PyValueError::new_err(format!("enrichment table `{name}` has no column `{key}`"))
                })?;
            }
            if matches!(window.tree().node(at).kind, Kind::Group { .. }) {
                return Err(PyValueError::new_err(format!("`{key}` is a group of columns and can't be looked up")));
            }
            let column = window.column(at)?;
            for place in 0..column.len() {
                if column.is_valid(place) {
                    index.insert(to_python(py, column, place)?.str()?.to_string_lossy().into_owned(), row);
                }
                row += 1;
            }
        }
        let index = Arc::new(index);
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), index.clone());
        Ok(index)
    }
}

#[pymethods]
impl EnrichmentTable {
    /// The last row whose column `lookup_key` has this value, as a dictionary, or None. The key can be left out where the
    /// table has only one.
    #[pyo3(signature = (value, lookup_key=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        lookup_key: Option<&str>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let content = self.content();
        let key = content.key(lookup_key)?;
        if value.is_none() {
            return Ok(None);
        }
        let index = content.index(py, key)?;
        let found = match value.cast::<PyString>() {
            Ok(text) => index.get(&*text.to_string_lossy()),
            Err(_) => index.get(&*value.str()?.to_string_lossy()),
        };
        let Some(row) = found.and_then(|row| usize::try_from(*row).ok()) else { return Ok(None) };
        let window = &content.windows()?[row / WINDOW];
        Shown::new(py, window, row % WINDOW)?.record.call_method0("to_dict").map(Some)
    }

    fn __repr__(&self) -> String {
        format!("<enrichment table {}>", self.name)
    }
}
