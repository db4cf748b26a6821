//! What is called for every record and detection, without pyo3's checks of arguments around it: what the interpreter calls
//! for `r["user"]`, `r.get`, `r.deepget` and `r or {}`, and our calls of Python.
//!
//! Each function here answers from what lies in dictionaries already, and leaves everything else to the crate's ordinary
//! code.

use std::{
    ffi::{CStr, c_int, c_uint, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use pyo3::{
    exceptions::{PyKeyError, PyRuntimeError, PyTypeError},
    ffi,
    prelude::*,
    types::{PyDict, PyList, PyString, PyTuple, PyType},
};

use crate::record;

// Since 3.12 in the stable ABI, and exported by every 3.11. It takes arguments without a tuple around them.
#[allow(unsafe_code)]
// SAFETY: declared as in `Include/cpython/abstract.h` of 3.11 and `Include/abstract.h` of later versions
unsafe extern "C" {
    fn PyObject_Vectorcall(
        callable: *mut ffi::PyObject,
        arguments: *const *mut ffi::PyObject,
        count: usize,
        names: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

/// Calls a function with some arguments.
pub fn call<'py, const COUNT: usize>(
    function: &Bound<'py, PyAny>,
    arguments: [&Bound<'py, PyAny>; COUNT],
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = arguments.map(Bound::as_ptr);
    #[allow(unsafe_code)]
    // SAFETY: all objects are alive as long as the call takes, and there are so many arguments; the result is ours
    unsafe {
        let result = PyObject_Vectorcall(function.as_ptr(), arguments.as_ptr(), COUNT, ptr::null_mut());
        Bound::from_owned_ptr_or_err(function.py(), result)
    }
}

/// How many hold an object, the caller's own hold included.
pub fn holders(object: &Bound<'_, PyAny>) -> isize {
    #[allow(unsafe_code)]
    // SAFETY: the object is alive
    unsafe {
        ffi::Py_REFCNT(object.as_ptr())
    }
}

/// Whether a list holds these very objects.
pub fn holds(list: &Bound<'_, PyList>, items: &Bound<'_, PyTuple>) -> bool {
    let (list, items) = (list.as_ptr(), items.as_ptr());
    #[allow(unsafe_code)]
    // SAFETY: both are alive and of the types that these functions expect; places are within both, and what stands there
    // is compared and not kept
    unsafe {
        let length = ffi::PyTuple_Size(items);
        ffi::PyList_Size(list) == length
            && (0..length).all(|place| ffi::PyList_GetItem(list, place) == ffi::PyTuple_GetItem(items, place))
    }
}

struct Definition(ffi::PyMethodDef);

#[allow(unsafe_code)]
// SAFETY: the pointers in it lead to functions and to text that are there forever, and nobody writes it
unsafe impl Sync for Definition {}

const fn definition(
    name: &'static CStr,
    function: ffi::PyMethodDefPointer,
    flags: c_int,
    words: &'static CStr,
) -> Definition {
    Definition(ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth: function, ml_flags: flags, ml_doc: words.as_ptr() })
}

static METHODS: [(&str, Definition); 2] = [
    (
        "get",
        definition(
            c"get",
            ffi::PyMethodDefPointer { PyCFunctionFast: get },
            ffi::METH_FASTCALL,
            c"get($self, key, default=None, /)\n--\n\nThe value of a field, the default where the table has no such field.",
        ),
    ),
    (
        "deepget",
        definition(
            c"deepget",
            ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: deepget },
            ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
            c"deepget($self, path, default=None)\n--\n\nThe value at a dotted path or a list of keys; the default where \
              anything on the way is missing, null, or no dictionary.",
        ),
    ),
];

/// The first base of the class of records: an operator of a class comes straight from C only where a base has it so.
pub fn operators(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let mut slots = [
        ffi::PyType_Slot { slot: ffi::Py_mp_subscript, pfunc: item as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_nb_bool, pfunc: truth as *mut c_void },
        ffi::PyType_Slot::default(),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"matano_detect.Operators".as_ptr(),
        basicsize: 0,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE) as c_uint,
        slots: slots.as_mut_ptr(),
    };
    #[allow(unsafe_code)]
    // SAFETY: the functions are what the slots expect, the slots end with an empty one, and Python copies all of it
    unsafe {
        Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec))
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn item(record: *mut ffi::PyObject, key: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with a record, which is a `dict`, and a key, both alive
    unsafe {
        let found = ffi::PyDict_GetItemWithError(record, key);
        if !found.is_null() {
            ffi::Py_INCREF(found);
            return found;
        }
        if !ffi::PyErr_Occurred().is_null() {
            return ptr::null_mut();
        }
        guarded(|py| {
            let (record, key) = (Bound::from_borrowed_ptr(py, record), Bound::from_borrowed_ptr(py, key));
            match record::look_up(record.cast::<PyDict>()?, &key)? {
                Some(value) => Ok(value.unbind()),
                None => Err(PyKeyError::new_err(key.unbind())),
            }
        })
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn truth(record: *mut ffi::PyObject) -> c_int {
    // SAFETY: the interpreter calls this with a record, which is a `dict`, alive
    unsafe {
        // more than what stands for the items that are not there yet
        if ffi::PyDict_Size(record) > 1 {
            return 1;
        }
        let length = ffi::PyObject_Size(record);
        c_int::from(length > 0) - c_int::from(length < 0)
    }
}

/// Gives the class of records its methods. They belong to the class itself, not to one of its bases: only then does the
/// interpreter call them without looking for them.
pub fn add_to(class: &Bound<'_, PyType>) -> PyResult<()> {
    for (name, method) in &METHODS {
        #[allow(unsafe_code)]
        // SAFETY: the class is alive, and the definition is static; Python does not write it
        let method = unsafe {
            let descriptor = ffi::PyDescr_NewMethod(class.as_type_ptr(), ptr::from_ref(&method.0).cast_mut());
            Bound::from_owned_ptr_or_err(class.py(), descriptor)?
        };
        class.setattr(*name, method)?;
    }
    Ok(())
}

#[allow(unsafe_code)]
unsafe extern "C" fn get(
    record: *mut ffi::PyObject,
    arguments: *mut *mut ffi::PyObject,
    count: isize,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with a record, which is a `dict`, and `count` arguments, all alive
    unsafe {
        if count == 1 || count == 2 {
            let found = ffi::PyDict_GetItemWithError(record, *arguments);
            if !found.is_null() {
                ffi::Py_INCREF(found);
                return found;
            }
            if !ffi::PyErr_Occurred().is_null() {
                return ptr::null_mut();
            }
        }
        guarded(|py| {
            let arguments = borrowed(py, arguments, count);
            let (key, default) = match arguments.as_slice() {
                [key] => (key, None),
                [key, default] => (key, Some(default)),
                other => {
                    return Err(PyTypeError::new_err(format!("get expected 1 or 2 arguments, got {}", other.len())));
                }
            };
            let record = Bound::from_borrowed_ptr(py, record);
            let value = record::look_up(record.cast::<PyDict>()?, key)?;
            Ok(value.or_else(|| default.cloned()).map(Bound::unbind).unwrap_or_else(|| py.None()))
        })
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn deepget(
    record: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: isize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with a record, which is a `dict`, `count` arguments, and those of `names`, all
    // alive
    unsafe {
        if (count == 1 || count == 2) && names.is_null() {
            let py = Python::assume_attached();
            match known(Borrowed::from_ptr(py, record), Borrowed::from_ptr(py, *arguments)) {
                Ok(Known::Found(value)) => return value.into_ptr(),
                Ok(Known::Nothing) if count == 2 => return ffi::Py_NewRef(*arguments.add(1)),
                Ok(Known::Nothing) => return py.None().into_ptr(),
                // what goes wrong goes wrong again
                Ok(Known::Unknown) | Err(_) => (),
            }
        }
        guarded(|py| {
            let (path, default) = deepget_arguments(py, arguments, count, names)?;
            let record = Bound::from_borrowed_ptr(py, record);
            let value = record::deepget(record.cast::<PyDict>()?, &path)?;
            Ok(value.or(default).map(Bound::unbind).unwrap_or_else(|| py.None()))
        })
    }
}

/// What dictionaries say about a path.
enum Known<'py> {
    Found(Bound<'py, PyAny>),
    Nothing,
    /// They do not say.
    Unknown,
}

/// Follows a path that was split before, as far as dictionaries know it.
fn known<'py>(record: Borrowed<'_, 'py, PyAny>, path: Borrowed<'_, 'py, PyAny>) -> PyResult<Known<'py>> {
    if !path.is_exact_instance_of::<PyString>() {
        return Ok(Known::Unknown);
    }
    let Some(keys) = record::paths(record.py()).get_item(path)? else { return Ok(Known::Unknown) };
    let mut at = record.to_owned();
    for key in keys.cast::<PyTuple>()?.iter_borrowed() {
        let Ok(dict) = at.cast::<PyDict>() else { return Ok(Known::Nothing) };
        let Some(value) = dict.get_item(key)? else { return Ok(Known::Unknown) };
        at = value;
    }
    Ok(if at.is_none() { Known::Nothing } else { Known::Found(at) })
}

/// `path` and `default`, by place or by name.
///
/// # Safety
/// There are `count` arguments and as many more as there are names, all alive.
#[allow(unsafe_code)]
#[allow(clippy::type_complexity, reason = "two values that have no name together")]
unsafe fn deepget_arguments<'py>(
    py: Python<'py>,
    arguments: *const *mut ffi::PyObject,
    count: isize,
    names: *mut ffi::PyObject,
) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
    let (mut path, mut default) = (None, None);
    // SAFETY: as the caller promises
    let (names, values) = unsafe {
        let names: Vec<Bound<'py, PyString>> = match Bound::from_borrowed_ptr_or_opt(py, names) {
            Some(names) => names.extract()?,
            None => Vec::new(),
        };
        let all = borrowed(py, arguments, count + names.len().cast_signed());
        (names, all)
    };
    let count = count.unsigned_abs();
    for (place, value) in values.into_iter().enumerate() {
        let name = match place.checked_sub(count) {
            None if place < 2 => ["path", "default"][place].into(),
            None => return Err(PyTypeError::new_err(format!("deepget() takes 1 or 2 arguments, got {count}"))),
            Some(place) => names[place].to_string_lossy(),
        };
        let slot = match &*name {
            "path" => &mut path,
            "default" => &mut default,
            other => return Err(PyTypeError::new_err(format!("deepget() has no argument `{other}`"))),
        };
        if slot.replace(value).is_some() {
            return Err(PyTypeError::new_err(format!("deepget() got several values for argument `{name}`")));
        }
    }
    let path = path.ok_or_else(|| PyTypeError::new_err("deepget() needs a path"))?;
    Ok((path, default))
}

/// Arguments as objects that are held.
///
/// # Safety
/// There are so many, all alive.
#[allow(unsafe_code)]
unsafe fn borrowed<'py>(py: Python<'py>, arguments: *const *mut ffi::PyObject, count: isize) -> Vec<Bound<'py, PyAny>> {
    // SAFETY: as the caller promises
    (0..count).map(|place| unsafe { Bound::from_borrowed_ptr(py, *arguments.offset(place)) }).collect()
}

/// Runs what may fail or panic on behalf of the interpreter, which knows neither `Result` nor unwinding.
fn guarded(work: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>>) -> *mut ffi::PyObject {
    let result = catch_unwind(AssertUnwindSafe(|| Python::attach(work)));
    let result = result.unwrap_or_else(|_| Err(PyRuntimeError::new_err("a record is broken")));
    match result {
        Ok(value) => value.into_ptr(),
        Err(error) => {
            Python::attach(|py| error.restore(py));
            ptr::null_mut()
        }
    }
}
