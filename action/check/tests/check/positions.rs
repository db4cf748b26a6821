use project::{Diagnostic, FileSet};

use crate::golden;

fn project(path: &str, text: &str) -> FileSet {
    [("matano.config.yml", "target: embedded\n"), (path, text)].into_iter().collect()
}

/// The only diagnostic of a project with one file, as `line:column-line:column text`.
fn check(path: &str, text: &str, rule: &str, expected: &str) {
    let files = project(path, text);
    let found: Vec<Diagnostic> = golden::check(&files);
    let shown: Vec<String> = found
        .iter()
        .map(|one| {
            let span = one.span.unwrap();
            let (start, end) = (span.start, span.end);
            let marked = &text[start.offset..end.offset];
            format!("{} {}:{}-{}:{} {marked}", one.rule, start.line, start.column, end.line, end.column)
        })
        .collect();
    assert_eq!(shown, [format!("{rule} {expected}")], "{found:#?}");
}

const DETECTION: &str = "name: d\ntables: [web]\nalert: {severity: low}\ntests:\n  - name: t\n    event: {message: a}\n    \
                         fires: true\n  - name: u\n    event: {message: b}\n    fires: false\n";
const SOURCE: &str = "log_sources/web/log_source.yml";

#[test]
fn an_error_in_a_vrl_block_is_at_its_place_in_the_file() {
    let text = "name: web\ntransform: |\n  # a comment\n  .message = dwncase(.json.a)\n";
    check(SOURCE, text, "vrl-compile", "4:14-4:21 dwncase");
}

