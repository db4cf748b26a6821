use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use pyo3::{
    IntoPyObjectExt,
    exceptions::{PyKeyError, PyTypeError},
    intern,
    prelude::*,
    pyclass::CompareOp,
    sync::PyOnceLock,
    types::{PyDict, PyIterator, PyList, PyString, PyTuple, PyType},
};

use crate::{
    tree::{Kind, NodeId, Tree},
    value::to_python,
    window::Window,
};

/// The methods of records: a `dict` whose items are put in when they are first asked for.
///
/// It has no data of its own. `Record` is made in Python as `class Record(LazyDict, dict)`, because the stable ABI of
/// Python 3.11 knows no other way to a subclass of `dict`, and being one is what makes `isinstance(r, dict)`,
/// `json.dumps(r)` and `f(**r)` work. What has been asked for lies in the dictionary itself, where the next detection
/// finds it without leaving the interpreter; where the rest comes from is the slot `_row`.
#[pyclass(frozen, subclass, mapping)]
pub struct LazyDict;

/// Where a record's items come from.
#[pyclass(frozen)]
pub struct Row {
    window: Arc<Window>,
    row: usize,
    group: NodeId,
    /// Whether every item is in the dictionary: it is then like any other.
    full: AtomicBool,
    shared: Arc<Shared>,
}

/// What a record and the records in it have in common.
#[derive(Default)]
struct Shared {
    /// Whether a detection changed something.
    changed: AtomicBool,
    /// Whether there is anything in `lists`.
    lent: AtomicBool,
    /// Lists that were handed out, by dictionary and key. A list can be changed without anyone noticing, so each detection
    /// gets its own.
    lists: Mutex<Vec<(Py<PyDict>, Py<PyString>)>>,
}

static RECORD: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static PLACEHOLDER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static PATHS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Paths made at run time would fill the memory.
const MAX_PATHS: usize = 10_000;

/// Makes the class. To be called once, before the first record.
pub fn prepare(py: Python<'_>) -> PyResult<()> {
    let members = PyDict::new(py);
    members.set_item("__slots__", ("_row",))?;
    members.set_item("__module__", "detection")?;
    members.set_item("__doc__", "A row of a table. Fields that the row lacks are None.")?;
    let bases = (py.get_type::<LazyDict>(), py.get_type::<PyDict>());
    let class = py.get_type::<PyType>().call1(("Record", bases, members))?.cast_into::<PyType>()?;
    RECORD.get_or_init(py, || class.unbind());
    let placeholder = py.import("builtins")?.getattr("object")?.call0()?;
    PLACEHOLDER.get_or_init(py, || placeholder.unbind());
    PATHS.get_or_init(py, || PyDict::new(py).unbind());
    Ok(())
}

/// A record on its way through the detections.
pub struct Shown<'py> {
    /// What they are given.
    pub record: Bound<'py, PyAny>,
    shared: Arc<Shared>,
}

impl<'py> Shown<'py> {
    /// The record of a row of a window.
    pub fn new(py: Python<'py>, window: &Arc<Window>, row: usize) -> PyResult<Self> {
        let shared = Arc::<Shared>::default();
        let record = make(py, Row::new(window.clone(), row, Tree::ROOT, shared.clone()))?;
        Ok(Self { record, shared })
    }

    /// After a detection: whether the record can be shown to the next one. The lists that it was given are taken back.
    pub fn settle(&self) -> PyResult<bool> {
        let changed = self.shared.changed.load(Ordering::Relaxed);
        if self.shared.lent.swap(false, Ordering::Relaxed) {
            let lists = std::mem::take(&mut *self.shared.lists.lock().unwrap_or_else(PoisonError::into_inner));
            if !changed {
                for (dict, key) in lists {
                    take_back(dict.bind(self.record.py()), &key)?;
                }
            }
        }
        Ok(!changed)
    }
}

fn take_back(dict: &Bound<'_, PyDict>, key: &Py<PyString>) -> PyResult<()> {
    let py = dict.py();
    if let Some(row) = row_of(dict)? {
        row.get().full.store(false, Ordering::Relaxed);
        dict.del_item(key)?;
        dict.set_item(placeholder(py)?, py.None())?;
    }
    Ok(())
}

fn make<'py>(py: Python<'py>, row: Row) -> PyResult<Bound<'py, PyAny>> {
    let class = RECORD.get(py).ok_or_else(|| PyTypeError::new_err("the class of records is not made yet"))?;
    let record = class.bind(py).call0()?;
    record.setattr(intern!(py, "_row"), Bound::new(py, row)?)?;
    // the C code of `json` takes a dictionary without entries for an empty one and does not ask further
    record.cast::<PyDict>()?.set_item(placeholder(py)?, py.None())?;
    Ok(record)
}

