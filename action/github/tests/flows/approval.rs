use github::approval::{self, Approval};

use super::bench::{Bench, REPOSITORY};

async fn look(bench: &Bench, number: u64, deletions: usize) -> Approval {
    let client = bench.client();
    let pull = client.pull_request(number).await.unwrap();
    approval::look(&client, &pull, deletions, bench.now()).await.unwrap()
}

/// A pull request whose plan is shown since now; `ann` may write, `tim` may set labels.
fn shown() -> (Bench, u64) {
    let bench = Bench::new();
    let number = bench.pull();
    let roles = [("ann", "maintain"), ("tim", "triage"), ("bob", "write")];
    let roles = roles.map(|(login, role)| (login.to_owned(), role.to_owned()));
    bench.world().repository(REPOSITORY).roles.extend(roles);
    (bench, number)
}

fn reasons(approval: Approval) -> Vec<String> {
    match approval {
        Approval::Missing { reasons } => reasons,
        Approval::Given { by } => panic!("given by {by}"),
    }
}

#[tokio::test]
async fn a_comment_of_somebody_with_write_access_approves_its_number() {
    let (bench, number) = shown();
    bench.world().comment(REPOSITORY, number, "ann", "looks right\n/approve-destroy 2");
    assert_eq!(look(&bench, number, 2).await, Approval::Given { by: "ann".to_owned() });
    assert_eq!(reasons(look(&bench, number, 3).await), ["`ann` approved 2, the plan removes 3"]);
}

#[tokio::test]
async fn whoever_may_not_write_approves_nothing() {
    let (bench, number) = shown();
    bench.world().comment(REPOSITORY, number, "mallory", "/approve-destroy 2");
    bench.world().label(REPOSITORY, number, "tim", approval::LABEL);
    let mut reasons = reasons(look(&bench, number, 2).await);
    reasons.sort();
    assert_eq!(reasons, ["`mallory` has no write access", "`tim` has no write access"]);
}

#[tokio::test]
async fn a_label_approves_what_is_shown_when_it_is_set_and_until_it_goes() {
    let (bench, number) = shown();
    bench.world().label(REPOSITORY, number, "bob", approval::LABEL);
    assert_eq!(look(&bench, number, 9).await, Approval::Given { by: "bob".to_owned() });
    bench.world().unlabel(REPOSITORY, number, "ann", approval::LABEL);
    assert_eq!(reasons(look(&bench, number, 9).await), [""; 0]);
}

#[tokio::test]
async fn an_approval_of_an_older_plan_does_not_count() {
    let (bench, number) = shown();
    bench.world().pass(-60);
    bench.world().comment(REPOSITORY, number, "ann", "/approve-destroy 2");
    bench.world().label(REPOSITORY, number, "ann", approval::LABEL);
    bench.world().pass(60);
    assert_eq!(reasons(look(&bench, number, 2).await), ["what `ann` approved was an older plan"; 2]);
}
