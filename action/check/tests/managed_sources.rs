//! The log sources that come with matano, and the template: no diagnostics, every test of theirs holds on the real
//! pipeline, and the programs run over slots.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, fs, path::Path};

use model::{
    name::{LogSourceName, TableName},
    object::{Position, RecordId, SourceObject},
    release::Bundle,
    time::Timestamp,
};
use project::{FileSet, Project, managed, project::LogSourceTest};
use serde_json::{Map, Value};
use transform::{EnrichmentTables, Hints, ProgramKind, SourceTransform};

/// A project of one managed source and nothing else.
fn managed_project(kind: &str) -> Project {
    let log_source = format!("name: {kind}\nmanaged: {{type: {kind}}}\n");
    let path = format!("log_sources/{kind}/log_source.yml");
    loaded(&[("matano.config.yml", "target: embedded\n"), (&path, &log_source)].into_iter().collect())
}

fn loaded(files: &FileSet) -> Project {
    let (project, diagnostics) = project::load(files);
    let diagnostics = check::check(&project, diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    project
}

#[test]
fn managed_sources_have_no_diagnostics_and_several_tests() {
    let kinds = managed::shipped_sources();
    assert!(kinds.contains(&"aws_cloudtrail") && kinds.contains(&"aws_vpcflow"), "{kinds:?}");
    for kind in kinds {
        let project = managed_project(kind);
        for source in project.log_sources.values() {
            for table in source.tables.values() {
                let tested = source.tests.iter().any(|test| test.table.as_ref() == Some(table));
                assert!(tested, "no test has rows of {table}");
            }
        }
    }
}

#[test]
fn the_tests_of_managed_sources_hold() {
    let mut failures = Vec::new();
    for kind in managed::shipped_sources() {
        let project = managed_project(kind);
        let bundle = project::lower(&project, &BTreeMap::new());
        for source in project.log_sources.values() {
            let transform = compile(&bundle, &source.name);
            for test in &source.tests {
                failures.extend(
                    run(&transform, test).into_iter().map(|failure| format!("{kind}: {}: {failure}", test.name)),
                );
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn managed_programs_run_over_slots() {
    for kind in managed::shipped_sources() {
        for table in managed_project(kind).tables.values() {
            let tables = EnrichmentTables::default();
            let program =
                transform::compile(&table.transform.text, ProgramKind::Transform, &tables, Some(&table.schema))
                    .expect("a program that was checked");
            assert_eq!(transform::runs_over_slots(&program, &table.schema), Ok(()), "{}", table.name);
        }
    }
}

#[test]
fn objects_of_managed_sources_are_read_as_streams() {
    for kind in managed::shipped_sources() {
        for table in managed_project(kind).tables.values() {
            let Some(expand) = &table.expand else { continue };
            let tables = EnrichmentTables::default();
            let program = transform::compile(&expand.text, ProgramKind::Expand, &tables, None).expect("it was checked");
            assert!(program.streamed().is_some(), "{}", table.name);
        }
    }
}

#[test]
fn flow_logs_in_a_layout_of_ones_own_are_read_as_the_guide_shows() {
    let guide = fs::read_to_string(root().join("docs/log-sources.md")).unwrap();
    let recipe = guide.split("in a layout of your own\n").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap();
    let yaml = recipe.strip_prefix("yaml\n").unwrap();
    let files = [("matano.config.yml", "target: embedded\n"), ("log_sources/aws_vpcflow/log_source.yml", yaml)];
    let project = loaded(&files.into_iter().collect());
    let bundle = project::lower(&project, &BTreeMap::new());
    let source = LogSourceName::parse("aws_vpcflow").unwrap();
    let raw = "end srcaddr dstaddr dstport action tcp-flags log-status\n\
               1772442060 198.51.100.7 10.0.1.5 22 REJECT 2 OK\n\
               1772442060 - - - - - NODATA\n";
    let (rows, rejects) = rows_of(&compile(&bundle, &source), "flow.log", raw.as_bytes());
    assert_eq!(rejects, 0);
    let rows = &rows[&TableName::parse("aws_vpcflow").unwrap()];
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["source"]["ip"], "198.51.100.7");
    assert_eq!(rows[0]["destination"]["port"], 22);
    assert_eq!(rows[0]["aws"]["vpcflow"]["tcp_flags"], 2);
    assert_eq!(rows[1]["aws"]["vpcflow"]["log_status"], "NODATA");
    assert_eq!(rows[1].get("source"), None);
}

#[test]
fn the_template_has_no_diagnostics() {
    let mut files = Vec::new();
    collect(&root().join("project-template"), "", &mut files);
    let project = loaded(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect());
    assert!(project.detections.values().all(|detection| detection.tests.len() >= 2));
    assert!(project.detections.len() >= 4 && project.enrichment.len() == 1 && project.destinations.len() == 2);
}

fn root() -> &'static Path {
    Path::new("../..")
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else {
            files.push((name, fs::read(&path).unwrap()));
        }
    }
}

fn compile(bundle: &Bundle, source: &LogSourceName) -> SourceTransform {
    let transform = SourceTransform::compile(bundle, source, &BTreeMap::new(), &EnrichmentTables::default()).unwrap();
    transform.compile_all().unwrap();
    transform
}

/// What is wrong with a test's rows.
fn run(transform: &SourceTransform, test: &LogSourceTest) -> Vec<String> {
    let key = test.key.as_deref().unwrap_or("a.log");
    let (rows, rejects) = rows_of(transform, key, &test.raw.bytes);
    let mut failures = Vec::new();
    if rejects != test.rejects {
        failures.push(format!("expected {} rejects, found {rejects}", test.rejects));
    }
    let (Some(expected), Some(table)) = (&test.rows, &test.table) else { return failures };
    let empty = Vec::new();
    let found = rows.get(table).unwrap_or(&empty);
    if found.len() != expected.len() {
        failures.push(format!("expected {} rows of {table}, found {}", expected.len(), found.len()));
    }
    for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
        compare(&format!("row {at}"), expected, found, &mut failures);
    }
    failures
}

/// The rows of each table in the order of their records, and the number of rejects.
fn rows_of(transform: &SourceTransform, key: &str, raw: &[u8]) -> (BTreeMap<TableName, Vec<Value>>, u64) {
    let object = SourceObject {
        bucket: "logs".to_owned(),
        key: key.to_owned(),
        version: "1".to_owned(),
        size: raw.len() as u64,
    };
    let directory = tempfile::tempdir().unwrap();
    let input = Box::new(std::io::Cursor::new(raw.to_vec()));
    let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
    let output = transform.run(&object, input, &Hints::of_key(key), now, directory.path()).unwrap();
    let places: BTreeMap<String, u64> =
        (0..output.report.records).map(|at| (RecordId::of(object.id(), Position(at)).to_string(), at)).collect();
    let mut rows: BTreeMap<TableName, Vec<(u64, Value)>> = BTreeMap::new();
    for file in output.files.iter().filter(|file| file.table != TableName::rejects()) {
        let batch = columns::read_file(&directory.path().join(&file.key), columns::Projection::All).unwrap();
        for row in 0..batch.num_rows() {
            let row = columns::row_json(&batch, row);
            let id = row["matano"]["record_id"].as_str().unwrap();
            rows.entry(file.table.clone()).or_default().push((places[id], row));
        }
    }
    let in_order = |mut rows: Vec<(u64, Value)>| {
        rows.sort_by_key(|(at, _)| *at);
        rows.into_iter().map(|(_, row)| row).collect()
    };
    (rows.into_iter().map(|(table, rows)| (table, in_order(rows))).collect(), output.report.rejects)
}

/// Every column that is named has its value; null means that nothing is there.
fn compare(place: &str, expected: &Value, found: &Value, failures: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(members), _) => {
            for (path, expected) in members {
                let found = path.split('.').try_fold(found, |at, name| at.get(name)).unwrap_or(&Value::Null);
                compare(&format!("{place}.{path}"), expected, found, failures);
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{place}[{at}]"), expected, found, failures);
            }
        }
        _ if same(expected, found) => (),
        _ => failures.push(format!("{place}: expected `{expected}`, found `{found}`")),
    }
}

fn same(expected: &Value, found: &Value) -> bool {
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    match (expected, found) {
        (Value::Number(expected), Value::Number(found)) => expected.as_f64() == found.as_f64(),
        (Value::String(_), Value::String(_)) => {
            expected == found || time(expected).is_some_and(|expected| Some(expected) == time(found))
        }
        _ => expected == found,
    }
}

#[test]
fn the_comparison_can_fail() {
    let found: Value = serde_json::json!({"a": {"b": 1}, "t": "2026-03-02T09:00:00.000000Z", "l": [{"x": 1, "y": 2}]});
    let failures = |expected: Value| {
        let mut out = Vec::new();
        compare("row", &expected, &found, &mut out);
        out.len()
    };
    assert_eq!(failures(serde_json::json!({"a.b": 1, "t": "2026-03-02T09:00:00Z", "l": [{"x": 1}], "c": null})), 0);
    assert_eq!(failures(serde_json::json!({"a.b": null, "t": "2026-03-02T09:00:01Z", "l": [], "c": 1})), 4);
    assert_eq!(failures(Value::Object(Map::from_iter([("l".to_owned(), serde_json::json!([{"x": 2}]))]))), 1);
}
