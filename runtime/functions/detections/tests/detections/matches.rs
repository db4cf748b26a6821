use model::{
    alert::{MatchId, Severity},
    worker::FailureKind,
};
use serde_json::json;

use crate::case::{Case, actions, fired, name, only};

const ALWAYS: &str = "def detect(r):\n    return True\n";

#[test]
fn a_detection_fires_on_the_rows_for_which_it_is_true() {
    let case = Case::new(&[
        ("b", "def detect(r):\n    return r.deepget('event.action') == 'x'"),
        ("a", "def detect(r):\n    return 1"),
    ]);
    let report = case.detect(&actions(&["x", "y"]));
    assert_eq!(fired(&report), ["a@r0", "b@r0", "a@r1"]);
    assert_eq!(report.failures, []);
    assert_eq!(report.files[0].columns, ["event.action"]);
}

#[test]
fn a_match_without_functions_takes_everything_from_the_policy() {
    let mut case = Case::new(&[("quiet", ALWAYS)]);
    let ops = case.destination("ops");
    let detection = case.detection("quiet");
    detection.description = Some("described".to_owned());
    detection.runbook = Some("run".to_owned());
    detection.references = vec!["https://example.com".to_owned()];
    detection.false_positives = vec!["backups".to_owned()];
    detection.alert.destinations = vec![ops.clone()];
    let report = case.detect(&actions(&["x"]));
    let found = &report.matches[0];
    assert_eq!(found.id, MatchId::of(&name("quiet"), "r0"));
    assert_eq!((found.title.as_str(), found.dedupe.as_str()), ("quiet", "quiet"));
    assert_eq!((found.severity, &found.destinations), (Severity::Medium, &vec![ops]));
    assert_eq!(found.ts.to_string(), "2024-05-06T07:08:09.123456Z");
    assert_eq!(found.release, case.bundle.release.id());
    assert_eq!(found.references, ["https://example.com"]);
    assert_eq!(found.false_positives, ["backups"]);
    assert_eq!(found.description.as_deref(), Some("described"));
    assert_eq!(found.runbook.as_deref(), Some("run"));
    assert_eq!(found.context, json!({}));
    let event = json!({
        "ts": "2024-05-06T07:08:09.123456Z", "event": {"action": "x"}, "matano": {"record_id": "r0"}
    });
    assert_eq!(found.event, event);
    assert_eq!(report, case.detect(&actions(&["x"])));
}

#[test]
fn functions_win_over_the_policy() {
    let code = "
def detect(r): return True
def title(r): return f\"login by {r.deepget('user.name')}\"
def dedupe(r): return r.deepget('user.name')
def severity(r): return 'HIGH'
def description(r): return 'd'
def runbook(r): return 'r'
def reference(r): return ['https://a', 'https://b']
def destinations(r): return ['pager', 'pager']
def alert_context(r): return {'who': r['user'], 'when': r['ts'], 'n': {1, 2}, 3: float('nan'), 'raw': b'\\xff', 'big': 2**70}
";
    let mut case = Case::new(&[("loud", code)]);
    let pager = case.destination("pager");
    let report = case.detect(&[json!({"user": {"name": "ann", "roles": ["admin"]}})]);
    assert_eq!(report.failures, []);
    let found = &report.matches[0];
    assert_eq!((found.title.as_str(), found.dedupe.as_str()), ("login by ann", "ann"));
    assert_eq!((found.severity, &found.destinations), (Severity::High, &vec![pager]));
    assert_eq!(found.references, ["https://a", "https://b"]);
    let context = json!({
        "who": {"name": "ann", "roles": ["admin"], "address": null}, "when": "2024-05-06T07:08:09.123456Z",
        "n": [1, 2], "3": "nan", "raw": "\\xff", "big": "1180591620717411303424",
    });
    assert_eq!(found.context, context);
}

#[test]
fn the_title_is_the_display_name_where_the_code_has_none() {
    let mut case = Case::new(&[("plain", "def detect(r): return True\ndef title(r): return ''")]);
    case.detection("plain").display_name = Some("Plain to see".to_owned());
    let report = case.detect(&actions(&["x"]));
    assert_eq!((report.matches[0].title.as_str(), report.matches[0].dedupe.as_str()), ("Plain to see", "Plain to see"));
}

#[test]
fn severity_info_goes_nowhere() {
    let mut case = Case::new(&[("low", "def detect(r): return True\ndef severity(r): return 'info'")]);
    let ops = case.destination("ops");
    case.detection("low").alert.destinations = vec![ops];
    let report = case.detect(&actions(&["x"]));
    assert_eq!((report.matches[0].severity, report.matches[0].destinations.len()), (Severity::Info, 0));
}

#[test]
fn a_destination_that_does_not_exist_is_reported_and_left_out() {
    let mut case = Case::new(&[("lost", "def detect(r): return True\ndef destinations(r): return ['nope', 'ops']")]);
    let ops = case.destination("ops");
    let report = case.detect(&actions(&["x"]));
    assert_eq!(report.matches[0].destinations, [ops]);
    let failure = only(&report);
    assert_eq!(failure.kind, FailureKind::Output);
    assert_eq!(failure.message, "`destinations` returned `nope`, which is no destination: expected one of `ops`");
}

#[test]
fn a_function_that_fails_leaves_the_match_standing() {
    let code = "
def detect(r): return True
def title(r): return r['nope']
def dedupe(r): return ['a']
def severity(r): return 'urgent'
def reference(r): return [1]
def alert_context(r): return 'text'
";
    let report = Case::new(&[("shaky", code)]).detect(&actions(&["x", "y"]));
    assert_eq!(fired(&report), ["shaky@r0", "shaky@r1"]);
    let found = &report.matches[1];
    assert_eq!((found.title.as_str(), found.dedupe.as_str(), found.severity), ("shaky", "shaky", Severity::Medium));
    let told: Vec<String> = report.failures.iter().map(|failure| format!("{}", failure)).collect();
    assert_eq!(
        told,
        [
            "detections/shaky/detect.py:3: KeyError: 'nope' (2 rows)",
            "detections/shaky/detect.py:4: `dedupe` returned `list`, expected a string (2 rows)",
            "detections/shaky: `severity` returned `urgent` is no severity: expected info, notice, low, medium, high or critical (2 rows)",
            "detections/shaky/detect.py:6: `reference` returned `list`, expected a string or a list of strings; an item is no string (2 rows)",
            "detections/shaky/detect.py:7: `alert_context` returned `str`, expected a dictionary (2 rows)",
        ]
    );
    assert_eq!(report.files[0].outcome, detections::Outcome::Complete);
}

#[test]
fn a_context_that_refers_to_itself_or_is_huge_is_cut() {
    let code = "
def detect(r): return True
def alert_context(r):
    a = {'n': 1}
    a['self'] = a
    return a if r['count'] == 0 else {'big': 'x' * 10_000_000}
";
    let report = Case::new(&[("cut", code)]).detect(&[json!({"count": 0}), json!({"count": 1})]);
    assert_eq!(report.failures, []);
    assert_eq!(report.matches[0].context["self"]["self"]["n"], 1);
    assert_eq!(report.matches[1].context["matano_shortened"], true);
    assert!(report.matches[1].context["big"].as_str().unwrap().len() < 70_000);
}

#[test]
fn only_detections_of_the_table_run() {
    let mut case = Case::new(&[("here", ALWAYS), ("elsewhere", ALWAYS)]);
    case.detection("elsewhere").tables = vec![model::name::TableName::parse("other").unwrap()];
    assert_eq!(fired(&case.detect(&actions(&["x"]))), ["here@r0"]);
}
