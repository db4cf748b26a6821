use pyo3::{
    prelude::*,
    types::{
        PyBool, PyByteArray, PyBytes, PyDate, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
    },
};
use serde_json::{Map, Number, Value};

use crate::record::LazyDict;

/// Containers within containers, at most: whatever refers to itself ends here.
const MAX_DEPTH: usize = 32;

/// Turns whatever a detection returns into JSON: never fails, and stops at a number of bytes.
///
/// Times become RFC 3339, sets sorted arrays, bytes text or `\x` escapes, other objects their `str()`; what is no number in
/// JSON becomes text.
pub struct ToJson {
    left: usize,
    shortened: bool,
}

impl ToJson {
    /// Keeps about this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: bytes, shortened: false }
    }

    /// Whether something was left out.
    pub fn is_shortened(&self) -> bool {
        self.shortened
    }

    /// A value at the outermost level.
    pub fn value(&mut self, value: &Bound<'_, PyAny>) -> Value {
        self.nested(value, 0)
    }

    fn nested(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Value {
        self.spend(1);
        if value.is_none() {
            return Value::Null;
        }
        if let Ok(flag) = value.cast::<PyBool>() {
            return flag.is_true().into();
        }
        if value.is_instance_of::<PyInt>() {
            self.spend(8);
            if let Ok(number) = value.extract::<i64>() {
                return number.into();
            }
            if let Ok(number) = value.extract::<u64>() {
                return number.into();
            }
            return self.words(value);
        }
        if let Ok(number) = value.cast::<PyFloat>() {
            self.spend(8);
            return Number::from_f64(number.value()).map_or_else(|| self.words(value), Value::Number);
        }
        if let Ok(text) = value.cast::<PyString>() {
            return self.text(&text.to_string_lossy());
        }
        if depth >= MAX_DEPTH {
            return self.text("...");
        }
        self.container(value, depth)
    }

    fn container(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Value {
        if value.is_instance_of::<LazyDict>() {
            return match value.call_method0("to_dict") {
                Ok(plain) => self.nested(&plain, depth),
                Err(_) => self.words(value),
            };
        }
        if let Ok(dict) = value.cast::<PyDict>() {
            let mut out = Map::new();
            // a copy, because a `__str__` below could change the original
            let Ok(dict) = dict.copy() else { return self.words(value) };
            for (key, value) in dict.iter() {
                if self.left == 0 {
                    self.shortened = true;
                    break;
                }
                let key = match self.nested(&key, MAX_DEPTH) {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                let value = self.nested(&value, depth + 1);
                out.insert(key, value);
            }
            return Value::Object(out);
        }
        if let Ok(items) = value.cast::<PyList>() {
            return Value::Array(self.items(items.iter(), depth));
        }
        if let Ok(items) = value.cast::<PyTuple>() {
            return Value::Array(self.items(items.iter(), depth));
        }
        if value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>() {
            let Ok(items) = value.try_iter() else { return self.words(value) };
            let mut items = self.items(items.filter_map(Result::ok), depth);
            items.sort_by_cached_key(Value::to_string);
            return Value::Array(items);
        }
        if let Ok(bytes) = value.cast::<PyBytes>() {
            return self.bytes(bytes.as_bytes());
        }
        if let Ok(bytes) = value.cast::<PyByteArray>() {
            return self.bytes(&bytes.to_vec());
        }
        if value.is_instance_of::<PyDate>() {
            return match value.call_method0("isoformat").and_then(|text| text.extract::<String>()) {
                Ok(text) => self.text(&text.replace("+00:00", "Z")),
                Err(_) => self.words(value),
            };
        }
        self.words(value)
    }

    fn items<'py>(&mut self, items: impl Iterator<Item = Bound<'py, PyAny>>, depth: usize) -> Vec<Value> {
        let mut out = Vec::new();
        for item in items {
            if self.left == 0 {
                self.shortened = true;
                break;
            }
            out.push(self.nested(&item, depth + 1));
        }
        out
    }

    fn bytes(&mut self, bytes: &[u8]) -> Value {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text(text),
            Err(_) => self.text(&bytes.escape_ascii().to_string()),
        }
    }

    /// `str()` of an object, or its type where that fails.
    fn words(&mut self, value: &Bound<'_, PyAny>) -> Value {
        match value.str() {
            Ok(text) => self.text(&text.to_string_lossy()),
            Err(_) => {
                let class = value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
                self.text(&format!("<{class}>"))
            }
        }
    }

    fn text(&mut self, text: &str) -> Value {
        let mut end = text.len().min(self.left);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.shortened |= end < text.len();
        self.spend(end);
        Value::String(text[..end].to_owned())
    }

    fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }
}
