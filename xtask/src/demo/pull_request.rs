//! A pull request's life: a bad change, a good one, the merge. The template's own workflows run on a runner's environment,
//! and what people would read on GitHub is printed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::runner::{GitHub, REPOSITORY, Run, Trigger};
use crate::step::{cargo, headline, python, run, say, target};

/// What a pull request's jobs may do: read.
const READ: &str = "read-token";
/// What a job with `pull-requests: write` may do.
const WRITE: &str = "write-token";

/// Plays it; everything that it shows is also held to be so.
pub fn run_pull_request() -> Result<()> {
    python()?;
    run("build", &mut cargo(&["build", "--package", "operator", "--package", "detect"]))?;
    let directory = target().join("demo-pull-request");
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("remove {}", directory.display()))?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    let binary = target().join("debug/matano");
    let mut story = Story { github: GitHub::start(&directory, &binary)?, binary };
    story.begin()?;
    story.bad_change()?;
    story.good_change()?;
    story.merge()?;
    headline("done");
    Ok(())
}

struct Story {
    github: GitHub,
    binary: PathBuf,
}

impl Story {
    /// A repository from the template, deployed by its own workflow.
    fn begin(&mut self) -> Result<()> {
        let repository = self.github.repository();
        run("matano init", Command::new(&self.binary).args(["init", "--yes"]).arg(&repository))?;
        self.github.git(&["init", "--quiet"])?;
        self.commit("Start with the template")?;
        let main = self.github.git(&["rev-parse", "main"])?;
        self.github.server().world().repository(REPOSITORY).branches.insert("main".to_owned(), main);
        let deployed = self.deploy()?;
        ensure!(deployed.conclusion == "success", "the first deploy: {}", deployed.log);
        Ok(())
    }

    fn bad_change(&mut self) -> Result<()> {
        headline("a pull request with mistakes");
        self.github.git(&["checkout", "--quiet", "-b", "tighter-root-login"])?;
        self.edit("detections/aws_root_login/detection.yml", "tables: [aws_cloudtrail]", "tables: [aws_cloudtrial]")?;
        self.edit("detections/vpc_port_scan/detect.py", "source_ip", "sourceip")?;
        let head = self.commit("Tighten the root login")?;
        let number = self.github.server().world().open_pull(REPOSITORY, REPOSITORY, "tighter-root-login", &head);
        let checked = self.pull_request(number, &head)?;
        ensure!(checked.conclusion == "failure", "a bad change passed: {}", checked.log);
        ensure!(checked.summary.contains("aws_cloudtrial"), "the job summary does not name the mistake");
        let annotations: Vec<&str> = checked.log.lines().filter(|line| line.starts_with("::error ")).collect();
        say(&annotations.join("\n"));
        ensure!(
            annotations.iter().any(|line| line.contains("file=detections/aws_root_login/detection.yml,line=")),
            "no annotation at the mistake: {}",
            checked.log
        );
        self.plan(number, &head, &checked)?;
        let comment = self.github.comment(number)?;
        show("its comment", &comment);
        ensure!(comment.contains("aws_cloudtrial"), "the comment does not name the mistake");
        Ok(())
    }

    fn good_change(&mut self) -> Result<()> {
        headline("a second push, without mistakes");
        self.github.git(&["checkout", "--quiet", "main", "--", "detections"])?;
        let detection = self.github.repository().join("detections/aws_access_key_created");
        write(&detection.join("detection.yml"), NEW_DETECTION)?;
        write(&detection.join("detect.py"), NEW_PYTHON)?;
        let head = self.commit("Tell of new access keys")?;
        let number = 1;
        self.github.server().world().push(REPOSITORY, number, &head);
        let checked = self.pull_request(number, &head)?;
        ensure!(checked.conclusion == "success", "a good change failed: {}", checked.log);
        let planned = self.plan(number, &head, &checked)?;
        ensure!(planned.conclusion == "success", "the plan: {}", planned.log);
        let comment = self.github.comment(number)?;
        show("the same comment, edited", &comment);
        ensure!(comment.contains("aws_access_key_created"), "the comment does not show the plan");
        Ok(())
    }

    fn merge(&mut self) -> Result<()> {
        headline("the merge");
        let number = 1;
        self.github.git(&["checkout", "--quiet", "main"])?;
        self.github.git(&["merge", "--quiet", "--no-ff", "-m", "Merge pull request #1", "tighter-root-login"])?;
        let merged = self.github.git(&["rev-parse", "main"])?;
        self.github.server().world().merge(REPOSITORY, number, &merged);
        let deployed = self.deploy()?;
        ensure!(deployed.conclusion == "success", "the deploy: {}", deployed.log);
        let comment = self.github.comment(number)?;
        show("the same comment, now the report", &comment);
        ensure!(comment.contains("deployed"), "the comment is no report: {}", deployed.log);
        let drift = self.drift()?;
        ensure!(drift.conclusion == "success", "drift right after a deploy: {}", drift.log);
        Ok(())
    }

