//! What a project means, and that only its meaning counts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use model::{
    alert::Severity,
    name::{DetectionName, TableName},
    release::{Cadence, Partition, Release, Trigger, WriteMode},
    schema::FieldType,
};
use project::{
    FileSet, Project, load, lower,
    program::Kind,
    project::{Expectation, TestInput},
};

fn project(files: &[(&str, &str)]) -> Project {
    let files: FileSet = [("matano.config.yml", "")].iter().chain(files).copied().collect();
    let (project, diagnostics) = load(&files);
    assert_eq!(diagnostics, []);
    project
}

fn release(files: &[(&str, &str)]) -> Release {
    lower(&project(files), &BTreeMap::new()).release
}

const SOURCE: (&str, &str) = ("log_sources/app/log_source.yml", "name: app\n");
const CODE: (&str, &str) = ("detections/a/detect.py", "def detect(r): return True\n");
const OPS: (&str, &str) = ("integrations/destinations/ops.yml", "{name: ops, type: stdout}");

fn detection(yaml: &str) -> model::release::Detection {
    release(&[SOURCE, CODE, OPS, ("detections/a/detection.yml", yaml)]).detections["a"].clone()
}

#[test]
fn comments_layout_and_order_of_keys_leave_no_trace() {
    let one = [
        (
            "log_sources/app/log_source.yml",
            "name: app\ntransform: |\n  .a = 1\nschema:\n  ecs_field_names: [source.ip, user]\n",
        ),
        ("detections/a/detection.yml", "name: a\ntables: [app]\nalert:\n  severity: high\n"),
        CODE,
    ];
    let other = [
        (
            "log_sources/other_directory/log_source.yml",
            "# a comment\r\nschema:\r\n    ecs_field_names:\r\n    - 'source.ip'\r\n    - user # all of it\r\n\r\ntransform: |-\r\n      .a = 1\r\n\r\nname: \"app\"\r\n",
        ),
        (
            "detections/a/detection.yml",
            "alert: {severity: high, threshold: 1, deduplication_window: 1 hour}\ntables:\n- app\nname: a\nenabled: true\nauthor: me\n",
        ),
        CODE,
    ];
    assert_eq!(release(&one).id(), release(&other).id());
    let changed = [one[0], ("detections/a/detection.yml", "name: a\ntables: [app]\nalert:\n  severity: low\n"), CODE];
    assert_ne!(release(&one).id(), release(&changed).id());
}

#[test]
fn defaults_of_alerts_are_those_of_the_original() {
    let bare = detection("name: a\ntables: [app]\n").alert;
    assert_eq!((bare.severity, bare.threshold.get(), bare.window_seconds.get()), (Severity::Info, 1, 3600));
    let minutes = detection("name: a\ntables: [app]\nalert: {deduplication_window_minutes: 5}\n").alert;
    assert_eq!(minutes.window_seconds.get(), 300);
    let text = detection("name: a\ntables: [app]\nalert: {deduplication_window: 2 hours}\n").alert;
    assert_eq!(text.window_seconds.get(), 7200);
}

#[test]
fn destinations_without_a_severity_mean_notice() {
    let files: FileSet = [
        ("matano.config.yml", ""),
        SOURCE,
        CODE,
        OPS,
        ("detections/a/detection.yml", "{name: a, tables: [app], alert: {destinations: [ops]}}"),
    ]
    .into_iter()
    .collect();
    let (project, diagnostics) = load(&files);
    assert_eq!(diagnostics.len(), 1);
    let alert = &project.detections["a"].alert;
    assert_eq!((alert.severity, alert.destinations.len()), (Severity::Notice, 1));
}

#[test]
fn a_detection_that_is_switched_off_is_known_but_not_released() {
    let files = [SOURCE, CODE, ("detections/a/detection.yml", "name: a\ntables: [app]\nenabled: false\n")];
    assert_eq!(project(&files).detections.len(), 1);
    assert_eq!(release(&files).detections.len(), 0);
}

