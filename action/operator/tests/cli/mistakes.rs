use super::repo::{Repo, lines};

const SCHEDULED: &[(&str, &str)] = &[
    ("matano.config.yml", "target: embedded\n"),
    (
        "log_sources/web/log_source.yml",
        "name: web\nschema:\n  fields:\n    - {name: n, type: long}\ntransform: .n = 1\n",
    ),
    (
        "detections/many/detection.yml",
        "name: many\ntables: [web]\nschedule: rate(1 hour)\nquery: |\n  SELECT n, count(*) AS c\n  FROM wed\n  WHERE ts >= :start AND ts < :end\n  GROUP BY n\n",
    ),
];

#[test]
fn a_mistake_in_sql_is_shown_at_its_line_of_the_yaml_file() {
    let repo = Repo::with(SCHEDULED);
    let check = repo.run(&["check"]);
    assert_eq!(check.code, 1);
    assert!(check.out.contains("error[sql-query]: table `wed` does not exist"), "{}", check.out);
    assert!(check.out.contains("--> detections/many/detection.yml:6:8"), "{}", check.out);
    assert!(check.out.contains("did you mean `web`?"), "{}", check.out);
    assert_eq!(repo.run(&["plan"]).code, 2);
}

#[test]
fn without_a_project_the_error_says_how_to_make_one() {
    let directory = tempfile::tempdir().unwrap();
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_matano")).arg("check").current_dir(&directory).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("matano init"));
}

#[test]
fn before_a_deploy_ingest_says_that_nothing_is_deployed() {
    let repo = Repo::with(SCHEDULED);
    let file = repo.write("a.json", b"{}\n");
    let ended = repo.run(&["ingest", file.to_str().unwrap()]);
    assert_eq!(ended.code, 3);
    assert!(ended.err.contains("run `matano deploy` first"), "{}", ended.err);
}

#[test]
fn a_filter_that_matches_no_test_is_no_green_run() {
    let repo = Repo::numbers();
    assert_eq!(repo.run(&["test", "bigg"]).code, 2);
    assert_eq!(repo.run(&["test", "big"]).code, 0);
}

#[test]
fn a_failed_test_shows_expected_and_found_at_its_line() {
    let repo = Repo::numbers();
    repo.write(
        "detections/big/detection.yml",
        b"name: big\ntables: [web]\nalert: {severity: high}\ntests:\n  - name: small fires\n    event: {n: 1}\n    fires: true\n",
    );
    let ended = repo.run(&["test"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("FAIL big/small fires\n  --> detections/big/detection.yml:5"), "{}", ended.out);
    assert!(ended.out.contains("found    that it stays quiet on 1 row"), "{}", ended.out);
    assert!(ended.out.contains("0 passed, 1 failed"), "{}", ended.out);
}

#[test]
fn a_detection_that_raises_fails_its_test_with_the_traceback() {
    let repo = Repo::numbers();
    repo.write("detections/big/detect.py", b"def detect(r):\n    return r[\"nope\"] > 1\n");
    let ended = repo.run(&["test"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("detections/big/detect.py:2"), "{}", ended.out);
    assert!(ended.out.contains("KeyError"), "{}", ended.out);
}

#[test]
fn removing_a_log_source_needs_a_yes_and_keeps_its_rows() {
    let repo = Repo::numbers();
    let file = repo.write("in/a.json", &lines(0, 3));
    repo.ingest(&file);
    std::fs::remove_dir_all(repo.path().join("log_sources")).unwrap();
    std::fs::remove_dir_all(repo.path().join("detections")).unwrap();
    let plan = repo.fine(&["plan"]);
    assert!(plan.out.contains("- detach table web (its 3 rows stay in the lake"), "{}", plan.out);
    let refused = repo.run(&["deploy", "--yes"]);
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains("--max-deletes 3"), "{}", refused.err);
    repo.fine(&["deploy", "--yes", "--max-deletes", "3"]);
    assert_eq!(repo.number("SELECT count(*) FROM web"), 3);

    assert_eq!(repo.run(&["destroy", "--yes", "--delete-data"]).code, 2);
    repo.fine(&["destroy", "--yes", "--delete-data", "--table", "web"]);
    assert_eq!(repo.run(&["query", "SELECT count(*) FROM web"]).code, 2);
}

#[cfg(unix)]
#[test]
fn a_link_that_leaves_the_project_is_refused() {
    let repo = Repo::with(SCHEDULED);
    std::os::unix::fs::symlink("/etc/hostname", repo.path().join("detections/many/detect.py")).unwrap();
    let ended = repo.run(&["check"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("outside the project"), "{}", ended.err);
}

#[test]
fn a_failure_is_one_json_document_where_json_is_asked_for() {
    let repo = Repo::with(SCHEDULED);
    let file = repo.write("a.json", b"{}\n");
    let file = file.to_str().unwrap();
    for (arguments, kind, code, message) in [
        (vec!["--output", "json", "ingest", file], "environment", 3, "run `matano deploy` first"),
        (vec!["--output", "json", "plan"], "input", 2, "the project has mistakes"),
        (vec!["plan", "--output=json", "--no-such-flag"], "usage", 2, "unexpected argument '--no-such-flag' found"),
        (vec!["-o", "json", "ingest"], "usage", 2, "required arguments"),
    ] {
        let ended = repo.run(&arguments);
        assert_eq!(ended.code, code, "{}", ended.err);
        let document = ended.json();
        let error = &document["error"];
        assert_eq!(
            (error["kind"].as_str(), error["exit_code"].as_i64()),
            (Some(kind), Some(code.into())),
            "{document}"
        );
        assert!(error["message"].as_str().unwrap().contains(message), "{document}");
        // people read it, too
        assert!(ended.err.contains(message), "{}", ended.err);
    }
    // without it, standard output has no failures
    assert_eq!(repo.run(&["plan"]).out, "");
}
