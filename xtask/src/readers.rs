//! Other engines read the lake: PyIceberg, DuckDB and Polars must see the types and values that matano's own SQL sees.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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
    evolution()?;
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

/// Columns of each kind, and what becomes of them: wider, more members, new ones.
const BEFORE: &str = "    - {name: n, type: int}
    - {name: f, type: float}
    - {name: l, type: {type: list, element: string}}
    - {name: s, type: {type: struct, fields: [{name: a, type: int}]}}
    - {name: ls, type: {type: list, element: {type: struct, fields: [{name: a, type: string}]}}}
";
const AFTER: &str = "    - {name: n, type: long}
    - {name: f, type: double}
    - {name: l, type: {type: list, element: string}}
    - {name: s, type: {type: struct, fields: [{name: a, type: long}, {name: b, type: date}, {name: t, type: timestamp}]}}
    - {name: ls, type: {type: list, element: {type: struct, fields: [{name: a, type: string}, {name: b, type: boolean}]}}}
    - {name: d, type: double}
";

/// A table whose columns change between two commits, for engines to read before and after.
fn evolution() -> Result<()> {
    headline("a table that evolves");
    let repo = fresh("evolution/repo")?;
    let write = |name: &str, text: &str| -> Result<()> {
        let path = repo.join(name);
        let parent = path.parent().unwrap_or(&repo);
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    };
    write("matano.config.yml", "target: embedded\n")?;
    let rows = [
        r#"{"n": 1, "f": 0.5, "l": ["a", null], "s": {"a": 1}, "ls": [{"a": "x"}, {}]}"#,
        r#"{"n": 5000000000, "f": 0.1, "l": [], "s": {"b": "2026-03-02", "t": "2026-03-02T09:00:00.5Z"}, "ls": [{"b": true}], "d": 1e-7}"#,
    ];
    for (round, (columns, row)) in [BEFORE, AFTER].into_iter().zip(rows).enumerate() {
        let source = format!("name: web\nschema:\n  fields:\n{columns}transform: |\n  . = merge(., object!(.json))\n");
        write("log_sources/web/log_source.yml", &source)?;
        matano(&repo, &["deploy", "--yes"])?;
        let name = format!("logs/{round}.json");
        write(&name, &format!("{row}\n{{}}\n"))?;
        let report = matano(&repo, &["ingest", "--source", "web", &repo.join(&name).display().to_string()])?;
        expect(&report, "rows", 2)?;
    }
    compare("evolution/repo")
}

/// A directory under the target directory that is not there yet.
fn fresh(name: &str) -> Result<PathBuf> {
    let directory = target().join(name);
    if let Some(parent) = directory.parent().filter(|parent| parent.exists()) {
        fs::remove_dir_all(parent).with_context(|| format!("remove {}", parent.display()))?;
    }
    Ok(directory)
}

/// What a command of `matano` reports.
fn matano(repo: &Path, arguments: &[&str]) -> Result<Value> {
    let binary = target().join("debug/matano");
    let output = Command::new(binary).arg("--project").arg(repo).args(["--output", "json"]).args(arguments).output();
    let output = output.context("start matano")?;
    // 1 are findings: there is no Slack here to deliver to
    if !matches!(output.status.code(), Some(0 | 1)) {
        bail!("matano {}: {}\n{}", arguments.join(" "), output.status, String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("matano {} wrote no JSON", arguments.join(" ")))
}

/// The 55 real objects: exactly 2,900 rows and no rejects, and none more the second time.
fn real_objects() -> Result<()> {
    let objects = root().join(REAL_OBJECTS);
    if !objects.is_dir() {
        say("\nthe real CloudTrail objects are not on this machine: left out");
        return Ok(());
    }
    headline("real CloudTrail objects");
    let repo = fresh("real/repo")?;
    let binary = target().join("debug/matano");
    let init = Command::new(&binary).args(["init", "--yes"]).arg(&repo).output().context("start matano")?;
    if !init.status.success() {
        bail!("matano init: {}", String::from_utf8_lossy(&init.stderr));
    }
    matano(&repo, &["deploy", "--yes"])?;
    let mut paths: Vec<String> = Vec::new();
    for entry in fs::read_dir(&objects).with_context(|| format!("read {}", objects.display()))? {
        let path = entry?.path().display().to_string();
        paths.extend(path.ends_with(".json.gz").then_some(path));
    }
    let ingest: Vec<&str> =
        ["ingest", "--source", "aws_cloudtrail"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let first = matano(&repo, &ingest)?;
    expect(&first, "objects", 55)?;
    expect(&first, "rows", 2900)?;
    expect(&first, "rejects", 0)?;
    let second = matano(&repo, &ingest)?;
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
