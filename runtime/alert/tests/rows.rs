//! Rows of `matano_alerts` fit its columns and keep all of the event.
#![allow(clippy::unwrap_used)] // a test may panic

mod example;

use alert::row::row;
use example::{alert_of, at, found};
use model::{
    schema::{Field, FieldType},
    system,
};
use serde_json::{Value, json};

/// Every name in the row is a column, and containers stand where the columns have them.
fn fits(value: &Value, fields: &[Field], path: &str) {
    for (name, value) in value.as_object().unwrap_or_else(|| panic!("{path} is no object")) {
        let path = format!("{path}.{name}");
        let field = fields.iter().find(|field| field.name == *name).unwrap_or_else(|| panic!("no column {path}"));
        match &field.kind {
            FieldType::Struct(fields) => fits(value, fields, &path),
            FieldType::List(_) => assert!(value.is_array(), "{path}"),
            _ => assert!(!value.is_array() && !value.is_object(), "{path}"),
        }
    }
}

#[test]
fn a_row_has_the_event_the_match_and_the_alert() {
    let mut found = found(
        "r1",
        5,
        json!({
            "ts": "2023-07-10T11:00:05Z", "message": "m", "tags": "one", "labels": {"env": "prod"},
            "event": {"action": "ConsoleLogin", "kind": "event"},
            "process": {"pid": 7, "parent": {"name": "sh"}}, "dll": {"name": "x"}, "dns": {"question": {"name": "q"}},
            "tls": {"version": "1.2"}, "registry": {"key": "HKLM"}, "threat": {"technique": {"id": ["T1078"]}},
            "source": {"ip": "1.2.3.4", "own": "kept in original_event"}, "aws": {"own": 1}, "matano": {"record_id": "r1"},
        }),
    );
    found.context = json!({"why": "root"});
    found.false_positives = vec!["break glass".to_owned()];
    found.references = vec!["https://example.com".to_owned(), "https://example.org".to_owned()];
    let alert = alert_of(std::slice::from_ref(&found));
    let row = row(&found, &alert, Some(at(7)), at(9));
    fits(&row, &system::alerts().fields, "");

    assert_eq!(row["ts"], json!(at(9)));
    assert_eq!(row["event"], json!({"action": "ConsoleLogin", "kind": "signal"}));
    assert_eq!(row["tags"], json!(["one"]));
    assert_eq!(row["labels"], "{\"env\":\"prod\"}");
    assert_eq!(row["source"], json!({"ip": "1.2.3.4"}));
    for pointer in [
        "/process/parent/name",
        "/dll/name",
        "/dns/question/name",
        "/tls/version",
        "/registry/key",
        "/threat/technique/id/0",
    ] {
        assert_eq!(row.pointer(pointer), found.event.pointer(pointer), "{pointer}");
    }
    assert!(row.get("aws").is_none());

    let said = &row["matano"]["alert"];
    assert_eq!(row["matano"]["record_id"], "r1");
    assert_eq!(said["id"], json!(alert.id));
    assert_eq!((&said["created"], &said["activated"]), (&json!(at(7)), &json!(true)));
    assert_eq!(said["false_positives"], json!(["break glass"]));
    assert_eq!((&said["reference"], said["references"].as_array().unwrap().len()), (&json!("https://example.com"), 2));
    assert_eq!(serde_json::from_str::<Value>(said["context"].as_str().unwrap()).unwrap(), found.context);
    assert_eq!(serde_json::from_str::<Value>(said["original_event"].as_str().unwrap()).unwrap(), found.event);
    assert_eq!(said["rule"]["match"]["id"], json!(found.id));
    assert_eq!(said["rule"]["deduplication_window"], 3600);
}

#[test]
fn below_the_threshold_a_row_is_not_activated() {
    let found = found("r1", 0, json!({}));
    let row = row(&found, &alert_of(std::slice::from_ref(&found)), None, at(0));
    assert_eq!(row["event"]["kind"], "signal");
    assert_eq!(
        (&row["matano"]["alert"]["created"], &row["matano"]["alert"]["activated"]),
        (&Value::Null, &json!(false))
    );
}