fn placeholder(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    let placeholder =
        PLACEHOLDER.get(py).ok_or_else(|| PyTypeError::new_err("the class of records is not made yet"))?;
    Ok(placeholder.bind(py))
}

/// `None` for a record that was not made here (`type(r)()`): an ordinary dictionary then.
fn row_of<'py>(record: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Row>>> {
    match record.getattr_opt(intern!(record.py(), "_row"))? {
        Some(row) => Ok(Some(row.cast_into::<Row>()?)),
        None => Ok(None),
    }
}

impl Row {
    fn new(window: Arc<Window>, row: usize, group: NodeId, shared: Arc<Shared>) -> Self {
        Self { window, row, group, full: AtomicBool::new(false), shared }
    }

    fn members(&self) -> &[NodeId] {
        self.window.tree().members(self.group)
    }

    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    fn is_changed(&self) -> bool {
        self.shared.changed.load(Ordering::Relaxed)
    }

    /// An item that is not in the dictionary yet, put there.
    fn fetch<'py>(&self, dict: &Bound<'py, PyDict>, member: NodeId) -> PyResult<Bound<'py, PyAny>> {
        let py = dict.py();
        let node = self.window.tree().node(member);
        let key = PyString::intern(py, &node.name);
        let value = match &node.kind {
            Kind::Group { .. } if self.window.is_null(member, self.row)? => py.None().into_bound(py),
            Kind::Group { .. } => make(py, Self::new(self.window.clone(), self.row, member, self.shared.clone()))?,
            Kind::Leaf { .. } => {
                let value = to_python(py, self.window.column(member)?, self.row)?;
                if value.is_instance_of::<PyList>() || value.is_instance_of::<PyDict>() {
                    let mut lists = self.shared.lists.lock().unwrap_or_else(PoisonError::into_inner);
                    lists.push((dict.clone().unbind(), key.clone().unbind()));
                    self.shared.lent.store(true, Ordering::Relaxed);
                }
                value
            }
        };
        dict.set_item(key, &value)?;
        Ok(value)
    }

    /// An item as plain dictionaries and lists of the caller's own, not put anywhere.
    fn plain<'py>(&self, py: Python<'py>, member: NodeId) -> PyResult<Bound<'py, PyAny>> {
        match &self.window.tree().node(member).kind {
            Kind::Leaf { .. } => to_python(py, self.window.column(member)?, self.row),
            Kind::Group { .. } if self.window.is_null(member, self.row)? => Ok(py.None().into_bound(py)),
            Kind::Group { members, .. } => {
                let dict = PyDict::new(py);
                for member in members {
                    dict.set_item(&self.window.tree().node(*member).name, self.plain(py, *member)?)?;
                }
                Ok(dict.into_any())
            }
        }
    }
}

/// Puts in everything that is missing, in the table's order; what a detection added comes last.
fn fill(dict: &Bound<'_, PyDict>) -> PyResult<()> {
    let Some(row) = row_of(dict)? else { return Ok(()) };
    let row = row.get();
    if row.is_full() {
        return Ok(());
    }
    let py = dict.py();
    for member in row.members() {
        if dict.get_item(&row.window.tree().node(*member).name)?.is_none() {
            row.fetch(dict, *member)?;
        }
    }
    let have = raw_copy(dict)?;
    dict.clear();
    for member in row.members() {
        let name = PyString::intern(py, &row.window.tree().node(*member).name);
        if let Some(value) = have.get_item(&name)? {
            dict.set_item(&name, value)?;
        }
    }
    dict.update(have.as_mapping())?;
    row.full.store(true, Ordering::Relaxed);
    Ok(())
}

/// What lies in the dictionary, without the placeholder. `PyDict_Copy` would ask the methods below.
fn raw_copy<'py>(dict: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(dict.py());
    let placeholder = placeholder(dict.py())?;
    for (key, value) in dict.iter() {
        if !key.is(placeholder) {
            out.set_item(key, value)?;
        }
    }
    Ok(out)
}

/// Before a detection changes something.
fn change(dict: &Bound<'_, PyDict>) -> PyResult<()> {
    if let Some(row) = row_of(dict)? {
        row.get().shared.changed.store(true, Ordering::Relaxed);
    }
    Ok(())
}

