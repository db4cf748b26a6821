//! Rows as people write them: columns nested or dotted, one laid over another.

use serde_json::{Map, Value};

use crate::schema::{Field, FieldType, TableSchema};

impl TableSchema {
    /// Dotted names as nested objects, where a struct column is meant. Free-form objects keep their keys.
    pub fn nest(&self, row: &Value) -> Value {
        nest(row, &self.fields)
    }
}

fn nest(row: &Value, fields: &[Field]) -> Value {
    let Value::Object(members) = row else { return row.clone() };
    let mut out = Map::new();
    for (name, value) in members {
        let exact = fields.iter().any(|field| &field.name == name);
        match name.split_once('.') {
            Some((parent, rest)) if !exact => {
                let inner = Value::Object(Map::from_iter([(rest.to_owned(), value.clone())]));
                put(&mut out, parent, &inner, fields);
            }
            Some(_) | None => put(&mut out, name, value, fields),
        }
    }
    Value::Object(out)
}

fn put(out: &mut Map<String, Value>, name: &str, value: &Value, fields: &[Field]) {
    let value = match fields.iter().find(|field| field.name == name).map(|field| &field.kind) {
        Some(FieldType::Struct(members)) => nest(value, members),
        Some(_) | None => value.clone(),
    };
    overlay(out.entry(name).or_insert(Value::Null), value);
}

/// Lays one nested value over another: members of objects one by one, anything else as a whole.
pub fn overlay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                overlay(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dotted_names_become_nested_where_a_struct_is_meant_and_free_form_objects_keep_theirs() {
        let field = |name: &str, kind| Field { name: name.to_owned(), kind };
        let user = field("user", FieldType::Struct(vec![field("name", FieldType::String)]));
        let schema = TableSchema { fields: vec![user, field("labels", FieldType::String)] };
        let row = json!({"user.name": "dana", "labels": {"a.b": 1}});
        assert_eq!(schema.nest(&row), json!({"user": {"name": "dana"}, "labels": {"a.b": 1}}));
    }

    #[test]
    fn what_lies_over_wins_member_by_member_and_null_takes_away() {
        let mut under = json!({"user": {"name": "dana", "id": 1}, "tags": ["a"]});
        overlay(&mut under, json!({"user": {"name": null}, "tags": ["b"], "n": 2}));
        assert_eq!(under, json!({"user": {"name": null, "id": 1}, "tags": ["b"], "n": 2}));
    }
}
