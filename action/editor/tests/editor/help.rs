use serde_json::{Value, json};

use crate::client::{Client, PROJECT, uri};

const DETECTION: &str = "detections/failed/detection.yml";
const PYTHON: &str = "detections/failed/detect.py";
const SOURCE: &str = "log_sources/web/log_source.yml";

/// A file with `‸` in it, opened, and the parameters for that place.
fn at(file: &str, text: &str) -> (Client, Value) {
    let place = text.find('‸').unwrap();
    let (before, text) = (&text[..place], text.replace('‸', ""));
    let client = Client::open(PROJECT, file, &text);
    let line = before.matches('\n').count();
    let character = before.rsplit('\n').next().unwrap().encode_utf16().count();
    let position = json!({ "line": line, "character": character });
    (client, json!({ "textDocument": { "uri": uri(file) }, "position": position }))
}

fn hover(file: &str, text: &str) -> Option<String> {
    let (mut client, parameters) = at(file, text);
    let answer = client.request("textDocument/hover", parameters).unwrap();
    client.end();
    answer["contents"]["value"].as_str().map(str::to_owned)
}

/// Labels of what is offered, and what the first one puts in where.
fn complete(file: &str, text: &str) -> (Vec<String>, Value) {
    let (mut client, parameters) = at(file, text);
    let answer = client.request("textDocument/completion", parameters).unwrap();
    client.end();
    let items = answer["items"].as_array().unwrap();
    let labels = items.iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect();
    (labels, items.first().map(|item| item["textEdit"].clone()).unwrap_or_default())
}

fn offers(file: &str, text: &str, expected: &str) {
    let (labels, _) = complete(file, text);
    assert!(labels.iter().any(|label| label == expected), "{expected} is not in {labels:?}");
}

fn offers_only(file: &str, text: &str, expected: &[&str]) {
    assert_eq!(complete(file, text).0, expected, "{text}");
}

#[test]
fn keys_say_what_they_are_for() {
    let words = hover(DETECTION, "name: a\nalert:\n  thres‸hold: 3\n").unwrap();
    assert!(words.starts_with("How many matches with one dedupe key"), "{words}");
    assert!(words.ends_with("default: `1`"), "{words}");
    assert_eq!(hover(DETECTION, "name: a\nalert:\n  severity: hi‸gh\n").as_deref(), Some("High."));
}

#[test]
fn fields_say_their_types_and_values() {
    for (file, text) in [
        (SOURCE, "name: web\nschema:\n  ecs_field_names: [event.out‸come]\n"),
        (SOURCE, "name: web\ntransform: |\n  .event.out‸come = \"x\"\n"),
        (DETECTION, "tables: [web]\ntests:\n  - event: {event.out‸come: failure}\n"),
        (DETECTION, "tables: [web]\ntests:\n  - event:\n      event:\n        out‸come: failure\n"),
        (PYTHON, "def detect(r):\n    return r.deepget(\"event.out‸come\")\n"),
        (PYTHON, "def detect(r):\n    return r[\"event\"][\"out‸come\"]\n"),
    ] {
        let words = hover(file, text).unwrap_or_else(|| panic!("nothing at {text}"));
        assert!(words.starts_with("**`event.outcome`** `keyword` (ECS 9.4.0)"), "{text}: {words}");
        assert!(words.contains("values: `failure`, `success`, `unknown`"), "{words}");
    }
    let words = hover(PYTHON, "def detect(r):\n    return r.get(\"att‸empts\")\n").unwrap();
    assert_eq!(words, "**`attempts`**\n\ncolumn of `web`: `long`");
}

#[test]
fn tables_and_destinations_are_known() {
    let words = hover(DETECTION, "name: a\ntables:\n  - w‸eb\n").unwrap();
    assert!(words.starts_with("**`web`** table of the log source `web`"), "{words}");
    assert!(words.contains("- `attempts` `long`"), "{words}");
    let words = hover(DETECTION, "name: a\nalert:\n  destinations: [o‸ps]\n").unwrap();
    assert!(words.contains("integrations/destinations/ops.yml"), "{words}");
    let words = hover(PYTHON, "from detection import enrichment\n\nx = enrichment.bad‸_ips\n").unwrap();
    assert!(words.starts_with("**`bad_ips`** enrichment table, looked up by `ip`"), "{words}");
    assert!(hover(DETECTION, "name: a\nschedule: rate(1 hour)\nquery: |\n  SELECT 1 FROM w‸eb\n").is_some());
}

#[test]
fn rules_explain_themselves_in_comments() {
    let words = hover(PYTHON, "def detect(r):  # matano: ignore[missing-‸detect]\n    return True\n").unwrap();
    assert!(words.contains("missing-detect"), "{words}");
    offers(PYTHON, "def detect(r):  # matano: ignore[unkn‸\n", "unknown-column");
    offers(DETECTION, "name: a  # matano: ignore[unkn‸\n", "unknown-table");
}

#[test]
fn nothing_is_said_of_words_that_mean_nothing() {
    assert_eq!(hover(DETECTION, "name: so‸mething\n"), None);
    assert_eq!(hover(PYTHON, "xyz‸zy = 1\n"), None);
    assert_eq!(hover(DETECTION, "\n‸\n"), None);
}

