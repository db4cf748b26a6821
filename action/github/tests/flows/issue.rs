use github::issue::{self, DriftIssue};

use super::bench::{BOT, Bench, REPOSITORY};

async fn put(bench: &Bench, text: Option<&str>) -> DriftIssue {
    issue::put(&bench.client(), BOT, "<!-- matano:drift project=. -->", "Drift", text).await.unwrap()
}

#[tokio::test]
async fn drift_opens_one_issue_updates_it_and_closes_it() {
    let bench = Bench::new();
    assert_eq!(put(&bench, None).await, DriftIssue::None);
    assert!(matches!(put(&bench, Some("one")).await, DriftIssue::Opened(_)));
    assert!(matches!(put(&bench, Some("two")).await, DriftIssue::Updated(_)));
    let texts = |bench: &Bench| -> Vec<(String, bool)> {
        let mut world = bench.world();
        let issues = world.repository(REPOSITORY).issues.values();
        issues.map(|issue| (issue.body.lines().last().unwrap().to_owned(), issue.open)).collect()
    };
    assert_eq!(texts(&bench), [("two".to_owned(), true)]);
    assert!(matches!(put(&bench, None).await, DriftIssue::Closed(_)));
    assert_eq!(texts(&bench), [("two".to_owned(), false)]);
    // the next drift is another story
    assert!(matches!(put(&bench, Some("three")).await, DriftIssue::Opened(_)));
}

#[tokio::test]
async fn an_issue_of_a_person_with_the_label_is_left_alone() {
    let bench = Bench::new();
    put(&bench, Some("one")).await;
    bench.world().repository(REPOSITORY).issues.get_mut(&1).unwrap().author = "ann".to_owned();
    assert!(matches!(put(&bench, Some("two")).await, DriftIssue::Opened(_)));
    assert_eq!(bench.world().repository(REPOSITORY).issues.len(), 2);
}
