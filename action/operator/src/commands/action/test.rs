//! `matano action test`: the tests of the project, those that fail at their lines.

use anyhow::Result;
use check::render::{
    annotations::{Annotation, AnnotationLevel},
    workflow_commands,
};

use super::{findings, posted, previous, session::Session};
use crate::{
    commands::test::{
        bench::{self, Settings, Subject},
        junit, report,
    },
    exit::Outcome,
    judge, target,
};

/// Findings are failed tests.
pub async fn run(session: &mut Session<'_>) -> Result<Outcome> {
    let judged = judge::judge(session.global.project.as_deref()).await?;
    let directory = findings::directory(&judged);
    let (bundle, origin) = target::lower(judged, session.terminal)?;
    let release = bundle.release.clone();
    let subject = Subject { project: &origin.project, root: &origin.root, bundle };
    let results = bench::run(subject, &Settings::default(), &|_| ())?;
    let before = previous::before(session, &origin).await;
    session.fenced(|| report::show(&results, report::Tables::Left, session.terminal))?;

    let tests = findings::tests(&results, before.as_ref(), &directory);
    let annotations: Vec<Annotation> = tests.failed.iter().chain(&tests.warnings).cloned().collect();
    for annotation in &annotations {
        session.command(&workflow_commands::annotation(annotation));
    }
    session.output("passed", tests.passed);
    session.output("failed", tests.failed.len());
    let path = session.write("junit.xml", junit::xml(&results)?.as_bytes())?;
    session.output("junit", path.display());

    let title = format!("{} passed, {} failed", tests.passed, tests.failed.len());
    let mut found = session.report(&directory);
    (found.tests, found.release) = (Some(tests), Some(release));
    session.save(&found)?;
    let mut only = found.clone();
    only.findings = None;
    session.summarize(&only)?;
    let check = posted::Check { name: "matano test", title: &title, summary: &title };
    posted::check_run(session, &found.head, check, &annotations).await?;
    let failed = annotations.iter().any(|one| one.annotation_level == AnnotationLevel::Failure);
    Ok(if failed { Outcome::Findings } else { Outcome::Fine })
}
