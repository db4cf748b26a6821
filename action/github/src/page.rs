//! What a comment or a job summary says, as Markdown: status, findings, plan, tests, coverage, and the next step.
//!
//! Pure. Whatever comes from the project goes through [`markdown::text`] or [`markdown::code`], or stands in the plan's
//! block; nothing of it is Markdown, HTML, a mention or a workflow command.

use std::fmt::Write as _;

use check::render::{
    annotations::{Annotation, AnnotationLevel},
    markdown,
};
use plan::Plan;

use crate::{
    approval,
    report::{Coverage, CoverageChange, Fired, FiringChange, Report, Tests},
    repository::CommitSha,
};

/// GitHub takes 65,536 characters of a comment; this leaves room for its own.
pub const COMMENT_BYTES: usize = 60_000;

/// GitHub takes one mebibyte of a step's summary.
pub const SUMMARY_BYTES: usize = 1024 * 1024 - 1024;

/// A finding's words are cut here, so that one of them does not crowd out the others.
const WORDS: usize = 2000;

/// How many findings, tests and lines of a plan are shown, from the most to the least, until the text fits.
const STEPS: &[usize] = &[100_000, 20_000, 5000, 1000, 500, 200, 100, 50, 20, 10, 5, 1, 0];

/// Everything that can be said about a change.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// What the run found out; `None` after a merge.
    pub report: Option<&'a Report>,
    /// What would change or has changed.
    pub plan: Planned<'a>,
    /// How far the change is.
    pub stage: Stage<'a>,
    /// The commit.
    pub head: &'a CommitSha,
    /// The project's directory within the repository.
    pub project: &'a str,
    /// The run's page.
    pub run_url: Option<&'a str>,
}

/// The plan, or why there is none.
#[derive(Debug, Clone, Copy)]
pub enum Planned<'a> {
    /// This.
    Made(&'a Plan),
    /// None was made, because.
    Missing(&'a str),
    /// Nobody asked for one.
    NotAsked,
}

/// How far a change is.
#[derive(Debug, Clone, Copy)]
pub enum Stage<'a> {
    /// The pull request is open.
    Proposed {
        /// How many commits the base has that it lacks.
        behind: u64,
        /// The base.
        base: &'a str,
        /// How many removals need no approval.
        max_deletes: usize,
    },
    /// It was merged and applied.
    Applied {
        /// What was done, in order.
        steps: &'a [String],
    },
    /// It was merged, and nothing was applied.
    Refused {
        /// Why.
        reason: &'a str,
        /// What to do.
        advice: &'a str,
    },
    /// It was merged, and applying ended half-way.
    Failed {
        /// What was done, in order.
        steps: &'a [String],
        /// What went wrong.
        error: &'a str,
    },
    /// What is deployed is not what the project says.
    Drifted,
}

/// The text, at most so many bytes: what does not fit is left out from the ends of its lists, and said to be.
pub fn render(page: &Page<'_>, most_bytes: usize) -> String {
    let mut text = String::new();
    for most in STEPS {
        text = with(page, *most);
        if text.len() <= most_bytes {
            return text;
        }
    }
    // only fixed words are left; cut them anyway rather than be refused
    let end = text.floor_char_boundary(most_bytes);
    text.truncate(end);
    text
}

fn with(page: &Page<'_>, most: usize) -> String {
    let Page { report, plan, stage, head, project, run_url } = *page;
    let (headline, next) = status(page);
    let mut out = format!("### {headline}\n\n{next}\n");
    if let Some(report) = report {
        out.push_str(&overview(report, plan));
        out.push_str(&findings("Findings", report.findings.as_deref().unwrap_or_default(), most));
    }
    out.push_str(&planned(plan, stage, most));
    if let Some(tests) = report.and_then(|report| report.tests.as_ref()) {
        out.push_str(&tested(tests, most));
    }
    out.push_str(&applied(stage, most));
    let place = if project.is_empty() { String::new() } else { format!(" · project {}", markdown::code(project)) };
    let run = run_url.map(|url| format!(" · [run]({url})")).unwrap_or_default();
    let _ = write!(out, "\n<sub>commit {}{place}{run}</sub>\n", head.short());
    out
}

