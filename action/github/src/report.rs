//! What one run found out about a commit, as data: what an untrusted job hands to the trusted one, and what comments are
//! made of.

use check::render::annotations::{Annotation, AnnotationLevel};
use model::release::Release;
use serde::{Deserialize, Serialize};

use crate::repository::CommitSha;

/// The format this code writes. A reader takes its own and nothing else: both jobs run the same version of matano.
pub const FORMAT: u32 = 1;

/// A project is a directory of a repository, not a way out of it.
const PROJECT_BYTES: usize = 1024;

/// More findings than this are no honest report.
const FINDINGS: usize = 100_000;

/// What one run found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`]
    pub format: u32,
    /// The commit.
    pub head: CommitSha,
    /// The pull request, as the run claims.
    pub pull_request: Option<u64>,
    /// The project's directory within the repository; empty where it is the repository.
    pub project: String,
    /// What `check` found, errors first; `None` where it was not run.
    pub findings: Option<Vec<Annotation>>,
    /// The findings as SARIF, for code scanning.
    pub sarif: Option<String>,
    /// What `test` found; `None` where it was not run.
    pub tests: Option<Tests>,
    /// What the project makes; `None` where it has errors.
    pub release: Option<Release>,
}

/// How the tests ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tests {
    /// How many passed.
    pub passed: usize,
    /// Those that failed, at their lines.
    pub failed: Vec<Annotation>,
    /// What is worth a look and fails nothing.
    pub warnings: Vec<Annotation>,
    /// How much is tested, before and after.
    pub coverage: Option<CoverageChange>,
    /// Tests in which a detection fires on other rows than before.
    pub firing: Vec<FiringChange>,
}

/// How much is tested, before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageChange {
    /// Of the commit that the change starts from, where it is known.
    pub base: Option<Coverage>,
    /// Of the change.
    pub head: Coverage,
}

/// How much is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// How many detections there are.
    pub detections: usize,
    /// How many have a test in which they fire and one in which they stay quiet.
    pub tested: usize,
    /// How many techniques of ATT&CK they name.
    pub techniques: usize,
}

/// A detection that fires on other rows of a test than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiringChange {
    /// The detection.
    pub detection: String,
    /// The test.
    pub test: String,
    /// As it was.
    pub before: Fired,
    /// As it is.
    pub after: Fired,
}

/// How often a detection fires in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// On how many rows.
    pub fired: usize,
    /// Of how many.
    pub rows: usize,
    /// How many alerts come of it.
    pub alerts: u64,
}

/// Why a report is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It is no report.
    #[error("the report is refused: {0}")]
    Malformed(String),
    /// Another version wrote it.
    #[error("the report has format {found}, expected {FORMAT}: use the same version of matano in all workflows")]
    Format {
        /// Its format.
        found: u32,
    },
    /// It is about another commit.
    #[error("the report is about commit {found}, but the run was for {expected}: it is not to be trusted")]
    OtherCommit {
        /// What the run was for.
        expected: CommitSha,
        /// What the report says.
        found: CommitSha,
    },
}

impl Report {
    /// With nothing in it yet.
    pub fn new(head: CommitSha, pull_request: Option<u64>, project: &str) -> Self {
        let project = project.to_owned();
        Self { format: FORMAT, head, pull_request, project, findings: None, sarif: None, tests: None, release: None }
    }

