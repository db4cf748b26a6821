//! What a change touches: log sources and detections by the files that differ.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use project::{Detection, Project};

use super::bench::Affected;
use crate::exit::environment;

/// Files of a git repository that differ from where a branch began, those that git does not know yet included: paths
/// relative to the project.
pub fn since(root: &Path, reference: Option<&str>) -> Result<BTreeSet<String>> {
    let reference = match reference {
        Some(reference) => reference.to_owned(),
        None => {
            let remote = git(root, &["rev-parse", "--verify", "--quiet", "origin/HEAD"]);
            if remote.is_ok() { "origin/HEAD".to_owned() } else { "main".to_owned() }
        }
    };
    let base = git(root, &["merge-base", &reference, "HEAD"]).map_err(|error| {
        environment(format!(
            "where this branch left `{reference}` is not known: {error:#}; name what to compare with, as in `--changed \
             origin/main`, and fetch enough history"
        ))
    })?;
    let base = String::from_utf8_lossy(&base).trim().to_owned();
    let differ = git(root, &["diff", "--name-only", "--no-renames", "-z", "--relative", &base, "--"])?;
    let unknown = git(root, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    let paths = differ.split(|byte| *byte == 0).chain(unknown.split(|byte| *byte == 0));
    Ok(paths.filter(|path| !path.is_empty()).map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}

fn git(root: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("start `git`, which knows what has changed")?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(environment(format!("`git {}` failed: {}", arguments.join(" "), said.trim())))
}

/// What a change of these files touches; `None` for everything.
///
/// A detection hangs on its own files, on the log sources of its tables and on detections that its code imports;
/// everything hangs on the settings, on fixtures that are shared, on enrichment and on destinations.
pub fn affected(project: &Project, paths: &BTreeSet<String>) -> Option<Affected> {
    let mut out = Affected::default();
    let mut directories: BTreeSet<&str> = BTreeSet::new();
    for path in paths {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["matano.config.yml"] | ["fixtures" | "enrichment" | "integrations", ..] => return None,
            ["detections", directory, ..] => drop(directories.insert(directory)),
            ["log_sources", directory, ..] => {
                let directory = format!("log_sources/{directory}");
                let sources = project.log_sources.values().filter(|source| source.directory == directory);
                out.log_sources.extend(sources.map(|source| source.name.clone()));
            }
            _ => (),
        }
    }
    for detection in project.detections.values() {
        let own = detection.directory.rsplit_once('/').map_or("", |(_, name)| name);
        let sees = detection
            .tables
            .iter()
            .any(|table| project.tables.get(table).is_some_and(|table| out.log_sources.contains(&table.log_source)));
        if directories.contains(own) || sees || directories.iter().any(|other| imports(detection, other)) {
            out.detections.insert(detection.name.clone());
        }
    }
    Some(out)
}

/// Whether a detection's code names another's directory in an import.
fn imports(detection: &Detection, other: &str) -> bool {
    detection.files.values().filter_map(|bytes| std::str::from_utf8(bytes).ok()).any(|text| {
        let imports =
            text.lines().map(str::trim_start).filter(|line| line.starts_with("from ") || line.starts_with("import "));
        imports.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).any(|word| word == other)
    })
}

#[cfg(test)]
mod tests {
    use project::FileSet;

    use super::*;

    const SOURCE: &str = "schema:\n  fields: [{name: n, type: long}]\ntransform: .n = 1\n";

    fn project() -> Project {
        let detection = |name: &str, table: &str| format!("name: {name}\ntables: [{table}]\n");
        let files: FileSet = [
            ("matano.config.yml", "target: embedded\n".to_owned()),
            ("log_sources/web/log_source.yml", format!("name: web\n{SOURCE}")),
            (
                "log_sources/app/log_source.yml",
                format!("name: app\ningest: {{s3_source: {{key_prefix: x/}}}}\n{SOURCE}"),
            ),
            ("detections/a/detection.yml", detection("a", "web")),
            ("detections/a/detect.py", "def detect(r):\n    return True\n".to_owned()),
            ("detections/b/detection.yml", detection("b", "app")),
            (
                "detections/b/detect.py",
                "from a.detect import detect as other\ndef detect(r):\n    return other(r)\n".to_owned(),
            ),
            ("detections/c/detection.yml", detection("c", "app")),
            ("detections/c/detect.py", "def detect(r):\n    return True\n".to_owned()),
        ]
        .into_iter()
        .collect();
        let (project, diagnostics) = project::load(&files);
        assert!(!diagnostics.iter().any(project::Diagnostic::is_error), "{diagnostics:?}");
        project
    }

    fn check(paths: &[&str], sources: &[&str], detections: &[&str]) {
        let found = affected(&project(), &paths.iter().map(|path| (*path).to_owned()).collect()).unwrap();
        assert_eq!(found.log_sources.iter().map(|name| name.as_str()).collect::<Vec<_>>(), sources, "{paths:?}");
        assert_eq!(found.detections.iter().map(|name| name.as_str()).collect::<Vec<_>>(), detections, "{paths:?}");
    }

    #[test]
    fn a_change_touches_what_hangs_on_it() {
        check(&["README.md"], &[], &[]);
        check(&["detections/c/detect.py"], &[], &["c"]);
        check(&["detections/a/fixtures/x.json"], &[], &["a", "b"]);
        check(&["log_sources/app/tables/x.yml"], &["app"], &["b", "c"]);
    }

    #[test]
    fn what_everything_hangs_on_touches_everything() {
        for path in
            ["matano.config.yml", "fixtures/login.yml", "enrichment/tor/data.json", "integrations/destinations/a.yml"]
        {
            assert_eq!(affected(&project(), &BTreeSet::from([path.to_owned()])), None, "{path}");
        }
    }
}
