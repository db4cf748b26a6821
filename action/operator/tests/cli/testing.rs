use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::repo::{Ended, Repo};

const CONFIG: &str = "target: embedded\n";
const SOURCE: &str = "name: web\nschema:\n  ecs_field_names: [user.name, source.ip, event.action]\n  fields:\n    - {name: n, type: long}\ntransform: |\n  .n = to_int!(.json.n)\n  .user.name = .json.user\n";
const FIRES: &str = "def detect(r):\n    return (r.get(\"n\") or 0) >= 100\n";
const TOR: &str = "name: tor\nenrichment_type: static\nlookup_keys: [ip]\nschema:\n  fields:\n    - {name: ip, type: string}\n    - {name: owner, type: string}\n";

/// A repo with a log source and one detection.
fn repo(detection: &str, code: &str) -> Repo {
    Repo::with(&[
        ("matano.config.yml", CONFIG),
        ("log_sources/web/log_source.yml", SOURCE),
        ("enrichment/tor/enrichment.yml", TOR),
        ("enrichment/tor/data.json", "{\"ip\": \"192.0.2.1\", \"owner\": \"nobody\"}\n"),
        ("integrations/destinations/ops.yml", "name: ops\ntype: stdout\n"),
        (
            "integrations/destinations/hook.yml",
            "name: hook\ntype: webhook\nproperties: {url: \"https://example.com/x\"}\n",
        ),
        ("integrations/destinations/chat.yml", "name: chat\ntype: slack\nproperties: {channel: \"#secops\"}\n"),
        ("detections/d/detection.yml", detection),
        ("detections/d/detect.py", code),
    ])
}

fn check(detection: &str, code: &str, code_expected: i32, expected: &[&str]) -> Ended {
    let ended = repo(detection, code).run(&["test"]);
    assert_eq!(ended.code, code_expected, "{}\n{}", ended.out, ended.err);
    for text in expected {
        assert!(ended.out.contains(text), "`{text}` is not in:\n{}", ended.out);
    }
    ended
}

#[test]
fn an_event_is_laid_over_a_fixture_of_the_file_or_of_the_project() {
    let detection = "name: d\ntables: [web]\nalert: {severity: high}\nfixtures:\n  big: {n: 100, user: {name: dana}}\ntests:\n  - name: named\n    fixture: big\n    expect: {title: dana}\n  - name: over it\n    fixture: big\n    event: {user.name: eli}\n    expect: {title: eli}\n  - name: taken away\n    fixture: big\n    event: {n: null}\n    fires: false\n  - name: shared\n    fixture: huge\n    expect: {title: hal}\n  - name: a file\n    fixture: fixtures/own.json\n    events: [{}, {n: 1}]\n    matches: 1\n";
    let repo = repo(detection, &format!("{FIRES}\ndef title(r):\n    return r.deepget('user.name')\n"));
    repo.write("fixtures/huge.yml", b"n: 1000\nuser.name: hal\n");
    repo.write("detections/d/fixtures/own.json", b"{\"n\": 500, \"user\": {\"name\": \"ivy\"}}");
    let ended = repo.fine(&["test"]);
    assert!(ended.out.contains("5 passed, 0 failed"), "{}", ended.out);
}

