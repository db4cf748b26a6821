//! The house of ARCHITECTURE.md, held: which crate may depend on which, and which one home each heavy dependency has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// Each of our crates and which of ours it may use, outside its tests.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("columns", &["model"]),
    ("transform", &["model", "columns"]),
    ("lake", &["model", "columns"]),
    ("detect", &["model", "columns"]),
    ("alert", &["model"]),
    ("store", &["model"]),
    ("transformer", &["model", "store", "transform"]),
    ("lake_writer", &["model", "store", "lake"]),
    ("detections", &["model", "columns", "store"]),
    ("alert_writer", &["model", "store", "alert"]),
    ("alert_forwarder", &["model", "store", "alert"]),
    (
        "embedded",
        &[
            "model",
            "columns",
            "store",
            "lake",
            "transform",
            "alert",
            "transformer",
            "lake_writer",
            "detections",
            "alert_writer",
            "alert_forwarder",
        ],
    ),
    ("project", &["model"]),
    ("check", &["model", "project", "transform"]),
    ("plan", &["model"]),
    ("github", &["model", "project", "check", "plan"]),
    ("editor", &["model", "project", "check"]),
    ("operator", &["model", "project", "check", "plan", "github", "editor", "embedded"]),
    ("samples", &[]),
    ("github_server", &[]),
    ("bench", &["model", "project", "samples", "columns", "transform", "lake", "detections"]),
    ("xtask", &["samples", "github_server"]),
];

/// Each heavy dependency and the only crates that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("arrow", &["columns", "transform", "lake", "detect", "embedded", "bench"]),
    ("parquet", &["columns", "detect", "bench"]),
    ("vrl", &["transform", "bench"]),
    ("iceberg", &["lake"]),
    ("iceberg-catalog-sql", &["lake"]),
    ("iceberg-storage-opendal", &["lake"]),
    ("iceberg-datafusion", &["embedded"]),
    ("datafusion", &["embedded"]),
    ("sqlx", &["lake"]),
    ("rusqlite", &["store"]),
    ("opendal", &["store", "lake"]),
    ("reqwest", &["store"]),
    ("pyo3", &["detect"]),
    ("saphyr-parser", &["project"]),
    ("jsonschema", &["project"]),
    ("ruff_python_parser", &["check"]),
    ("clap", &["operator"]),
    ("octocrab", &["github"]),
    ("lsp-server", &["editor"]),
    ("landlock", &["detect"]),
    ("seccompiler", &["detect"]),
];

/// Package name to the names of what it depends on outside its tests.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let normal = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
            (text(&package["name"]), normal.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

/// What breaks the rules, in words.
fn violations(dependencies: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut out = Vec::new();
    for (package, uses) in dependencies {
        let Some(allowed) = rooms.get(package.as_str()) else {
            out.push(format!("`{package}` has no room: add it to ROOMS and to ARCHITECTURE.md"));
            continue;
        };
        for used in uses {
            if rooms.contains_key(used.as_str()) && !allowed.contains(&used.as_str()) {
                out.push(format!("`{package}` must not depend on `{used}`"));
            }
            if let Some((_, homes)) = HOMES.iter().find(|(name, _)| name == used)
                && !homes.contains(&package.as_str())
            {
                out.push(format!("`{used}` lives in {}, not in `{package}`", homes.join(", ")));
            }
        }
    }
    out.extend(rooms.keys().filter(|room| !dependencies.contains_key(**room)).map(|room| format!("no crate `{room}`")));
    out
}

#[test]
fn every_crate_stays_in_its_room() {
    let violations = violations(&dependencies());
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn a_crate_that_leaves_its_room_is_noticed() {
    let mut dependencies = dependencies();
    dependencies.get_mut("model").unwrap().extend(["store".to_owned(), "vrl".to_owned()]);
    dependencies.insert("utils".to_owned(), vec![]);
    let violations = violations(&dependencies);
    for expected in
        ["`model` must not depend on `store`", "`vrl` lives in transform, bench, not in `model`", "`utils` has no room"]
    {
        assert!(violations.iter().any(|violation| violation.contains(expected)), "{violations:?}");
    }
}

#[test]
fn the_runtime_never_depends_on_the_action() {
    let action = ["project", "check", "plan", "github", "editor", "operator"];
    let runtime = ROOMS.iter().take_while(|(room, _)| *room != "project");
    for (room, uses) in runtime {
        assert!(!uses.iter().any(|used| action.contains(used)), "{room}");
    }
}
