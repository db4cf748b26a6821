//! Values that a program leaves in the event and that can never be what their columns hold, as far as the compiler knows
//! their types. What a column accepts is decided by `columns`; this is the same in types.

use model::schema::{Field, FieldType, TableSchema};
use vrl::{path::OwnedValuePath, value::Kind};

/// A column that is null in every row, because of the type of what is assigned to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverFits {
    /// Dotted path.
    pub column: String,
    /// Its type.
    pub kind: FieldType,
    /// What is assigned, in VRL's words: `boolean`, `array or object`.
    pub found: String,
}

/// The columns that never hold what the program leaves for them.
pub(crate) fn never_fits(event: &Kind, schema: &TableSchema) -> Vec<NeverFits> {
    let mut out = Vec::new();
    members("", event, &schema.fields, &mut out);
    out
}

fn members(parent: &str, kind: &Kind, fields: &[Field], out: &mut Vec<NeverFits>) {
    for Field { name, kind: column } in fields {
        let mut value = kind.at_path(&OwnedValuePath::single_field(name));
        value.remove_undefined();
        value.remove_null();
        let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        if value.is_never() || value.is_any() {
            continue;
        }
        if !fits(&value, column) {
            out.push(NeverFits { column: path, kind: column.clone(), found: words(&value) });
        } else if let FieldType::Struct(fields) = column {
            members(&path, &value, fields, out);
        }
    }
}

/// Whether a column takes some of the values of a type; only values tell the rest.
fn fits(value: &Kind, column: &FieldType) -> bool {
    let text_or_number = || value.contains_bytes() || value.contains_integer() || value.contains_float();
    match column {
        FieldType::String => true,
        FieldType::Boolean => value.contains_boolean() || value.contains_integer() || value.contains_bytes(),
        FieldType::Int | FieldType::Long | FieldType::Float | FieldType::Double => text_or_number(),
        FieldType::Timestamp => text_or_number() || value.contains_timestamp(),
        FieldType::Date => value.contains_bytes(),
        FieldType::Struct(_) => value.contains_object(),
        // one value is a list of one
        FieldType::List(element) => value.contains_array() || fits(value, element),
    }
}

/// The types of a value, without what is inside of them.
fn words(value: &Kind) -> String {
    let types = [
        ("string", value.contains_bytes()),
        ("integer", value.contains_integer()),
        ("float", value.contains_float()),
        ("boolean", value.contains_boolean()),
        ("timestamp", value.contains_timestamp()),
        ("regex", value.contains_regex()),
        ("array", value.contains_array()),
        ("object", value.contains_object()),
    ];
    let there: Vec<&str> = types.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect();
    there.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EnrichmentTables, ProgramKind, compile};

    fn check(text: &str, expected: &[&str]) {
        let mut schema = TableSchema::default();
        let columns = [
            ("flag", FieldType::Boolean),
            ("port", FieldType::Long),
            ("share", FieldType::Double),
            ("at", FieldType::Timestamp),
            ("day", FieldType::Date),
            ("text", FieldType::String),
            ("source.port", FieldType::Long),
            ("ports", FieldType::List(Box::new(FieldType::Long))),
        ];
        for (path, kind) in columns {
            schema.insert(path, kind).unwrap();
        }
        let program = compile(text, ProgramKind::Transform, &EnrichmentTables::none(), Some(&schema)).unwrap();
        let found: Vec<String> =
            program.never_fits().iter().map(|one| format!("{} {}", one.column, one.found)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_no_value_of_a_type_can_be_is_found() {
        check(".port = true", &["port boolean"]);
        check(".flag = now()", &["flag timestamp"]);
        check(".day = 3", &["day integer"]);
        check(".share = {\"a\": 1}", &["share object"]);
        check(".source = \"192.0.2.1\"", &["source string"]);
        check(".source.port = [1]", &["source.port array"]);
        check(".ports = {\"a\": 1}", &["ports object"]);
        check("if .json.a == 1 { .port = true } else { .port = now() }", &["port boolean or timestamp"]);
        check(".port = to_int!(.json.a)\n.port = true", &["port boolean"]);
    }

    #[test]
    fn what_some_value_can_be_is_left_to_the_values() {
        check(".port = \"80\"", &[]);
        check(".port = .json.port", &[]);
        check(".port = string!(.json.port)", &[]);
        check(".flag = 1", &[]);
        check(".at = 1.5", &[]);
        check(".text = {\"a\": [now()]}", &[]);
        check(".ports = 1", &[]);
        check(".ports = []", &[]);
        check(".port = null", &[]);
        check("if .json.a == 1 { .port = true } else { .port = 1 }", &[]);
        check(".port = true\n.port = to_int(.json.a) ?? null", &[]);
        check(".port = true\ndel(.port)", &[]);
    }
}
