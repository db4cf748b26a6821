use super::repo::Repo;

#[test]
fn a_reject_becomes_a_row_after_a_fix_and_only_once() {
    let repo = Repo::numbers();
    let file = repo.write("a.json", b"{\"n\": 1}\n{\"n\": \"two hundred\"}\n{\"n\": 3}\n");
    let report = repo.ingest(&file);
    assert_eq!((report["rows"].as_u64(), report["rejects"].as_u64()), (Some(2), Some(1)), "{report}");
    let reject = &repo.rows("SELECT rule, raw, \"position\" FROM matano_rejects")[0];
    assert_eq!(reject["rule"], "transform");
    assert_eq!(reject["raw"], "{\"n\": \"two hundred\"}");
    assert_eq!(reject["position"], 1);

    // nothing was mended: it is rejected again, and stands in the table once
    let again = repo.run(&["--output", "json", "replay", "--rejects"]);
    assert_eq!(again.code, 1);
    assert_eq!(again.json()["new"], 0);
    assert_eq!(repo.number("SELECT count(*) FROM matano_rejects"), 1);

    let source = "name: web\nschema:\n  ecs_field_names: [user.name]\n  fields:\n    - {name: n, type: long}\ntransform: |\n  .n = to_int(.json.n) ?? 200\n";
    repo.write("log_sources/web/log_source.yml", source.as_bytes());
    repo.fine(&["deploy", "--yes"]);
    let first = repo.run(&["--output", "json", "replay", "--rejects"]).json();
    assert_eq!((first["new"].as_u64(), first["already_there"].as_u64()), (Some(1), Some(0)), "{first}");
    let second = repo.fine(&["--output", "json", "replay", "--rejects"]).json();
    assert_eq!((second["new"].as_u64(), second["already_there"].as_u64()), (Some(0), Some(1)), "{second}");
    assert_eq!(repo.number("SELECT sum(n) FROM web"), 204);
    // the detection saw the new row: 200 is big
    assert_eq!(repo.fine(&["--output", "json", "alerts"]).json().as_array().unwrap().len(), 1);

    // the whole object: every record has its row, so nothing is added
    let whole = repo.fine(&["--output", "json", "replay", "--source", "web", file.to_str().unwrap()]).json();
    assert_eq!((whole["new"].as_u64(), whole["already_there"].as_u64()), (Some(0), Some(3)), "{whole}");
    assert_eq!(repo.number("SELECT count(*) FROM web"), 3);
}
