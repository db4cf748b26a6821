//! What check and test found, as parts of a report.

use check::render::{
    Repository,
    annotations::{self, Annotation, AnnotationLevel},
};
use github::report::{Coverage, CoverageChange, Fired, FiringChange, Tests};
use project::managed;

use crate::{
    commands::test::{
        before::Before,
        coverage,
        difference::Difference,
        results::{self, Fires, FiresByTest, Results, TestResult, Warning},
    },
    judge::Judged,
    workspace,
};

/// The project's directory within the repository.
pub fn directory(judged: &Judged) -> String {
    workspace::directory_in_repository(&judged.workspace.root)
}

/// Diagnostics at their lines of the repository, errors first.
pub fn of(judged: &Judged) -> Vec<Annotation> {
    let repository = Repository::new(&judged.project, &directory(judged));
    let mut all = annotations::of(&judged.diagnostics, &repository, &judged.workspace.files);
    all.sort_by_key(|one| match one.annotation_level {
        AnnotationLevel::Failure => 0,
        AnnotationLevel::Warning => 1,
        AnnotationLevel::Notice => 2,
    });
    all
}

/// Results as a part of a report; `directory` is the project's within the repository.
pub fn tests(found: &Results, before: Option<&Before>, directory: &str) -> Tests {
    let failed = found.tests.iter().filter(|test| !test.passed);
    Tests {
        passed: found.passed(),
        failed: failed.map(|test| failure(test, directory)).collect(),
        warnings: found.warnings.iter().map(|one| warning(one, directory)).collect(),
        coverage: Some(CoverageChange {
            base: before.map(|before| covered(&before.coverage)),
            head: covered(&found.coverage),
        }),
        firing: before.map(|before| firing(&before.fires, &results::fires(found))).unwrap_or_default(),
    }
}

fn covered(coverage: &coverage::Coverage) -> Coverage {
    Coverage {
        detections: coverage.detections.len(),
        tested: coverage.detections.iter().filter(|one| one.is_complete()).count(),
        techniques: coverage.techniques.len(),
    }
}

/// Only detections that were there before: what a new one does is in the change itself.
fn firing(before: &FiresByTest, after: &FiresByTest) -> Vec<FiringChange> {
    let changed = results::fires_differently(before, after).into_iter();
    let both = changed.filter_map(|one| {
        let (before, after) = (fired(&one.before?), fired(&one.after?));
        Some(FiringChange { detection: one.detection, test: one.test, before, after })
    });
    both.collect()
}

fn fired(fires: &Fires) -> Fired {
    Fired { fired: fires.rows.iter().filter(|fired| **fired).count(), rows: fires.rows.len(), alerts: fires.alerts }
}

fn failure(test: &TestResult, directory: &str) -> Annotation {
    let words: Vec<String> = test.differences.iter().map(Difference::text).collect();
    let printed = (!test.printed.is_empty()).then(|| format!("it printed:\n{}", test.printed));
    Annotation {
        raw_details: printed,
        ..annotation(AnnotationLevel::Failure, &test.file, test.line, &test.name, words.join("\n"), directory)
    }
}

fn warning(warning: &Warning, directory: &str) -> Annotation {
    let words = format!("{}\nhelp: {}", warning.message, warning.help);
    annotation(AnnotationLevel::Warning, &warning.file, warning.line, "fires on another test's rows", words, directory)
}

fn annotation(
    level: AnnotationLevel,
    file: &str,
    line: u32,
    title: &str,
    message: String,
    directory: &str,
) -> Annotation {
    // a test that comes with matano stands in no file of the repository
    let file = if file.starts_with(managed::FILE_PREFIX) { workspace::CONFIG } else { file };
    let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
    let line = if file == workspace::CONFIG { 1 } else { (line as usize).max(1) };
    Annotation {
        path: format!("{prefix}{file}"),
        start_line: line,
        end_line: line,
        start_column: None,
        end_column: None,
        annotation_level: level,
        title: title.to_owned(),
        message,
        raw_details: None,
    }
}
