use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use pyo3::{
    exceptions::PyTypeError,
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyDict, PyList, PyString, PyTuple, PyType},
};

use crate::{
    method,
    record::LazyDict,
    tree::{Kind, NodeId, Tree},
    value::to_python,
    window::Window,
};

/// Where a record's items come from.
#[pyclass(frozen)]
pub struct Row {
    window: Arc<Window>,
    group: NodeId,
    /// Its place in the window. A record that nobody kept moves on to the next.
    place: AtomicUsize,
    /// Whether every item is in the dictionary: it is then like any other.
    full: AtomicBool,
    /// Members that were put into the dictionary when somebody asked for them.
    fetched: Mutex<Vec<NodeId>>,
    shared: Arc<Shared>,
}

/// What a record and the records in it have in common.
#[derive(Default)]
pub struct Shared {
    /// Whether a detection changed something.
    changed: AtomicBool,
    /// Whether there is anything in `lent`.
    has_lent: AtomicBool,
    /// Lists that stand in the record. A list can be changed without anyone noticing, so each is looked at after every
    /// detection.
    lent: Mutex<Vec<Lent>>,
    /// Whether no detection will be shown the record any more.
    is_over: AtomicBool,
}

/// A list, or a dictionary of a list, in a record.
struct Lent {
    dict: Py<PyDict>,
    member: NodeId,
    value: Py<PyAny>,
    /// What it was made with; `None` where those could be changed as well.
    items: Option<Py<PyTuple>>,
}

static RECORD: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static PLACEHOLDER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Makes the class. To be called once, before the first record.
pub fn prepare(py: Python<'_>) -> PyResult<()> {
    let members = PyDict::new(py);
    members.set_item("__slots__", ("_row",))?;
    members.set_item("__module__", "detection")?;
    members.set_item("__doc__", "A row of a table. Fields that the row lacks are None.")?;
    let bases = (method::operators(py)?, py.get_type::<LazyDict>(), py.get_type::<PyDict>());
    let class = py.get_type::<PyType>().call1(("Record", bases, members))?.cast_into::<PyType>()?;
    method::add_to(&class)?;
    RECORD.get_or_init(py, || class.unbind());
    let placeholder = py.import("builtins")?.getattr("object")?.call0()?;
    PLACEHOLDER.get_or_init(py, || placeholder.unbind());
    Ok(())
}

/// A record of its own for a row, or for a struct in it.
fn make<'py>(py: Python<'py>, row: Row) -> PyResult<Bound<'py, PyAny>> {
    let class = RECORD.get(py).ok_or_else(unprepared)?;
    let record = class.bind(py).call0()?;
    record.setattr(intern!(py, "_row"), Bound::new(py, row)?)?;
    // the C code of `json` takes a dictionary without entries for an empty one and does not ask further
    record.cast::<PyDict>()?.set_item(placeholder(py)?, py.None())?;
    Ok(record)
}

fn unprepared() -> PyErr {
    PyTypeError::new_err("the class of records is not made yet")
}

fn placeholder(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    Ok(PLACEHOLDER.get(py).ok_or_else(unprepared)?.bind(py))
}

