//! Objects to staged files: every record is accounted for.
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

mod bundle;

use std::io::{Cursor, Read};

use bundle::{Declared, Logs, Ran, now, object, read_back, run};
use model::{
    object::{Position, RecordId},
    release::Partition,
    schema::FieldType,
};
use serde_json::{Value, json};
use transform::{Hints, Limits, TransformError};

fn simple(transform: &'static str) -> Logs {
    Logs::new(vec![Declared {
        columns: vec![
            ("source.ip", FieldType::String),
            ("user.id", FieldType::Long),
            ("status", FieldType::Long),
            ("event.action", FieldType::String),
        ],
        ..Declared::new("default", transform)
    }])
}

fn report(ran: &Ran) -> [u64; 4] {
    let report = &ran.output.report;
    [report.records, report.rows, report.rejects, report.dropped]
}

const NOW: &str = "2026-01-02T03:04:05.000000Z";

/// The measured edge cases of the original's pre-parse and footer. Ours differ in one: text in a row is kept as
/// `event.original` too.
#[test]
fn records_of_every_kind_become_the_rows_of_the_original() {
    let columns = ["a", "b", "c", "d", "e", "f"];
    let logs = Logs::new(vec![Declared {
        columns: columns.iter().map(|name| (*name, FieldType::String)).collect(),
        keep_original: false,
        ..Declared::new("default", "if exists(.json) { . = merge!(., .json) }")
    }]);
    let logs = logs.compile();
    for (line, expected) in [
        ("[1,2", json!({"message": "[1,2"})),
        ("5", json!({"message": "5"})),
        (r#"{"a":""}"#, json!({})),
        (r#"{"a":{},"b":[],"c":null,"d":[null,""],"e":0,"f":false}"#, json!({"e": "0", "f": "false"})),
        (r#"{"a":{"b":1}}"#, json!({"a": r#"{"b":1}"#})),
        (r#"{"a":1,"a":2}"#, json!({"a": "2"})),
    ] {
        let ran = run(&logs, "x.log", line);
        let mut expected = expected;
        expected["ts"] = json!(NOW);
        assert_eq!(ran.events("logs"), [expected], "{line}");
        assert_eq!(ran.rows("logs")[0]["ecs"]["version"], "9.4.0");
    }
}

#[test]
fn the_example_of_the_original_gives_its_row() {
    let transform = r#"
        .json = object!(parse_json!(.json.line))
        .status = .json.status
        .source.ip = .json.srcIpAddress
        .message = downcase!(.json.message)
    "#;
    let line = r#"{"line":"{\"status\":200,\"srcIpAddress\":\"1.1.1.1\",\"message\":\"SUCCESS\",\"username\":\"x\"}"}"#;
    let ran = run(&simple(transform).compile(), "x.json", line);
    let expected = json!({"message": "success", "status": 200, "source": {"ip": "1.1.1.1"}, "ts": NOW});
    assert_eq!(ran.events("logs"), [expected]);
}

#[test]
fn a_row_says_where_it_came_from() {
    let ran = run(&simple(".source.ip = .json.ip").compile(), "a/b.json", "{\"ip\":\"1.1.1.1\"}\n{\"ip\":\"2.2.2.2\"}");
    let rows = ran.rows("logs");
    for (position, row) in rows.iter().enumerate() {
        let id = RecordId::of(object("a/b.json").id(), Position(position as u64));
        assert_eq!(row["matano"]["record_id"], id.to_string());
        assert_eq!(row["matano"]["source_object"], "s3://b/a/b.json");
        assert_eq!(row["matano"]["ingested_at"], NOW);
        assert_eq!(row["matano"]["release"].as_str().unwrap().len(), 64);
    }
    assert_eq!(rows[1]["event"]["original"], "{\"ip\":\"2.2.2.2\"}");
    let file = &ran.output.files[0];
    assert_eq!((file.rows, file.ts_range), (2, (now(), now())));
    assert!(ran.output.report.bytes > 0);
}

#[test]
fn the_original_is_that_of_the_program_if_it_sets_one() {
    let ran = run(&simple(".event.original = upcase!(.message)").compile(), "x.log", "hello");
    assert_eq!(ran.rows("logs")[0]["event"]["original"], "HELLO");
    let ran = run(&simple(".event.original = \"\"").compile(), "x.log", "hello");
    assert_eq!(ran.rows("logs")[0]["event"]["original"], "hello");
    let mut logs = simple("");
    logs.tables[0].keep_original = false;
    assert_eq!(run(&logs.compile(), "x.log", "hello").rows("logs")[0].get("event"), None);
}

#[test]
fn programs_cannot_write_what_matano_says_of_a_row() {
    for transform in [
        ".matano.record_id = \"x\"\n.ecs.version = \"1\"\n.matano.errors = [{\"column\": \"x\"}]",
        ". = merge(., {\"matano\": {\"record_id\": \"x\"}, \"ecs\": {\"version\": \"1\"}})",
    ] {
        let ran = run(&simple(transform).compile(), "x.log", "hello");
        let row = &ran.rows("logs")[0];
        assert_eq!(row["matano"]["record_id"].as_str().unwrap().len(), 32, "{transform}");
        assert_eq!((&row["ecs"]["version"], row["matano"].get("errors")), (&json!("9.4.0"), None), "{transform}");
    }
}

#[test]
fn a_value_that_does_not_fit_costs_its_field_only() {
    let ran = run(&simple(".user.id = .json.id\n.status = .json.s").compile(), "x", r#"{"id":"root","s":"200"}"#);
    let row = &ran.rows("logs")[0];
    assert_eq!((row.get("user"), &row["status"]), (None, &json!(200)));
    assert_eq!(row["matano"]["errors"][0]["column"], "user.id");
    assert_eq!(row["matano"]["errors"][0]["value"], "root");
}

#[test]
fn records_end_as_rows_as_rejects_or_dropped_and_all_are_counted() {
    let transform = r#"
        if .json.kind == "noise" { abort }
        .ts = .json.time || .ts
        .status = to_int!(.json.status)
    "#;
    let lines = [
        r#"{"status":"200"}"#,
        r#"{"kind":"noise"}"#,
        r#"{"status":"x"}"#,
        r#"{"status":1,"time":"2026-01-01T00:00:00Z"}"#,
        r#"{"broken":tru}"#,
        r#"{"status":3}"#,
    ];
    let ran = run(&simple(transform).compile(), "x.json", lines.join("\n"));
    assert_eq!(report(&ran), [6, 2, 3, 1]);
    let rules: Vec<&str> = ran.rejects().into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, ["transform", "no_timestamp", "malformed"]);
    let rejects = ran.rows("matano_rejects");
    let at: Vec<i64> = rejects.iter().map(|reject| reject["position"].as_i64().unwrap()).collect();
    assert_eq!(at, [2, 3, 4]);
    assert_eq!(rejects[0]["raw"], lines[2]);
    assert_eq!(rejects[0]["table"], "logs");
    assert_eq!(rejects[0]["object"], json!({"bucket": "b", "key": "x.json", "version": "1", "size": 1}));
    assert!(ran.rejects()[1].1.contains("convert it with `to_timestamp!`"), "{:?}", ran.rejects());
}

#[test]
fn bytes_that_are_no_text_are_kept_as_base64() {
    let ran = run(&simple("").compile(), "x.log", b"good\nb\xffd\n".to_vec());
    assert_eq!(report(&ran), [2, 1, 1, 0]);
    let reject = &ran.rows("matano_rejects")[0];
    assert_eq!(
        (&reject["rule"], &reject["raw_encoding"], &reject["raw"]),
        (&json!("malformed"), &json!("base64"), &json!("Yv9k"))
    );
}

#[test]
fn a_number_that_no_double_holds_makes_a_record_malformed_where_it_is_read() {
    let line = r#"{"n":1e400,"status":1}"#;
    let ran = run(&simple(".status = .json.n").compile(), "x.json", line);
    assert_eq!(report(&ran), [1, 0, 1, 0]);
    assert_eq!(ran.rejects()[0].0, "malformed");
    // what no program looks at cannot fail a record
    let ran = run(&simple(".status = .json.status").compile(), "x.json", line);
    assert_eq!(ran.events("logs")[0]["status"], 1);
}

#[test]
fn deep_json_is_a_reject_and_not_the_end_of_the_process() {
    let deep = format!("{{\"a\":{}1{}}}\n{{\"status\":1}}", "[".repeat(10_000), "]".repeat(10_000));
    for transform in [".status = .json.status", ". = merge!(., .json)"] {
        let ran = run(&simple(transform).compile(), "x.json", deep.as_str());
        assert_eq!(report(&ran), [2, 1, 1, 0], "{transform}");
        assert_eq!(ran.rejects()[0].0, "malformed");
    }
}

fn three_tables() -> Logs {
    let table =
        |name| Declared { columns: vec![("kind", FieldType::String)], ..Declared::new(name, ".kind = .json.kind") };
    Logs::new(vec![table("default"), table("dns"), table("http")])
}

#[test]
fn a_record_goes_to_the_table_that_it_selects() {
    // over slots, over slots with an event that the transform cannot tell from the record, over the whole event
    for select in [".json._table", "del(.json._table)", ". |= {\"x\": 1}\n.json._table"] {
        let mut logs = three_tables();
        logs.select_record = Some(select);
        let lines = [
            r#"{"_table":"dns","kind":"a"}"#,
            r#"{"_table":"http","kind":"b"}"#,
            r#"{"kind":"c"}"#,
            r#"{"_table":"logs_dns","kind":"d"}"#,
            r#"{"_table":"ftp","kind":"e"}"#,
            r#"{"_table":5,"kind":"f"}"#,
        ];
        let ran = run(&logs.compile(), "x.json", lines.join("\n"));
        let kinds = |table| ran.rows(table).iter().map(|row| row["kind"].clone()).collect::<Vec<_>>();
        assert_eq!(kinds("logs_dns"), ["a", "d"], "{select}");
        assert_eq!((kinds("logs_http"), kinds("logs")), (vec![json!("b")], vec![json!("c")]), "{select}");
        assert_eq!(report(&ran), [6, 4, 2, 0], "{select}");
        let rejects = ran.rejects();
        assert!(rejects.iter().all(|(rule, _)| *rule == "no_table"), "{rejects:?}");
        assert!(rejects[0].1.contains("named `ftp`, expected one of `default`, `dns`, `http`"), "{rejects:?}");
        assert!(rejects[1].1.contains("found integer"), "{rejects:?}");
    }
}

#[test]
fn a_transform_sees_what_the_selector_did_to_the_event() {
    let mut logs = Logs::new(vec![Declared {
        columns: vec![("left", FieldType::String)],
        ..Declared::new("default", ".left = encode_json(.json)")
    }]);
    logs.select_record = Some("if del(.json._table) == \"none\" { abort }\nnull");
    let ran = run(&logs.compile(), "x.json", "{\"_table\":\"x\",\"a\":1}\n{\"_table\":\"none\"}");
    assert_eq!(report(&ran), [2, 1, 0, 1]);
    assert_eq!(ran.rows("logs")[0]["left"], r#"{"a":1}"#);
}

#[test]
fn a_file_goes_to_the_table_that_its_key_selects() {
    let mut logs = three_tables();
    logs.select_metadata = Some(
        r#"
        key = .__metadata.s3.key
        if contains(key, "skip") { abort }
        if contains(key, "dns") { "dns" } else if contains(key, "ftp") { "ftp" } else { null }
        "#,
    );
    let logs = logs.compile();
    let line = r#"{"kind":"a"}"#;
    assert_eq!(run(&logs, "x/dns/1.json", line).rows("logs_dns").len(), 1);
    assert_eq!(run(&logs, "x/1.json", line).rows("logs").len(), 1);
    assert_eq!(report(&run(&logs, "x/skip/1.json", line)), [0, 0, 0, 0]);
    let ran = run(&logs, "x/ftp/1.json", line);
    assert_eq!(report(&ran), [1, 0, 1, 0]);
    assert_eq!((ran.rejects()[0].0, &ran.rows("matano_rejects")[0]["raw"]), ("no_table", &json!(line)));
}

#[test]
fn without_a_default_a_record_must_select_its_table() {
    let mut logs = three_tables();
    logs.tables.remove(0);
    logs.select_record = Some(".json._table");
    let ran = run(&logs.compile(), "x.json", "{\"_table\":\"dns\"}\n{}");
    assert_eq!(report(&ran), [2, 1, 1, 0]);
    assert!(ran.rejects()[0].1.contains("has no table `default`"));
}

#[test]
fn expanding_programs_and_streams_give_the_same_rows() {
    let object = r#"{"Meta":1,"Records":[{"status":1},{"status":2},"text"],"After":{}}"#;
    let ran = ["parse_json!(.__raw).Records", "x = parse_json!(.__raw)\nlog(x)\narray!(x.Records)"].map(|expand| {
        let mut logs = simple(".status = .json.status");
        logs.tables[0].expand = Some(expand);
        run(&logs.compile(), "x.json", object)
    });
    assert_eq!(report(&ran[0]), [3, 3, 0, 0]);
    let rows = |ran: &Ran| {
        let mut rows = ran.rows("logs").to_vec();
        rows.iter_mut().for_each(|row| row["matano"]["release"] = Value::Null);
        rows
    };
    assert_eq!(rows(&ran[0]), rows(&ran[1]));
    assert_eq!(ran[0].rows("logs")[2]["message"], "text");
}

#[test]
fn what_is_no_array_of_records_is_a_reject() {
    let mut logs = simple(".status = .json.status");
    logs.tables[0].expand = Some("x = parse_json!(.__raw)\nlog(x)\nif x.skip == true { abort }\nx.Records");
    let logs = logs.compile();
    let ran = run(&logs, "x.json", r#"{"Records":[{"status":1},5,{"status":2}]}"#);
    assert_eq!(report(&ran), [3, 2, 1, 0]);
    assert_eq!(ran.rejects(), [("malformed", "expected an object or a string as a record, found integer")]);
    assert_eq!(ran.rows("matano_rejects")[0]["position"], 1);
    let ran = run(&logs, "x.json", r#"{"Records":{}}"#);
    assert_eq!((report(&ran), ran.rejects()[0].0), ([1, 0, 1, 0], "expand"));
    let ran = run(&logs, "x.json", "not json");
    assert_eq!((report(&ran), ran.rejects()[0].0), ([1, 0, 1, 0], "expand"));
    assert_eq!(report(&run(&logs, "x.json", r#"{"skip":true}"#)), [1, 0, 0, 1]);
}

#[test]
fn an_object_too_large_to_expand_says_how_it_would_stream() {
    let mut logs = simple("");
    logs.tables[0].expand = Some("split!(.__raw, \",\")");
    let transform = logs.compile().with_limits(Limits { max_expand_bytes: 10, ..Limits::default() });
    let ran = run(&transform, "x", "a,b,c,d,e,f,g,h");
    assert_eq!(report(&ran), [1, 0, 1, 0]);
    let (rule, error) = ran.rejects()[0];
    assert!(rule == "too_large" && error.contains("`parse_json!(.__raw).Records`"), "{error}");
}

#[test]
fn csv_is_told_by_its_name() {
    let mut logs = simple(".source.ip = .json.ip");
    for (key, expected) in [("x.csv", true), ("x.CSV.gz", true), ("a.csv/x.log", false), ("x.csv.json", false)] {
        let rows = run(&logs.compile(), key, "ip,n\n1.1.1.1,5\n").rows("logs").to_vec();
        assert_eq!(rows[0]["source"]["ip"] == "1.1.1.1", expected, "{key}");
    }
    logs.tables[0].csv_headers = vec!["n".into(), "ip".into()];
    assert_eq!(run(&logs.compile(), "x.csv", "5,2.2.2.2\n").rows("logs")[0]["source"]["ip"], "2.2.2.2");
}

#[test]
fn events_of_cloudwatch_have_the_time_of_their_envelope() {
    let mut logs = simple("");
    logs.cloudwatch = true;
    let envelope = json!({"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "owner": "1",
        "subscriptionFilters": [], "logEvents": [{"id": "1", "timestamp": 1_767_225_600_000_i64, "message": "hello"}]});
    let ran = run(&logs.compile(), "x", envelope.to_string());
    assert_eq!(ran.events("logs"), [json!({"ts": "2026-01-01T00:00:00.000000Z", "message": "hello"})]);
}

#[test]
fn each_partition_is_a_file_of_its_own() {
    let transform = ".ts = parse_timestamp!(.json.t, \"%+\")";
    let times = ["2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z", "2026-02-01T00:00:00Z", "2026-01-01T23:00:00Z"];
    let lines = times.map(|time| json!({ "t": time }).to_string()).join("\n");
    for (partition, expected) in [
        (Partition::Hour, vec!["2026-01-01-23", "2026-01-02-00", "2026-02-01-00"]),
        (Partition::Day, vec!["2026-01-01", "2026-01-02", "2026-02-01"]),
        (Partition::Month, vec!["2026-01", "2026-02"]),
        (Partition::None, vec!["all"]),
    ] {
        let mut logs = simple(transform);
        logs.tables[0].partition = partition;
        let ran = run(&logs.compile(), "x.json", lines.as_str());
        let id = object("x.json").id().0.short(16);
        let keys: Vec<&str> = ran.output.files.iter().map(|file| file.key.as_str()).collect();
        let expected: Vec<String> =
            expected.iter().map(|name| format!("staged/{id}/logs/{name}-00000.parquet")).collect();
        assert_eq!(keys, expected);
        let in_order = ran.rows("logs").iter().map(|row| row["ts"].as_str().unwrap()).is_sorted();
        assert!(in_order, "{partition:?}");
    }
}

#[test]
fn more_partitions_than_files_may_be_open_are_still_one_file_each() {
    let lines: Vec<String> = (0..200).map(|day| json!({ "t": 1_600_000_000 + day * 86_400 }).to_string()).collect();
    let ran = run(&simple(".ts = to_timestamp!(.json.t)").compile(), "x.json", lines.join("\n"));
    assert_eq!((ran.output.files.len(), ran.rows("logs").len()), (200, 200));
}

#[test]
fn a_second_attempt_writes_the_same_files() {
    let transform = simple(".status = .json.status").compile();
    let lines = "{\"status\":1}\n{\"status\":\"x\"}\n{";
    let directory = tempfile::tempdir().unwrap();
    let attempt = || {
        let input: Box<dyn Read + Send> = Box::new(Cursor::new(lines));
        let output = transform.run(&object("x"), input, &Hints::of_key("x"), now(), directory.path()).unwrap();
        let bytes = output.files.iter().map(|file| std::fs::read(directory.path().join(&file.key)).unwrap());
        let bytes: Vec<Vec<u8>> = bytes.collect();
        (output, bytes)
    };
    let (first, second) = (attempt(), attempt());
    assert!(first == second);
    read_back(first.0, directory.path());
}

#[test]
fn a_record_that_is_run_again_keeps_its_id_and_gets_a_file_of_its_own() {
    let before = run(&simple(".status = to_int!(.json.s)").compile(), "x", "{\"s\":1}\n{\"s\":\"x\"}\n{\"s\":3}");
    let reject = &before.rows("matano_rejects")[0];
    assert_eq!((report(&before), &reject["position"]), ([3, 2, 1, 0], &json!(1)));
    let fixed = simple(".status = to_int(.json.s) ?? -1").compile();
    let directory = tempfile::tempdir().unwrap();
    let records = [(Position(1), reject["raw"].as_str().unwrap().as_bytes().to_vec())];
    let again = fixed.run_records(&object("x"), &records, &Hints::of_key("x"), now(), directory.path()).unwrap();
    let again = read_back(again, directory.path());
    assert_eq!(again.rows("logs")[0]["status"], -1);
    assert_eq!(again.rows("logs")[0]["matano"]["record_id"], reject["record_id"]);
    assert!(before.output.files.iter().all(|file| file.key != again.output.files[0].key));
}

#[test]
fn threads_do_not_disturb_each_other() {
    let transform = simple("if match!(.json.ip, r'^10\\.') { .source.ip = .json.ip }\n.status = .json.n").compile();
    let lines = |thread: usize| {
        let line = |n: usize| format!("{{\"ip\":\"10.{thread}.0.{}\",\"n\":{n}}}\n", n % 250);
        (0..500).map(line).collect::<String>()
    };
    let expected = |thread: usize| run(&transform, &format!("{thread}.json"), lines(thread)).rows("logs").to_vec();
    let alone: Vec<Vec<Value>> = (0..4).map(expected).collect();
    let together: Vec<Vec<Value>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || expected(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(together, alone);
}

/// A source that fails in its own way after the first line.
struct Failing(&'static [u8], fn() -> std::io::Result<usize>);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(out)? {
            0 => self.1(),
            some => Ok(some),
        }
    }
}

#[test]
fn a_panic_is_an_error_of_its_object_alone() {
    let transform = simple(".status = .json.status").compile();
    let directory = tempfile::tempdir().unwrap();
    let input = Box::new(Failing(b"{\"status\":1}\n{\"status\":2}\n", || panic!("out of sense")));
    let error = transform.run(&object("x"), input, &Hints::of_key("x"), now(), directory.path()).unwrap_err();
    assert!(matches!(&error, TransformError::Panic { message, .. } if message == "out of sense"), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(run(&transform, "x", "{\"status\":1}").rows("logs").len(), 1);
}

#[test]
fn an_object_that_cannot_be_read_now_may_be_read_later() {
    let transform = simple("").compile();
    let directory = tempfile::tempdir().unwrap();
    let input = Box::new(Failing(b"hello\n", || Err(std::io::Error::other("connection reset"))));
    let error = transform.run(&object("x"), input, &Hints::of_key("x"), now(), directory.path()).unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[test]
fn a_program_that_does_not_compile_is_named() {
    let transform = simple(".a = nothing(1)").compile();
    let directory = tempfile::tempdir().unwrap();
    let input = Box::new(Cursor::new("x"));
    let error = transform.run(&object("x"), input, &Hints::of_key("x"), now(), directory.path()).unwrap_err();
    assert!(error.to_string().contains("Transform program of `logs` does not compile"), "{error}");
    assert_eq!(transform.compile_all().unwrap_err().to_string(), error.to_string());
}

#[test]
fn enrichment_tables_are_looked_up() {
    let mut logs = simple(
        r#"
        found = get_enrichment_table_record!("users", .json.id, ["name"])
        .event.action = found.name
        found = get_enrichment_table_record!("enrich_users", {"id": .json.id, "admin": true})
        if found != null { .status = 1 }
        "#,
    );
    logs.enrichment =
        vec![("users", "id", "{\"id\":\"7\",\"name\":\"ada\",\"admin\":true}\n\n{\"id\":\"8\",\"name\":\"bob\"}\n")];
    let ran = run(&logs.compile(), "x.json", "{\"id\":\"7\"}\n{\"id\":8}\n{\"id\":\"9\"}\n{}");
    let rows = ran.events("logs");
    let actions: Vec<&Value> = rows.iter().map(|row| &row["event"]["action"]).collect();
    assert_eq!(actions, [&json!("ada"), &json!("bob"), &Value::Null, &Value::Null]);
    assert_eq!((&rows[0]["status"], rows[1].get("status")), (&json!(1), None));
}
