use std::process::Command;

use serde_json::json;

use super::repo::Repo;

/// With any of its log sources alone, the template has no mistakes and all of its tests pass.
#[test]
fn a_template_cut_to_one_log_source_is_whole() {
    for source in ["aws_cloudtrail", "aws_vpcflow"] {
        let repo = Repo::with(&[]);
        let mut init = Command::new(env!("CARGO_BIN_EXE_matano"));
        let init = init.args(["init", "--yes", "--log-source", source]).arg(repo.path()).output().unwrap();
        assert!(init.status.success());
        let check = repo.fine(&["--output", "json", "check"]).json();
        assert_eq!(check["diagnostics"], json!([]), "{source}: {check}");
        let tests = repo.fine(&["--output", "json", "test"]).json();
        assert!(tests["passed"].as_u64() > Some(0) && tests["failed"] == 0, "{source}: {tests}");
        assert!(repo.path().join("log_sources").join(source).is_dir());
        assert_eq!(std::fs::read_dir(repo.path().join("log_sources")).unwrap().count(), 1);
    }
}

/// The template, from `init` to an answer in SQL, and all of it again without any change.
#[test]
fn the_template_goes_from_init_to_alerts_and_a_second_time_changes_nothing() {
    let repo = Repo::with(&[]);
    let init = Command::new(env!("CARGO_BIN_EXE_matano")).args(["init", "--yes"]).arg(repo.path()).output().unwrap();
    assert!(init.status.success());
    let check = repo.fine(&["--output", "json", "check"]).json();
    assert_eq!(check["diagnostics"], json!([]), "{check}");
    let tests = repo.fine(&["--output", "json", "test"]).json();
    assert_eq!(tests["failed"], 0, "{tests}");
    assert!(tests["passed"].as_u64().unwrap() >= 20, "{tests}");

    assert_eq!(repo.run(&["plan", "--exit-code"]).code, 1);
    repo.fine(&["deploy", "--yes"]);
    assert!(repo.fine(&["plan", "--exit-code"]).out.starts_with("Nothing would change: release "));
    assert!(repo.fine(&["deploy", "--yes"]).out.starts_with("Nothing would change"));

    let logs = repo.path().join("logs");
    let options = samples::SampleOptions { events: 1500, ..samples::SampleOptions::default() };
    let made = samples::write(&logs, &options).unwrap();
    let logs = logs.to_str().unwrap();
    let first = repo.run(&["--output", "json", "ingest", logs]).json();
    assert_eq!(first["objects"].as_u64(), Some(made.objects as u64), "{first}");
    assert_eq!((&first["rejects"], &first["detection_failures"]), (&json!(0), &json!([])), "{first}");
    assert!(first["new_matches"].as_u64().unwrap() > 0, "{first}");
    let second = repo.run(&["--output", "json", "ingest", logs]).json();
    assert_eq!((&second["rows"], &second["new_matches"]), (&json!(0), &json!(0)), "{second}");
    assert_eq!(second["already_ingested"], first["objects"]);

    let alerts = repo.fine(&["--output", "json", "alerts"]).json();
    let detections: Vec<&str> =
        alerts.as_array().unwrap().iter().filter_map(|alert| alert["detection"].as_str()).collect();
    for expected in ["aws_root_login", "aws_cloudtrail_tampering", "aws_console_bruteforce"] {
        assert!(detections.contains(&expected), "{detections:?}");
    }
    let rows = repo.number("SELECT count(*) FROM aws_cloudtrail") + repo.number("SELECT count(*) FROM aws_vpcflow");
    assert_eq!(Some(rows), first["rows"].as_i64());
    let ids = repo.number("SELECT count(DISTINCT matano.record_id) FROM aws_cloudtrail");
    assert_eq!(ids, repo.number("SELECT count(*) FROM aws_cloudtrail"));
    assert_eq!(repo.number("SELECT count(*) FROM matano_alerts"), first["new_matches"].as_i64().unwrap());
    let empty =
        "SELECT count(*) FROM aws_cloudtrail WHERE event.original IS NULL OR ts IS NULL OR matano.release IS NULL";
    assert_eq!(repo.number(empty), 0);

    // the port scan is found by the scheduled detection, once
    let day =
        ["--output", "json", "run", "--once", "--since", "2026-03-02T00:00:00Z", "--until", "2026-03-03T00:00:00Z"];
    let scheduled = repo.run(&day).json();
    assert!(scheduled["windows"].as_u64().unwrap() >= 24, "{scheduled}");
    assert!(scheduled["new_matches"].as_u64().unwrap() > 0, "{scheduled}");
    assert_eq!(repo.run(&day).json()["new_matches"], 0);
}

