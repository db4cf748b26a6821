use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use detections::{Attempt, CacheAccess, Evaluated, Found, HostError, Identity, Rehearsal, RehearsalTable, Rehearsed};
use model::{
    time::Timestamp,
    worker::{CacheValue, StandIn, StandIns},
};
use serde_json::{Value, json};
use store::cache_sqlite::SqliteCache;

use crate::case::{Case, actions, name, table};

fn attempt(detection: &str, rows: Range<u64>) -> Attempt {
    let (stand_ins, remembered) = (StandIns::default(), BTreeMap::new());
    Attempt { detection: name(detection), table: 0, rows, stand_ins, remembered }
}

/// Shows rows, whose times are a minute apart, to the detections of attempts; all rows to those of `sweep`.
fn rehearse(case: &Case, rows: &[Value], attempts: &[Attempt], sweep: &[&str]) -> Result<Rehearsed, HostError> {
    let (_, file) = case.stage("a.parquet", rows);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let cache = Arc::new(SqliteCache::open(std::path::Path::new(":memory:")).unwrap());
    let cache = CacheAccess { cache, runtime: runtime.handle().clone(), now: Arc::new(|| Timestamp::EPOCH) };
    let event = |row: usize| json!({"matano": {"record_id": format!("r{row}")}});
    let times = (0..rows.len()).map(|row| Timestamp::EPOCH.plus_seconds(60 * row as i64)).collect();
    let identify = |row: u64, event: &Value| Identity::of(event, "", row);
    let tables = [RehearsalTable { table: table(), file, times, event: &event, identify: &identify }];
    let sweep: BTreeSet<_> = sweep.iter().map(|detection| name(detection)).collect();
    case.host().rehearse(&Rehearsal { tables: &tables, attempts, sweep: &sweep }, &cache)
}

/// `F` for a row that fired, `q` for a quiet one, `x` for one that failed.
fn outcome(rehearsed: &Rehearsed, attempt: usize) -> String {
    let records = rehearsed.attempts[attempt].evaluation.records.iter();
    records
        .map(|record| match record {
            Evaluated::Fired(_) => 'F',
            Evaluated::Quiet => 'q',
            Evaluated::Failed => 'x',
        })
        .collect()
}

#[test]
fn an_attempt_tells_what_became_of_each_of_its_rows() {
    let code = "def detect(r):\n    return {'x': True, 'y': False}[r['event']['action']]\ndef title(r): return 'T'";
    let case = Case::new(&[("one", code), ("other", "def detect(r): return True")]);
    let rows = actions(&["y", "x", "y", "z"]);
    let rehearsed = rehearse(&case, &rows, &[attempt("one", 1..4), attempt("other", 0..1)], &[]).unwrap();
    assert_eq!([outcome(&rehearsed, 0), outcome(&rehearsed, 1)], ["Fqx", "F"]);
    let evaluation = &rehearsed.attempts[0].evaluation;
    let Evaluated::Fired(found) = &evaluation.records[0] else { panic!("{evaluation:#?}") };
    assert_eq!((found.title.as_str(), found.record_id.as_str()), ("T", "r1"));
    assert_eq!(evaluation.failures[0].message, "KeyError: 'z'");
    let unknown = rehearse(&case, &rows, &[attempt("nope", 0..1)], &[]).unwrap_err();
    assert!(matches!(unknown, HostError::NotLoaded(_)));
}

#[test]
fn an_attempt_that_ends_its_worker_costs_no_other_attempt() {
    let code = "import os\ndef detect(r):\n    if r['event']['action'] == 'die':\n        os._exit(3)\n    return True";
    let case = Case::new(&[("one", code), ("two", "def detect(r): return True")]);
    let rows = actions(&["x", "die", "x", "x"]);
    let attempts = [attempt("one", 0..3), attempt("one", 3..4), attempt("two", 0..4)];
    let rehearsed = rehearse(&case, &rows, &attempts, &[]).unwrap();
    let outcomes: Vec<String> = (0..3).map(|number| outcome(&rehearsed, number)).collect();
    assert_eq!(outcomes, ["Fxx", "F", "FFFF"]);
    assert!(rehearsed.attempts[0].evaluation.failures[0].message.contains("ended its process with status 3"));
    assert!(rehearsed.attempts[1].evaluation.failures.is_empty());
}

