//! Our SARIF held against the published schema and Microsoft's validator with GitHub's rules, and both against a log that
//! is wrong.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::step::{cargo, environment, headline, node_modules, root, run, say, target};

/// A project in which almost everything is wrong.
const PROJECT: &str = "action/check/tests/twenty_mistakes";

/// Validates what `matano check --sarif` writes.
pub fn run_sarif() -> Result<()> {
    run("matano", &mut cargo(&["build", "--quiet", "--package", "operator"]))?;
    let directory = target().join("sarif");
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let good = directory.join("good.sarif");
    let mut matano = Command::new(target().join("debug/matano"));
    matano.arg("--project").arg(root().join(PROJECT)).args(["check", "--sarif"]).arg(&good);
    let output = matano.output().context("start matano")?;
    if output.status.code() != Some(1) {
        bail!("matano check: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let text = fs::read_to_string(&good).with_context(|| format!("read {}", good.display()))?;

    headline("SARIF by its schema and by Microsoft's validator");
    let found = mistakes(&good)?;
    if !found.is_empty() {
        bail!("our SARIF is not valid:\n{}", found.join("\n"));
    }
    for (expected, log) in spoilt(&text)? {
        let bad = directory.join("bad.sarif");
        fs::write(&bad, log).with_context(|| format!("write {}", bad.display()))?;
        let found = mistakes(&bad)?;
        if !found.iter().any(|line| line.contains(expected)) {
            bail!("expected `{expected}` of {}, found:\n{}", bad.display(), found.join("\n"));
        }
    }
    say("   valid, and a wrong log is not");
    Ok(())
}

/// The same log with a mistake, and what must be said of it: a result without a message, and a rule that is not there.
fn spoilt(text: &str) -> Result<[(&'static str, String); 2]> {
    let log: Value = serde_json::from_str(text).context("read our SARIF")?;
    let (mut silent, mut lost) = (log.clone(), log);
    silent["runs"][0]["results"][0].as_object_mut().context("a log without results")?.remove("message");
    lost["runs"][0]["results"][0]["ruleIndex"] = json!(4711);
    Ok([("'message' is a required property", silent.to_string()), ("SARIF1009", lost.to_string())])
}

fn mistakes(log: &Path) -> Result<Vec<String>> {
    let package = node_modules("sarif")?.join(format!("@microsoft/sarif-multitool-{}", platform()));
    let check = environment("lint")?.with_file_name("check-jsonschema");
    let schema = Command::new(check).arg("--schemafile").arg(package.join("sarif-2.1.0.json")).arg(log).output();
    let schema = schema.context("start check-jsonschema")?;
    let mut found = Vec::new();
    if !schema.status.success() {
        found.push(format!("by the schema: {}", String::from_utf8_lossy(&schema.stdout)));
    }
    let program = package.join("Sarif.Multitool");
    // its package sets the mode in an install script, and those are not run
    fs::set_permissions(&program, Permissions::from_mode(0o755))
        .with_context(|| format!("allow {}", program.display()))?;
    let mut validator = Command::new(program);
    validator.args(["validate", "--rule-kind", "Sarif;Ghas"]).arg(log);
    // without it .NET looks for a library of languages
    validator.env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1");
    let output = validator.output().context("start the validator")?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    // its exit code is 0 whatever it finds
    if !words.contains("1 files scanned") {
        bail!("the validator did not work: {}\n{words}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    found.extend(words.lines().filter(|line| line.contains(": error ")).map(str::to_owned));
    Ok(found)
}

fn platform() -> &'static str {
    if cfg!(target_os = "macos") { "darwin" } else { "linux" }
}
