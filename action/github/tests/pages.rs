//! What comments say, as a person reads them, and that nothing of a project steers them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use check::render::annotations::{Annotation, AnnotationLevel};
use github::{
    CommitSha,
    page::{self, Page, Planned, Stage},
    report::{Coverage, CoverageChange, Fired, FiringChange, Report, Tests},
};
use model::{
    name::{DestinationName, TableName},
    release::{Destination, DestinationKind, FORMAT, Partition, Release},
    schema::TableSchema,
};
use plan::{Observed, ObservedTable, Plan};

fn sha() -> CommitSha {
    CommitSha::parse("1111111111111111111111111111111111111111").unwrap()
}

fn finding(line: usize, level: AnnotationLevel, message: &str) -> Annotation {
    Annotation {
        path: "detections/a/detection.yml".to_owned(),
        start_line: line,
        end_line: line,
        start_column: None,
        end_column: None,
        annotation_level: level,
        title: "unknown-table".to_owned(),
        message: message.to_owned(),
        raw_details: None,
    }
}

fn release(destinations: &[&str]) -> Release {
    let destination = |name: &&str| {
        let name = DestinationName::parse(name).unwrap();
        (name.clone(), Destination { name, kind: DestinationKind::Stdout })
    };
    Release {
        format: FORMAT,
        log_sources: BTreeMap::new(),
        tables: BTreeMap::new(),
        detections: BTreeMap::new(),
        enrichment: BTreeMap::new(),
        destinations: destinations.iter().map(destination).collect(),
    }
}

/// From these destinations to those, on a target that has the tables of matano itself.
fn plan(from: &[&str], to: &[&str]) -> Plan {
    let before = release(from);
    let tables = plan::wanted_tables(&before).into_iter();
    let table = |(name, schema, partition): (TableName, TableSchema, Partition)| {
        (name, ObservedTable { schema, partition, rows: 0 })
    };
    plan::plan(&release(to), &Observed { tables: tables.map(table).collect(), release: Some(before) })
}

fn report() -> Report {
    let mut report = Report::new(sha(), Some(7), "soc");
    report.findings = Some(vec![]);
    report.tests = Some(Tests { passed: 3, ..Tests::default() });
    report
}

fn proposed<'a>(report: &'a Report, plan: &'a Plan, head: &'a CommitSha) -> Page<'a> {
    Page {
        report: Some(report),
        plan: Planned::Made(plan),
        stage: Stage::Proposed { behind: 0, base: "main", max_deletes: 0 },
        head,
        project: "soc",
        run_url: Some("https://github.com/acme/detections/actions/runs/9"),
    }
}

fn comment(page: &Page<'_>) -> String {
    page::render(page, page::COMMENT_BYTES)
}

/// Compares with a file of `tests/pages/`, which a reviewer can look at.
fn check(name: &str, text: &str) {
    let path = std::path::Path::new("tests/pages").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}; UPDATE_GOLDEN=1 rewrites it");
}

#[test]
fn a_good_change_says_what_a_merge_would_do() {
    let (mut report, plan) = (report(), plan(&["ops"], &["ops", "soc"]));
    let (base, head) =
        (Coverage { detections: 3, tested: 2, techniques: 4 }, Coverage { detections: 4, tested: 2, techniques: 6 });
    let tests = report.tests.as_mut().unwrap();
    tests.coverage = Some(CoverageChange { base: Some(base), head });
    tests.firing = vec![FiringChange {
        detection: "root_login".to_owned(),
        test: "a login with MFA".to_owned(),
        before: Fired { fired: 0, rows: 1, alerts: 0 },
        after: Fired { fired: 1, rows: 1, alerts: 1 },
    }];
    check("good.md", &comment(&proposed(&report, &plan, &sha())));
}

#[test]
fn a_bad_change_lists_its_mistakes_and_failed_tests() {
    let (mut report, plan) = (report(), plan(&["ops"], &["ops"]));
    let error = finding(
        3,
        AnnotationLevel::Failure,
        "table `aws_cloudtrial` does not exist\nhelp: did you mean `aws_cloudtrail`?",
    );
    report.findings = Some(vec![error, finding(9, AnnotationLevel::Warning, "no test fires")]);
    let failed = finding(14, AnnotationLevel::Failure, "expected that it fires\nfound    that it stays quiet on 1 row");
    report.tests.as_mut().unwrap().failed = vec![Annotation { title: "a/fires on root".to_owned(), ..failed }];
    let sha = sha();
    let page = Page { plan: Planned::Missing("the project has mistakes"), ..proposed(&report, &plan, &sha) };
    check("bad.md", &comment(&page));
}

