use github::comment::{Marker, Run, Sticky};
use github_server::Fault;

use super::bench::{BOT, Bench, REPOSITORY, commit};

fn marker(run: u64, attempt: u64) -> Marker {
    Marker { project: "detections".to_owned(), run: Run { id: run, attempt }, head: commit(2), plan: None }
}

fn body(marker: &Marker, words: &str) -> String {
    format!("{}\n{words}", marker.line())
}

/// Writes as a run; whether it had the last word.
async fn put(bench: &Bench, number: u64, marker: &Marker, words: &str) -> bool {
    let client = bench.client();
    let sticky = Sticky { client: &client, number, author: BOT, project: "detections" };
    sticky.put(marker, &body(marker, words)).await.unwrap().is_ours
}

#[tokio::test]
async fn a_second_push_edits_the_same_comment() {
    let bench = Bench::new();
    let number = bench.pull();
    assert!(put(&bench, number, &marker(1, 1), "first").await);
    assert!(put(&bench, number, &marker(2, 1), "second").await);
    assert_eq!(bench.bodies(number), [body(&marker(2, 1), "second")]);
}

#[tokio::test]
async fn the_comment_is_found_behind_more_than_a_hundred_others() {
    let bench = Bench::new();
    let number = bench.pull();
    for other in 0..130 {
        bench.world().comment(REPOSITORY, number, "ann", &format!("comment {other}"));
    }
    put(&bench, number, &marker(1, 1), "first").await;
    put(&bench, number, &marker(2, 1), "second").await;
    let bodies = bench.bodies(number);
    assert_eq!(bodies.len(), 131);
    assert_eq!(bodies.last(), Some(&body(&marker(2, 1), "second")));
}

#[tokio::test]
async fn a_comment_that_somebody_deleted_is_written_anew() {
    let bench = Bench::new();
    let number = bench.pull();
    put(&bench, number, &marker(1, 1), "first").await;
    bench.world().repository(REPOSITORY).comments.clear();
    put(&bench, number, &marker(2, 1), "second").await;
    assert_eq!(bench.bodies(number), [body(&marker(2, 1), "second")]);
}

#[tokio::test]
async fn a_person_who_copies_the_marker_keeps_their_comment() {
    let bench = Bench::new();
    let number = bench.pull();
    let copied = body(&marker(9, 1), "I write what I like");
    bench.world().comment(REPOSITORY, number, "mallory", &copied);
    assert!(put(&bench, number, &marker(1, 1), "first").await);
    assert_eq!(bench.bodies(number), [copied, body(&marker(1, 1), "first")]);
}

#[tokio::test]
async fn another_project_of_the_repository_has_a_comment_of_its_own() {
    let bench = Bench::new();
    let number = bench.pull();
    let other = Marker { project: "other".to_owned(), ..marker(1, 1) };
    bench.world().comment(REPOSITORY, number, BOT, &body(&other, "other"));
    put(&bench, number, &marker(2, 1), "first").await;
    assert_eq!(bench.bodies(number), [body(&other, "other"), body(&marker(2, 1), "first")]);
}

#[tokio::test]
async fn comments_of_two_runs_at_once_are_folded_and_the_newest_words_stay() {
    let bench = Bench::new();
    let number = bench.pull();
    for run in [5, 7, 6] {
        bench.world().comment(REPOSITORY, number, BOT, &body(&marker(run, 1), &format!("run {run}")));
    }
    // an older run looks last
    assert!(!put(&bench, number, &marker(4, 1), "run 4").await);
    assert_eq!(bench.bodies(number), [body(&marker(7, 1), "run 7")]);
    // a later attempt of the same run is newer
    assert!(put(&bench, number, &marker(7, 2), "run 7 again").await);
    assert_eq!(bench.bodies(number), [body(&marker(7, 2), "run 7 again")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_that_write_at_the_same_time_leave_one_comment_after_the_next_one() {
    let bench = Bench::new();
    let number = bench.pull();
    let runs: Vec<_> = (1..=6)
        .map(|run| {
            let client = bench.client();
            tokio::spawn(async move {
                let marker = marker(run, 1);
                let sticky = Sticky { client: &client, number, author: BOT, project: "detections" };
                sticky.put(&marker, &body(&marker, &format!("run {run}"))).await.unwrap();
            })
        })
        .collect();
    for run in runs {
        run.await.unwrap();
    }
    assert!(put(&bench, number, &marker(7, 1), "run 7").await);
    assert_eq!(bench.bodies(number), [body(&marker(7, 1), "run 7")]);
}

#[tokio::test]
async fn an_answer_that_got_lost_leaves_no_second_comment() {
    let bench = Bench::new();
    let number = bench.pull();
    bench.world().faults.push_back(Fault::LostAnswer);
    assert!(put(&bench, number, &marker(1, 1), "first").await);
    assert_eq!(bench.bodies(number), [body(&marker(1, 1), "first")]);
    let posts = bench.world().seen.iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 2);
}

#[tokio::test]
async fn a_read_only_token_is_told_apart_from_a_wrong_one() {
    let bench = Bench::new();
    let number = bench.pull();
    let client = bench.client_with(Some("read-token"));
    let sticky = Sticky { client: &client, number, author: BOT, project: "detections" };
    let error = sticky.put(&marker(1, 1), &body(&marker(1, 1), "first")).await.unwrap_err();
    assert!(error.is_read_only(), "{error}");
    assert_eq!(bench.waits(), [0; 0]);
}

#[tokio::test]
async fn a_token_of_somebody_else_is_noticed() {
    let bench = Bench::new();
    let number = bench.pull();
    bench.world().tokens.get_mut("write-token").unwrap().login = "ann".to_owned();
    let client = bench.client();
    let sticky = Sticky { client: &client, number, author: BOT, project: "detections" };
    let written = sticky.put(&marker(1, 1), &body(&marker(1, 1), "first")).await.unwrap();
    assert_eq!(written.author, "ann");
    assert_eq!(bench.bodies(number).len(), 1);
}