#[test]
fn schedules_queries_and_references_are_released() {
    let yaml = "name: a\nreference: x\nreferences: [x, y]\nschedule: cron(0 12 ? * 2 *)\nlateness: 10 minutes\nquery: |\n  SELECT 1\n";
    let files = [SOURCE, CODE, ("detections/a/detection.yml", yaml)];
    let bundle = lower(&project(&files), &BTreeMap::new());
    let detection = &bundle.release.detections["a"];
    assert_eq!(detection.references, ["x", "y"]);
    let Trigger::Scheduled(schedule) = &detection.trigger else { panic!("{detection:?}") };
    assert_eq!((&schedule.cadence, schedule.lateness_seconds), (&Cadence::Cron("0 12 * * 1".to_owned()), 600));
    assert_eq!(bundle.text(schedule.query), Some("SELECT 1"));
}

#[test]
fn site_packages_go_with_their_detection() {
    let name = DetectionName::parse("a").unwrap();
    let project = project(&[SOURCE, CODE, ("detections/a/detection.yml", "name: a\ntables: [app]\n")]);
    let bundle = lower(&project, &BTreeMap::from([(name, b"zip".to_vec())]));
    let digest = bundle.release.detections["a"].site_packages.unwrap();
    assert_eq!(bundle.resources[&digest], b"zip");
}

#[test]
fn a_table_has_the_columns_of_matano_of_ecs_and_its_own_with_ts_first() {
    let release = release(&[(
        "log_sources/app/log_source.yml",
        "name: app\nschema:\n  ecs_field_names: [user.name]\n  fields: [{name: took, type: double}, {name: event, type: {type: struct, fields: [{name: mine, type: int}]}}]\nstorage: {partition: day, keep_original: false}\n",
    )]);
    let table = &release.tables["app"];
    assert_eq!(table.schema.fields[0].name, "ts");
    for (path, kind) in [
        ("user.name", FieldType::String),
        ("took", FieldType::Double),
        ("event.mine", FieldType::Int),
        ("event.original", FieldType::String),
        ("matano.record_id", FieldType::String),
    ] {
        assert_eq!(table.schema.get(path), Some(&kind), "{path}");
    }
    assert_eq!((table.storage.partition, table.storage.keep_original), (Partition::Day, false));
}

#[test]
fn a_table_wins_over_its_log_source_and_adds_to_its_columns_and_transform() {
    let project = project(&[
        (
            "log_sources/app/log_source.yml",
            "name: app\ntransform: |\n  .a = 1\nschema: {ecs_field_names: [user.name], fields: [{name: x, type: {type: struct, fields: [{name: a, type: string}]}}]}\ningest: {csv_headers: [a], expand_records_from_payload: 'source'}\nstorage: {partition: month, keep_original: false}\n",
        ),
        (
            "log_sources/app/tables/t.yml",
            "name: t\ntransform: |\n  .b = 2\n  .c = 3\nschema: {ecs_field_names: [source.ip], fields: [{name: x, type: {type: struct, fields: [{name: b, type: long}]}}]}\ningest: {csv_headers: [b], expand_records_from_payload: 'table'}\nstorage: {partition: none}\n",
        ),
    ]);
    let table = &project.tables["app_t"];
    assert_eq!(table.transform.text, ".a = 1\n.b = 2\n.c = 3\n");
    assert_eq!(table.csv_headers, ["b"]);
    assert_eq!(table.expand.as_ref().unwrap().text, "table");
    assert_eq!((table.storage.partition, table.storage.keep_original), (Partition::None, false));
    for path in ["user.name", "source.ip", "x.a", "x.b"] {
        assert!(table.schema.get(path).is_some(), "{path}");
    }
    let at = table.transform.text.find("3").unwrap();
    let (file, pos) = table.transform.locate(at);
    assert_eq!((file.as_str(), pos.line, pos.column), ("log_sources/app/tables/t.yml", 4, 8));
    let (file, pos) = table.transform.locate(1);
    assert_eq!((file.as_str(), pos.line, pos.column), ("log_sources/app/log_source.yml", 3, 4));
}