/// `None` for a record that was not made here (`type(r)()`): an ordinary dictionary then.
pub fn row_of<'py>(record: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Row>>> {
    match record.getattr_opt(intern!(record.py(), "_row"))? {
        Some(row) => Ok(Some(row.cast_into::<Row>()?)),
        None => Ok(None),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Row {
    fn new(window: Arc<Window>, place: usize, group: NodeId, shared: Arc<Shared>) -> Self {
        let (place, full) = (AtomicUsize::new(place), AtomicBool::new(false));
        Self { window, group, place, full, fetched: Mutex::default(), shared }
    }

    fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed)
    }

    /// The columns around it.
    pub fn tree(&self) -> &Tree {
        self.window.tree()
    }

    /// The struct that the record is.
    pub fn group(&self) -> NodeId {
        self.group
    }

    /// Its members in the table's order.
    pub fn members(&self) -> &[NodeId] {
        self.tree().members(self.group)
    }

    /// A member by its name.
    pub fn member(&self, name: &Bound<'_, PyString>) -> Option<NodeId> {
        self.tree().member(self.group, &name.to_string_lossy())
    }

    /// Whether every item is in the dictionary.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether a detection changed the record or one around it.
    pub fn is_changed(&self) -> bool {
        self.shared.changed.load(Ordering::Relaxed)
    }

    /// Before a detection changes something.
    pub fn change(&self) {
        self.shared.changed.store(true, Ordering::Relaxed);
    }

    /// Where the struct's members are decoded, and where not yet.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// An item that is not in the dictionary yet, put there.
    pub fn fetch<'py>(&self, dict: &Bound<'py, PyDict>, member: NodeId) -> PyResult<Bound<'py, PyAny>> {
        lock(&self.fetched).push(member);
        self.window.habits().count(member);
        self.put(dict, member)
    }

    fn put<'py>(&self, dict: &Bound<'py, PyDict>, member: NodeId) -> PyResult<Bound<'py, PyAny>> {
        let value = self.value(dict.py(), member)?;
        if value.is_exact_instance_of::<PyList>() || value.is_exact_instance_of::<PyDict>() {
            self.shared.lend(dict, member, &value);
        }
        dict.set_item(self.window.name(dict.py(), member), &value)?;
        Ok(value)
    }

    /// Out of the dictionary again: whoever asks next gets it anew.
    fn take_back(&self, dict: &Bound<'_, PyDict>, member: NodeId) -> PyResult<()> {
        let py = dict.py();
        dict.del_item(self.window.name(py, member))?;
        if self.full.swap(false, Ordering::Relaxed) {
            dict.set_item(placeholder(py)?, py.None())?;
        }
        Ok(())
    }

    /// A member as detections see it.
    fn value<'py>(&self, py: Python<'py>, member: NodeId) -> PyResult<Bound<'py, PyAny>> {
        let place = self.place();
        match &self.tree().node(member).kind {
            Kind::Group { .. } if self.window.is_null(member, place)? => Ok(py.None().into_bound(py)),
            Kind::Group { .. } => make(py, Self::new(self.window.clone(), place, member, self.shared.clone())),
            Kind::Leaf { .. } => to_python(py, self.window.column(member)?, place),
        }
    }

    /// An item as plain dictionaries and lists of the caller's own, not put anywhere.
    pub fn plain<'py>(&self, py: Python<'py>, member: NodeId) -> PyResult<Bound<'py, PyAny>> {
        match &self.tree().node(member).kind {
            Kind::Leaf { .. } => to_python(py, self.window.column(member)?, self.place()),
            Kind::Group { .. } if self.window.is_null(member, self.place())? => Ok(py.None().into_bound(py)),
            Kind::Group { members, .. } => {
                let dict = PyDict::new(py);
                for member in members {
                    dict.set_item(self.window.name(py, *member), self.plain(py, *member)?)?;
                }
                Ok(dict.into_any())
            }
        }
    }

    /// Puts in everything that is missing, in the table's order; what a detection added comes last.
    pub fn fill(&self, dict: &Bound<'_, PyDict>) -> PyResult<()> {
        if self.is_full() {
            return Ok(());
        }
        let py = dict.py();
        for member in self.members() {
            if dict.get_item(self.window.name(py, *member))?.is_none() {
                self.fetch(dict, *member)?;
            }
        }
        let have = raw_copy(dict)?;
        dict.clear();
        for member in self.members() {
            let name = self.window.name(py, *member);
            if let Some(value) = have.get_item(name)? {
                dict.set_item(name, value)?;
            }
        }
        dict.update(have.as_mapping())?;
        self.full.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Takes the record on to another row of the window, with those members in it that detections mostly ask for.
    fn move_to(&self, dict: &Bound<'_, PyDict>, place: usize) -> PyResult<()> {
        let py = dict.py();
        self.place.store(place, Ordering::Relaxed);
        let habits = self.window.habits();
        for member in lock(&self.fetched).drain(..) {
            let name = self.window.name(py, member);
            if !habits.is_usual(member) && dict.get_item(name)?.is_some() {
                dict.del_item(name)?;
            }
        }
        for member in habits.usual(self.group) {
            let name = self.window.name(py, *member);
            if let Kind::Group { .. } = self.tree().node(*member).kind
                && !self.window.is_null(*member, place)?
                && let Some(record) = dict.get_item(name)?
                && let Some(row) = unshared(&record, 2)?
            {
                row.get().move_to(record.cast::<PyDict>()?, place)?;
                continue;
            }
            self.put(dict, *member)?;
        }
        Ok(())
    }
}

