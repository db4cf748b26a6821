//! Values into columns: what fits, what does not, and what is nothing.
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

use std::sync::Arc;

use columns::{FieldIds, Json, Misfit, RowBuilder, json_rows, row_json};
use model::{
    schema::{FieldType, TableSchema},
    system,
    time::Timestamp,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn schema(columns: &[(&str, FieldType)]) -> TableSchema {
    let mut schema = TableSchema::default();
    for (path, kind) in columns {
        schema.insert(path, kind.clone()).unwrap();
    }
    schema
}

fn one(kind: FieldType, value: Value) -> (Value, Vec<Misfit>) {
    let (batch, misfits) = json_rows(&schema(&[("c", kind)]), &[json!({ "c": value })]).unwrap();
    (row_json(&batch, 0).get("c").cloned().unwrap_or(Value::Null), misfits)
}

#[track_caller]
fn fits(kind: FieldType, value: Value, expected: Value) {
    let (stored, misfits) = one(kind, value);
    assert_eq!((stored, misfits), (expected, vec![]));
}

#[track_caller]
fn does_not_fit(kind: FieldType, value: Value, error: &str) {
    let (stored, misfits) = one(kind, value);
    assert_eq!(stored, Value::Null);
    assert_eq!(misfits.len(), 1, "{misfits:?}");
    assert!(misfits[0].error.contains(error), "{misfits:?}");
}

fn list(kind: FieldType) -> FieldType {
    FieldType::List(Box::new(kind))
}

#[test]
fn numbers_and_their_numerals_are_the_same() {
    fits(FieldType::Long, json!("123"), json!(123));
    fits(FieldType::Long, json!("-123"), json!(-123));
    fits(FieldType::Long, json!(1.0), json!(1));
    fits(FieldType::Long, json!(i64::MIN), json!(i64::MIN));
    fits(FieldType::Int, json!("2147483647"), json!(i32::MAX));
    fits(FieldType::Double, json!("1.5e3"), json!(1500.0));
    fits(FieldType::Double, json!(3), json!(3.0));
    fits(FieldType::Float, json!(0.1), json!(0.1));
    fits(FieldType::String, json!(123), json!("123"));
    fits(FieldType::String, json!(u64::MAX), json!("18446744073709551615"));
    fits(FieldType::String, json!(1e300), json!("1e+300"));
    fits(FieldType::String, json!(true), json!("true"));
}

#[test]
fn numbers_that_would_lose_something_do_not_fit() {
    does_not_fit(FieldType::Int, json!(1_i64 << 31), "expected `int`, found a number out of range");
    does_not_fit(FieldType::Long, json!(u64::MAX), "out of range");
    does_not_fit(FieldType::Long, json!(1.5), "a number with a fraction");
    does_not_fit(FieldType::Long, json!(1e300), "out of range");
    does_not_fit(FieldType::Long, json!("9223372036854775808"), "out of range");
    for text in ["12x", "1.0", " 1", "0x10", "+1", "-", "١٢"] {
        does_not_fit(FieldType::Long, json!(text), "text that is no whole number");
    }
    does_not_fit(FieldType::Double, json!((1_i64 << 53) + 1), "more digits than fit");
    does_not_fit(FieldType::Float, json!(1e300), "out of range");
    does_not_fit(FieldType::Float, json!(16_777_217), "more digits than fit");
    for text in ["NaN", "inf", "-Infinity", "1e999", ""] {
        let (stored, misfits) = one(FieldType::Double, json!(text));
        assert_eq!(stored, Value::Null);
        assert_eq!(misfits.is_empty(), text.is_empty(), "{text}");
    }
    does_not_fit(FieldType::Long, json!(true), "a boolean");
}

#[test]
fn booleans_are_read_from_their_words() {
    fits(FieldType::Boolean, json!("true"), json!(true));
    fits(FieldType::Boolean, json!("False"), json!(false));
    fits(FieldType::Boolean, json!(0), json!(false));
    does_not_fit(FieldType::Boolean, json!("yes"), "text");
    does_not_fit(FieldType::Boolean, json!(2), "a number");
}

#[test]
fn times_are_rfc_3339_or_a_count_whose_unit_shows() {
    let expected = json!("2023-07-10T11:42:36.500000Z");
    for time in [
        json!("2023-07-10T11:42:36.5Z"),
        json!("2023-07-10T13:42:36.5+02:00"),
        json!(1_688_989_356_500_i64),
        json!(1_688_989_356_500_000_i64),
        json!(1_688_989_356_500_000_000_i64),
        json!("1688989356500"),
        json!(1_688_989_356.5),
    ] {
        fits(FieldType::Timestamp, time, expected.clone());
    }
    fits(FieldType::Timestamp, json!(1_688_989_356), json!("2023-07-10T11:42:36.000000Z"));
    fits(FieldType::Timestamp, json!("0000-01-01T00:00:00Z"), json!("0000-01-01T00:00:00.000000Z"));
    fits(FieldType::Timestamp, json!("9999-12-31T23:59:59.999999Z"), json!("9999-12-31T23:59:59.999999Z"));
    does_not_fit(FieldType::Timestamp, json!("9999-12-31T23:59:59.999999-01:00"), "outside the years 0 to 9999");
    does_not_fit(FieldType::Timestamp, json!(5), "whose unit of time is not clear");
    does_not_fit(FieldType::Timestamp, json!(20230710), "whose unit of time is not clear");
    does_not_fit(FieldType::Timestamp, json!("2023-07-10 11:42:36"), "no RFC 3339 time");
    does_not_fit(FieldType::Timestamp, json!({"a": 1}), "an object");
}

#[test]
fn dates_are_iso_days() {
    fits(FieldType::Date, json!("2023-07-10"), json!("2023-07-10"));
    fits(FieldType::Date, json!("1969-12-31"), json!("1969-12-31"));
    does_not_fit(FieldType::Date, json!("10.07.2023"), "no date");
    does_not_fit(FieldType::Date, json!(19000), "a number");
}

#[test]
fn what_has_parts_becomes_json_text_in_a_string() {
    fits(FieldType::String, json!({"a": [1, null, ""]}), json!(r#"{"a":[1,null,""]}"#));
    fits(FieldType::String, json!(["x"]), json!(r#"["x"]"#));
}

#[test]
fn one_value_is_a_list_of_one() {
    fits(list(FieldType::String), json!("x"), json!(["x"]));
    fits(list(FieldType::Long), json!("7"), json!([7]));
    fits(list(FieldType::Struct(schema(&[("a", FieldType::Long)]).fields)), json!({"a": 1}), json!([{"a": 1}]));
    does_not_fit(list(FieldType::Long), json!({"a": 1}), "`list<long>`");
}

#[test]
fn elements_that_do_not_fit_are_left_out_and_named() {
    let (stored, misfits) = one(list(FieldType::Long), json!([1, "x", 2]));
    assert_eq!(stored, json!([1, 2]));
    assert_eq!(misfits[0].column, "c.element");
    let elements = || list(FieldType::Struct(schema(&[("a.b", FieldType::Long), ("c", FieldType::Long)]).fields));
    let (stored, misfits) = one(elements(), json!([{"a": {"b": "x"}, "c": 1}]));
    assert_eq!(stored, json!([{"c": 1}]));
    assert_eq!(misfits[0].column, "c.element.a.b");
    fits(elements(), json!([{"other": 1}, {"c": 2}]), json!([{"c": 2}]));
}

#[test]
fn null_empty_text_and_empty_containers_are_null() {
    let blanks = [json!(null), json!(""), json!({}), json!([]), json!([null, ""]), json!({"a": {"b": [""]}})];
    for kind in [FieldType::String, FieldType::Long, list(FieldType::String), FieldType::Timestamp] {
        for blank in &blanks {
            fits(kind.clone(), blank.clone(), json!(null));
        }
    }
    let (batch, misfits) =
        json_rows(&schema(&[("a.b", FieldType::Long)]), &blanks.clone().map(|blank| json!({"a": blank}))).unwrap();
    assert_eq!(misfits, []);
    assert_eq!(batch.column(0).null_count(), blanks.len());
}

#[test]
fn columns_without_values_are_one_array_and_have_values_again_in_the_next_batch() {
    let schema = schema(&[("a", FieldType::String), ("b", FieldType::String), ("c", FieldType::Long)]);
    let mut builder = RowBuilder::new(&schema, None);
    let mut batch = |row: Value| {
        builder.push_event::<Json>(&row);
        builder.end_row();
        builder.finish().unwrap()
    };
    let first = batch(json!({"c": 7}));
    assert!(Arc::ptr_eq(first.column(0), first.column(1)));
    assert_eq!(row_json(&first, 0), json!({"c": 7}));
    let second = batch(json!({"a": "x"}));
    assert_eq!(row_json(&second, 0), json!({"a": "x"}));
}

#[test]
fn a_struct_is_null_where_all_its_members_are() {
    let rows = [json!({"a": {"b": 1}}), json!({}), json!({"a": {"c": {"d": "x"}}}), json!({"a": {"c": {"d": ""}}})];
    let schema = schema(&[("a.b", FieldType::Long), ("a.c.d", FieldType::String)]);
    let (batch, _) = json_rows(&schema, &rows).unwrap();
    let valid: Vec<bool> = (0..4).map(|row| batch.column(0).is_valid(row)).collect();
    assert_eq!(valid, [true, false, true, false]);
    assert_eq!(row_json(&batch, 2), rows[2]);
}

#[test]
fn what_does_not_fit_a_struct_is_a_misfit_of_it() {
    let (batch, misfits) = json_rows(&schema(&[("a.b", FieldType::Long)]), &[json!({"a": 5})]).unwrap();
    assert_eq!(batch.column(0).null_count(), 1);
    assert_eq!((misfits[0].column.as_str(), misfits[0].error.as_str()), ("a", "expected an object, found a number"));
}

#[test]
fn misfits_stand_in_their_own_row() {
    let mut columns = system::row_columns();
    columns.insert("user.id", FieldType::Long).unwrap();
    let rows =
        [json!({"user": {"id": "x"}}), json!({"user": {"id": 1}}), json!({"user": {"id": {"y": "z".repeat(999)}}})];
    let (batch, misfits) = json_rows(&columns, &rows).unwrap();
    assert_eq!(misfits.iter().map(|misfit| misfit.row).collect::<Vec<_>>(), [0, 2]);
    let expected =
        json!([{"column": "user.id", "error": "expected `long`, found text that is no whole number", "value": "x"}]);
    assert_eq!(row_json(&batch, 0)["matano"]["errors"], expected);
    assert_eq!(row_json(&batch, 1), json!({"user": {"id": 1}}));
    let value = row_json(&batch, 2)["matano"]["errors"][0]["value"].as_str().unwrap().to_owned();
    assert!(value.len() <= Misfit::VALUE_BYTES && value.ends_with('…'), "{value}");
}

#[test]
fn dotted_and_nested_names_mean_the_same() {
    let schema = schema(&[
        ("user.name", FieldType::String),
        ("user.geo.city", FieldType::String),
        ("labels", FieldType::String),
    ]);
    let row = json!({"user.name": "root", "user": {"geo.city": "Ulm"}, "labels": {"a.b": 1}});
    let (batch, misfits) = json_rows(&schema, &[row]).unwrap();
    assert_eq!(misfits, []);
    let expected = json!({"user": {"name": "root", "geo": {"city": "Ulm"}}, "labels": r#"{"a.b":1}"#});
    assert_eq!(row_json(&batch, 0), expected);
}

#[test]
fn a_builder_is_empty_again_after_each_batch() {
    let ids: FieldIds = [("c".to_owned(), 7)].into_iter().collect();
    let mut builder = RowBuilder::new(&schema(&[("c", FieldType::String), ("t", FieldType::Timestamp)]), Some(&ids));
    let (c, t) = (builder.column("c").unwrap(), builder.column("t").unwrap());
    builder.end_row();
    builder.push_text(c, "x");
    builder.push_timestamp(t, Timestamp::EPOCH);
    builder.end_row();
    assert!(builder.bytes() > 0);
    let first = builder.finish().unwrap();
    assert_eq!((builder.rows(), builder.bytes(), first.num_rows()), (0, 0, 2));
    assert_eq!(row_json(&first, 0), json!({}));
    assert_eq!(row_json(&first, 1), json!({"c": "x", "t": "1970-01-01T00:00:00.000000Z"}));
    builder.push::<Json>(c, &json!(5));
    builder.end_row();
    let second = builder.finish().unwrap();
    assert_eq!(row_json(&second, 0), json!({"c": "5"}));
    assert_eq!(second.schema(), first.schema());
    assert_eq!(first.schema().field(0).metadata().len(), 1);
}

#[test]
fn of_two_values_for_one_column_the_first_stays() {
    let mut builder = RowBuilder::new(&schema(&[("c", FieldType::Long)]), None);
    let column = builder.column("c").unwrap();
    builder.push::<Json>(column, &json!(1));
    builder.push_event::<Json>(&json!({"c": 2}));
    builder.end_row();
    assert_eq!(row_json(&builder.finish().unwrap(), 0), json!({"c": 1}));
}

#[test]
fn columns_are_found_by_path_and_not_inside_lists() {
    let builder = RowBuilder::new(&schema(&[("a.b", FieldType::Long), ("l", list(FieldType::Long))]), None);
    assert!(builder.is_struct(builder.column("a").unwrap()));
    assert!(!builder.is_struct(builder.column("a.b").unwrap()));
    for path in ["", "x", "a.x", "a.b.c", "l.element"] {
        assert_eq!(builder.column(path), None, "{path}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9.]{0,6}".prop_map(Value::from),
        Just(json!("2023-07-10T11:42:36Z")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_goes_into_any_column(rows in prop::collection::vec(any_json(), 0..8)) {
        let columns = schema(&[
            ("a.a", FieldType::Long), ("a.b", FieldType::String), ("a.c", list(FieldType::Timestamp)),
            ("b", list(FieldType::Struct(schema(&[("a", FieldType::Double), ("b.c", FieldType::Boolean)]).fields))),
            ("c", FieldType::String), ("matano.errors", system::row_columns().get("matano.errors").unwrap().clone()),
        ]);
        let (batch, misfits) = json_rows(&columns, &rows).unwrap();
        prop_assert_eq!(batch.num_rows(), rows.len());
        if !misfits.is_empty() {
            return Ok(());
        }
        // where everything fitted, what was stored is stored the same way again
        let stored: Vec<Value> = (0..rows.len()).map(|row| row_json(&batch, row)).collect();
        let (again, misfits) = json_rows(&columns, &stored).unwrap();
        prop_assert!(misfits.is_empty(), "{:?}", misfits);
        let twice: Vec<Value> = (0..rows.len()).map(|row| row_json(&again, row)).collect();
        prop_assert_eq!(twice, stored);
    }
}