#[test]
fn objects_without_a_word_are_those_below_the_name_in_the_ingestion_bucket() {
    let release = release(
        &[
            SOURCE,
            ("log_sources/b/log_source.yml", "name: b\ningest: {s3_source: {bucket_name: bbb}}\n"),
            ("log_sources/c/log_source.yml", "name: c\ningest: {s3_source: {key_pattern: '^c.*log$'}}\n"),
            (
                "log_sources/d/log_source.yml",
                "name: d\ningest: {s3_source: {bucket_name: ddd, key_prefix: d/}, max_record_size: 1 MB}\n",
            ),
        ]
        .map(|file| {
            if file.0.contains("/app/") {
                ("log_sources/app/log_source.yml", "name: app\ningest: {s3_source: {bucket_name: aaa}}\n")
            } else {
                file
            }
        }),
    );
    let objects = |name: &str| {
        let objects = &release.log_sources[name].objects;
        (objects.bucket.as_deref(), objects.key_prefix.as_str(), objects.key_pattern.as_deref())
    };
    assert_eq!(objects("app"), (Some("aaa"), "", None));
    assert_eq!(objects("b"), (Some("bbb"), "", None));
    assert_eq!(objects("c"), (None, "", Some("^c.*log$")));
    assert_eq!(objects("d"), (Some("ddd"), "d/", None));
    assert_eq!(release.log_sources["d"].max_record_bytes.get(), 1 << 20);
    let bare = self::release(&[SOURCE]);
    assert_eq!(bare.log_sources["app"].objects.key_prefix, "app/");
    assert_eq!(bare.log_sources["app"].max_record_bytes.get(), 16 << 20);
}

#[test]
fn enrichment_tables_have_their_columns_and_data() {
    let bundle = lower(
        &project(&[
            (
                "enrichment/a/enrichment.yml",
                "{name: a, lookup_keys: [ip], schema: {fields: [{name: ip, type: string}]}}",
            ),
            ("enrichment/a/data.json", "{\"ip\":\"192.0.2.1\"}\n"),
            (
                "enrichment/b/enrichment.yml",
                "{name: b, enrichment_type: dynamic, write_mode: merge, schema: {ecs_field_names: [user.name], primary_key: user.name}}",
            ),
        ]),
        &BTreeMap::new(),
    );
    let (a, b) = (&bundle.release.enrichment["a"], &bundle.release.enrichment["b"]);
    assert_eq!(a.schema.leaves().len(), 1);
    assert_eq!(bundle.text(a.data.unwrap()), Some("{\"ip\":\"192.0.2.1\"}\n"));
    assert_eq!((b.write_mode, b.primary_key.as_slice()), (WriteMode::Merge, ["user.name".to_owned()].as_slice()));
    let columns: Vec<String> = b.schema.leaves().into_iter().map(|(path, _)| path).collect();
    assert_eq!(columns, ["labels", "tags", "user.name"]);
}

#[test]
fn all_tables_of_a_managed_source_are_there_without_a_word_and_only_those_named_otherwise() {
    let whole =
        project(&[("log_sources/ct/log_source.yml", "name: aws_cloudtrail\nmanaged: {type: aws_cloudtrail}\n")]);
    let names: Vec<&str> = whole.tables.keys().map(TableName::as_str).collect();
    assert_eq!(names, ["aws_cloudtrail", "aws_cloudtrail_digest", "aws_cloudtrail_insights"]);
    let source = &whole.log_sources["aws_cloudtrail"];
    assert_eq!(source.managed.as_ref().unwrap().kind, "aws_cloudtrail");
    assert!(source.tests.iter().all(|test| test.file == "managed:aws_cloudtrail/log_source.yml"));
    assert!(!source.tests.is_empty());
    let one = project(&[
        ("log_sources/ct/log_source.yml", "name: aws_ct\nmanaged: {type: aws_cloudtrail}\n"),
        ("log_sources/ct/tables/digest.yml", ""),
    ]);
    let names: Vec<&str> = one.tables.keys().map(TableName::as_str).collect();
    assert_eq!(names, ["aws_ct_digest"]);
}

#[test]
fn what_users_write_wins_over_what_is_managed_and_their_code_runs_last() {
    let project = project(&[
        (
            "log_sources/ct/log_source.yml",
            "name: aws_cloudtrail\nmanaged: {type: aws_cloudtrail}\ntransform: |\n  .mine = true\nschema: {fields: [{name: mine, type: boolean}]}\nstorage: {partition: month}\ningest: {max_record_size: 2 MB, s3_source: {bucket_name: my-trail}}\n",
        ),
        (
            "log_sources/ct/tables/default.yml",
            "transform: |\n  .last = 1\nschema: {fields: [{name: last, type: int}]}\n",
        ),
    ]);
    let table = &project.tables["aws_cloudtrail"];
    assert!(table.transform.text.ends_with(".mine = true\n.last = 1\n"), "{}", table.transform.text);
    assert!(table.transform.text.len() > 100);
    let (file, _) = table.transform.locate(0);
    assert!(file.starts_with("managed:aws_cloudtrail/"), "{file}");
    assert!(table.schema.get("mine").is_some() && table.schema.get("event.action").is_some());
    assert_eq!(table.storage.partition, Partition::Month);
    let source = &project.log_sources["aws_cloudtrail"];
    assert_eq!(source.max_record_bytes.get(), 2 << 20);
    assert_eq!(source.objects.bucket.as_deref(), Some("my-trail"));
}

