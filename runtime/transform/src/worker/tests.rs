//! Slots against the stock target: the same programs over the same records must give the same rows.

use std::collections::BTreeMap;

use columns::row_json;
use model::{
    name::LogSourceName,
    object::RecordId,
    release::{Bundle, FORMAT, LogSource, ObjectMatch, Release, Storage, Table},
    schema::{FieldType, TableSchema},
    system,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::EnrichmentTables;

fn schema() -> TableSchema {
    let strings = || FieldType::List(Box::new(FieldType::String));
    let mut pair = TableSchema::default();
    pair.insert("x", FieldType::Long).unwrap();
    pair.insert("y", FieldType::String).unwrap();
    let mut schema = system::row_columns();
    for (path, kind) in [
        ("user.name", FieldType::String),
        ("user.id", FieldType::Long),
        ("user.geo.city", FieldType::String),
        ("source.ip", FieldType::String),
        ("event.action", FieldType::String),
        ("event.created", FieldType::Timestamp),
        ("list", strings()),
        ("pairs", FieldType::List(Box::new(FieldType::Struct(pair.fields)))),
        ("text", FieldType::String),
        ("flag", FieldType::Boolean),
    ] {
        schema.insert(path, kind).unwrap();
    }
    schema
}

fn source(transform: &str) -> Source {
    let mut resources = BTreeMap::new();
    let name = LogSourceName::parse("logs").unwrap();
    let table = TableName::of_source(&name, "default").unwrap();
    let made = Table {
        name: table.clone(),
        log_source: name.clone(),
        schema: schema(),
        transform: Bundle::add(&mut resources, transform),
        expand: None,
        csv_headers: vec![],
        storage: Storage::default(),
    };
    let log_source = LogSource {
        name: name.clone(),
        managed: None,
        objects: ObjectMatch::default(),
        cloudwatch_envelope: false,
        select_table_from_metadata: None,
        select_table_from_record: None,
        max_record_bytes: std::num::NonZeroU64::MAX,
        tables: [("default".to_owned(), table.clone())].into(),
    };
    let release = Release {
        format: FORMAT,
        log_sources: [(name.clone(), log_source)].into(),
        tables: [(table, made)].into(),
        detections: BTreeMap::new(),
        enrichment: BTreeMap::new(),
        destinations: BTreeMap::new(),
    };
    Source::new(&Bundle { release, resources }, &name, &BTreeMap::new(), &EnrichmentTables::none()).unwrap()
}

/// What became of the records, and their rows.
fn outcomes(worker: &mut TableWorker, records: &[String]) -> Vec<serde_json::Value> {
    let name = worker.table.name.clone();
    let mut runtime = Runtime::default();
    let ts: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let mut out = Vec::new();
    for record in records {
        let origin =
            Origin { record_id: RecordId([7; 16]), raw: record, source_object: "o", release: "r", ingested_at: ts };
        let body = if record.starts_with('{') { Text::Json(record) } else { Text::Line(record) };
        out.push(match worker.transform(&name, Input { body, ts }, &mut runtime, &origin) {
            Outcome::Row { .. } => row_json(&worker.builder.finish().unwrap(), 0),
            Outcome::Dropped => json!("dropped"),
            Outcome::Reject { rule, error, .. } => json!([rule.as_str(), error]),
        });
    }
    out
}

/// The same program over slots and over the whole event.
fn workers(program: &str) -> Result<[TableWorker; 2], String> {
    let source = source(program);
    let table = source.tables.keys().next().unwrap().clone();
    let made = || TableWorker::new(&source, &table).map_err(|error| format!("{program}: {error}"));
    let (slots, stock) = (made()?, TableWorker { slots: None, ..made()? });
    if slots.slots.is_none() {
        return Err(format!("{program}: does not run over slots"));
    }
    Ok([slots, stock])
}

fn check(program: &str, records: &[String]) {
    let [slots, stock] = &mut workers(program).unwrap();
    let (slots, stock) = (outcomes(slots, records), outcomes(stock, records));
    for ((slots, stock), record) in slots.iter().zip(&stock).zip(records) {
        assert_eq!(slots, stock, "program:\n{program}\nrecord: {record}");
    }
}

/// Each exercises another way of reading, writing and deleting.
const PROGRAMS: &[&str] = &[
    "",
    ".user.name = .json.a",
    ".user.name = .json.a.b\n.user.id = .json.a.c\n.text = .json.a",
    ".user = .json.a\n.user.name = \"x\"",
    ".user = {\"name\": .json.a, \"geo\": {\"city\": .json.b}, \"other\": 1}\n.user.geo.city = .json.c",
    ".user.geo = .json\n.text = encode_json(.json)",
    ".text = encode_json(.json)\ndel(.json)",
    "del(.json)\n.user.name = .json.a\n.text = exists(.json.a)",
    ".user.name = del(.json.a.b)\n.text = .json.a",
    ".text = del(.json.a.b, compact: true)\n.event.action = .json.a",
    ".text = [exists(.json.a), exists(.json.a.b), exists(.json.b[0]), exists(.message), exists(.user)]",
    ".list = .json.b[0]\n.text = .json.b[-1].x\n.user.name = .json.b",
    ".list = push(.related.ip, .json.a)\n.related.ip = .list",
    ".related.ip = push(.related.ip, .json.a)\n.related.user = push(.related.user, .json.b)\n.text = .related",
    ".related = {\"ip\": [.json.a]}\n.related.hosts = [.json.b]",
    ".pairs[1].x = .json.a\n.pairs[0] = {\"x\": 1, \"y\": .json.b, \"z\": 2}",
    ".pairs = map_values(array(.json.b) ?? []) -> |value| { {\"x\": value, \"y\": .json.a} }",
    "if .json.a == null { abort }\n.user.name = to_string!(.json.a)",
    "if is_string(.json.a) { .user.name = upcase!(.json.a) } else if .json.b != null { .flag = true } else { .flag = .json.c }",
    ".ts = .json.a",
    ".ts = to_timestamp(.json.a) ?? .ts\n.event.created = .json.a",
    "del(.ts)",
    ".x.y = .json.a\n.x.z = .x.y\n.text = .x\n.x = .json.b\n.x.w = 6\n.user.id = .x.w",
    ".text = .json.c\n.text.a = .json.a\n.labels.env = .json.b\n.labels = .labels.env",
    ".user = .json.b\n.user.name = .json.a",
    ".event.original = .json.a\n.event.action = del(.event.original)",
    ".message = .json.a\n.text = del(.message)",
    ".text = .message\n.user.name = parse_json(string(.message) ?? \"\") ?? null",
    ".user.name, err = upcase(.json.a)\n.text = err",
    "x = .json.a\nx.b = 1\n.text = x\n.user.id = x.b",
    ".list = [.json.a, .json.b, null, \"\"]\n.list[3] = .json.c\ndel(.list[0])",
    ".user.name = .json.\"quoted key\"\n.\"user.id\" = 7\n.user.\"geo.city\" = 8",
    "for_each(object(.json.a) ?? {}) -> |key, value| { .user.name = key\n.list = push(array(.list) ?? [], value) }",
    "if .json.a == 1 { return null }\n.user.name = \"late\"",
    ".matano.record_id = .json.a\n.ecs = .json.b\n.ecs.version = 1",
    ".user = {\"id\": .json.b}\n.user |= {\"name\": .json.a}\n.user.id = 3",
    ".flag = .json.a || .json.b\n.user.id = (to_int(.json.a) ?? 0) + 1",
    "._temporary = .json.a\n.text = ._temporary.b\ndel(._temporary)",
    ".user.name = .json.a\n.user.name = .json.b\n.text = .json.c",
    ".user.name = .json.a\n.user.id = .user.name\n.flag = .json.c",
    ".list = .json.b\n.user.geo.city = .json.a[0].b\n.user.geo = .json.c\nif .json.a == 1 { .list = [] }",
    ".event.original = .json.a\n.related.ip = .json.b\n.related.user = push(.related.user, .json.a)\n.message = .json.c",
    ".user.name = .json.a; .text = .json.b; if .json.a == 2 { abort }\n.nothing = .json.c",
    "if .json.a == 1 { return null }\n.user.name = .json.b",
    ".user.name = del(.json.a)\n.text = .json.a",
    ".text = .json.a.b\n.ts = to_timestamp(.json.a) ?? .ts\n.user.id = upcase!(.json.b)\n.pairs = .json.b",
    ".text = tag_types_externally(.json.a)\n.event.action = length(.json.a) ?? 0",
];

fn fixed() -> Vec<String> {
    [
        "",
        "text",
        "[1,2]",
        "5",
        "{not json}",
        "{}",
        r#"{"a":null}"#,
        r#"{"a":""}"#,
        r#"{"a":1,"b":[],"c":{}}"#,
        r#"{"a":{"b":{"c":1}},"b":[{"x":1},{"x":2}],"c":true}"#,
        r#"{"a":{"b":1},"a":{"c":2}}"#,
        r#"{"a":{"b":1,"b":2},"a":5}"#,
        r#"{"b":[1],"b":{"x":3},"a":[{"b":9}]}"#,
        r#"{"a":"2023-07-10T11:42:36Z","quoted key":"q"}"#,
        r#"{"a":18446744073709551615,"b":-0.0,"c":1e10}"#,
        r#"{"a":"\u00e4\ud83d\ude00\n","b":"\u0000"}"#,
        r#"{ "a" : { "b" : [ ] } , "b" : null }"#,
        r#"{"a":1}x"#,
        r#"{"a":1"#,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn every_program_compiles_and_runs_over_slots() {
    let failed: Vec<String> = PROGRAMS.iter().filter_map(|program| workers(program).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_program_gives_the_same_rows_over_slots_and_over_events() {
    for program in PROGRAMS {
        check(program, &fixed());
    }
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-3_i64..3).prop_map(Into::into),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Into::into),
        "[ab\"\\\\é\n]{0,4}".prop_map(Into::into),
        Just(json!("2023-07-10T11:42:36Z")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[abcx]", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_record() -> impl Strategy<Value = String> {
    // members are written one by one, so that keys can come twice and in any order
    prop::collection::vec(("[abc]", any_value()), 0..6).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_record_gives_the_same_row_over_slots_and_over_the_event(records in prop::collection::vec(any_record(), 8)) {
        WORKERS.with_borrow_mut(|workers| {
            for ([slots, stock], program) in workers.iter_mut().zip(PROGRAMS) {
                prop_assert_eq!(outcomes(slots, &records), outcomes(stock, &records), "{}", program);
            }
            Ok(())
        })?;
    }
}

thread_local! {
    /// Programs are compiled once, not once a case.
    static WORKERS: std::cell::RefCell<Vec<[TableWorker; 2]>> =
        std::cell::RefCell::new(PROGRAMS.iter().map(|program| workers(program).unwrap()).collect());
}

#[test]
fn a_place_is_found_again_for_the_next_record() {
    let records: Vec<String> = (0..3).map(|n| json!({"a": n, "b": n + 1}).to_string()).collect();
    check(".user.name = .json.a\n.user.id = .json.b\nif .json.a == 1 { .text = .json }", &records);
}

#[test]
fn statements_that_only_move_values_leave_the_program() {
    let rest = |program: &str| {
        let [slots, _] = workers(program).unwrap();
        slots.slots.unwrap().1.text().trim_ascii().to_owned()
    };
    assert_eq!(rest(".user.name = .json.a\n.text = .json.b[0].x\n.flag = .json.b == 1"), ".flag = .json.b == 1");
    let stays = [
        ".user.name = .json.a\n.user.name = .json.b",
        ".user.name = .json.a\n.flag = exists(.user.name)",
        ".user.name = .json.a\nif .json.b == 1 { return null }",
        ".user.name = .json.a\n.text = del(.json.a)",
        "if .json.b == 1 { .user.name = .json.a }",
        ".ts = .json.a",
    ];
    for program in stays {
        assert_eq!(rest(program), program);
    }
}
