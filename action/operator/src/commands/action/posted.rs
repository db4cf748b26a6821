//! What a job shows on GitHub: check runs, the comment, the summary. A token that may only read is no error: the same is
//! in the log, in the summary and in the report.

use anyhow::{Context as _, Result};
use check::render::annotations::{Annotation, AnnotationLevel};
use github::{
    Client, CommitSha, GithubError,
    check_run::{self, Conclusion, Output},
    comment::{Marker, ShownPlan, Sticky},
    page::{self, Page},
};
use model::{digest::Digest, time::Timestamp};

use super::session::Session;
use crate::{cli::When, exit::environment};

/// What a check run says besides its annotations.
pub struct Check<'a> {
    pub name: &'a str,
    pub title: &'a str,
    pub summary: &'a str,
}

/// Puts a check run with all annotations on a commit; without a token that may, the log says so.
pub async fn check_run(
    session: &Session<'_>,
    head: &CommitSha,
    check: Check<'_>,
    annotations: &[Annotation],
) -> Result<()> {
    let Some(client) = &session.client else { return Ok(()) };
    let mistakes = annotations.iter().any(|one| one.annotation_level == AnnotationLevel::Failure);
    let conclusion = if mistakes { Conclusion::Failure } else { Conclusion::Success };
    let sent = send(client, session, head, &check, annotations, conclusion).await;
    readable(session, check.name, sent)
}

async fn send(
    client: &Client,
    session: &Session<'_>,
    head: &CommitSha,
    check: &Check<'_>,
    annotations: &[Annotation],
    conclusion: Conclusion,
) -> Result<(), GithubError> {
    let run = check_run::begin(client, check.name, head, Some(&session.runner.run_url)).await?;
    let output = Output { title: check.title, summary: check.summary };
    check_run::end(client, &run, output, annotations, conclusion).await
}

/// What a job says when the token may not write.
fn readable(session: &Session<'_>, what: &str, sent: Result<(), GithubError>) -> Result<()> {
    match sent {
        Ok(()) => Ok(()),
        Err(error) if error.is_read_only() => {
            session.notice(&format!(
                "{what}: the token may only read, as in pull requests of forks: see the job's log and summary"
            ));
            Ok(())
        }
        Err(error) => Err(error).with_context(|| what.to_owned()),
    }
}

/// Where the comment goes.
pub struct Place<'a> {
    pub number: u64,
    pub project: &'a str,
    pub head: &'a CommitSha,
}

/// What the comment shows now, if there is one.
pub async fn shown(session: &Session<'_>, client: &Client, place: &Place<'_>) -> Result<Option<github::comment::Own>> {
    sticky(session, client, place).find().await.context("read the comment")
}

/// Writes the comment, as the options say; `plan` is the digest of the plan in it.
pub async fn comment(
    session: &mut Session<'_>,
    place: &Place<'_>,
    page: &Page<'_>,
    plan: Option<Digest>,
) -> Result<()> {
    let when = session.options.comment;
    let Some(client) = session.client.clone().filter(|_| when != When::Never) else {
        return match when {
            When::Always => Err(environment("`comment: always` needs a token: give one with --token or GITHUB_TOKEN")),
            When::Auto | When::Never => Ok(()),
        };
    };
    match write(session, &client, place, page, plan).await {
        Ok(url) => {
            session.output("comment-url", url);
            Ok(())
        }
        Err(error) if when == When::Auto => readable(session, "the comment", Err(error)),
        Err(error) => Err(error).context("the comment"),
    }
}

async fn write(
    session: &Session<'_>,
    client: &Client,
    place: &Place<'_>,
    page: &Page<'_>,
    plan: Option<Digest>,
) -> Result<String, GithubError> {
    let sticky = sticky(session, client, place);
    let before = sticky.find().await?.map(|own| own.marker);
    let marker = Marker {
        project: place.project.to_owned(),
        run: session.runner.run,
        head: place.head.clone(),
        plan: plan.map(|digest| ShownPlan { digest, since: since(before.as_ref(), place.head, digest, client) }),
    };
    let line = marker.line();
    let body = format!("{line}\n{}", page::render(page, page::COMMENT_BYTES - line.len() - 1));
    let written = sticky.put(&marker, &body).await?;
    if written.author != session.options.author {
        session.notice(&format!(
            "the token writes as `{}`: give --author `{}`, or every run writes a comment of its own",
            written.author, written.author
        ));
    }
    if !written.is_ours {
        session.notice("a newer run has written the comment: this one left it alone");
    }
    Ok(written.url)
}

/// A plan that was shown for this commit already has been there since then. In whole seconds, as GitHub writes times.
fn since(before: Option<&Marker>, head: &CommitSha, digest: Digest, client: &Client) -> Timestamp {
    let before = before.filter(|marker| marker.head == *head).and_then(|marker| marker.plan);
    match before {
        Some(shown) if shown.digest == digest => shown.since,
        Some(_) | None => {
            let seconds = client.clock().now().seconds_since(Timestamp::EPOCH);
            Timestamp::EPOCH.plus_seconds(seconds)
        }
    }
}

fn sticky<'a>(session: &'a Session<'_>, client: &'a Client, place: &Place<'a>) -> Sticky<'a> {
    Sticky { client, number: place.number, author: &session.options.author, project: place.project }
}
