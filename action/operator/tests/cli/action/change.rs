use github_server::world::sha;
use serde_json::json;

use super::stage::{REPOSITORY, Run, Stage};
use crate::cli::repo::Repo;

/// A second detection.
fn add_small(repo: &Repo) {
    repo.write("detections/small/detection.yml", b"name: small\ntables: [web]\nalert: {severity: low}\n");
    repo.write("detections/small/detect.py", b"def detect(r):\n    return (r.get(\"n\") or 0) < 0\n");
}

#[test]
fn every_mistake_is_annotated_at_its_line_wherever_github_shows_one() {
    let mut stage = Stage::new();
    stage.repo.write("detections/big/detection.yml", b"name: big\ntables: [wed]\nalert: {severity: high}\n");
    let number = stage.open();
    let job = stage.proposed("check", number, Some("write-token")).ends(1);
    let command =
        "::error file=detections/big/detection.yml,line=2,endLine=2,col=10,endColumn=13,title=unknown-table::";
    assert!(job.ended.out.contains(command), "{}", job.ended.out);
    assert!(job.summary.contains("`detections/big/detection.yml:2`"), "{}", job.summary);
    assert_eq!(job.outputs["errors"], "1");
    let sarif = std::fs::read_to_string(&job.outputs["sarif"]).unwrap();
    assert!(sarif.contains("unknown-table"), "{sarif}");

    let mut world = stage.flow.world();
    let runs: Vec<_> = world.repository(REPOSITORY).check_runs.values().collect();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].head_sha.clone(), runs[0].conclusion.as_deref()), (sha(2), Some("failure")));
    let lines: Vec<_> = runs[0].annotations.iter().filter(|one| one["title"] == "unknown-table").collect();
    assert_eq!(lines[0]["start_line"], 2);
}

#[test]
fn from_the_first_push_to_the_deploy_there_is_one_comment() {
    let mut stage = Stage::new();
    let number = stage.open();
    stage.repo.write("detections/big/detect.py", b"def detect(r)\n    return True\n");
    stage.proposed("check", number, Some("write-token")).ends(1);
    stage.proposed("plan", number, Some("write-token")).ends(1);
    let comment = stage.comment(number);
    assert!(comment.contains("matano: ❌ mistakes"), "{comment}");
    assert!(comment.contains("There is none: the project has mistakes"), "{comment}");

    // mended, and pushed again
    stage.repo.write("detections/big/detect.py", b"def detect(r):\n    return (r.get(\"n\") or 0) >= 200\n");
    add_small(&stage.repo);
    stage.flow.world().push(REPOSITORY, number, &sha(3));
    stage.proposed("check", number, Some("write-token")).ends(0);
    let job = stage.proposed("plan", number, Some("write-token")).ends(0);
    let comment = stage.comment(number);
    assert!(comment.contains("matano: ✅ ready"), "{comment}");
    assert!(comment.contains("+ add detection small\n"), "{comment}");
    assert!(comment.contains("! update detection big\n#     files.detect.py changed\n"), "{comment}");
    assert_eq!((job.outputs["changes"].as_str(), job.outputs["deletions"].as_str()), ("3", "0"));
    assert!(job.outputs["comment-url"].contains("#issuecomment-"));
    assert!(job.summary.contains("+ add detection small"), "{}", job.summary);
    assert_eq!(stage.live(), ["big"]);

    stage.merge(number);
    stage.deployed(false).ends(0);
    let comment = stage.comment(number);
    assert!(comment.contains("matano: ✅ deployed") && comment.contains("is live"), "{comment}");
    assert_eq!(stage.live(), ["big", "small"]);

    // the same job once more has nothing to do, and the report stays
    stage.deployed(true).ends(0);
    assert_eq!(stage.comment(number), comment);
}