#[test]
fn rows_come_in_by_standard_input_too_and_go_out_as_csv() {
    let repo = Repo::numbers();
    let ended = repo.run_with(&["--output", "json", "ingest", "--source", "web", "-"], b"{\"n\": 1}\n{\"n\": 2}\n");
    assert_eq!(ended.json()["rows"], 2, "{}", ended.err);
    let csv = repo.fine(&["query", "--format", "csv", "SELECT n, matano.errors AS errors FROM web ORDER BY n"]);
    assert_eq!(csv.out, "n,errors\n1,\n2,\n");
}

#[test]
fn a_view_has_the_columns_of_its_table_under_flat_names() {
    let repo = Repo::numbers();
    repo.ingest(&repo.write("a.json", b"{\"n\": 1, \"user\": \"a\"}\n{\"n\": 2, \"user\": \"b\"}\n"));
    let rows = repo.rows("SELECT v.n, user_name, matano_release = w.matano.release AS same FROM web_view v JOIN web w ON v.n = w.n WHERE user_name = 'b'");
    assert_eq!(rows, [json!({"n": 2, "user_name": "b", "same": true})]);
    assert_eq!(repo.number("SELECT count(*) FROM matano.web_view WHERE event_original IS NOT NULL"), 2);
    let ended = repo.run(&["query", "SELECT * FROM wed_view"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("did you mean `web_view`?"), "{}", ended.err);
}

#[test]
fn a_new_column_is_null_in_old_rows_and_a_lossy_change_is_refused_with_the_column_named() {
    let repo = Repo::numbers();
    let file = repo.write("a.json", b"{\"n\": 1}\n");
    repo.ingest(&file);
    let source = "name: web\nschema:\n  ecs_field_names: [user.name]\n  fields:\n    - {name: n, type: long}\n    - {name: extra, type: {type: struct, fields: [{name: deep, type: string}]}}\ntransform: |\n  .n = to_int!(.json.n)\n  .extra.deep = .json.deep\n";
    repo.write("log_sources/web/log_source.yml", source.as_bytes());
    let plan = repo.run(&["plan"]);
    assert!(plan.out.contains("~ evolve table web"), "{}{}", plan.out, plan.err);
    repo.fine(&["deploy", "--yes"]);
    let file = repo.write("b.json", b"{\"n\": 2, \"deep\": \"x\"}\n");
    repo.ingest(&file);
    let rows = repo.rows("SELECT n, extra.deep AS deep FROM web ORDER BY n");
    assert_eq!(rows, [json!({"n": 1}), json!({"n": 2, "deep": "x"})]);
    // a struct gets a member
    let source = source.replace("{name: deep, type: string}", "{name: deep, type: string}, {name: more, type: long}");
    repo.write("log_sources/web/log_source.yml", source.as_bytes());
    repo.fine(&["deploy", "--yes"]);
    let rows = repo.rows("SELECT n, extra FROM web WHERE n > 1");
    assert_eq!(rows, [json!({"n": 2, "extra": {"deep": "x"}})]);

    repo.write(
        "log_sources/web/log_source.yml",
        source.replace("{name: n, type: long}", "{name: n, type: string}").as_bytes(),
    );
    let plan = repo.run(&["plan"]);
    assert_eq!(plan.code, 1);
    assert!(plan.out.contains("column `n` is `long` and cannot become `string`"), "{}", plan.out);
    let deploy = repo.run(&["deploy", "--yes"]);
    assert_eq!(deploy.code, 2, "{}", deploy.err);
    assert_eq!(repo.number("SELECT count(*) FROM web WHERE n > 0"), 2);
}
