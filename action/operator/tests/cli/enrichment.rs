use std::path::Path;

use serde_json::Value;

use super::repo::Repo;

/// JSON lines with a user, the owner of that user's host looked up in VRL, and a detection that looks it up in Python.
const FILES: &[(&str, &str)] = &[
    ("matano.config.yml", "target: embedded\n"),
    (
        "log_sources/web/log_source.yml",
        "name: web
schema:
  ecs_field_names: [user.name]
  fields:
    - {name: owner, type: string}
    - {name: n, type: long}
transform: |
  .user.name = .json.user
  .n = .json.n
  found = get_enrichment_table_record!(\"hosts\", .json.user)
  .owner = found.owner
",
    ),
    (
        "detections/stranger/detection.yml",
        "name: stranger
tables: [web]
alert: {severity: high}
tests:
  - {name: nobody knows hosts here, event: {user.name: a}, fires: false}
",
    ),
    (
        "detections/stranger/detect.py",
        "from detection.enrichment import hosts


def detect(r):
    host = hosts.get(r.deepget(\"user.name\"))
    return host is not None and host[\"owner\"] == \"stranger\"


def dedupe(r):
    return r.get(\"n\")
",
    ),
];

/// With the table `enrich_hosts`, its `enrichment.yml` ending like this, deployed.
fn repo(more: &str) -> Repo {
    let repo = Repo::with(FILES);
    table(&repo, more);
    repo.fine(&["deploy", "--yes"]);
    repo
}

fn table(repo: &Repo, more: &str) {
    let text = format!(
        "name: hosts
enrichment_type: dynamic
lookup_keys: [user.name]
schema:
  ecs_field_names: [user.name]
  fields: [{{name: owner, type: string}}, {{name: seen, type: long}}]
  primary_key: user.name
{more}"
    );
    repo.write("enrichment/hosts/enrichment.yml", text.as_bytes());
}

/// An upload of users and owners, written to a file of this name.
fn hosts(repo: &Repo, name: &str, rows: &[(&str, &str)]) -> std::path::PathBuf {
    let line =
        |(user, owner): &(&str, &str)| format!("{{\"user\": {{\"name\": \"{user}\"}}, \"owner\": \"{owner}\"}}\n");
    repo.write(name, rows.iter().map(line).collect::<String>().as_bytes())
}

fn upload(repo: &Repo, path: &Path) -> Value {
    repo.run(&["--output", "json", "ingest", "--source", "enrich_hosts", path.to_str().unwrap()]).json()
}

/// Ingests one record of a user; the owner that its row has.
fn owner(repo: &Repo, n: u32, user: &str) -> Value {
    let file = repo.write(&format!("web/{n}.json"), format!("{{\"n\": {n}, \"user\": \"{user}\"}}\n").as_bytes());
    let report = repo.ingest(&file);
    assert_eq!(report["rows"], 1, "{report}");
    repo.rows(&format!("SELECT owner FROM web WHERE n = {n}"))[0].get("owner").cloned().unwrap_or_default()
}

fn owners(repo: &Repo) -> Vec<String> {
    let rows = repo.rows("SELECT concat(h.\"user\".name, '=', h.owner) AS o FROM enrich_hosts h ORDER BY 1");
    rows.iter().map(|row| row["o"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_upload_is_seen_by_vrl_python_and_sql_without_a_deploy() {
    let repo = repo("");
    assert_eq!(owner(&repo, 1, "a"), Value::Null);
    let report = upload(&repo, &hosts(&repo, "up/1.json", &[("a", "it"), ("b", "stranger")]));
    assert_eq!((report["rows"].as_u64(), report["commits"].as_u64()), (Some(2), Some(1)), "{report}");
    assert_eq!(owner(&repo, 2, "a"), "it");
    let alerts = || repo.fine(&["--output", "json", "alerts"]).json().as_array().unwrap().len();
    assert_eq!(alerts(), 0);
    assert_eq!(owner(&repo, 3, "b"), "stranger");
    assert_eq!(alerts(), 1);
    assert_eq!(owners(&repo), ["a=it", "b=stranger"]);
    upload(&repo, &hosts(&repo, "up/2.json", &[("a", "stranger")]));
    assert_eq!(owner(&repo, 4, "a"), "stranger");
    assert_eq!(owner(&repo, 5, "b"), Value::Null);
    assert_eq!(alerts(), 2);
}

#[test]
fn each_write_mode_does_what_it_says_and_an_upload_counts_once() {
    for (mode, expected) in [
        ("overwrite", vec!["a=new", "c=new"]),
        ("append", vec!["a=new", "a=old", "b=old", "c=new"]),
        ("merge", vec!["a=new", "b=old", "c=new"]),
    ] {
        let repo = repo(&format!("write_mode: {mode}\n"));
        let old = hosts(&repo, "up/1.json", &[("a", "old"), ("b", "old")]);
        upload(&repo, &old);
        upload(&repo, &hosts(&repo, "up/2.json", &[("a", "new"), ("c", "new")]));
        assert_eq!(owners(&repo), expected, "{mode}");
        // of rows with one key the last counts
        assert_eq!(owner(&repo, 1, "a"), "new", "{mode}");
        let again = upload(&repo, &old);
        assert_eq!((again["already_ingested"].as_u64(), again["rows"].as_u64()), (Some(1), Some(0)), "{again}");
        assert_eq!(owners(&repo), expected, "{mode}");
    }
}

#[test]
fn objects_below_the_tables_name_are_uploads_and_come_before_the_logs_of_the_same_command() {
    let repo = repo("");
    hosts(&repo, "in/enrich_hosts/2026/1.json", &[("a", "overtaken")]);
    hosts(&repo, "in/enrich_hosts/2026/2.json", &[("a", "it")]);
    repo.write("in/web/1.json", b"{\"n\": 1, \"user\": \"a\"}\n");
    repo.fine(&["ingest", repo.path().join("in").to_str().unwrap()]);
    assert_eq!(owners(&repo), ["a=it"]);
    assert_eq!(repo.rows("SELECT owner FROM web")[0]["owner"], "it");
}

#[test]
fn a_record_that_is_no_row_is_a_reject_and_its_upload_can_be_replayed_after_a_fix() {
    let repo = repo("transform: |\n  .user.name = .json.u\n  .owner = .json.o\n  .seen = to_int!(.json.s)\n");
    let file = repo.write("up/1.json", b"{\"u\": \"a\", \"o\": \"it\", \"s\": \"7\"}\n{\"u\": \"b\", \"s\": \"x\"}\n");
    let report = upload(&repo, &file);
    assert_eq!((report["rows"].as_u64(), report["rejects"].as_u64()), (Some(1), Some(1)), "{report}");
    let reject = &repo.rows("SELECT log_source, rule, \"position\" FROM matano_rejects")[0];
    assert_eq!((&reject["log_source"], &reject["rule"]), (&"enrich_hosts".into(), &"transform".into()), "{reject}");
    table(&repo, "transform: |\n  .user.name = .json.u\n  .owner = .json.o\n  .seen = to_int(.json.s) ?? 0\n");
    repo.fine(&["deploy", "--yes"]);
    let single = repo.run(&["--output", "json", "replay", "--rejects"]);
    assert!(single.json()["problems"][0].as_str().unwrap().contains("run `matano replay"), "{}", single.out);
    let replay = ["--output", "json", "replay", "--source", "enrich_hosts", file.to_str().unwrap()];
    assert_eq!(repo.fine(&replay).json()["new"], 2);
    assert_eq!(repo.number("SELECT sum(seen) FROM enrich_hosts"), 7);
    assert_eq!(repo.number("SELECT count(*) FROM enrich_hosts"), 2);
    assert_eq!(repo.fine(&replay).json()["already_there"], 2, "nothing came after it");
}

#[test]
fn an_upload_may_be_csv() {
    let repo = repo("");
    let file = repo.write("up/hosts.csv", b"user.name,owner,seen\na,it,12\n");
    assert_eq!(upload(&repo, &file)["rows"], 1);
    assert_eq!(owner(&repo, 1, "a"), "it");
    assert_eq!(repo.number("SELECT seen FROM enrich_hosts"), 12);
}

#[test]
fn killed_uploads_leave_the_table_as_if_nothing_had_happened() {
    let repo = repo("write_mode: merge\n");
    let users: Vec<String> = (0..8).map(|n| format!("u{n}")).collect();
    for (number, user) in users.iter().enumerate() {
        // everybody has an entry of their own, and the last word about the first
        let owner = number.to_string();
        hosts(&repo, &format!("up/{number}.json"), &[(user, "it"), ("u0", &owner)]);
    }
    let path = repo.path().join("up").display().to_string();
    let arguments = ["ingest", "--source", "enrich_hosts", path.as_str()];
    let target = repo.path().join(".matano");
    for written in [2, 5, 9, 14] {
        super::processes::kill_after(&target, written, || repo.start(&arguments));
    }
    let last = repo.run(&arguments);
    assert!(matches!(last.code, 0 | 1), "{}", last.err);
    let mut expected: Vec<String> = users.iter().map(|user| format!("{user}=it")).collect();
    expected[0] = "u0=7".to_owned();
    assert_eq!(owners(&repo), expected);
}

#[test]
fn a_static_table_follows_its_data_back_and_forth() {
    let repo = Repo::with(FILES);
    let text = "name: hosts
lookup_keys: [user.name]
schema:
  ecs_field_names: [user.name]
  fields: [{name: owner, type: string}]
";
    repo.write("enrichment/hosts/enrichment.yml", text.as_bytes());
    for (n, owner_now) in ["first", "second", "first"].into_iter().enumerate() {
        hosts(&repo, "enrichment/hosts/data.json", &[("a", owner_now)]);
        repo.fine(&["deploy", "--yes"]);
        assert_eq!(owners(&repo), [format!("a={owner_now}")]);
        assert_eq!(owner(&repo, n as u32, "a"), owner_now);
    }
    // a command that names it is told that its rows come with the project
    let refused = repo.run(&["ingest", "--source", "enrich_hosts", repo.path().to_str().unwrap()]);
    assert_ne!(refused.code, 0, "{}", refused.err);
}