/// The headline and the next step.
fn status(page: &Page<'_>) -> (String, String) {
    let say = |headline: &str, next: String| (format!("matano: {headline}"), next);
    let (behind, base, max_deletes) = match page.stage {
        Stage::Applied { .. } => return say("✅ deployed", "This change is live.".to_owned()),
        Stage::Refused { reason, advice } => {
            return say(
                "✋ not deployed",
                format!("{}\n\n**Next:** {}", markdown::text(reason), markdown::text(advice)),
            );
        }
        Stage::Failed { error, .. } => {
            let next = "The release pointer is switched last: if it is not among the steps below, the release before is still live. \
                        Mend the cause and run the job again; what is done is not done twice.";
            return say("❌ the deploy failed", format!("{}\n\n**Next:** {next}", words(error)));
        }
        Stage::Drifted => {
            let next = "What is deployed is not what the default branch says.\n\n**Next:** run the deploy workflow, or bring \
                        what was changed by hand into the project.";
            return say("⚠️ drift", next.to_owned());
        }
        Stage::Proposed { behind, base, max_deletes } => (behind, base, max_deletes),
    };
    if page.report.is_some_and(|report| report.count(AnnotationLevel::Failure) > 0) {
        return say("❌ mistakes", "**Next:** mend the errors below; each is annotated at its line.".to_owned());
    }
    if page.report.is_some_and(Report::has_mistakes) {
        return say("❌ tests fail", "**Next:** mend the failing tests, or what they expect.".to_owned());
    }
    let Planned::Made(plan) = page.plan else {
        return say("✅ checked", "**Next:** merge when it is reviewed.".to_owned());
    };
    if !plan.problems.is_empty() {
        let next = "**Next:** mend what is marked with `!`: it would lose or misread data, and is not applied.";
        return say("❌ the plan cannot be applied", next.to_owned());
    }
    let deletions = plan.deletions();
    if deletions > max_deletes {
        let next = format!(
            "🔴 The plan removes {deletions}. **Next:** somebody with write access must agree, with a comment `{} {deletions}` or \
             the label `{}`, before it is merged. A later push needs a new approval.",
            approval::COMMAND,
            approval::LABEL
        );
        return say("✋ needs an approval", next);
    }
    if behind > 0 {
        let commits = if behind == 1 { "1 commit".to_owned() } else { format!("{behind} commits") };
        let base = markdown::code(base);
        let next = format!(
            "The base has moved: {base} has {commits} that this branch lacks. **Next:** update the branch, and the plan is made \
             anew."
        );
        return say("⚠️ the base has moved", next);
    }
    if plan.is_empty() {
        return say("✅ ready", "**Next:** merge; nothing would change on the target.".to_owned());
    }
    say("✅ ready", "**Next:** merge to deploy.".to_owned())
}

fn overview(report: &Report, plan: Planned<'_>) -> String {
    let check = match &report.findings {
        None => "not run".to_owned(),
        Some(_) => {
            let (errors, warnings) = (report.count(AnnotationLevel::Failure), report.count(AnnotationLevel::Warning));
            let notes = report.count(AnnotationLevel::Notice);
            let counts = [(errors, "error"), (warnings, "warning"), (notes, "note")];
            let counts: Vec<String> =
                counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(count, noun)).collect();
            match (errors, counts.is_empty()) {
                (0, true) => "✅ no problems".to_owned(),
                (0, false) => format!("✅ {}", counts.join(", ")),
                (_, _) => format!("❌ {}", counts.join(", ")),
            }
        }
    };
    let tests = match &report.tests {
        None => "not run".to_owned(),
        Some(Tests { passed, failed, .. }) if failed.is_empty() => format!("✅ {passed} passed"),
        Some(Tests { passed, failed, .. }) => format!("❌ {} failed, {passed} passed", failed.len()),
    };
    let plan = match plan {
        Planned::Made(plan) => plan_counts(plan),
        Planned::Missing(_) => "not made".to_owned(),
        Planned::NotAsked => "not asked for".to_owned(),
    };
    format!("\n| check | tests | plan |\n|---|---|---|\n| {check} | {tests} | {plan} |\n")
}

fn plan_counts(plan: &Plan) -> String {
    let summary = plan::summary(plan);
    let summary = summary.trim_start_matches("Plan: ").trim_end_matches('.');
    if plan.deletions() > 0 { format!("🔴 {summary}") } else { summary.to_owned() }
}

