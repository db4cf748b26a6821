use detections::Identity;
use model::{
    release::{Bundle, Cadence, Schedule, Trigger},
    schema::{FieldType, TableSchema},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::case::{Case, fired, name, table, write};

fn hourly(case: &mut Case, detection: &str) {
    let query = Bundle::add(&mut case.bundle.resources, "select 1");
    let cadence = Cadence::Every(std::num::NonZeroU64::new(3600).unwrap());
    case.detection(detection).trigger = Trigger::Scheduled(Schedule { cadence, query, lateness_seconds: 300 });
}

fn rows(case: &Case) -> std::path::PathBuf {
    let mut schema = TableSchema::default();
    schema.insert("who", FieldType::String).unwrap();
    schema.insert("n", FieldType::Long).unwrap();
    let path = case.directory.path().join("rows.parquet");
    write(&path, &schema, &[json!({"who": "ann", "n": 3}), json!({"who": "bob", "n": 30})]);
    path
}

fn identify(row: u64, event: &Value) -> Identity {
    Identity::of_query(event, format!("{row}:{}", event["who"].as_str().unwrap()), Timestamp::EPOCH)
}

#[test]
fn without_code_every_row_of_a_query_is_a_match() {
    let mut case = Case::new(&[]);
    case.add("many", &[]).display_name = Some("Many".to_owned());
    hourly(&mut case, "many");
    let report = case.host().scheduled(&name("many"), &table(), &rows(&case), &identify).unwrap();
    assert_eq!(fired(&report), ["many@0:ann", "many@1:bob"]);
    assert_eq!((report.matches[1].title.as_str(), report.matches[1].ts), ("Many", Timestamp::EPOCH));
    assert_eq!(report.matches[1].event, json!({"who": "bob", "n": 30}));
}

#[test]
fn code_picks_and_describes_the_rows_of_a_query() {
    for (code, expected) in [
        ("def detect(r): return r['n'] > 10\ndef title(r): return r['who']", vec![("many@1:bob", "bob")]),
        ("def title(r): return r['who']", vec![("many@0:ann", "ann"), ("many@1:bob", "bob")]),
    ] {
        let mut case = Case::new(&[("many", code)]);
        hourly(&mut case, "many");
        let host = case.host();
        let report = host.scheduled(&name("many"), &table(), &rows(&case), &identify).unwrap();
        assert_eq!(report.failures, []);
        let ids = fired(&report);
        let found: Vec<(&str, &str)> =
            ids.iter().map(String::as_str).zip(report.matches.iter().map(|found| found.title.as_str())).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_scheduled_detection_sees_no_staged_files() {
    let mut case = Case::new(&[("many", "def detect(r): return True")]);
    hourly(&mut case, "many");
    assert_eq!(fired(&case.detect(&[json!({"count": 1})])), Vec::<String>::new());
}
