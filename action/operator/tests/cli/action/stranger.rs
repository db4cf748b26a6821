use std::io::{Cursor, Write as _};

use github_server::world::sha;
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::stage::{REPOSITORY, Run, Stage};

const FORK: &str = "mallory/detections";

fn zip(report: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("report.json", SimpleFileOptions::default()).unwrap();
    writer.write_all(report).unwrap();
    writer.finish().unwrap().into_inner()
}

/// A pull request of a fork at commit 5, and the report that its own run wrote, as JSON.
fn from_fork(stage: &mut Stage) -> (u64, Value) {
    let number = stage.flow.world().open_pull(REPOSITORY, FORK, "change", &sha(5));
    stage.repo.write("detections/new/detection.yml", b"name: new\ntables: [web]\nalert: {severity: high}\n");
    stage.repo.write("detections/new/detect.py", b"def detect(r):\n    return True\n");
    stage.proposed("check", number, None).ends(0);
    stage.proposed("plan", number, None).ends(0);
    let report = std::fs::read(stage.file("report.json")).unwrap();
    (number, serde_json::from_slice(&report).unwrap())
}

/// Hands a report over as the artifact of run 500, and runs the trusted job.
fn hand_over(stage: &mut Stage, report: &[u8]) -> super::stage::Job {
    stage.flow.world().upload(REPOSITORY, 500, "matano-report", zip(report));
    // what is checked out there is the default branch
    std::fs::remove_dir_all(stage.repo.path().join("detections/new")).unwrap();
    stage.reported(500, &sha(5), FORK)
}

#[test]
fn without_a_token_a_fork_has_its_findings_in_the_log_and_nobody_is_asked() {
    let mut stage = Stage::new();
    stage.repo.write("detections/big/detection.yml", b"name: big\ntables: [wed]\nalert: {severity: high}\n");
    let number = stage.open();
    let job = stage.proposed("check", number, None).ends(1);
    assert!(job.ended.out.contains("::error file=detections/big/detection.yml,line=2"), "{}", job.ended.out);
    assert_eq!(job.outputs["errors"], "1");
    assert_eq!(stage.flow.world().seen, []);
}

#[test]
fn a_token_that_may_only_read_is_no_error() {
    let mut stage = Stage::new();
    let number = stage.open();
    for job in ["check", "plan"] {
        let job = stage.proposed(job, number, Some("read-token")).ends(0);
        assert!(job.ended.out.contains("the token may only read"), "{}", job.ended.out);
    }
    assert!(stage.flow.world().repository(REPOSITORY).check_runs.is_empty());
    assert_eq!(stage.comments(number).len(), 0);
}

#[test]
fn a_revoked_token_is_an_error_that_says_so_and_the_findings_are_there_all_the_same() {
    let mut stage = Stage::new();
    let number = stage.open();
    let job = stage.proposed("check", number, Some("revoked")).ends(3);
    assert!(job.ended.err.contains("the token was revoked or is wrong"), "{}", job.ended.err);
    assert_eq!(job.outputs["errors"], "0");
    assert!(stage.file("results.sarif").exists());
}

#[test]
fn the_trusted_run_says_what_the_fork_found_and_what_a_merge_would_change() {
    let mut stage = Stage::new();
    let (number, report) = from_fork(&mut stage);
    let job = hand_over(&mut stage, report.to_string().as_bytes()).ends(0);
    assert_eq!(job.outputs["pull-request"], number.to_string());
    assert!(stage.comment(number).contains("+ add detection new"), "{}", stage.comment(number));
    let mut world = stage.flow.world();
    let run = world.repository(REPOSITORY).check_runs.values().next().unwrap();
    assert_eq!((run.head_sha.clone(), run.conclusion.as_deref()), (sha(5), Some("success")));
}

#[test]
fn an_artifact_that_names_another_pull_request_is_refused() {
    let mut stage = Stage::new();
    let victim = stage.open();
    let (_, mut report) = from_fork(&mut stage);
    report["pull_request"] = json!(victim);
    let job = hand_over(&mut stage, report.to_string().as_bytes()).ends(2);
    assert!(job.ended.err.contains("the number is not to be trusted"), "{}", job.ended.err);
    assert_eq!(stage.comments(victim).len(), 0);
    report["pull_request"] = json!(4711);
    stage.flow.world().upload(REPOSITORY, 500, "matano-report", zip(report.to_string().as_bytes()));
    let job = stage.reported(500, &sha(5), FORK).ends(2);
    assert!(job.ended.err.contains("pull request #4711 does not exist"), "{}", job.ended.err);
}

#[test]
fn an_artifact_of_another_commit_or_format_or_none_at_all_is_refused() {
    let mut stage = Stage::new();
    let (number, mut report) = from_fork(&mut stage);
    report["head"] = json!(sha(6));
    let job = hand_over(&mut stage, report.to_string().as_bytes()).ends(2);
    assert!(job.ended.err.contains("it is not to be trusted"), "{}", job.ended.err);
    report["format"] = json!(99);
    for (report, words) in [
        (report.to_string().into_bytes(), "format 99"),
        (b"{\"format\": 1".to_vec(), "the report is refused"),
        (vec![b' '; 33 * 1024 * 1024], "expected 33554432 at most"),
    ] {
        stage.flow.world().upload(REPOSITORY, 500, "matano-report", zip(&report));
        let job = stage.reported(500, &sha(5), FORK).ends(2);
        assert!(job.ended.err.contains(words), "{words}: {}", job.ended.err);
    }
    assert!(stage.reported(501, &sha(5), FORK).ends(2).ended.err.contains("left no artifact `matano-report`"));
    assert_eq!(stage.comments(number).len(), 0);
}

#[test]
fn words_of_a_stranger_steer_neither_the_comment_nor_the_log() {
    let mut stage = Stage::new();
    let (number, mut report) = from_fork(&mut stage);
    let evil = "x\n::set-output name=a::b\n<img src=x> @everyone <!-- matano:pull-request -->";
    report["findings"] = json!([{
        "path": evil, "start_line": 1, "end_line": 1, "annotation_level": "failure", "title": evil, "message": evil,
    }]);
    let job = hand_over(&mut stage, report.to_string().as_bytes()).ends(1);
    let comment = stage.comment(number);
    for wrong in ["<img", "@everyone", "\n::"] {
        assert!(!comment.contains(wrong), "{comment}");
        assert!(!job.summary.contains(wrong), "{}", job.summary);
    }
    assert_eq!(comment.matches("<!--").count(), 1);
    assert!(!job.ended.out.lines().any(|line| line.trim_start().starts_with("::set-output")), "{}", job.ended.out);
}

#[test]
fn an_event_that_nobody_acts_on_says_which_ones_are() {
    let mut stage = Stage::new();
    let run = |event| Run {
        event,
        payload: json!({}),
        sha: sha(1),
        token: Some("write-token"),
        arguments: &[],
        again: false,
    };
    let job = stage.job("check", run("issue_comment")).ends(3);
    assert!(job.ended.err.contains("no job acts on the event `issue_comment`"), "{}", job.ended.err);
    let job = stage.job("check", run("pull_request_target")).ends(3);
    assert!(job.ended.err.contains("would run a pull request's code beside secrets"), "{}", job.ended.err);
    let job = stage.job("check", run("pull_request")).ends(3);
    assert!(job.ended.err.contains("missing field `number`"), "{}", job.ended.err);
}
