//! Results as JUnit XML: a suite for each log source and detection, file and line on every case.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    difference::Difference,
    results::{Kind, Results, TestResult},
};

/// So much of a difference stands in a message, which lists show in one line.
const MESSAGE_LINES: usize = 3;

/// The XML. Characters that XML cannot hold are left out.
pub fn xml(results: &Results) -> Result<String> {
    let mut report = Report::new("matano test");
    report.set_time(seconds(results.seconds));
    let mut suites: BTreeMap<(Kind, &str), TestSuite> = BTreeMap::new();
    for test in &results.tests {
        // what a detection makes of other tests' rows stands with its own tests
        let kind = if test.kind == Kind::LogSource { Kind::LogSource } else { Kind::Detection };
        let suite =
            suites.entry((kind, test.resource.as_str())).or_insert_with(|| TestSuite::new(test.resource.as_str()));
        suite.add_test_case(case(test));
    }
    for (_, mut suite) in suites {
        let time = suite.test_cases.iter().filter_map(|case| case.time).sum();
        suite.set_time(time);
        report.add_test_suite(suite);
    }
    report.to_string().context("write JUnit XML")
}

fn case(test: &TestResult) -> TestCase {
    let mut status = TestCaseStatus::success();
    if let Some(first) = test.differences.first() {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let texts: Vec<String> = test.differences.iter().map(Difference::text).collect();
        status.set_type("failure");
        let first: Vec<String> = first.text().lines().take(MESSAGE_LINES).map(|line| line.trim().to_owned()).collect();
        status.set_message(first.join(", "));
        status.set_description(texts.join("\n\n"));
    }
    let mut case = TestCase::new(test.test.as_str(), status);
    case.set_classname(test.resource.as_str());
    case.set_time(seconds(test.seconds));
    case.extra.insert("file".into(), test.file.as_str().into());
    case.extra.insert("line".into(), test.line.to_string().into());
    if !test.printed.is_empty() {
        case.set_system_out(test.printed.as_str());
    }
    case
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(kind: Kind, resource: &str, name: &str, differences: Vec<Difference>) -> TestResult {
        TestResult {
            kind,
            resource: resource.to_owned(),
            test: name.to_owned(),
            name: format!("{resource}/{name}"),
            file: format!("detections/{resource}/detection.yml"),
            line: 7,
            passed: differences.is_empty(),
            differences,
            printed: String::new(),
            seconds: 0.25,
            fires: None,
        }
    }

    #[test]
    fn suites_are_resources_and_failures_hold_the_difference_without_control_characters() {
        let wrong = Difference::values("title", "a".into(), "<b>\u{1b}[31m & \u{7} ]]>".into());
        let other = Difference::message("title, again");
        let tests = vec![
            test(Kind::LogSource, "web", "rows", Vec::new()),
            test(Kind::Detection, "big", "fires", vec![wrong, other]),
            test(Kind::CrossRun, "big", "rows of other tests", vec![Difference::message("KeyError")]),
        ];
        let xml = xml(&Results { tests, seconds: 1.5, ..Results::default() }).unwrap();
        assert!(
            xml.contains(
                r#"<testsuites name="matano test" tests="3" skipped="0" failures="2" errors="0" time="1.500">"#
            ),
            "{xml}"
        );
        assert!(
            xml.contains(r#"<testsuite name="big" tests="2" skipped="0" errors="0" failures="2" time="0.500">"#),
            "{xml}"
        );
        assert!(xml.contains(r#"file="detections/big/detection.yml" line="7""#), "{xml}");
        assert!(xml.contains("title, again"), "{xml}");
        assert!(!xml.contains('\u{1b}') && !xml.contains('\u{7}') && !xml.contains("<b>"), "{xml}");
    }
}
