//! Other engines read the lake: PyIceberg must see the values that matano's own SQL sees, DuckDB and Polars as many rows.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    demo::{self, Start},
    step::{environment, headline, root, run, say, target},
};

/// Where the real objects stand where they are available; they are no part of the project.
const REAL_OBJECTS: &str = "../shared/data/cloudtrail-stratus";

/// Runs the demo, then compares every table of its lake.
pub fn run_readers() -> Result<()> {
    demo::run_demo(Start::Fresh)?;
    let before = demo::ask(&["--output", "json", "info"])?;
    headline("the demo again changes nothing");
    demo::run_demo(Start::Continue)?;
    let after = demo::ask(&["--output", "json", "info"])?;
    if before != after {
        bail!("a second run changed something:\n{before}\n{after}");
    }
    compare("demo/repo")?;
    real_objects()
}

fn compare(repo: &str) -> Result<()> {
    let python = environment("readers")?;
    let repo = target().join(repo);
    let mut command = Command::new(python);
    // the faster planner is a package of its own, and says so loudly
    command.env("POLARS_ICEBERG_PLANNER", "pyiceberg");
    command.arg(root().join("xtask/readers/compare.py")).arg(target().join("debug/matano")).arg(&repo);
    run(&format!("engines agree on {}", repo.display()), &mut command)
}

/// The 55 real objects: exactly 2,900 rows and no rejects, and none more the second time.
fn real_objects() -> Result<()> {
    let objects = root().join(REAL_OBJECTS);
    if !objects.is_dir() {
        say("\nthe real CloudTrail objects are not on this machine: left out");
        return Ok(());
    }
    headline("real CloudTrail objects");
    let repo = target().join("real/repo");
    if let Some(parent) = repo.parent().filter(|parent| parent.exists()) {
        fs::remove_dir_all(parent).with_context(|| format!("remove {}", parent.display()))?;
    }
    let binary = target().join("debug/matano");
    let matano = |arguments: &[&str]| -> Result<Value> {
        let output =
            Command::new(&binary).arg("--project").arg(&repo).args(["--output", "json"]).args(arguments).output();
        let output = output.context("start matano")?;
        // 1 are findings: there is no Slack here to deliver to
        if !matches!(output.status.code(), Some(0 | 1)) {
            bail!("matano {}: {}\n{}", arguments.join(" "), output.status, String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).with_context(|| format!("matano {} wrote no JSON", arguments.join(" ")))
    };
    let init = Command::new(&binary).args(["init", "--yes"]).arg(&repo).output().context("start matano")?;
    if !init.status.success() {
        bail!("matano init: {}", String::from_utf8_lossy(&init.stderr));
    }
    matano(&["deploy", "--yes"])?;
    let mut paths: Vec<String> = Vec::new();
    for entry in fs::read_dir(&objects).with_context(|| format!("read {}", objects.display()))? {
        let path = entry?.path().display().to_string();
        paths.extend(path.ends_with(".json.gz").then_some(path));
    }
    let ingest: Vec<&str> =
        ["ingest", "--source", "aws_cloudtrail"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let first = matano(&ingest)?;
    expect(&first, "objects", 55)?;
    expect(&first, "rows", 2900)?;
    expect(&first, "rejects", 0)?;
    let second = matano(&ingest)?;
    expect(&second, "rows", 0)?;
    say("   2,900 rows, no rejects, and none more the second time");
    compare("real/repo")
}

fn expect(report: &Value, field: &str, wanted: u64) -> Result<()> {
    if report[field].as_u64() != Some(wanted) {
        bail!("expected {wanted} {field}, found {report}");
    }
    Ok(())
}