#[test]
fn a_scheduled_detection_has_mocks_and_a_memory_too() {
    let detection = "name: d\nschedule: rate(1 hour)\nquery: |\n  SELECT \"user\".name AS who, count(*) AS c FROM web WHERE ts >= :start AND ts < :end GROUP BY 1\nalert: {severity: high}\ntests:\n  - name: many by a stranger\n    rows: &rows {web: [{user.name: eli, ts: 2026-03-02T09:10:00Z}, {user.name: eli, ts: 2026-03-02T09:20:00Z}]}\n    window: &hour {start: 2026-03-02T09:00:00Z, end: 2026-03-02T10:00:00Z}\n    mocks: {attributes: {detect.LIMIT: 2}}\n    expect: {title: eli did 2}\n  - name: too few\n    rows: *rows\n    window: *hour\n    fires: false\n  - name: known before\n    rows: *rows\n    window: *hour\n    mocks: {attributes: {detect.LIMIT: 2}, remotecache: {seen: {eli: 7}}}\n    fires: false\n  - name: owned\n    rows: *rows\n    window: *hour\n    mocks: {attributes: {detect.LIMIT: 2}, enrichment: {tor: [{ip: eli, owner: dana}]}}\n    expect: {title: eli did 2 for dana}\n";
    let code = "from detection import remotecache\nfrom detection.enrichment import tor\n\nLIMIT = 1000\n\ndef detect(r):\n    return r['c'] >= LIMIT and not remotecache('seen', ttl=3600).get(r['who'])\n\ndef title(r):\n    owner = (tor.get(r['who']) or {}).get('owner')\n    return f\"{r['who']} did {r['c']}\" + (f' for {owner}' if owner else '')\n";
    check(detection, code, 0, &["4 passed, 0 failed"]);
    // code that judges nothing only words what the query found
    let (head, _) = detection.split_once("    mocks").unwrap();
    check(&format!("{head}    expect: {{title: eli}}\n"), "def title(r):\n    return r['who']\n", 0, &["1 passed"]);
    // a query without code has nothing that mocks could stand in for
    let repo = repo(detection, code);
    std::fs::remove_file(repo.path().join("detections/d/detect.py")).unwrap();
    let ended = repo.run(&["check"]);
    assert!(ended.out.contains("`mocks` has no effect on a scheduled detection without a detect.py"), "{}", ended.out);
}

const SEQUENCE: &str = "name: d\ntables: [web]\nalert: {severity: high, threshold: 3, deduplication_window: 15 minutes}\nfixtures:\n  big: {n: 100}\ntests:\n  - name: the third makes it\n    fixture: big\n    sequence:\n      - {repeat: 2, after: 1 minute, alerts: 0}\n      - {event: {n: 1}, fires: false}\n      - {after: 1 minute, fires: true, alerts: 1}\n  - name: another window\n    fixture: big\n    sequence:\n      - {ts: 2026-03-02T09:00:00Z, repeat: 2}\n      - {after: 15 minutes, alerts: 0}\n    alerts: 0\n";

#[test]
fn thresholds_and_windows_are_tested_on_a_clock() {
    check(SEQUENCE, FIRES, 0, &["2 passed"]);
}

#[test]
fn a_step_that_does_not_hold_is_told_at_its_line() {
    let wrong = SEQUENCE.replace("alerts: 1}", "alerts: 2}").replace("fires: false}", "fires: true}");
    let ended = check(&wrong, FIRES, 1, &["FAIL d/the third makes it", "1 passed, 1 failed"]);
    assert!(ended.out.contains("--> detections/d/detection.yml:11"), "{}", ended.out);
    assert!(ended.out.contains("found    that it stays quiet on it"), "{}", ended.out);
    assert!(ended.out.contains("alerts after event 4\n       expected 2\n       found    1"), "{}", ended.out);
}

#[test]
fn what_a_detection_remembers_is_its_tests_own_and_ends_by_the_clock() {
    let code = "from detection import remotecache\n\ndef detect(r):\n    seen = remotecache('seen', ttl=3600)\n    return seen.increment_counter(r.deepget('user.name')) >= 3\n";
    let detection = "name: d\ntables: [web]\nfixtures:\n  x: {user.name: dana}\ntests:\n  - name: the third fires\n    fixture: x\n    sequence:\n      - {repeat: 2, after: 1 minute, fires: false}\n      - {after: 1 minute, fires: true}\n      - {after: 2 hours, fires: false}\n  - name: nothing is left over\n    fixture: x\n    fires: false\n  - name: filled\n    fixture: x\n    mocks: {remotecache: {seen: {dana: 2}}}\n  - name: filled and over\n    mocks: {remotecache: {seen: {dana: 2}}}\n    sequence:\n      - {event: {user.name: eli}, fires: false}\n      - {fixture: x, after: 59 minutes, fires: true}\n      - {fixture: x, after: 2 minutes, fires: false}\n";
    check(detection, code, 0, &["4 passed"]);
}

