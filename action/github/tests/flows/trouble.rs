use github::GithubError;
use github_server::Fault;

use super::bench::{Bench, commit};

#[tokio::test]
async fn a_broken_server_is_asked_again_until_it_answers() {
    let bench = Bench::new();
    let number = bench.pull();
    bench.world().faults.extend([Fault::Broken { status: 502 }, Fault::Broken { status: 503 }]);
    assert_eq!(bench.client().pull_request(number).await.unwrap().head_sha, commit(2));
    assert_eq!(bench.waits(), [1, 2]);
}

#[tokio::test]
async fn a_server_that_stays_broken_is_given_up() {
    let bench = Bench::new();
    bench.world().faults.extend(vec![Fault::Broken { status: 500 }; 5]);
    let error = bench.client().pull_request(1).await.unwrap_err();
    assert!(matches!(error, GithubError::Broken { status: 500, attempts: 5, .. }), "{error}");
    assert!(error.is_retryable());
    assert_eq!(bench.waits(), [1, 2, 4, 8]);
    assert_eq!(bench.world().seen.len(), 5);
}

#[tokio::test]
async fn a_primary_limit_is_waited_for_until_it_is_reset() {
    let bench = Bench::new();
    let number = bench.pull();
    bench.world().faults.push_back(Fault::PrimaryLimit { resets_in: 100 });
    bench.client().pull_request(number).await.unwrap();
    assert_eq!(bench.waits(), [101]);
}

#[tokio::test]
async fn a_limit_that_lasts_longer_than_a_job_should_is_an_error_that_says_how_long() {
    let bench = Bench::new();
    bench.world().faults.push_back(Fault::PrimaryLimit { resets_in: 3000 });
    let error = bench.client().pull_request(1).await.unwrap_err();
    assert!(error.to_string().contains("wait 3001 s"), "{error}");
    assert_eq!(bench.waits(), [0; 0]);
}

#[tokio::test]
async fn a_secondary_limit_is_waited_for_as_long_as_it_says() {
    let bench = Bench::new();
    let number = bench.pull();
    bench.world().faults.extend([
        Fault::SecondaryLimit { status: 403, retry_after: Some(7) },
        Fault::SecondaryLimit { status: 429, retry_after: None },
    ]);
    bench.client().pull_request(number).await.unwrap();
    assert_eq!(bench.waits(), [7, 120]);
}

#[tokio::test]
async fn a_revoked_token_is_named_and_not_tried_again() {
    let bench = Bench::new();
    let number = bench.pull();
    bench.world().tokens.remove("write-token");
    let error = bench.client().pull_request(number).await.unwrap_err();
    assert!(error.to_string().contains("the token was revoked or is wrong"), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(bench.world().seen.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let bench = Bench::new();
    let connection = github::Connection {
        // the discard port: nobody listens
        api_url: "http://127.0.0.1:9".to_owned(),
        token: None,
        repository: bench.client().repository().clone(),
    };
    let clock = std::sync::Arc::new(super::bench::StoppedClock::default());
    let client = github::Client::new(connection, clock, github::pace::Patience::default()).unwrap();
    let error = client.pull_request(1).await.unwrap_err();
    assert!(matches!(error, GithubError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("could not be reached"), "{error}");
}
