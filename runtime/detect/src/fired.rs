use model::worker::{Function, Match};
use pyo3::{
    prelude::*,
    types::{PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple},
};
use serde_json::Value;

use crate::{
    functions::{Caller, Functions, Site},
    json::ToJson,
    worker::Stop,
};

/// A detection and the row it fired on.
pub struct Fired<'a, 'py> {
    pub functions: &'a Functions,
    pub record: &'a Bound<'py, PyAny>,
    pub row: u64,
    pub detection: u32,
    /// Functions that are not to be called.
    pub without: &'a [Function],
    /// Bytes of context that are kept.
    pub context_bytes: usize,
}

/// What a function says: nothing, something, or something it should not.
type Said<T> = PyResult<Result<Option<T>, String>>;

impl<'py> Fired<'_, 'py> {
    /// Asks the detection's functions. One that fails says nothing, and the match stands. How often the detection had to be
    /// stopped comes second.
    pub fn describe(&self, caller: &mut Caller<'_, 'py>) -> Result<(Match, u32), Stop> {
        let mut strikes = 0;
        let mut ask = |function| self.ask(caller, &mut strikes, function, |value| text(value, function));
        let title = ask(Function::Title)?;
        let dedupe = ask(Function::Dedupe)?;
        let severity = ask(Function::Severity)?;
        let description = ask(Function::Description)?;
        let runbook = ask(Function::Runbook)?;
        let mut ask = |function| self.ask(caller, &mut strikes, function, |value| strings(value, function));
        let references = ask(Function::Reference)?.filter(|references| !references.is_empty());
        let destinations = ask(Function::Destinations)?;
        let bytes = self.context_bytes;
        let context = self.ask(caller, &mut strikes, Function::AlertContext, |value| context(value, bytes))?;
        let (row, detection) = (self.row, self.detection);
        let fired =
            Match { row, detection, title, dedupe, severity, description, runbook, references, destinations, context };
        Ok((fired, strikes))
    }

    fn ask<T>(
        &self,
        caller: &mut Caller<'_, 'py>,
        strikes: &mut u32,
        function: Function,
        look: impl FnOnce(&Bound<'py, PyAny>) -> Said<T>,
    ) -> Result<Option<T>, Stop> {
        if self.without.contains(&function) {
            return Ok(None);
        }
        let Some(defined) = self.functions.get(caller.py, function) else { return Ok(None) };
        let site = Site { detection: self.detection, row: Some(self.row), function };
        match caller.call(site, defined, self.record, look)? {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(wrong)) => {
                caller.wrong_output(site, defined, &wrong)?;
                Ok(None)
            }
            Err(kind) => {
                *strikes += u32::from(kind.is_strike());
                Ok(None)
            }
        }
    }
}

fn returned(function: Function, value: &Bound<'_, PyAny>, expected: &str) -> String {
    let class = value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    format!("`{}` returned `{class}`, expected {expected}", function.as_str())
}

/// A string or a number; nothing where it is empty.
fn text(value: &Bound<'_, PyAny>, function: Function) -> Said<String> {
    if value.is_none() {
        return Ok(Ok(None));
    }
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
        let text = value.str()?.to_string_lossy().into_owned();
        return Ok(Ok(Some(text).filter(|text| !text.is_empty())));
    }
    Ok(Err(returned(function, value, "a string")))
}

/// A string, or several.
fn strings(value: &Bound<'_, PyAny>, function: Function) -> Said<Vec<String>> {
    if value.is_none() {
        return Ok(Ok(None));
    }
    if let Ok(one) = value.cast::<PyString>() {
        let one = one.to_string_lossy().into_owned();
        return Ok(Ok(Some(vec![one]).filter(|all| all.iter().all(|one| !one.is_empty()))));
    }
    let expected = "a string or a list of strings";
    let is_set = value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>();
    if !(is_set || value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>()) {
        return Ok(Err(returned(function, value, expected)));
    }
    let mut all = Vec::new();
    for item in value.try_iter()? {
        let Ok(item) = item?.cast_into::<PyString>() else {
            return Ok(Err(format!("{}; an item is no string", returned(function, value, expected))));
        };
        all.push(item.to_string_lossy().into_owned());
    }
    if is_set {
        all.sort();
    }
    Ok(Ok(Some(all)))
}

/// A dictionary.
fn context(value: &Bound<'_, PyAny>, bytes: usize) -> Said<Value> {
    if value.is_none() {
        return Ok(Ok(None));
    }
    if !value.is_instance_of::<PyDict>() {
        return Ok(Err(returned(Function::AlertContext, value, "a dictionary")));
    }
    let mut json = ToJson::new(bytes);
    let mut out = json.value(value);
    if let (true, Value::Object(members)) = (json.is_shortened(), &mut out) {
        members.insert("matano_shortened".to_owned(), true.into());
    }
    Ok(Ok(Some(out)))
}