#[test]
fn mocks_stand_in_for_tables_and_attributes_and_are_gone_afterwards() {
    let code = "import json\nfrom datetime import datetime, timezone\nfrom detection.enrichment import tor\n\nLIMIT = 100\n\ndef now():\n    return datetime.now(timezone.utc)\n\ndef detect(r):\n    return r['n'] >= LIMIT\n\ndef title(r):\n    row = tor.get(r.deepget('source.ip')) or {}\n    return f\"{row.get('owner')} {now().year == 2026} {json.dumps([1])}\"\n";
    let event = "event: {n: 100, source.ip: 192.0.2.1}";
    let detection = format!(
        "name: d\ntables: [web]\ntests:\n  - name: rows\n    {event}\n    mocks: {{enrichment: {{tor: [{{ip: 192.0.2.1, owner: dana}}]}}, attributes: {{detect.now: {{returns_time: 2026-03-02T09:00:00Z}}, json.dumps: {{returns: x}}}}}}\n    expect: {{title: dana True x}}\n  - name: by key\n    {event}\n    mocks: {{enrichment: {{tor: {{192.0.2.1: {{owner: eli}}}}}}, attributes: {{detect.now: {{returns_time: 2020-03-02T09:00:00Z}}}}}}\n    expect: {{title: \"eli False [1]\"}}\n  - name: none\n    {event}\n    mocks: {{attributes: {{detect.now: {{returns_time: 2020-03-02T09:00:00Z}}}}}}\n    expect: {{title: \"nobody False [1]\"}}\n  - name: a value\n    {event}\n    mocks: {{attributes: {{detect.LIMIT: 101}}}}\n    fires: false\n"
    );
    check(&detection, code, 0, &["4 passed"]);
}

#[test]
fn a_mock_that_raises_fails_the_test_with_the_traceback_and_one_of_nothing_says_so() {
    let code = "import json\n\ndef detect(r):\n    return json.loads('1') == 1\n";
    let detection = "name: d\ntables: [web]\ntests:\n  - name: raises\n    event: {n: 1}\n    mocks: {attributes: {json.loads: {raises: \"ValueError: no JSON\"}}}\n  - name: nothing\n    event: {n: 1}\n    mocks: {attributes: {detect.nwo: 1}}\n  - name: still there\n    event: {n: 1}\n";
    check(
        detection,
        code,
        1,
        &[
            "ValueError: no JSON",
            "detections/d/detect.py:4",
            "nothing can stand in for `detect.nwo`",
            "1 passed, 2 failed",
        ],
    );
}