#[test]
fn a_deeply_nested_block_is_found_too() {
    let text = "name: web\ningest:\n        select_table_from_payload: |\n            if .json.a == null {\n                if true {\n                    .x = dwncase(\"a\")\n                }\n            }\n            \"default\"\n";
    check(SOURCE, text, "vrl-compile", "6:26-6:33 dwncase");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_move_nothing() {
    let text = "\u{feff}name: web\r\ntransform: |\r\n  .message = \"🚀\"\r\n  .message = dwncase(.json.a)\r\n";
    check(SOURCE, text, "vrl-compile", "4:14-4:21 dwncase");
}

#[test]
fn columns_count_characters() {
    let text = "name: web\ntransform: |\n  .message = \"日本🚀\" + dwncase(\"a\")\n";
    check(SOURCE, text, "vrl-compile", "3:22-3:29 dwncase");
}

#[test]
fn other_kinds_of_scalars_have_places_too() {
    check(SOURCE, "name: web\ntransform: .message = dwncase(.json.a)\n", "vrl-compile", "2:23-2:30 dwncase");
    check(SOURCE, "name: web\ntransform: '.message = dwncase(.json.a)'\n", "vrl-compile", "2:24-2:31 dwncase");
    check(
        SOURCE,
        "name: web\ntransform: \".message = \\\"\\u00e9\\\" + dwncase(.a)\"\n",
        "vrl-compile",
        "2:37-2:44 dwncase",
    );
    check(SOURCE, "name: web\ntransform: >\n  .message =\n  dwncase(.json.a)\n", "vrl-compile", "4:3-4:10 dwncase");
}

#[test]
fn a_mistake_in_the_source_is_said_once_for_all_its_tables() {
    let files: FileSet = [
        ("matano.config.yml", "target: embedded\n"),
        (SOURCE, "name: web\ntransform: |\n  .message = dwncase(.json.a)\n"),
        ("log_sources/web/tables/a.yml", "name: a\n"),
        ("log_sources/web/tables/b.yml", "name: b\ntransform: |\n  .message = upcse(.json.a)\n"),
    ]
    .into_iter()
    .collect();
    let found: Vec<(String, usize)> =
        golden::check(&files).into_iter().map(|one| (one.file, one.span.unwrap().start.line)).collect();
    assert_eq!(found, [(SOURCE.to_owned(), 3), ("log_sources/web/tables/b.yml".to_owned(), 3)]);
}

#[test]
fn a_column_that_one_table_has_is_not_unknown() {
    let files = |schema: &str| -> FileSet {
        [
            ("matano.config.yml", "target: embedded\n".to_owned()),
            (SOURCE, "name: web\ntransform: |\n  .source.ip = .json.a\n".to_owned()),
            ("log_sources/web/tables/a.yml", format!("name: a\n{schema}")),
            ("log_sources/web/tables/b.yml", "name: b\n".to_owned()),
        ]
        .into_iter()
        .collect()
    };
    assert_eq!(golden::check(&files("schema:\n  ecs_field_names: [source.ip]\n")), []);
    let rules: Vec<&str> = golden::check(&files("")).iter().map(|one| one.rule).collect();
    assert_eq!(rules, ["unknown-column"]);
}

#[test]
fn a_file_with_errors_has_no_errors_that_follow_from_them() {
    let files: FileSet = [
        ("matano.config.yml", "target: embedded\n"),
        (
            SOURCE,
            "name: web\nschema:\n  fields:\n    - {name: attempt, type: integer}\ntransform: |\n  .attempt = .json.n\n",
        ),
        ("enrichment/bad_ips/enrichment.yml", "name: bad_ips\nlookup_keys: [ip\n"),
        ("detections/d/detection.yml", DETECTION),
        (
            "detections/d/detect.py",
            "from detection import enrichment\n\ndef detect(r):\n    return enrichment.bad_ips.get(r['message'])\n",
        ),
    ]
    .into_iter()
    .collect();
    let rules: Vec<&str> = golden::check(&files).iter().map(|one| one.rule).collect();
    assert_eq!(rules, ["yaml-syntax", "invalid-value"]);
}

#[test]
fn a_table_that_does_not_exist_is_said_once_however_it_is_asked_for() {
    let check = |python: &str, vrl: &str| -> Vec<(&'static str, usize)> {
        let files: FileSet = [
            ("matano.config.yml", "target: embedded\n".to_owned()),
            (SOURCE, format!("name: web\ntransform: |\n  {vrl}\n")),
            ("detections/d/detection.yml", DETECTION.to_owned()),
            (
                "detections/d/detect.py",
                format!("{python}\n\ndef detect(r):\n    return enrichment.tor.get(r['message'])\n"),
            ),
        ]
        .into_iter()
        .collect();
        golden::check(&files).iter().map(|one| (one.rule, one.span.unwrap().start.line)).collect()
    };
    assert_eq!(check("from detection import enrichment", ".message = \"a\""), [("unknown-enrichment", 4)]);
    assert_eq!(check("from detection.enrichment import tor", ".message = \"a\""), [("unknown-enrichment", 1)]);
    let vrl = ".message = encode_json(get_enrichment_table_record!(\"tor\", .json.ip))";
    assert_eq!(check("enrichment = None", vrl), [("unknown-enrichment", 3)]);
    let vrl = ".message = encode_json(get_enrichment_table_record!(condition: .json.ip, table: \"tor\"))";
    assert_eq!(check("enrichment = None", vrl), [("unknown-enrichment", 3)]);
}

#[test]
fn a_mistake_in_python_is_at_its_place() {
    let python = "\u{feff}def detect(r):\r\n    x = '🚀' + r.get('a') )\r\n    return x\r\n";
    let files: FileSet = [
        ("matano.config.yml", "target: embedded\n"),
        (SOURCE, "name: web\n"),
        ("detections/d/detection.yml", DETECTION),
        ("detections/d/detect.py", python),
    ]
    .into_iter()
    .collect();
    let found = golden::check(&files);
    let places: Vec<(&str, usize, usize)> =
        found.iter().map(|one| (one.rule, one.span.unwrap().start.line, one.span.unwrap().start.column)).collect();
    assert_eq!(places, [("python-syntax", 2, 26)], "{found:#?}");
}

#[test]
fn what_the_vrl_compiler_says_reads_well() {
    let found = golden::check_folder(&golden::fixtures().join("vrl_messages"));
    assert!(found.iter().all(|one| one.rule.starts_with("vrl-")), "{found:#?}");
}
