use check::render::annotations::{Annotation, AnnotationLevel};
use github::check_run::{self, Conclusion, Output};
use github_server::Fault;

use super::bench::{Bench, REPOSITORY, commit};

fn annotation(line: usize) -> Annotation {
    Annotation {
        path: "detections/a/detection.yml".to_owned(),
        start_line: line,
        end_line: line,
        start_column: Some(1),
        end_column: Some(5),
        annotation_level: AnnotationLevel::Failure,
        title: "unknown-table".to_owned(),
        message: "table `a` does not exist".to_owned(),
        raw_details: None,
    }
}

const OUTPUT: Output<'_> = Output { title: "120 errors", summary: "see below" };

#[tokio::test]
async fn all_annotations_arrive_fifty_at_a_time_and_then_it_is_completed() {
    let bench = Bench::new();
    bench.pull();
    let client = bench.client();
    let run = check_run::begin(&client, "matano check", &commit(2), Some("https://example.com/run")).await.unwrap();
    let annotations: Vec<Annotation> = (1..=120).map(annotation).collect();
    bench.world().faults.push_back(Fault::Broken { status: 502 });
    check_run::end(&client, &run, OUTPUT, &annotations, Conclusion::Failure).await.unwrap();
    let mut world = bench.world();
    let found = &world.repository(REPOSITORY).check_runs[&run.id];
    assert_eq!((found.status.as_str(), found.conclusion.as_deref()), ("completed", Some("failure")));
    let lines: Vec<u64> = found.annotations.iter().map(|one| one["start_line"].as_u64().unwrap()).collect();
    assert_eq!(lines, (1..=120).collect::<Vec<_>>());
    let patches = world.seen.iter().filter(|seen| seen.method == "PATCH" && seen.status == 200).count();
    assert_eq!(patches, 3);
}

#[tokio::test]
async fn without_findings_one_request_completes_it() {
    let bench = Bench::new();
    bench.pull();
    let client = bench.client();
    let run = check_run::begin(&client, "matano check", &commit(2), None).await.unwrap();
    check_run::end(&client, &run, OUTPUT, &[], Conclusion::ActionRequired).await.unwrap();
    let mut world = bench.world();
    assert_eq!(world.repository(REPOSITORY).check_runs[&run.id].conclusion.as_deref(), Some("action_required"));
    assert_eq!(world.seen.len(), 2);
}