    /// As it is written to `report.json`.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a report has string keys and no floats")
    }

    /// Reads a report that anyone may have written. The format is looked at before anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let malformed = |error: serde_json::Error| ReportError::Malformed(error.to_string());
        let Format { format } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format != FORMAT {
            return Err(ReportError::Format { found: format });
        }
        let report: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        report.checked()
    }

    /// The same report, if it is the one of this commit.
    pub fn of_commit(self, head: &CommitSha) -> Result<Self, ReportError> {
        if self.head == *head {
            return Ok(self);
        }
        Err(ReportError::OtherCommit { expected: head.clone(), found: self.head })
    }

    fn checked(self) -> Result<Self, ReportError> {
        let refuse = |problem: String| Err(ReportError::Malformed(problem));
        let leaves = self.project.split('/').any(|part| part == "..") || self.project.starts_with('/');
        if leaves || self.project.len() > PROJECT_BYTES {
            return refuse("`project` is no directory of the repository".to_owned());
        }
        let annotations = self.annotations();
        if annotations.len() > FINDINGS {
            return refuse(format!("it has {} findings, expected {FINDINGS} at most", annotations.len()));
        }
        if self.sarif.as_ref().is_some_and(|sarif| !is_sarif(sarif)) {
            return refuse("`sarif` is no SARIF 2.1.0".to_owned());
        }
        if let Some(wrong) = annotations.iter().find(|one| one.start_line == 0 || one.end_line < one.start_line) {
            return refuse(format!("a finding has the lines {} to {}", wrong.start_line, wrong.end_line));
        }
        Ok(self)
    }

    /// How many findings have this level.
    pub fn count(&self, level: AnnotationLevel) -> usize {
        self.findings.iter().flatten().filter(|one| one.annotation_level == level).count()
    }

    /// Whether anything keeps the change from being merged.
    pub fn has_mistakes(&self) -> bool {
        self.count(AnnotationLevel::Failure) > 0 || self.tests.as_ref().is_some_and(|tests| !tests.failed.is_empty())
    }

    /// Findings, failed tests and their warnings, for a check run.
    pub fn annotations(&self) -> Vec<Annotation> {
        let tests = self.tests.iter().flat_map(|tests| tests.failed.iter().chain(&tests.warnings));
        self.findings.iter().flatten().chain(tests).cloned().collect()
    }
}

/// Whether text says of itself that it is what code scanning takes; code scanning looks closer.
fn is_sarif(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Log {
        version: String,
    }
    serde_json::from_str(text).is_ok_and(|Log { version }| version == "2.1.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let head = CommitSha::parse("1111111111111111111111111111111111111111").unwrap();
        let finding = Annotation {
            path: "detections/a/detection.yml".to_owned(),
            start_line: 3,
            end_line: 3,
            start_column: Some(1),
            end_column: None,
            annotation_level: AnnotationLevel::Warning,
            title: "untested-detection".to_owned(),
            message: "no tests".to_owned(),
            raw_details: None,
        };
        let tests = Tests { passed: 2, ..Tests::default() };
        let sarif = Some("{\"version\":\"2.1.0\"}".to_owned());
        Report { findings: Some(vec![finding]), sarif, tests: Some(tests), ..Report::new(head, Some(7), "soc") }
    }

    fn problem(change: impl Fn(&mut Report)) -> String {
        let mut report = report();
        change(&mut report);
        Report::parse(&report.to_json()).unwrap_err().to_string()
    }

    #[test]
    fn a_report_is_read_back_as_it_was_written() {
        let report = report();
        assert_eq!(Report::parse(&report.to_json()), Ok(report));
    }

    #[test]
    fn a_report_of_another_format_is_refused_before_anything_else_of_it_is_read() {
        assert_eq!(Report::parse(br#"{"format": 2, "head": 7}"#), Err(ReportError::Format { found: 2 }));
    }

    #[test]
    fn a_report_that_leaves_the_repository_or_makes_no_sense_is_refused() {
        assert!(problem(|report| report.project = "../other".to_owned()).contains("`project`"));
        assert!(problem(|report| report.project = "/etc".to_owned()).contains("`project`"));
        assert!(problem(|report| report.project = "x".repeat(2000)).contains("`project`"));
        assert!(problem(|report| report.sarif = Some("{}".to_owned())).contains("SARIF"));
        assert!(problem(|report| report.findings.as_mut().unwrap()[0].end_line = 2).contains("the lines 3 to 2"));
        for bytes in [b"".as_slice(), b"[]", b"{\"format\":1}", &[b'['; 100_000]] {
            assert!(matches!(Report::parse(bytes), Err(ReportError::Malformed(_))));
        }
    }

    #[test]
    fn a_report_of_another_commit_is_not_believed() {
        let other = CommitSha::parse("2222222222222222222222222222222222222222").unwrap();
        assert!(matches!(report().of_commit(&other), Err(ReportError::OtherCommit { .. })));
    }
}