fn findings(title: &str, all: &[Annotation], most: usize) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut out = format!("\n#### {title}\n");
    if most > 0 {
        out.push_str("\n| | where | what |\n|---|---|---|\n");
    }
    for one in all.iter().take(most) {
        let level = match one.annotation_level {
            AnnotationLevel::Failure => "❌",
            AnnotationLevel::Warning => "⚠️",
            AnnotationLevel::Notice => "ℹ️",
        };
        let place = markdown::code(&format!("{}:{}", one.path, one.start_line));
        let _ = writeln!(out, "| {level} | {place} | {} ({}) |", words(&one.message), markdown::code(&one.title));
    }
    out + &left_out(all.len(), most)
}

/// Several lines of words in one cell or paragraph.
fn words(text: &str) -> String {
    let end = text.floor_char_boundary(WORDS);
    let (text, cut) = text.split_at(end);
    let lines: Vec<String> = text.lines().map(markdown::text).collect();
    format!("{}{}", lines.join("<br>"), if cut.is_empty() { "" } else { "…" })
}

fn left_out(all: usize, most: usize) -> String {
    match all.saturating_sub(most) {
        0 => String::new(),
        left_out => format!("\n{left_out} more: see the run's summary.\n"),
    }
}

fn planned(plan: Planned<'_>, stage: Stage<'_>, most: usize) -> String {
    let plan = match plan {
        Planned::NotAsked => return String::new(),
        Planned::Missing(reason) => return format!("\n#### Plan\n\nThere is none: {}\n", markdown::text(reason)),
        Planned::Made(plan) => plan,
    };
    let title = match stage {
        Stage::Applied { .. } => "What changed",
        Stage::Proposed { .. } | Stage::Refused { .. } | Stage::Failed { .. } => "Plan",
        Stage::Drifted => "What a deploy would change",
    };
    // a plan has no more lines than a project has things; every one of them matters more than a finding
    let lines = if most < 5 { most } else { most.saturating_mul(4) };
    format!("\n#### {title}\n\n{}\n{}\n", plan::markdown(plan, lines), plan::summary(plan))
}

fn tested(tests: &Tests, most: usize) -> String {
    let Tests { passed: _, failed, warnings, coverage, firing } = tests;
    let mut out = findings("Failed tests", failed, most);
    out.push_str(&findings("Warnings of tests", warnings, most));
    if !firing.is_empty() {
        out.push_str("\n#### Detections that fire differently\n\n");
        for FiringChange { detection, test, before, after } in firing.iter().take(most) {
            let (detection, test) = (markdown::code(detection), markdown::code(test));
            let _ = writeln!(out, "- {detection} in {test}: fires {}, before {}", fired(*after), fired(*before));
        }
        out.push_str(&left_out(firing.len(), most));
    }
    if let Some(CoverageChange { base, head }) = coverage {
        let _ = write!(out, "\n#### Coverage\n\n{}\n", covered(*base, *head));
    }
    out
}

fn fired(Fired { fired, rows, alerts }: Fired) -> String {
    format!(
        "on {fired} of {} ({})",
        counted(rows, "row"),
        counted(usize::try_from(alerts).unwrap_or(usize::MAX), "alert")
    )
}

fn covered(base: Option<Coverage>, head: Coverage) -> String {
    let change = |before: Option<usize>, after: usize| match before {
        Some(before) if after > before => format!(" (+{})", after - before),
        Some(before) if after < before => format!(" (🔴 −{})", before - after),
        Some(_) | None => String::new(),
    };
    let Coverage { detections, tested, techniques } = head;
    format!(
        "{tested}{} of {detections}{} detections have a test that fires and one that stays quiet; {techniques}{} techniques of \
         ATT&CK are covered.",
        change(base.map(|base| base.tested), tested),
        change(base.map(|base| base.detections), detections),
        change(base.map(|base| base.techniques), techniques),
    )
}

fn applied(stage: Stage<'_>, most: usize) -> String {
    let steps = match stage {
        Stage::Applied { steps } | Stage::Failed { steps, .. } => steps,
        Stage::Proposed { .. } | Stage::Refused { .. } | Stage::Drifted => return String::new(),
    };
    if steps.is_empty() {
        return String::new();
    }
    let mut out = "\n#### Steps\n\n".to_owned();
    for step in steps.iter().take(most) {
        let _ = writeln!(out, "- ✓ {}", markdown::text(step));
    }
    out + &left_out(steps.len(), most)
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