#[test]
fn every_part_of_the_alert_can_be_expected_and_what_each_destination_hears() {
    let code = format!(
        "{FIRES}\ndef runbook(r):\n    return 'one\\ntwo\\nthree'\n\ndef alert_context(r):\n    return {{'user': r.deepget('user.name')}}\n"
    );
    let detection = |runbook: &str, ops: &str| {
        format!(
            "name: d\ndisplay_name: Big number\ntables: [web]\nfalse_positives: [a test]\nreferences: [https://example.com/a]\nalert: {{severity: high, destinations: [ops, hook, chat]}}\ntests:\n  - name: all of it\n    event: {{n: 100, user.name: dana}}\n    expect:\n      title: Big number\n      runbook: {runbook}\n      false_positives: [a test]\n      references: [https://example.com/a]\n      destinations: [chat, hook, ops]\n      context: {{user: dana}}\n      messages:\n        ops: [{ops}, dana]\n        hook: {{kind: new, alert: {{severity: high}}}}\n        chat: {{message: {{unfurl_links: false}}}}\n"
        )
    };
    check(&detection("\"one\\ntwo\\nthree\"", "Big number"), &code, 0, &["1 passed"]);
    let ended = check(&detection("\"one\\n2\\nthree\"", "Small"), &code, 1, &["1 failed"]);
    assert!(
        ended
            .out
            .contains("runbook\n       - expected, + found\n         one\n       - 2\n       + two\n         three"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("messages.ops\n       expected that it says \"Small\""), "{}", ended.out);
}

#[test]
fn a_snapshot_is_made_by_update_alone_and_compared_afterwards() {
    let detection = "name: d\ntables: [web]\nalert: {severity: high, destinations: [ops, chat]}\ntests:\n  - name: big\n    event: {n: 100, user.name: dana}\n    expect: snapshot\n";
    let code = format!("{FIRES}\ndef title(r):\n    return f\"{{r.deepget('user.name')}} is big\"\n");
    let repo = repo(detection, &code);
    let missing = repo.run(&["test"]);
    assert_eq!(missing.code, 1);
    assert!(missing.out.contains("matano test --update --filter 'd/big'"), "{}", missing.out);
    let file = repo.path().join("detections/d/snapshots.json");
    assert!(!file.exists());
    let updated = repo.fine(&["test", "--update"]);
    assert!(updated.out.contains("wrote detections/d/snapshots.json"), "{}", updated.out);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"title\": \"dana is big\"") && text.contains("\"chat\""), "{text}");
    assert!(!repo.fine(&["test", "--update"]).out.contains("wrote"));
    repo.fine(&["test"]);
    repo.write("detections/d/detect.py", code.replace("is big", "is huge").as_bytes());
    let ended = repo.run(&["test"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.out.contains("alerts[0].title\n       expected \"dana is big\"\n       found    \"dana is huge\""),
        "{}",
        ended.out
    );
}

const OTHER: &str = "name: e\ntables: [web]\ntests:\n  - name: tiny\n    event: {n: 1}\n    fires: false\n  - name: dana\n    event: {n: 200, user.name: dana}\n";

fn two(code: &str) -> Repo {
    let repo = repo(
        "name: d\ntables: [web]\ntests:\n  - name: big\n    event: {n: 100, user.name: eli}\n  - name: small\n    event: {n: 2, user.name: eli}\n    fires: false\n",
        FIRES,
    );
    repo.write("detections/e/detection.yml", OTHER.as_bytes());
    repo.write("detections/e/detect.py", code.as_bytes());
    repo
}

#[test]
fn a_detection_that_crashes_on_the_rows_of_another_fails_at_its_line() {
    let repo = two("def detect(r):\n    return 10 / (2 - r['n']) < -0.05 and r.deepget('user.name') == 'dana'\n");
    let ended = repo.run(&["test"]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.out.contains("FAIL e/rows of other tests\n  --> detections/e/detect.py:2"), "{}", ended.out);
    assert!(ended.out.contains("ZeroDivisionError") && ended.out.contains("on the rows of `d/small`"), "{}", ended.out);
    repo.fine(&["test", "--no-cross"]);
}

