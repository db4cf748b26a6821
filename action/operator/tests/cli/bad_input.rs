use super::repo::{Repo, gzip, lines};

/// Ingests one object: rows, rejects, and that both are in the lake.
fn check(name: &str, bytes: &[u8], rows: u64, rejects: u64) {
    let repo = Repo::numbers();
    let file = repo.write(name, bytes);
    let report = repo.ingest(&file);
    let found = (report["rows"].as_u64(), report["rejects"].as_u64());
    assert_eq!(found, (Some(rows), Some(rejects)), "{name}: {report}");
    assert_eq!(repo.number("SELECT count(*) FROM web"), rows as i64);
    assert_eq!(repo.number("SELECT count(*) FROM matano_rejects"), rejects as i64);
    let again = repo.ingest(&file);
    assert_eq!((again["rows"].as_u64(), again["rejects"].as_u64()), (Some(0), Some(0)), "{name}: {again}");
}

#[test]
fn a_truncated_gzip_keeps_what_was_read_and_rejects_the_rest() {
    // not compressed inside, so that half of the bytes are half of the lines
    let text = lines(0, 1000);
    let whole = gzip(&text);
    let repo = Repo::numbers();
    let file = repo.write("a.gz", &whole[..whole.len() / 2]);
    let report = repo.ingest(&file);
    assert_eq!(report["rejects"].as_u64(), Some(1), "{report}");
    let rows = report["rows"].as_u64().unwrap();
    assert!((1..1000).contains(&rows), "{report}");
    let reject = &repo.rows("SELECT rule, error FROM matano_rejects")[0];
    assert_eq!(reject["rule"], "decode", "{reject}");
}

#[test]
fn an_empty_object_is_no_record() {
    check("empty.json", b"", 0, 0);
    check("empty.json.gz", &gzip(b""), 0, 0);
}

#[test]
fn bom_and_crlf_are_no_part_of_a_record() {
    check("a.json", b"\xef\xbb\xbf{\"n\": 1}\r\n\r\n{\"n\": 2}\r\n", 2, 0);
}

#[test]
fn invalid_utf8_costs_one_record() {
    check("a.json", b"{\"n\": 1}\n{\"n\": 2, \"user\": \"\xff\"}\n{\"n\": 3}\n", 2, 1);
}

#[test]
fn a_number_that_no_machine_has_costs_one_record() {
    check("a.json", b"{\"n\": 1}\n{\"n\": 1e400}\n{\"n\": 3}\n", 2, 1);
}

#[test]
fn deep_nesting_costs_one_record_and_no_stack() {
    let deep = format!("{{\"n\": 1}}\n{{\"n\": {}{}}}\n{{\"n\": 3}}\n", "[".repeat(10_000), "]".repeat(10_000));
    check("a.json", deep.as_bytes(), 2, 1);
}

#[test]
fn of_duplicate_keys_the_last_counts() {
    let repo = Repo::numbers();
    let file = repo.write("a.json", b"{\"n\": 1, \"n\": 2}\n");
    repo.ingest(&file);
    assert_eq!(repo.number("SELECT n FROM web"), 2);
}

#[test]
fn a_line_over_the_limit_is_a_reject_and_its_neighbours_are_rows() {
    let mut bytes = b"{\"n\": 1}\n{\"n\": 2, \"user\": \"".to_vec();
    bytes.resize(bytes.len() + 100 * 1024 * 1024, b'x');
    bytes.extend_from_slice(b"\"}\n{\"n\": 3}\n");
    check("a.json", &bytes, 2, 1);
}

#[test]
fn an_object_of_no_log_source_is_named_and_nothing_is_recorded() {
    let repo = Repo::numbers();
    let file = repo.write("elsewhere/a.json", b"{\"n\": 1}\n");
    let ended = repo.run(&["ingest", file.to_str().unwrap()]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("name one with --source"), "{}{}", ended.out, ended.err);
    assert_eq!(repo.ingest(&file)["rows"].as_u64(), Some(1));
}