    /// The workflow of the pull request, on its merge with the base.
    fn pull_request(&mut self, number: u64, head: &str) -> Result<Run> {
        let base = self.github.git(&["rev-parse", "main"])?;
        let tree = self.github.git(&["merge-tree", "--write-tree", "main", head])?;
        let merge = self.github.git(&["commit-tree", &tree, "-p", &base, "-p", head, "-m", "Merge"])?;
        let git_ref = format!("refs/pull/{number}/merge");
        self.github.git(&["update-ref", &git_ref, &merge])?;
        let side = |name: &str, sha: &str| json!({"ref": name, "sha": sha, "repo": repository()});
        let event = json!({
            "action": "synchronize",
            "number": number,
            "pull_request": {
                "number": number,
                "head": side("tighter-root-login", head),
                "base": side("main", &base),
                "user": {"login": "dana"},
            },
            "repository": repository(),
            "sender": {"login": "dana"},
        });
        let workflow = ("matano-pull-request.yml", "check");
        self.github.run(&Trigger { workflow, event: ("pull_request", event), sha: merge, git_ref, token: READ })
    }

    /// The workflow that follows, on the default branch.
    fn plan(&mut self, number: u64, head: &str, checked: &Run) -> Result<Run> {
        let main = self.github.git(&["rev-parse", "main"])?;
        let event = json!({
            "action": "completed",
            "workflow_run": {
                "id": checked.id,
                "run_attempt": 1,
                "name": "matano pull request",
                "event": "pull_request",
                "head_sha": head,
                "head_branch": "tighter-root-login",
                "head_repository": repository(),
                "repository": repository(),
                "conclusion": checked.conclusion,
                "pull_requests": [{"number": number}],
            },
            "repository": repository(),
            "sender": {"login": "dana"},
        });
        self.github.run(&Trigger {
            workflow: ("matano-plan.yml", "plan"),
            event: ("workflow_run", event),
            sha: main,
            git_ref: "refs/heads/main".to_owned(),
            token: WRITE,
        })
    }

    fn deploy(&mut self) -> Result<Run> {
        let main = self.github.git(&["rev-parse", "main"])?;
        let event = json!({
            "ref": "refs/heads/main",
            "after": main,
            "head_commit": {"id": main},
            "repository": repository(),
            "sender": {"login": "dana"},
        });
        self.on_main("matano-deploy.yml", "deploy", ("push", event))
    }

    fn drift(&mut self) -> Result<Run> {
        let event = json!({"schedule": "17 3 * * *", "repository": repository()});
        self.on_main("matano-drift.yml", "drift", ("schedule", event))
    }

    fn on_main(&mut self, workflow: &str, job: &str, event: (&str, Value)) -> Result<Run> {
        let sha = self.github.git(&["rev-parse", "main"])?;
        let git_ref = "refs/heads/main".to_owned();
        self.github.run(&Trigger { workflow: (workflow, job), event, sha, git_ref, token: WRITE })
    }

    fn commit(&self, message: &str) -> Result<String> {
        self.github.git(&["add", "--all"])?;
        self.github.git(&["commit", "--quiet", "-m", message])?;
        self.github.git(&["rev-parse", "HEAD"])
    }

    fn edit(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let path = self.github.repository().join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        ensure!(text.contains(from), "{file} does not contain `{from}`");
        write(&path, &text.replace(from, to))
    }
}

fn repository() -> Value {
    let (owner, name) = REPOSITORY.split_once('/').unwrap_or_default();
    json!({"full_name": REPOSITORY, "name": name, "owner": {"login": owner}, "default_branch": "main", "fork": false})
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    }
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn show(title: &str, markdown: &str) {
    headline(title);
    say(markdown);
}

const NEW_DETECTION: &str = "\
name: aws_access_key_created
display_name: AWS access key created for another user
references: [https://attack.mitre.org/techniques/T1098/001/]
tags: [attack.persistence, attack.t1098.001, aws]
tables: [aws_cloudtrail]
alert:
  severity: medium
  destinations: [secops_slack]
tests:
  - name: a key for somebody else
    event: {event: {action: CreateAccessKey, outcome: success}, user: {name: dana, target.name: backup}}
    fires: true
    expect: {title: dana made an access key for backup}
  - name: a key of one's own
    event: {event: {action: CreateAccessKey, outcome: success}, user.name: dana}
    fires: false
";

const NEW_PYTHON: &str = "\
def detect(r):
    return (
        r.deepget(\"event.action\") == \"CreateAccessKey\"
        and r.deepget(\"event.outcome\") == \"success\"
        and r.deepget(\"user.target.name\") is not None
    )


def title(r):
    return f\"{r.deepget('user.name')} made an access key for {r.deepget('user.target.name')}\"
";
