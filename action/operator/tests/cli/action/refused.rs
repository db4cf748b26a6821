use github_server::world::sha;

use super::stage::{REPOSITORY, Stage};

/// A detection whose limit is this.
fn limit(stage: &Stage, limit: u32) {
    let code = format!("def detect(r):\n    return (r.get(\"n\") or 0) >= {limit}\n");
    stage.repo.write("detections/big/detect.py", code.as_bytes());
}

#[test]
fn a_plan_that_nobody_saw_is_shown_and_applied_when_the_job_is_run_again() {
    let mut stage = Stage::new();
    let number = stage.open();
    limit(&stage, 200);
    stage.proposed("plan", number, Some("write-token")).ends(0);
    // what is merged is not what was shown
    stage.repo.write("detections/more/detection.yml", b"name: more\ntables: [web]\nalert: {severity: high}\n");
    stage.repo.write("detections/more/detect.py", b"def detect(r):\n    return True\n");
    stage.merge(number);
    let job = stage.deployed(false).ends(3);
    assert!(
        job.ended.err.contains("the plan is not the one that was shown; now: + add detection more"),
        "{}",
        job.ended.err
    );
    assert_eq!(stage.live(), ["big"]);
    let comment = stage.comment(number);
    assert!(comment.contains("matano: ✋ not deployed") && comment.contains("+ add detection more"), "{comment}");

    stage.deployed(true).ends(0);
    assert_eq!(stage.live(), ["big", "more"]);
    assert!(stage.comment(number).contains("matano: ✅ deployed"));
}

#[test]
fn a_comment_that_was_deleted_showed_nothing() {
    let mut stage = Stage::new();
    let number = stage.open();
    limit(&stage, 200);
    stage.proposed("plan", number, Some("write-token")).ends(0);
    stage.flow.world().repository(REPOSITORY).comments.clear();
    stage.merge(number);
    let job = stage.deployed(false).ends(3);
    assert!(job.ended.err.contains("no plan was shown on the pull request"), "{}", job.ended.err);
    stage.deployed(true).ends(0);
}

#[test]
fn a_commit_that_was_pushed_after_the_plan_was_not_shown() {
    let mut stage = Stage::new();
    let number = stage.open();
    limit(&stage, 200);
    stage.proposed("plan", number, Some("write-token")).ends(0);
    stage.flow.world().push(REPOSITORY, number, &sha(4));
    stage.merge(number);
    let job = stage.deployed(false).ends(3);
    assert!(job.ended.err.contains("the plan that was shown is that of commit 0000000"), "{}", job.ended.err);
}

#[test]
fn removals_need_somebody_with_write_access() {
    let mut stage = Stage::new();
    let number = stage.open();
    stage.empty();
    stage.proposed("plan", number, Some("write-token")).ends(0);
    assert!(stage.comment(number).contains("a comment `/approve-destroy 3`"), "{}", stage.comment(number));
    stage.flow.world().comment(REPOSITORY, number, "mallory", "/approve-destroy 3");
    stage.flow.world().label(REPOSITORY, number, "tim", "matano:approve-destroy");
    stage.merge(number);
    let job = stage.deployed(false).ends(3);
    for reason in ["`mallory` has no write access", "`tim` has no write access"] {
        assert!(job.ended.err.contains(reason), "{}", job.ended.err);
    }
    assert_eq!(stage.live(), ["big"]);

    stage.flow.world().comment(REPOSITORY, number, "ann", "/approve-destroy 2");
    let job = stage.deployed(true).ends(3);
    assert!(job.ended.err.contains("`ann` approved 2, the plan removes 3"), "{}", job.ended.err);

    stage.flow.world().comment(REPOSITORY, number, "ann", "/approve-destroy 3");
    stage.deployed(true).ends(0);
    assert_eq!(stage.live(), [""; 0]);
}

#[test]
fn what_was_pushed_without_a_pull_request_may_remove_nothing() {
    let mut stage = Stage::new();
    limit(&stage, 300);
    let job = stage.deployed(false).ends(0);
    assert_eq!(job.outputs["deletions"], "0");
    stage.empty();
    let job = stage.deployed(false).ends(3);
    assert!(job.ended.err.contains("no pull request was merged with this commit"), "{}", job.ended.err);
    assert_eq!(stage.live(), ["big"]);
}

#[test]
fn a_deploy_that_fails_half_way_is_told_in_the_comment() {
    let mut stage = Stage::new();
    let number = stage.open();
    limit(&stage, 200);
    stage.proposed("plan", number, Some("write-token")).ends(0);
    stage.merge(number);
    // the pointer cannot be written: a directory stands in its place
    let pointer = stage.repo.path().join(".matano/release/lock");
    std::fs::remove_file(&pointer).unwrap();
    std::fs::create_dir(&pointer).unwrap();
    stage.deployed(false).ends(3);
    let comment = stage.comment(number);
    assert!(comment.contains("matano: ❌ the deploy failed") && comment.contains("saved"), "{comment}");
    std::fs::remove_dir(&pointer).unwrap();
    stage.deployed(true).ends(0);
    assert!(stage.comment(number).contains("matano: ✅ deployed"));
}
