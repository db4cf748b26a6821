use serde_json::Value;

/// How values of one kind are read: builders take those of any crate through it, without a copy into a type of ours.
pub trait Values {
    /// The kind of value.
    type Value;

    /// What a value is.
    fn view(value: &Self::Value) -> View<'_, Self::Value>;

    /// Calls `each` with every member of an object; does nothing for what is no object.
    fn members<'a>(object: &'a Self::Value, each: &mut dyn FnMut(&'a str, &'a Self::Value));

    /// A value as JSON text.
    fn to_json(value: &Self::Value) -> String;
}

/// One value, borrowed.
#[derive(Debug)]
pub enum View<'a, V> {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number that may be larger than `i64` holds.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes that are not UTF-8.
    Bytes(&'a [u8]),
    /// Microseconds since the epoch.
    Timestamp(i64),
    /// Several values.
    List(&'a [V]),
    /// Named values, see [`Values::members`].
    Object,
}

/// Whether nothing is in a value: null, `""`, `{}`, `[]`, or an object or a list of nothing else.
pub fn is_blank<S: Values>(value: &S::Value) -> bool {
    match S::view(value) {
        View::Null => true,
        View::Text(text) => text.is_empty(),
        View::Bytes(bytes) => bytes.is_empty(),
        View::List(items) => items.iter().all(is_blank::<S>),
        View::Object => {
            let mut blank = true;
            S::members(value, &mut |_, member| blank = blank && is_blank::<S>(member));
            blank
        }
        View::Boolean(_) | View::Integer(_) | View::Unsigned(_) | View::Float(_) | View::Timestamp(_) => false,
    }
}

/// Values of `serde_json`.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Values for Json {
    type Value = Value;

    fn view(value: &Value) -> View<'_, Value> {
        match value {
            Value::Null => View::Null,
            Value::Bool(value) => View::Boolean(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), _, _) => View::Integer(number),
                (None, Some(number), _) => View::Unsigned(number),
                (None, None, number) => View::Float(number.unwrap_or(f64::NAN)),
            },
            Value::String(text) => View::Text(text),
            Value::Array(items) => View::List(items),
            Value::Object(_) => View::Object,
        }
    }

    fn members<'a>(object: &'a Value, each: &mut dyn FnMut(&'a str, &'a Value)) {
        for (name, value) in object.as_object().into_iter().flatten() {
            each(name, value);
        }
    }

    fn to_json(value: &Value) -> String {
        value.to_string()
    }
}
