use pyo3::{
    IntoPyObjectExt,
    exceptions::PyTypeError,
    intern,
    prelude::*,
    pyclass::CompareOp,
    sync::PyOnceLock,
    types::{PyDict, PyIterator, PyList, PyString, PyTuple},
};

use crate::{
    row::{is_placeholder, raw_copy, row_of},
    tree::Kind,
};

/// The methods of records: a `dict` whose items are put in when they are first asked for.
///
/// It has no data of its own. `Record` is made in Python as `class Record(..., LazyDict, dict)`, because the stable ABI of
/// Python 3.11 knows no other way to a subclass of `dict`, and being one is what makes `isinstance(r, dict)`,
/// `json.dumps(r)` and `f(**r)` work. What has been asked for lies in the dictionary itself, where the operators and
/// methods of [`crate::method`] find it for the next detection. Where the rest comes from is the slot `_row`.
#[pyclass(frozen, subclass, mapping)]
pub struct LazyDict;

static PATHS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Paths made at run time would fill the memory.
const MAX_PATHS: usize = 10_000;

/// The keys of paths that were split before, as tuples.
pub fn paths(py: Python<'_>) -> &Bound<'_, PyDict> {
    PATHS.get_or_init(py, || PyDict::new(py).unbind()).bind(py)
}

/// Before a detection changes something.
fn change(dict: &Bound<'_, PyDict>) -> PyResult<()> {
    if let Some(row) = row_of(dict)? {
        row.get().change();
    }
    Ok(())
}

fn fill(dict: &Bound<'_, PyDict>) -> PyResult<()> {
    match row_of(dict)? {
        Some(row) => row.get().fill(dict),
        None => Ok(()),
    }
}

/// An item that may not be in the dictionary yet.
pub fn look_up<'py>(dict: &Bound<'py, PyDict>, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Some(value) = dict.get_item(key)? {
        return Ok(Some(value));
    }
    let Some(row) = row_of(dict)? else { return Ok(None) };
    let row = row.get();
    match (row.is_full(), key.cast::<PyString>()) {
        (false, Ok(name)) => row.member(name).map(|member| row.fetch(dict, member)).transpose(),
        (true, _) | (false, Err(_)) => Ok(None),
    }
}

/// A method of `dict` itself, on a record that has everything.
fn of_dict<'py>(
    dict: &Bound<'py, PyDict>,
    method: &str,
    arguments: impl IntoIterator<Item = Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    fill(dict)?;
    let arguments = std::iter::once(dict.clone().into_any()).chain(arguments).collect::<Vec<_>>();
    dict.py().get_type::<PyDict>().getattr(method)?.call1(PyTuple::new(dict.py(), arguments)?)
}

/// A plain copy, all the way down.
fn to_dict<'py>(dict: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    let py = dict.py();
    let out = PyDict::new(py);
    if let Some(row) = row_of(dict)?
        && !row.get().is_full()
    {
        let row = row.get();
        for member in row.members() {
            let name = row.window().name(py, *member);
            let value = match dict.get_item(name)? {
                Some(value) => plain_copy(value)?,
                None => row.plain(py, *member)?,
            };
            out.set_item(name, value)?;
        }
    }
    for (key, value) in dict.iter() {
        if !is_placeholder(&key)? && !out.contains(&key)? {
            out.set_item(key, plain_copy(value)?)?;
        }
    }
    Ok(out)
}

fn plain_copy(value: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    if value.is_instance_of::<LazyDict>() {
        return Ok(to_dict(value.cast::<PyDict>()?)?.into_any());
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyDict>() {
        return value.py().import("copy")?.call_method1("deepcopy", (value,));
    }
    Ok(value)
}

/// The keys of a path, split once for each path.
pub fn keys_of<'py>(path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let py = path.py();
    let Ok(text) = path.cast::<PyString>() else {
        let keys = path.try_iter().map_err(|_| {
            PyTypeError::new_err("deepget takes a dotted path such as \"user.name\", or a list of keys")
        })?;
        return PyTuple::new(py, keys.collect::<PyResult<Vec<_>>>()?);
    };
    let paths = paths(py);
    if let Some(keys) = paths.get_item(text)? {
        return Ok(keys.cast_into::<PyTuple>()?);
    }
    let whole = text.to_string_lossy();
    let keys = PyTuple::new(py, whole.split('.').map(|key| PyString::intern(py, key)).collect::<Vec<_>>())?;
    if paths.len() >= MAX_PATHS {
        paths.clear();
    }
    paths.set_item(text, &keys)?;
    Ok(keys)
}

/// Decodes what a path ends at before the structs on the way: then none of them needs a column of its own to tell whether
/// it is null.
fn touch<'py>(dict: &Bound<'py, PyDict>, keys: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<()> {
    let Some(row) = row_of(dict)? else { return Ok(()) };
    let row = row.get();
    let (tree, mut at) = (row.tree(), row.group());
    let mut groups = false;
    for key in keys {
        let Ok(name) = key.cast::<PyString>() else { return Ok(()) };
        let Some(member) = tree.member(at, &name.to_string_lossy()) else { break };
        groups |= at != row.group() && row.window().is_untouched(at);
        at = member;
    }
    if groups && matches!(tree.node(at).kind, Kind::Leaf { .. }) {
        row.window().column(at)?;
    }
    Ok(())
}

/// The value at a dotted path or a list of keys; `None` where anything on the way is missing, null, or no dictionary.
pub fn deepget<'py>(record: &Bound<'py, PyDict>, path: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let keys = keys_of(path)?;
    let mut at = record.clone().into_any();
    for (depth, key) in keys.iter_borrowed().enumerate() {
        let Ok(dict) = at.cast::<PyDict>() else { return Ok(None) };
        let next = match dict.get_item(key)? {
            Some(value) => Some(value),
            None if dict.is_instance_of::<LazyDict>() => {
                touch(dict, keys.iter().skip(depth))?;
                look_up(dict, &key)?
            }
            None => None,
        };
        match next {
            Some(value) => at = value,
            None => return Ok(None),
        }
    }
    Ok(Some(at).filter(|found| !found.is_none()))
}