/// The row of a record that nobody but so many holders knows, and that can therefore become the record of another row.
fn unshared<'py>(record: &Bound<'py, PyAny>, holders: isize) -> PyResult<Option<Bound<'py, Row>>> {
    if method::holders(record) != holders || !record.is_instance_of::<LazyDict>() {
        return Ok(None);
    }
    Ok(row_of(record)?.filter(|row| !row.get().is_full()))
}

/// What lies in the dictionary, without the placeholder. `PyDict_Copy` would ask the record's methods.
pub fn raw_copy<'py>(dict: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(dict.py());
    for (key, value) in dict.iter() {
        if !is_placeholder(&key)? {
            out.set_item(key, value)?;
        }
    }
    Ok(out)
}

/// Whether a key stands for the items that are not there yet.
pub fn is_placeholder(key: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(key.is(placeholder(key.py())?))
}

impl Shared {
    /// After a detection: whether the record can be shown to the next one. Lists are taken back unless they are as they were
    /// and nobody has them.
    pub fn settle(&self, py: Python<'_>) -> PyResult<bool> {
        let changed = self.changed.load(Ordering::Relaxed);
        if changed || !self.has_lent.load(Ordering::Relaxed) {
            return Ok(!changed);
        }
        let mut lent = lock(&self.lent);
        let mut result = Ok(true);
        lent.retain(|lent| {
            let keep = lent.is_as_it_was(py);
            if !keep && let Err(error) = lent.take_back(py) {
                result = Err(error);
            }
            keep
        });
        self.has_lent.store(!lent.is_empty(), Ordering::Relaxed);
        result
    }

    fn lend(&self, dict: &Bound<'_, PyDict>, member: NodeId, value: &Bound<'_, PyAny>) {
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        let plain = |item: &Bound<'_, PyAny>| !(item.is_instance_of::<PyDict>() || item.is_instance_of::<PyList>());
        let items = value.cast::<PyList>().ok().filter(|list| list.iter().all(|item| plain(&item)));
        let items = items.map(|list| list.to_tuple().unbind());
        lock(&self.lent).push(Lent { dict: dict.clone().unbind(), member, value: value.clone().unbind(), items });
        self.has_lent.store(true, Ordering::Relaxed);
    }

    /// Lets go of the records that lists stand in.
    fn forget_lent(&self) {
        self.has_lent.store(false, Ordering::Relaxed);
        lock(&self.lent).clear();
    }
}

impl Lent {
    fn is_as_it_was(&self, py: Python<'_>) -> bool {
        let (Some(items), Ok(list)) = (&self.items, self.value.bind(py).cast::<PyList>()) else { return false };
        // held by the dictionary and here
        method::holders(list) == 2 && method::holds(list, items.bind(py))
    }

    fn take_back(&self, py: Python<'_>) -> PyResult<()> {
        let dict = self.dict.bind(py);
        match row_of(dict)? {
            Some(row) => row.get().take_back(dict, self.member),
            None => Ok(()),
        }
    }
}

/// A record on its way through the detections.
pub struct Shown<'py> {
    /// What they are given.
    pub record: Bound<'py, PyAny>,
    /// What it has in common with the records in it.
    pub shared: Arc<Shared>,
}

impl<'py> Shown<'py> {
    /// The record of a row of a window.
    pub fn new(py: Python<'py>, window: &Arc<Window>, place: usize) -> PyResult<Self> {
        let shared = Arc::<Shared>::default();
        let record = make(py, Row::new(window.clone(), place, Tree::ROOT, shared.clone()))?;
        Ok(Self { record, shared })
    }

    /// After all detections: the same record for another row of its window, unless one of them kept it.
    pub fn move_to(self, place: usize) -> Option<Self> {
        self.shared.forget_lent();
        let row = unshared(&self.record, 1).ok()??;
        row.get().window.habits().end_row(row.get().tree());
        let moved = row.get().move_to(self.record.cast::<PyDict>().ok()?, place);
        // what can't be read is said to whoever asks for it
        moved.ok().map(|()| self)
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // a list holds the record that it stands in, which holds what is shared
        self.shared.forget_lent();
    }
}
