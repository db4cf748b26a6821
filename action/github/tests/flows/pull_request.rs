use github::pull_request::Mismatch;
use github_server::world::{Commit, sha};

use super::bench::{Bench, REPOSITORY, commit};

#[tokio::test]
async fn a_number_is_verified_by_commit_and_repository() {
    let bench = Bench::new();
    let fork = "mallory/detections";
    let number = bench.world().open_pull(REPOSITORY, fork, "evil", &sha(5));
    let pull = bench.client().pull_request(number).await.unwrap();
    assert_eq!(pull.matches(&commit(5), fork), Ok(()));
    assert!(matches!(pull.matches(&commit(6), fork), Err(Mismatch::OtherHead { .. })));
    assert!(matches!(pull.matches(&commit(5), REPOSITORY), Err(Mismatch::OtherRepository { .. })));
    bench.world().repository(REPOSITORY).issues.get_mut(&number).unwrap().open = false;
    let pull = bench.client().pull_request(number).await.unwrap();
    assert_eq!(pull.matches(&commit(5), fork), Err(Mismatch::Closed(number)));
}

#[tokio::test]
async fn a_merge_commit_names_its_pull_request() {
    let bench = Bench::new();
    let number = bench.pull();
    let client = bench.client();
    assert_eq!(client.merged_as(&commit(2), "main").await.unwrap(), None);
    bench.world().merge(REPOSITORY, number, &sha(3));
    let found = client.merged_as(&commit(3), "main").await.unwrap().unwrap();
    assert_eq!((found.number, found.head_sha, found.is_open), (number, commit(2), false));
    // the merged commits name it too, but are not what was merged as
    assert_eq!(client.merged_as(&commit(2), "main").await.unwrap(), None);
    assert_eq!(client.merged_as(&commit(3), "release").await.unwrap(), None);
}

#[tokio::test]
async fn a_base_that_has_moved_is_counted_in_commits() {
    let bench = Bench::new();
    bench.pull();
    let client = bench.client();
    assert_eq!(client.behind("main", &commit(2)).await.unwrap(), 0);
    {
        let mut world = bench.world();
        let repository = world.repository(REPOSITORY);
        repository.commits.insert(sha(7), Commit { parents: vec![sha(1)], message: "other".to_owned() });
        repository.branches.insert("main".to_owned(), sha(7));
    }
    assert_eq!(client.behind("main", &commit(2)).await.unwrap(), 1);
}