#[pymethods]
impl LazyDict {
    /// A plain `dict` of plain dictionaries and lists: a copy.
    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        to_dict(slf.cast::<PyDict>()?)
    }

    fn __contains__(slf: &Bound<'_, Self>, key: Bound<'_, PyAny>) -> PyResult<bool> {
        let dict = slf.cast::<PyDict>()?;
        if let Some(row) = row_of(dict)?
            && !row.get().is_full()
            && let Ok(name) = key.cast::<PyString>()
            && row.get().member(name).is_some()
        {
            return Ok(true);
        }
        dict.contains(key)
    }

    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let dict = slf.cast::<PyDict>()?;
        match row_of(dict)? {
            Some(row) if !row.get().is_changed() => Ok(row.get().members().len()),
            Some(_) | None => {
                fill(dict)?;
                Ok(dict.len())
            }
        }
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        let (py, dict) = (slf.py(), slf.cast::<PyDict>()?);
        match row_of(dict)? {
            Some(row) if !row.get().is_changed() => {
                let row = row.get();
                let names = row.members().iter().map(|member| row.window().name(py, *member));
                PyTuple::new(py, names.collect::<Vec<_>>())?.try_iter()
            }
            Some(_) | None => of_dict(dict, "__iter__", [])?.try_iter(),
        }
    }

    fn __reversed__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        of_dict(slf.cast::<PyDict>()?, "__reversed__", [])
    }

    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        of_dict(slf.cast::<PyDict>()?, "keys", [])
    }

    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        of_dict(slf.cast::<PyDict>()?, "values", [])
    }

    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        of_dict(slf.cast::<PyDict>()?, "items", [])
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        of_dict(slf.cast::<PyDict>()?, "__repr__", [])
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let method = match op {
            CompareOp::Eq => "__eq__",
            CompareOp::Ne => "__ne__",
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => {
                return Ok(slf.py().NotImplemented().into_bound(slf.py()));
            }
        };
        if other.is_instance_of::<Self>() {
            fill(other.cast::<PyDict>()?)?;
        }
        of_dict(slf.cast::<PyDict>()?, method, [other])
    }

    fn copy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let dict = slf.cast::<PyDict>()?;
        fill(dict)?;
        raw_copy(dict)
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        Self::copy(slf)
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, _memo: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        to_dict(slf.cast::<PyDict>()?)
    }

    fn __reduce_ex__<'py>(slf: &Bound<'py, Self>, _protocol: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        (py.get_type::<PyDict>(), (to_dict(slf.cast::<PyDict>()?)?,)).into_bound_py_any(py)
    }

    fn __setitem__(slf: &Bound<'_, Self>, key: Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<()> {
        let dict = slf.cast::<PyDict>()?;
        change(dict)?;
        dict.set_item(key, value)
    }

    fn __delitem__(slf: &Bound<'_, Self>, key: Bound<'_, PyAny>) -> PyResult<()> {
        let dict = slf.cast::<PyDict>()?;
        change(dict)?;
        fill(dict)?;
        dict.del_item(key)
    }

    fn clear(slf: &Bound<'_, Self>) -> PyResult<()> {
        let dict = slf.cast::<PyDict>()?;
        change(dict)?;
        fill(dict)?;
        dict.clear();
        Ok(())
    }

    #[pyo3(signature = (*arguments))]
    fn pop<'py>(slf: &Bound<'py, Self>, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let dict = slf.cast::<PyDict>()?;
        change(dict)?;
        of_dict(dict, "pop", arguments.iter())
    }

    fn popitem<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let dict = slf.cast::<PyDict>()?;
        change(dict)?;
        of_dict(dict, "popitem", [])
    }

    #[pyo3(signature = (*arguments))]
    fn setdefault<'py>(slf: &Bound<'py, Self>, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let dict = slf.cast::<PyDict>()?;
        change(dict)?;
        of_dict(dict, "setdefault", arguments.iter())
    }

    #[pyo3(signature = (*arguments, **named))]
    fn update<'py>(
        slf: &Bound<'py, Self>,
        arguments: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        let dict = slf.cast::<PyDict>()?;
        change(dict)?;
        fill(dict)?;
        let all = std::iter::once(dict.clone().into_any()).chain(arguments.iter()).collect::<Vec<_>>();
        let update = slf.py().get_type::<PyDict>().getattr("update")?;
        update.call(PyTuple::new(slf.py(), all)?, named).map(drop)
    }

    fn __or__<'py>(slf: &Bound<'py, Self>, other: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if !other.is_instance_of::<PyDict>() {
            return Ok(py.NotImplemented().into_bound(py));
        }
        let out = Self::copy(slf)?;
        out.call_method1(intern!(py, "update"), (other,))?;
        Ok(out.into_any())
    }

    fn __ror__<'py>(slf: &Bound<'py, Self>, other: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if !other.is_instance_of::<PyDict>() {
            return Ok(py.NotImplemented().into_bound(py));
        }
        let out = py.get_type::<PyDict>().call1((other,))?;
        out.call_method1(intern!(py, "update"), (slf,))?;
        Ok(out)
    }

    fn __ior__(slf: &Bound<'_, Self>, other: Bound<'_, PyAny>) -> PyResult<()> {
        let arguments = PyTuple::new(slf.py(), [other])?;
        Self::update(slf, &arguments, None)
    }
}
