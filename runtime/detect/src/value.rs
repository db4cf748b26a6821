use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
        UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    util::display::{ArrayFormatter, FormatOptions},
};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
use pyo3::{
    IntoPyObjectExt,
    exceptions::PyValueError,
    prelude::*,
    types::{PyBytes, PyDate, PyDateTime, PyDict, PyList, PyString, PyTzInfo},
};

/// One value as Python has it: null is `None`, a time is an aware `datetime` in UTC, a list is a `list`, a struct in a
/// list is a `dict`.
pub fn to_python<'py>(py: Python<'py>, array: &dyn Array, row: usize) -> PyResult<Bound<'py, PyAny>> {
    if array.is_null(row) {
        return Ok(py.None().into_bound(py));
    }
    match array.data_type() {
        DataType::Null => Ok(py.None().into_bound(py)),
        DataType::Utf8 => Ok(PyString::new(py, array.as_string::<i32>().value(row)).into_any()),
        DataType::LargeUtf8 => Ok(PyString::new(py, array.as_string::<i64>().value(row)).into_any()),
        DataType::Utf8View => Ok(PyString::new(py, array.as_string_view().value(row)).into_any()),
        DataType::Boolean => array.as_boolean().value(row).into_bound_py_any(py),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into_bound_py_any(py),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into_bound_py_any(py),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into_bound_py_any(py),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into_bound_py_any(py),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into_bound_py_any(py),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into_bound_py_any(py),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into_bound_py_any(py),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into_bound_py_any(py),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into_bound_py_any(py),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into_bound_py_any(py),
        DataType::Timestamp(unit, _) => time(py, array, *unit, row),
        DataType::Date32 => date(py, array.as_primitive::<Date32Type>().value(row)),
        DataType::Decimal128(_, scale) if *scale == 0 => {
            array.as_primitive::<Decimal128Type>().value(row).into_bound_py_any(py)
        }
        DataType::Binary => Ok(PyBytes::new(py, array.as_binary::<i32>().value(row)).into_any()),
        DataType::LargeBinary => Ok(PyBytes::new(py, array.as_binary::<i64>().value(row)).into_any()),
        DataType::FixedSizeBinary(_) => Ok(PyBytes::new(py, array.as_fixed_size_binary().value(row)).into_any()),
        DataType::Struct(fields) => {
            let dict = PyDict::new(py);
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                dict.set_item(field.name(), to_python(py, column, row)?)?;
            }
            Ok(dict.into_any())
        }
        DataType::List(_) => list(py, &array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(py, &array.as_list::<i64>().value(row)),
        DataType::Dictionary(_, values) => {
            let plain = cast(&array.slice(row, 1), values).map_err(|error| PyValueError::new_err(error.to_string()))?;
            to_python(py, &plain, 0)
        }
        // types of query results that no table has, such as decimals and intervals, as text
        _ => {
            let formatter = ArrayFormatter::try_new(array, &FormatOptions::default())
                .map_err(|error| PyValueError::new_err(error.to_string()))?;
            Ok(PyString::new(py, &formatter.value(row).to_string()).into_any())
        }
    }
}

fn list<'py>(py: Python<'py>, items: &ArrayRef) -> PyResult<Bound<'py, PyAny>> {
    let values = (0..items.len()).map(|item| to_python(py, items, item)).collect::<PyResult<Vec<_>>>()?;
    Ok(PyList::new(py, values)?.into_any())
}

fn time<'py>(py: Python<'py>, array: &dyn Array, unit: TimeUnit, row: usize) -> PyResult<Bound<'py, PyAny>> {
    let time = match unit {
        TimeUnit::Second => DateTime::from_timestamp(array.as_primitive::<TimestampSecondType>().value(row), 0),
        TimeUnit::Millisecond => {
            DateTime::from_timestamp_millis(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        TimeUnit::Microsecond => {
            DateTime::from_timestamp_micros(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        TimeUnit::Nanosecond => {
            let nanos = array.as_primitive::<TimestampNanosecondType>().value(row);
            Some(DateTime::from_timestamp_nanos(nanos))
        }
    };
    let Some(time) = time.filter(|time| (1..=9999).contains(&time.year())) else {
        return outside(py, time);
    };
    let [month, day, hour, minute, second] =
        [time.month(), time.day(), time.hour(), time.minute(), time.second()].map(small);
    let utc = PyTzInfo::utc(py)?;
    let micros = time.nanosecond() / 1000;
    Ok(PyDateTime::new(py, time.year(), month, day, hour, minute, second, micros, Some(&*utc))?.into_any())
}

/// Python's calendar begins with the year 1 and ends with 9999: what lies outside is shown as text.
fn outside(py: Python<'_>, time: Option<DateTime<Utc>>) -> PyResult<Bound<'_, PyAny>> {
    Ok(match time {
        Some(time) => PyString::new(py, &time.to_rfc3339()).into_any(),
        None => py.None().into_bound(py),
    })
}

fn date(py: Python<'_>, days: i32) -> PyResult<Bound<'_, PyAny>> {
    let date = TimeDelta::try_days(i64::from(days)).and_then(|days| NaiveDate::default().checked_add_signed(days));
    match date {
        Some(date) if (1..=9999).contains(&date.year()) => {
            Ok(PyDate::new(py, date.year(), small(date.month()), small(date.day()))?.into_any())
        }
        Some(date) => Ok(PyString::new(py, &date.to_string()).into_any()),
        None => Ok(py.None().into_bound(py)),
    }
}

/// Months, days, hours, minutes and seconds are small.
fn small(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(0)
}