#[test]
fn keys_are_offered_with_their_colon() {
    let (labels, edit) = complete(DETECTION, "name: a\nalert:\n  thres‸");
    assert_eq!(labels, ["threshold"]);
    assert_eq!(edit["newText"], "threshold: ");
    assert_eq!(edit["range"]["start"], json!({ "line": 2, "character": 2 }));
    assert_eq!(complete(DETECTION, "thr: 1\nena‸: true").1["newText"], "enabled");
}

#[test]
fn values_are_offered_where_they_can_be_listed() {
    offers_only(DETECTION, "alert:\n  severity: hi‸", &["high"]);
    offers(DETECTION, "enabled: ‸", "false");
    offers(SOURCE, "name: web\nmanaged:\n  type: aws‸", "aws_cloudtrail");
}

#[test]
fn names_of_the_project_are_offered() {
    offers(DETECTION, "tables: [w‸", "web");
    offers(DETECTION, "tables:\n  - ‸", "web");
    offers_only(DETECTION, "alert:\n  destinations:\n    - ‸", &["ops"]);
    offers(DETECTION, "schedule: rate(1 hour)\nquery: |\n  SELECT 1 FROM we‸", "web");
    offers_only(PYTHON, "from detection import enrichment\nx = enrichment.‸", &["bad_ips"]);
    offers_only(SOURCE, "name: web\ntransform: |\n  .x = get_enrichment_table_record!(\"‸", &["bad_ips"]);
}

#[test]
fn columns_are_offered() {
    offers_only(PYTHON, "def detect(r):\n    r.deepget(\"event.out‸", &["event.outcome"]);
    offers_only(PYTHON, "def detect(r):\n    r[\"event\"][\"‸", &["original", "outcome"]);
    offers_only(SOURCE, "name: web\nschema:\n  ecs_field_names: [source.geo.city‸", &["source.geo.city_name"]);
    let (labels, edit) = complete(DETECTION, "tables: [web]\ntests:\n  - name: x\n    event: {event.out‸");
    assert_eq!((labels, &edit["newText"]), (vec!["event.outcome".to_owned()], &json!("event.outcome: ")));
    offers(DETECTION, "tables: [web]\ntests:\n  - name: x\n    event:\n      source:\n        ‸", "ip");
}

#[test]
fn paths_of_vrl_begin_with_a_dot() {
    let text = "name: web\nschema:\n  ecs_field_names: [event.outcome]\ntransform: |\n  .event.out‸";
    let (labels, edit) = complete(SOURCE, text);
    assert_eq!(labels, [".event.outcome"]);
    assert_eq!(edit["newText"], ".event.outcome");
    assert_eq!(edit["range"]["start"], json!({ "line": 4, "character": 2 }));
}

#[test]
fn a_broken_file_is_helped_with_too() {
    offers_only(DETECTION, "name: [\n\"\nalert:\n  severity: crit‸", &["critical"]);
    assert!(hover(DETECTION, "name: [\n\"\nalert:\n  thres‸hold: 3\n").is_some());
}

#[test]
fn a_long_list_is_cut_and_says_so() {
    let (mut client, parameters) = at(SOURCE, "name: web\nschema:\n  ecs_field_names: [‸");
    let answer = client.request("textDocument/completion", parameters).unwrap();
    assert_eq!((&answer["isIncomplete"], answer["items"].as_array().unwrap().len()), (&json!(true), 1000));
    client.end();
}

/// The code actions for the whole of a file with this text.
fn actions(file: &str, text: &str, only: &[&str]) -> Vec<Value> {
    let mut client = Client::open(PROJECT, file, text);
    let end = json!({ "line": 99, "character": 0 });
    let parameters = json!({
        "textDocument": { "uri": uri(file) },
        "range": { "start": { "line": 0, "character": 0 }, "end": end },
        "context": { "diagnostics": [], "only": only },
    });
    let answer = client.request("textDocument/codeAction", parameters).unwrap();
    client.end();
    answer.as_array().unwrap().clone()
}

#[test]
fn what_mends_a_mistake_is_offered_as_an_edit() {
    let text = "name: failed\n# 🚀\ntables: [wbe]\n";
    let all = actions(DETECTION, text, &["quickfix"]);
    let fix = all.iter().find(|action| action["diagnostics"][0]["code"] == "unknown-table").unwrap();
    assert_eq!(fix["kind"], "quickfix");
    let edits = &fix["edit"]["changes"][uri(DETECTION)];
    let range = json!({ "start": { "line": 2, "character": 9 }, "end": { "line": 2, "character": 12 } });
    assert_eq!(edits, &json!([{ "range": range, "newText": "web" }]));
}

#[test]
fn all_safe_fixes_of_a_file_are_one_action() {
    let text = "name: failed\ntables: [web]\ndispaly_name: a\nrunbok: b\n";
    let all = actions(DETECTION, text, &["source.fixAll"]);
    assert!(all.iter().all(|action| action["kind"] == "source.fixAll.matano"), "{all:#?}");
    let quick = actions(DETECTION, text, &["quickfix"]);
    let safe = quick.iter().filter(|action| action["isPreferred"] == true).count();
    let edits = all.first().map_or(0, |action| action["edit"]["changes"][uri(DETECTION)].as_array().unwrap().len());
    assert_eq!(edits, safe);
    assert!(safe > 0, "{quick:#?}");
}