#[test]
fn every_managed_source_loads_without_a_word() {
    for kind in project::managed::shipped_sources() {
        let yaml = format!("name: {kind}\nmanaged: {{type: {kind}}}\n");
        let project = project(&[("log_sources/x/log_source.yml", &yaml)]);
        assert!(!project.tables.is_empty(), "{kind}");
        for program in project.programs() {
            for fragment in &program.fragments {
                assert!(fragment.map.is_exact(), "{kind}: {} in {}", program.name, fragment.file());
            }
        }
    }
}

#[test]
fn tests_are_typed_and_their_fixtures_are_bytes() {
    let project = project(&[
        (
            "log_sources/app/log_source.yml",
            "name: app\ntests:\n  - name: a line\n    key: app/x.log\n    raw_file: fixtures/x.log\n    rows: [{message: hi, user: null}]\n    rejects: 1\n",
        ),
        ("log_sources/app/fixtures/x.log", "hi\n"),
        CODE,
        (
            "detections/a/detection.yml",
            "name: a\ntables: [app]\ntests:\n  - name: fires\n    event: {user.name: root, source: {ip: null}}\n    expect: {severity: info}\n  - name: raw\n    raw: hi\n    matches: 0\n",
        ),
        (
            "detections/b/detection.yml",
            "name: b\nschedule: rate(1 hour)\nquery: SELECT 1\ntests:\n  - name: q\n    rows: {app: [{ts: x}]}\n    window: {start: 2026-01-01T00:00:00Z, end: 2026-01-01T01:00:00Z}\n    alerts: 2\n",
        ),
    ]);
    let test = &project.log_sources["app"].tests[0];
    assert_eq!((test.raw.bytes.as_slice(), test.rejects, test.span.start.line), (b"hi\n".as_slice(), 1, 3));
    assert_eq!(test.table.as_ref().map(TableName::as_str), Some("app"));
    assert_eq!(test.rows.as_ref().unwrap()[0], serde_json::json!({"message": "hi", "user": null}));
    let [fires, raw] = project.detections["a"].tests.as_slice() else { panic!() };
    let Expectation::Parts(expect) = &fires.expect else { panic!() };
    assert!(fires.fires && expect.severity == Some(Severity::Info));
    assert!(matches!(&fires.input, TestInput::Events { events, .. } if events[0]["source"]["ip"].is_null()));
    assert!(!raw.fires && matches!(&raw.input, TestInput::Raw { raw, .. } if raw.bytes == b"hi"));
    let query = &project.detections["b"].tests[0];
    assert_eq!(query.alerts, Some(2));
    assert_eq!(query.input.window().unwrap().seconds.get(), 3600);
}

#[test]
fn programs_know_whose_they_are() {
    let project = project(&[
        (
            "log_sources/app/log_source.yml",
            "name: app\ntransform: .a = 1\ningest:\n  select_table_from_payload: '\"default\"'\n  select_table_from_payload_metadata: '\"default\"'\n  expand_records_from_payload: '[]'\n",
        ),
        ("enrichment/a/enrichment.yml", "name: a\nenrichment_type: dynamic\ntransform: .b = 2\n"),
    ]);
    let programs = project.programs();
    let mut kinds: Vec<Kind> = programs.iter().map(|program| program.kind).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [Kind::Transform, Kind::Expand, Kind::SelectMetadata, Kind::SelectRecord, Kind::EnrichmentTransform]
    );
    for program in &programs {
        assert_eq!(program.table.is_some(), matches!(program.kind, Kind::Transform | Kind::Expand), "{}", program.name);
        assert_eq!(program.enrichment.is_some(), program.kind == Kind::EnrichmentTransform, "{}", program.name);
    }
}
