use std::sync::atomic::Ordering;

use project::{Diagnostic, Level};
use serde_json::json;

use crate::client::{Client, PROJECT, uri};

const DETECTION: &str = "detections/failed/detection.yml";

#[test]
fn a_project_is_looked_at_when_it_is_opened() {
    let mut files = PROJECT.to_vec();
    files.push(("detections/other/detection.yml", "name: failed\ntables: [wbe]\n"));
    let mut client = Client::new(&files);
    let found = client.diagnostics("detections/other/detection.yml", |all| !all.is_empty());
    let codes: Vec<&str> = found.iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"duplicate-name"), "{codes:?}");
    let duplicate = found.iter().find(|one| one["code"] == "duplicate-name").unwrap();
    let other = &duplicate["relatedInformation"][0];
    assert_eq!(other["location"]["uri"], uri(DETECTION).as_str());
    assert_eq!(other["message"], "the other one is here");
    client.end();
}

#[test]
fn what_is_typed_counts_before_what_is_saved() {
    let mut client = Client::new(PROJECT);
    let good = PROJECT.iter().find(|(file, _)| *file == DETECTION).unwrap().1;
    client.did_open(DETECTION, good);
    client.did_change(DETECTION, &good.replace("[web]", "[wbe]"));
    let found = client.diagnostics(DETECTION, |all| !all.is_empty());
    assert_eq!(found[0]["code"], "unknown-table");
    assert_eq!(found[0]["source"], "matano");
    assert_eq!(found[0]["severity"], 1);
    assert_eq!(found[0]["message"], "table `wbe` does not exist\nhelp: did you mean `web`?");
    let range = json!({ "start": { "line": 1, "character": 9 }, "end": { "line": 1, "character": 12 } });
    assert_eq!(found[0]["range"], range);
    client.did_change(DETECTION, good);
    assert_eq!(client.diagnostics(DETECTION, <[_]>::is_empty).len(), 0);
    client.end();
}

#[test]
fn closing_a_file_forgets_what_was_typed() {
    let mut client = Client::new(PROJECT);
    client.did_open(DETECTION, "name: [\n");
    client.diagnostics(DETECTION, |all| !all.is_empty());
    client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri(DETECTION) } }));
    assert_eq!(client.diagnostics(DETECTION, <[_]>::is_empty).len(), 0);
    client.end();
}

#[test]
fn columns_are_in_the_units_that_were_agreed() {
    let python = "def detect(r):\n    x = '🚀' + r.get('a') )\n";
    for (encoding, column) in [("utf-16", 26), ("utf-8", 28)] {
        let capabilities = json!({ "general": { "positionEncodings": [encoding] } });
        let (mut client, _) = Client::with(PROJECT, capabilities);
        client.did_open("detections/failed/detect.py", python);
        let found = client.diagnostics("detections/failed/detect.py", |all| !all.is_empty());
        assert_eq!(found[0]["range"]["start"], json!({ "line": 1, "character": column }), "{encoding}");
        client.end();
    }
}

#[test]
fn a_mistake_in_a_managed_source_is_shown_where_it_is_used() {
    let mut files = PROJECT.to_vec();
    files.push(("log_sources/trail/log_source.yml", "name: aws_trail\nmanaged:\n  type: aws_cloudtrail\n"));
    let mut client = Client::silent(&files);
    *client.host.mistakes.lock().unwrap() = vec![Diagnostic {
        rule: "sql-query",
        severity: Level::Warning,
        file: "managed:aws_cloudtrail/log_source.yml".to_owned(),
        span: None,
        message: "something".to_owned(),
        help: None,
        related: Vec::new(),
        fix: None,
    }];
    let folders = json!([{ "uri": "file:///repo", "name": "repo" }]);
    client.request("initialize", json!({ "capabilities": {}, "workspaceFolders": folders })).unwrap();
    let found = client.diagnostics("log_sources/trail/log_source.yml", |all| !all.is_empty());
    assert_eq!(found[0]["range"]["start"], json!({ "line": 2, "character": 8 }));
    assert_eq!(found[0]["message"], "something (in managed:aws_cloudtrail/log_source.yml)");
    client.end();
}

#[test]
fn sql_is_looked_at_when_files_are_saved_and_not_at_every_key() {
    let mut client = Client::silent(PROJECT);
    let query = |file: &str| Diagnostic {
        rule: "sql-query",
        severity: Level::Error,
        file: file.to_owned(),
        span: None,
        message: "table `wed` does not exist".to_owned(),
        help: None,
        related: Vec::new(),
        fix: None,
    };
    *client.host.mistakes.lock().unwrap() = vec![query(DETECTION), query("matano.config.yml")];
    let folders = json!([{ "uri": "file:///repo", "name": "repo" }]);
    client.request("initialize", json!({ "capabilities": {}, "workspaceFolders": folders })).unwrap();
    client.diagnostics(DETECTION, |all| !all.is_empty());
    let good = PROJECT.iter().find(|(file, _)| *file == DETECTION).unwrap().1;
    client.did_open(DETECTION, good);
    client.until_seen(DETECTION);
    let before = client.host.queries.load(Ordering::SeqCst);
    client.did_change(DETECTION, &format!("{good}# a comment\n"));
    // what was said of the file that changed is gone, the other stays
    client.diagnostics(DETECTION, <[_]>::is_empty);
    client.diagnostics("matano.config.yml", |all| all.len() == 1);
    assert_eq!(client.host.queries.load(Ordering::SeqCst), before);
    client.did_save(DETECTION);
    client.diagnostics(DETECTION, |all| !all.is_empty());
    assert_eq!(client.host.queries.load(Ordering::SeqCst), before + 1);
    client.end();
}

#[test]
fn a_project_that_cannot_be_read_is_told_once_and_looked_at_again() {
    let mut client = Client::silent(PROJECT);
    *client.host.trouble.lock().unwrap() = Some("the file name `x` is not UTF-8: rename it".to_owned());
    let folders = json!([{ "uri": "file:///repo", "name": "repo" }]);
    client.request("initialize", json!({ "capabilities": {}, "workspaceFolders": folders })).unwrap();
    let said = client.wait_for("window/showMessage", |_| true);
    assert_eq!(said["message"], "matano: the file name `x` is not UTF-8: rename it");
    *client.host.trouble.lock().unwrap() = None;
    client.did_open(DETECTION, "name: failed\ntables: [wbe]\n");
    let found = client.diagnostics(DETECTION, |all| !all.is_empty());
    assert!(found.iter().any(|one| one["code"] == "unknown-table"));
    client.end();
}