#[test]
fn a_fire_on_the_rows_of_another_is_a_warning_unless_it_is_meant() {
    let repo = two("def detect(r):\n    return r['n'] >= 100\n");
    let ended = repo.fine(&["test"]);
    assert!(
        ended.out.contains("warning: `d` fires on the rows of `e/dana`\n  --> detections/e/detection.yml:7"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("warning: `e` fires on the rows of `d/big`"), "{}", ended.out);
    assert!(ended.out.contains("4 passed, 0 failed, 2 warnings"), "{}", ended.out);
    assert!(!repo.fine(&["test", "--no-cross"]).out.contains("warning"));
    repo.write("detections/e/detection.yml", format!("{OTHER}    also_fires: [d]\n").as_bytes());
    assert!(repo.fine(&["test"]).out.contains("4 passed, 0 failed, 1 warning"));
    // another detection's rows are there also where its tests are left out
    let filtered = repo.fine(&["test", "--filter", "e/"]);
    assert!(
        filtered.out.contains("`e` fires on the rows of `d/big`") && filtered.out.contains("2 passed"),
        "{}",
        filtered.out
    );
}

#[test]
fn one_detection_that_hangs_or_dies_costs_no_other_test() {
    let repo = two("import os\n\ndef detect(r):\n    if r['n'] == 1:\n        os._exit(3)\n    return r['n'] == 200\n");
    let ended = repo.run(&["test"]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.out.contains("pass d/big") && ended.out.contains("pass e/dana"), "{}", ended.out);
    assert!(
        ended.out.contains("FAIL e/tiny") && ended.out.contains("ended its process with status 3"),
        "{}",
        ended.out
    );
}

#[test]
fn coverage_names_what_lacks_tests_and_which_techniques_are_proven() {
    let detection =
        "name: d\ntables: [web]\ntags: [attack.t1110, attack.t1078.004]\ntests:\n  - name: big\n    event: {n: 100}\n";
    let repo = repo(detection, FIRES);
    repo.write("detections/e/detection.yml", b"name: e\ntables: [web]\ntags: [attack.t1562]\n");
    repo.write("detections/e/detect.py", FIRES.as_bytes());
    let layer = repo.path().join("layer.json");
    let ended = repo.fine(&["test", "--coverage", "--navigator", layer.to_str().unwrap()]);
    let line = |name: &str| ended.out.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
    assert!(line("d ").ends_with("no test that stays quiet"), "{}", ended.out);
    assert!(line("e ").ends_with("no test"), "{}", ended.out);
    assert!(line("T1110 ").contains("Brute Force") && line("T1110 ").contains(" proven "), "{}", ended.out);
    assert!(line("T1078.004").contains("Valid Accounts: Cloud Accounts"), "{}", ended.out);
    assert!(line("T1562 ").contains("unproven"), "{}", ended.out);
    let layer: Value = serde_json::from_slice(&std::fs::read(layer).unwrap()).unwrap();
    let ids: Vec<&str> =
        layer["techniques"].as_array().unwrap().iter().map(|one| one["techniqueID"].as_str().unwrap()).collect();
    assert_eq!(ids, ["T1078.004", "T1110", "T1562"]);
}

#[test]
fn results_are_written_as_junit_and_json() {
    let repo = repo(
        "name: d\ntables: [web]\ntests:\n  - name: big\n    event: {n: 100}\n  - name: small\n    event: {n: 1}\n",
        &format!("{FIRES}    print('never')\n"),
    );
    repo.write("detections/d/detect.py", b"def detect(r):\n    print('saw', r['n'])\n    return r['n'] >= 100\n");
    let file = repo.path().join("junit.xml");
    let ended = repo.run(&["--output", "json", "test", "--junit", file.to_str().unwrap()]);
    assert_eq!(ended.code, 1);
    let xml = std::fs::read_to_string(file).unwrap();
    assert!(
        xml.contains(r#"tests="2" skipped="0" failures="1""#)
            && xml.contains(r#"file="detections/d/detection.yml" line="6""#),
        "{xml}"
    );
    assert!(xml.contains("saw 1"), "{xml}");
    let json = ended.json();
    assert_eq!((json["passed"].as_u64(), json["failed"].as_u64()), (Some(1), Some(1)));
    let small = &json["tests"][1];
    assert_eq!((small["file"].as_str(), small["line"].as_u64()), (Some("detections/d/detection.yml"), Some(6)));
    assert_eq!(small["fires"], serde_json::json!({"rows": [false], "alerts": 0}));
    assert_eq!(small["printed"], "saw 1\n");
    assert_eq!(json["coverage"]["detections"][0]["firing"], 2);
}

#[test]
fn tests_that_fire_differently_from_another_checkout_are_told() {
    let (base, head) = (two(FIRES), two(FIRES));
    head.write("detections/d/detect.py", FIRES.replace("100", "1000").as_bytes());
    let ended = head.run(&["test", "--no-cross", "--against", base.path().to_str().unwrap()]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.out.contains("tests that fire differently: 1\n  d/big: 1 of 1 rows, 1 alert -> 0 of 1 rows, 0 alerts"),
        "{}",
        ended.out
    );
    let json = head.run(&["--output", "json", "test", "--against", base.path().to_str().unwrap()]).json();
    assert_eq!(json["fires_differently"][0]["after"]["rows"], serde_json::json!([false]));
}

#[test]
fn the_other_code_is_asked_about_these_events() {
    let text = |tests: &str| format!("name: d\ntables: [web]\ntests:\n{tests}");
    let base = repo(&text("  - name: seen\n    event: {n: 100}\n  - name: gone\n    event: {n: 100}\n"), FIRES);
    // one test has another event now, one is new; the code changed for what is below 200
    let head = repo(
        &text("  - name: seen\n    event: {n: 500}\n  - name: new\n    fires: false\n    events: [{n: 150}, {n: 1}]\n"),
        &FIRES.replace("100", "200"),
    );
    let against = |base: &Repo, head: &Repo| {
        head.fine(&["--output", "json", "test", "--no-cross", "--against", base.path().to_str().unwrap()]).json()
            ["fires_differently"]
            .clone()
    };
    let differently = serde_json::json!([{
        "detection": "d", "test": "new",
        "before": {"rows": [true, false], "alerts": 1}, "after": {"rows": [false, false], "alerts": 0}
    }]);
    assert_eq!(against(&base, &head), differently);
    // nothing of the code differs, only tests do
    let same = repo(&text("  - name: other\n    event: {n: 700}\n"), FIRES);
    assert_eq!(against(&base, &same), serde_json::json!([]));
    // a detection that is not there before
    same.write("detections/e/detection.yml", b"name: e\ntables: [web]\ntests:\n  - name: big\n    event: {n: 100}\n");
    same.write("detections/e/detect.py", FIRES.as_bytes());
    let new = &against(&base, &same)[0];
    assert_eq!((new["detection"].as_str(), new["before"].is_null()), (Some("e"), true), "{new}");
}

fn git(repo: &Repo, arguments: &[&str]) {
    let identity = [
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.com",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "commit.gpgsign=false",
    ];
    let output = Command::new("git").arg("-C").arg(repo.path()).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn only_what_a_branch_touches_is_run() {
    let repo = two(FIRES);
    for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "a"], &["checkout", "-qb", "branch"]] {
        git(&repo, arguments);
    }
    let nothing = repo.fine(&["test", "--changed"]);
    assert!(nothing.out.contains("0 passed"), "{}", nothing.out);
    repo.write("detections/e/detect.py", format!("{FIRES}# changed\n").as_bytes());
    let ended = repo.fine(&["test", "--changed", "main"]);
    assert!(ended.out.contains("pass e/dana") && !ended.out.contains("d/big\n"), "{}", ended.out);
    git(&repo, &["commit", "-qam", "b"]);
    assert!(repo.fine(&["test", "--changed"]).out.contains("2 passed"));
    repo.write("fixtures/x.yml", b"n: 1\n");
    assert!(repo.fine(&["test", "--changed"]).out.contains("4 passed"), "what is not known to git counts");
    let unknown = repo.run(&["test", "--changed", "no-such-branch"]);
    assert_eq!(unknown.code, 3);
    assert!(unknown.err.contains("--changed origin/main"), "{}", unknown.err);
}

#[test]
fn watching_runs_again_what_a_change_touches() {
    let repo = two(FIRES);
    let mut child = repo.command(&["test", "--watch"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut until = |text: &str| {
        let mut seen = Vec::new();
        loop {
            let line = out.next().expect("it goes on").unwrap();
            let found = line.contains(text);
            seen.push(line);
            if found {
                return seen.join("\n");
            }
        }
    };
    assert!(until(" passed").contains("pass d/big"));
    // a word on standard error says that it looks at files from now on
    while !err.next().unwrap().unwrap().contains("waiting for changes") {}
    repo.write("detections/e/detect.py", b"def detect(r):\n    return False\n");
    let second = until(" passed");
    assert!(second.contains("FAIL e/dana") && !second.contains("pass d/big"), "{second}");
    child.kill().unwrap();
    child.wait().unwrap();
}