fn look_up<'py>(dict: &Bound<'py, PyDict>, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Some(value) = dict.get_item(key)? {
        return Ok(Some(value));
    }
    let Some(row) = row_of(dict)? else { return Ok(None) };
    let row = row.get();
    match (row.is_full(), key.cast::<PyString>()) {
        (false, Ok(name)) => {
            let member = row.window.tree().member(row.group, &name.to_string_lossy());
            member.map(|member| row.fetch(dict, member)).transpose()
        }
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
            let name = PyString::intern(py, &row.window.tree().node(*member).name);
            let value = match dict.get_item(&name)? {
                Some(value) => plain_copy(value)?,
                None => row.plain(py, *member)?,
            };
            out.set_item(name, value)?;
        }
    }
    let placeholder = placeholder(py)?;
    for (key, value) in dict.iter() {
        if !key.is(placeholder) && !out.contains(&key)? {
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
fn keys_of<'py>(path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let py = path.py();
    let Ok(text) = path.cast::<PyString>() else {
        let keys = path.try_iter().map_err(|_| {
            PyTypeError::new_err("deepget takes a dotted path such as \"user.name\", or a list of keys")
        })?;
        return PyTuple::new(py, keys.collect::<PyResult<Vec<_>>>()?);
    };
    let paths = PATHS.get(py).ok_or_else(|| PyTypeError::new_err("the class of records is not made yet"))?.bind(py);
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
    let (tree, mut at) = (row.window.tree(), row.group);
    let mut groups = false;
    for key in keys {
        let Ok(name) = key.cast::<PyString>() else { return Ok(()) };
        let Some(member) = tree.member(at, &name.to_string_lossy()) else { break };
        groups |= at != row.group && row.window.is_untouched(at);
        at = member;
    }
    if groups && matches!(tree.node(at).kind, Kind::Leaf { .. }) {
        row.window.column(at)?;
    }
    Ok(())
}

#[pymethods]
impl LazyDict {
    /// The value at a dotted path or a list of keys; the default where anything on the way is missing, null, or no
    /// dictionary.
    #[pyo3(signature = (path, default=None))]
    fn deepget<'py>(
        slf: &Bound<'py, Self>,
        path: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let keys = keys_of(path)?;
        let mut at = slf.clone().into_any();
        for (depth, key) in keys.iter_borrowed().enumerate() {
            let Ok(dict) = at.cast::<PyDict>() else { return Ok(default.unwrap_or_else(|| py.None().into_bound(py))) };
            let next = match dict.get_item(key)? {
                Some(value) => Some(value),
                None if dict.is_instance_of::<Self>() => {
                    touch(dict, keys.iter().skip(depth))?;
                    look_up(dict, &key)?
                }
                None => None,
            };
            match next {
                Some(value) => at = value,
                None => return Ok(default.unwrap_or_else(|| py.None().into_bound(py))),
            }
        }
        Ok(if at.is_none() { default.unwrap_or(at) } else { at })
    }

    /// A plain `dict` of plain dictionaries and lists: a copy.
    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        to_dict(slf.cast::<PyDict>()?)
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match look_up(slf.cast::<PyDict>()?, &key)? {
            Some(value) => Ok(value),
            None => Err(PyKeyError::new_err(key.unbind())),
        }
    }

    #[pyo3(signature = (key, default=None, /))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        key: Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let value = look_up(slf.cast::<PyDict>()?, &key)?;
        Ok(value.or(default).unwrap_or_else(|| py.None().into_bound(py)))
    }

    fn __contains__(slf: &Bound<'_, Self>, key: Bound<'_, PyAny>) -> PyResult<bool> {
        let dict = slf.cast::<PyDict>()?;
        if let Some(row) = row_of(dict)?
            && !row.get().is_full()
            && let Ok(name) = key.cast::<PyString>()
            && row.get().window.tree().member(row.get().group, &name.to_string_lossy()).is_some()
        {
            return Ok(true);
        }
        dict.contains(key)
    }

    /// Before `__len__`, which has to look further: `r.get("user") or {}` is how many detections begin.
    fn __bool__(slf: &Bound<'_, Self>) -> PyResult<bool> {
        // more than the placeholder
        Ok(slf.cast::<PyDict>()?.len() > 1 || Self::__len__(slf)? > 0)
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
                let names = row.members().iter().map(|member| &row.window.tree().node(*member).name);
                PyTuple::new(py, names.map(|name| PyString::intern(py, name)).collect::<Vec<_>>())?.try_iter()
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