#[test]
fn what_can_not_be_imported_fails_in_each_of_its_attempts() {
    let case = Case::new(&[("one", "import nothing_of_this_name\ndef detect(r): return True")]);
    let attempts = [attempt("one", 0..1), attempt("one", 1..2)];
    let rehearsed = rehearse(&case, &actions(&["x", "y"]), &attempts, &[]).unwrap();
    for number in 0..2 {
        assert_eq!(outcome(&rehearsed, number), "x");
        assert!(rehearsed.attempts[number].evaluation.failures[0].message.contains("nothing_of_this_name"));
    }
}

#[test]
fn a_detection_that_hangs_is_stopped_and_the_rest_of_its_attempt_not_judged() {
    let code = "def detect(r):\n    while r['event']['action'] == 'hang':\n        pass\n    return True";
    let case = Case::new(&[("one", code)]).impatient();
    let rows = actions(&["hang", "hang", "x", "x"]);
    let rehearsed = rehearse(&case, &rows, &[attempt("one", 0..3), attempt("one", 3..4)], &[]).unwrap();
    assert_eq!([outcome(&rehearsed, 0), outcome(&rehearsed, 1)], ["xxx", "F"]);
}

#[test]
fn every_attempt_remembers_on_its_own_at_the_time_of_its_rows() {
    let code = "from detection import remotecache\ndef detect(r):\n    return remotecache('n', ttl=90).increment_counter('k') == 2";
    let case = Case::new(&[("one", code)]);
    let mut filled = attempt("one", 2..4);
    filled.remembered =
        BTreeMap::from([("n".to_owned(), BTreeMap::from([("k".to_owned(), CacheValue::Json(json!(1)))]))]);
    // counted from the first row, two minutes later it has ended
    let attempts = [attempt("one", 0..2), filled, attempt("one", 4..7)];
    let rehearsed = rehearse(&case, &actions(&["x"; 7]), &attempts, &["one"]).unwrap();
    let outcomes: Vec<String> = (0..3).map(|number| outcome(&rehearsed, number)).collect();
    assert_eq!(outcomes, ["qF", "Fq", "qFq"]);
    assert!(rehearsed.fired.is_empty() && rehearsed.failed.is_empty(), "all rows are its own");
}

#[test]
fn stand_ins_last_as_long_as_their_attempt() {
    let code =
        "import json\ndef now(): return 'then'\ndef detect(r):\n    return json.dumps(now()) == 'x' or now() == 'now'";
    let case = Case::new(&[("one", code)]);
    let with = |path: &str, stand_in: StandIn, rows: Range<u64>| {
        let attributes = BTreeMap::from([(path.to_owned(), stand_in)]);
        Attempt { stand_ins: StandIns { attributes, enrichment: vec![] }, ..attempt("one", rows) }
    };
    let attempts = [
        with("json.dumps", StandIn::Returns(json!("x")), 0..1),
        with("detect.now", StandIn::Returns(json!("now")), 1..2),
        with("detect.now", StandIn::Raises("OSError: no".to_owned()), 2..3),
        with("detect.later", StandIn::Value(json!(1)), 3..4),
        attempt("one", 4..5),
    ];
    let rehearsed = rehearse(&case, &actions(&["x"; 5]), &attempts, &[]).unwrap();
    let outcomes: Vec<String> = (0..5).map(|number| outcome(&rehearsed, number)).collect();
    assert_eq!(outcomes, ["F", "F", "x", "x", "q"]);
    assert_eq!(rehearsed.attempts[2].evaluation.failures[0].message, "OSError: no");
    assert!(rehearsed.attempts[3].evaluation.failures[0].message.contains("nothing can stand in for `detect.later`"));
}

#[test]
fn rows_of_others_are_told_apart_from_a_detections_own() {
    let picky = "def detect(r):\n    return r['event']['action'] != {'a': 'a', 'b': 'x'}[r['event']['action']]";
    let case = Case::new(&[("one", picky), ("all", "def detect(r): return True")]);
    let attempts = [attempt("one", 0..1), attempt("all", 1..3)];
    let rehearsed = rehearse(&case, &actions(&["a", "b", "c"]), &attempts, &["one", "all"]).unwrap();
    let found = |row, detection: &str| Found { table: 0, row, detection: name(detection) };
    assert_eq!(rehearsed.fired, BTreeSet::from([found(1, "one"), found(0, "all")]));
    let [failed] = rehearsed.failed.as_slice() else { panic!("{:#?}", rehearsed.failed) };
    assert_eq!((failed.failure.message.as_str(), failed.rows.as_slice()), ("KeyError: 'c'", &[2][..]));
    assert_eq!(failed.failure.line, Some(2));
}