/// Runs git in the repo, which must succeed.
fn git(repo: &Repo, arguments: &[&str]) {
    let identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"];
    let mut command = std::process::Command::new("git");
    let output = command.arg("-C").arg(repo.path()).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn tests_that_fail_are_at_their_lines_and_the_report_says_what_fires_differently() {
    let mut stage = Stage::new();
    let number = stage.open();
    stage.repo.write(".gitignore", b".matano/\n");
    git(&stage.repo, &["init", "--quiet"]);
    git(&stage.repo, &["add", "."]);
    git(&stage.repo, &["commit", "--quiet", "-m", "base"]);
    // the test's event has the number 100
    stage.repo.write("detections/big/detect.py", b"def detect(r):\n    return (r.get(\"n\") or 0) >= 200\n");
    git(&stage.repo, &["commit", "--quiet", "--all", "-m", "change"]);
    stage.proposed("check", number, Some("write-token")).ends(0);
    let job = stage.proposed("test", number, Some("write-token")).ends(1);
    let command = "::error file=detections/big/detection.yml,line=5,endLine=5,title=big/big::";
    assert!(job.ended.out.contains(command), "{}", job.ended.out);
    assert_eq!((job.outputs["passed"].as_str(), job.outputs["failed"].as_str()), ("0", "1"));
    assert!(std::fs::read_to_string(&job.outputs["junit"]).unwrap().contains("failures=\"1\""));
    let fires = "`big` in `big`: fires on 0 of 1 row (0 alerts), before on 1 of 1 row (1 alert)";
    assert!(job.summary.contains(fires), "{}", job.summary);

    // the plan's comment has what the steps before it found
    stage.proposed("plan", number, Some("write-token")).ends(1);
    let comment = stage.comment(number);
    assert!(comment.contains("matano: ❌ tests fail") && comment.contains(fires), "{comment}");
    assert!(comment.contains("! update detection big"), "{comment}");
}

#[test]
fn a_base_that_has_moved_is_said() {
    let mut stage = Stage::new();
    add_small(&stage.repo);
    let number = stage.open();
    let other = stage.flow.world().open_pull(REPOSITORY, REPOSITORY, "other", &sha(5));
    stage.flow.world().merge(REPOSITORY, other, &sha(6));
    stage.proposed("plan", number, Some("write-token")).ends(0);
    assert!(stage.comment(number).contains("The base has moved: `main` has 2 commits"), "{}", stage.comment(number));
}

#[test]
fn a_merge_queue_is_checked_and_gets_no_comment() {
    let mut stage = Stage::new();
    stage.open();
    let payload = json!({ "merge_group": { "head_sha": sha(2), "base_ref": "refs/heads/main" } });
    let token = Some("write-token");
    let run = Run { event: "merge_group", payload, sha: sha(2), token, arguments: &[], again: false };
    stage.job("check", run).ends(0);
    assert!(stage.flow.world().repository(REPOSITORY).comments.is_empty());
}

#[test]
fn drift_opens_an_issue_that_the_next_deploy_closes() {
    let mut stage = Stage::new();
    let night = || Run {
        event: "schedule",
        payload: json!({ "schedule": "17 3 * * *" }),
        sha: sha(1),
        token: Some("write-token"),
        arguments: &[],
        again: false,
    };
    stage.job("drift", night()).ends(0);
    assert!(stage.flow.world().repository(REPOSITORY).issues.is_empty());
    add_small(&stage.repo);
    stage.job("drift", night()).ends(1);
    stage.job("drift", night()).ends(1);
    let issues = |stage: &Stage| -> Vec<(bool, String)> {
        let mut world = stage.flow.world();
        let issues = world.repository(REPOSITORY).issues.values();
        issues.map(|issue| (issue.open, issue.body.clone())).collect()
    };
    let opened = issues(&stage);
    assert!(matches!(opened.as_slice(), [(true, body)] if body.contains("+ add detection small")), "{opened:?}");
    stage.repo.fine(&["deploy", "--yes"]);
    stage.job("drift", night()).ends(0);
    assert!(!issues(&stage)[0].0);
}
