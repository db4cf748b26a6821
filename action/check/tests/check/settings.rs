//! What a project decides about rules.

use project::{FileSet, Level};

use crate::golden;

const SOURCE: &str = "name: web\ntransform: |\n  .message = .json.text\n  .nowhere = .json.a\n";

/// The rules and levels that are left of a project with one broken rule of each kind.
fn check(config: &str, source: &str, detection: &str, python: &str, expected: &[(&str, Level)]) {
    let files: FileSet = [
        ("matano.config.yml", config),
        ("log_sources/web/log_source.yml", source),
        ("detections/d/detection.yml", detection),
        ("detections/d/detect.py", python),
    ]
    .into_iter()
    .collect();
    let found = golden::check(&files);
    let shown: Vec<(&str, Level)> = found.iter().map(|one| (one.rule, one.severity)).collect();
    assert_eq!(shown, expected, "{found:#?}");
}

const DETECTION: &str = "name: d\ntables: [web]\nalert: {severity: low}\n";
const PYTHON: &str = "def detect(r):\n    return r.deepget(\"nowhere\")\n";

#[test]
fn without_a_word_every_rule_has_its_own_level() {
    let expected = [
        ("unknown-record-column", Level::Warning),
        ("untested-detection", Level::Warning),
        ("unknown-column", Level::Warning),
    ];
    check("", SOURCE, DETECTION, PYTHON, &expected);
}

#[test]
fn a_project_sets_levels_and_switches_rules_off() {
    let config =
        "check:\n  rules:\n    untested-detection: error\n    unknown-record-column: off\n    unknown-column: note\n";
    let expected = [("untested-detection", Level::Error), ("unknown-column", Level::Note)];
    check(config, SOURCE, DETECTION, PYTHON, &expected);
}

#[test]
fn errors_stay_errors_where_only_the_milder_findings_are_adjustable() {
    let files: FileSet = [
        ("matano.config.yml", "check:\n  rules:\n    unknown-column: off\n"),
        ("log_sources/web/log_source.yml", SOURCE),
        ("enrichment/e/enrichment.yml", "name: e\nenrichment_type: dynamic\nlookup_keys: [nowhere]\n"),
    ]
    .into_iter()
    .collect();
    let found = golden::check(&files);
    let shown: Vec<(&str, Level)> = found.iter().map(|one| (one.rule, one.severity)).collect();
    assert_eq!(shown, [("unknown-column", Level::Error)], "{found:#?}");
}

#[test]
fn comments_silence_a_line_in_yaml_in_vrl_and_in_python() {
    let source = SOURCE.replace("json.a\n", "json.a # matano: ignore[unknown-column]\n");
    let detection = DETECTION.replace("name: d\n", "# matano: ignore[untested-detection] soon\nname: d\n");
    let python = PYTHON.replace("    return", "    # matano: ignore[unknown-record-column]\n    return");
    check("", &source, &detection, &python, &[]);
    // text in a string is no comment
    let python = "def detect(r):\n    x = \"# matano: ignore[unknown-record-column]\"; return r[\"nowhere\"] == x\n";
    check("", &source, &detection, python, &[("unknown-record-column", Level::Warning)]);
}

#[test]
fn where_a_file_cannot_be_read_no_comment_is_called_useless() {
    let detection = DETECTION.replace("name: d\n", "name: d # matano: ignore[untested-detection, python-version]\n");
    check(
        "",
        SOURCE.replace("  .nowhere = .json.a\n", "").as_str(),
        &detection,
        "def detect(r)\n",
        &[("python-syntax", Level::Error)],
    );
}