#[test]
fn a_change_that_removes_something_says_how_it_is_approved() {
    let (report, plan) = (report(), plan(&["ops", "soc"], &[]));
    let (sha, report) = (sha(), &report);
    let page = proposed(report, &plan, &sha);
    check("approval.md", &comment(&page));
    let allowed = Page { stage: Stage::Proposed { behind: 2, base: "main", max_deletes: 2 }, ..page };
    let text = comment(&allowed);
    assert!(text.contains("`main` has 2 commits that this branch lacks"), "{text}");
}

#[test]
fn after_the_merge_the_comment_is_the_report() {
    let (plan, sha) = (plan(&["ops"], &["soc"]), sha());
    let steps = ["release 123 saved".to_owned(), "release 123 is live".to_owned()];
    let page = Page {
        report: None,
        plan: Planned::Made(&plan),
        stage: Stage::Applied { steps: &steps },
        head: &sha,
        project: "",
        run_url: None,
    };
    check("applied.md", &comment(&page));
    let error = "table web: the disk is full\n::error::x <b> @everyone";
    check("failed.md", &comment(&Page { stage: Stage::Failed { steps: &steps[..1], error }, ..page }));
    let stage = Stage::Refused { reason: "the plan is not the one shown", advice: "look at it and run the job again" };
    check("refused.md", &comment(&Page { stage, ..page }));
}

#[test]
fn what_does_not_fit_is_left_out_and_said_to_be() {
    let (mut report, plan) = (report(), plan(&["ops"], &["ops"]));
    let findings = (1..=5000).map(|line| finding(line, AnnotationLevel::Failure, "table `x` does not exist")).collect();
    report.findings = Some(findings);
    let text = comment(&proposed(&report, &plan, &sha()));
    assert!(text.len() <= page::COMMENT_BYTES, "{}", text.len());
    assert!(text.contains("❌ 5000 errors"), "{text}");
    assert!(text.contains("4500 more: see the run's summary."), "{}", &text[text.len() - 300..]);
    let summary = page::render(&proposed(&report, &plan, &sha()), page::SUMMARY_BYTES);
    assert!(summary.contains("detection.yml:5000`"), "{}", summary.len());
}

#[test]
fn nothing_of_a_project_is_markdown_html_or_a_command() {
    let evil = "**b** <img src=x onerror=alert(1)> [a](https://evil.example) @octocat #1 --> <!-- x\n::error::forged `</code>|` \u{202e}";
    let (mut report, plan) = (report(), plan(&["ops"], &["soc"]));
    let one =
        Annotation { title: evil.to_owned(), path: evil.to_owned(), ..finding(1, AnnotationLevel::Failure, evil) };
    report.findings = Some(vec![one.clone()]);
    let tests = report.tests.as_mut().unwrap();
    (tests.failed, tests.warnings) = (vec![one.clone()], vec![one]);
    let fired = Fired { fired: 0, rows: 1, alerts: 0 };
    let (detection, test) = (evil.to_owned(), evil.to_owned());
    tests.firing = vec![FiringChange { detection, test, before: fired, after: fired }];
    let sha = sha();
    let steps = [evil.to_owned()];
    let proposed = Page { project: evil, ..proposed(&report, &plan, &sha) };
    let stages = [
        proposed.stage,
        Stage::Refused { reason: evil, advice: evil },
        Stage::Failed { steps: &steps, error: evil },
        Stage::Applied { steps: &steps },
    ];
    for stage in stages {
        let text = comment(&Page { stage, ..proposed });
        for wrong in ["<img", "[a](", "**b**", "@octocat", " #1", "<!--", "-->", "\n::", "](https://evil", "\u{202e}"] {
            assert!(!text.contains(wrong), "{wrong} in {text}");
        }
    }
    let missing = comment(&Page { plan: Planned::Missing(evil), ..proposed });
    assert!(!missing.contains("<img"), "{missing}");
}
