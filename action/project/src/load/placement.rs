//! Files that look as if they were meant, but lie where nothing looks for them.

use super::Loader;
use crate::{diagnostic::Diagnostic, rules};

/// A file that is read where it is, or one that nobody would expect to be read.
enum Place {
    Fine,
    Wrong { help: String },
}

pub fn check(loader: &mut Loader<'_>) {
    let files = loader.files;
    for (path, _) in files.iter() {
        if let Place::Wrong { help } = place(path) {
            let message = "this file is not read";
            loader.report(Diagnostic::new(&rules::MISPLACED_FILE, path, None, message).help(help));
        }
    }
    for (kind, file, sign) in [
        ("log_sources", "log_source.yml", "tables/"),
        ("detections", "detection.yml", "detect.py"),
        ("enrichment", "enrichment.yml", "data.json"),
    ] {
        for directory in files.directories(kind) {
            let directory = format!("{kind}/{directory}");
            let signs = files.below(&directory).find(|(path, _)| path.starts_with(sign)).map(|(path, _)| path);
            let other_name =
                files.below(&directory).any(|(path, _)| !path.contains('/') && is_yaml(path) && looks_like(path, file));
            if let Some(sign) = signs
                && files.get(&format!("{directory}/{file}")).is_none()
                && !other_name
            {
                let message = format!("{directory} has no {file}, so this file is not used");
                loader.report(Diagnostic::new(&rules::MISSING_FILE, &format!("{directory}/{sign}"), None, message));
            }
        }
    }
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yml") || path.ends_with(".yaml")
}

/// Whether a file's name is one of ours but for case, hyphens, a plural or the extension.
fn looks_like(name: &str, ours: &str) -> bool {
    let plain = |name: &str| {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        stem.to_lowercase().replace(['-', '_', '.'], "").trim_end_matches('s').to_owned()
    };
    plain(name) == plain(ours)
}

fn wrong(help: impl Into<String>) -> Place {
    Place::Wrong { help: help.into() }
}

fn place(path: &str) -> Place {
    let parts: Vec<&str> = path.split('/').collect();
    let elsewhere =
        |part: &&str| part.starts_with('.') || matches!(*part, "node_modules" | "fixtures" | "tests" | "docs");
    let (Some(name), false) = (parts.last().filter(|name| is_yaml(name)), parts.iter().any(elsewhere)) else {
        return Place::Fine;
    };
    match parts.as_slice() {
        ["matano.config.yml"] | ["log_sources", _, "log_source.yml"] => return Place::Fine,
        ["detections", _, "detection.yml"] | ["enrichment", _, "enrichment.yml"] => return Place::Fine,
        ["log_sources", _, "tables", ..] | ["integrations", "destinations", _] => {
            return match name.strip_suffix(".yaml") {
                Some(stem) => wrong(format!("rename it to {stem}.yml")),
                None => Place::Fine,
            };
        }
        _ => (),
    }
    for (kind, ours) in
        [("log_sources", "log_source.yml"), ("detections", "detection.yml"), ("enrichment", "enrichment.yml")]
    {
        if looks_like(name, ours) {
            return match parts.as_slice() {
                [_, directory, _] => wrong(format!("move it to {kind}/{directory}/{ours}")),
                _ => wrong(format!("move it to {kind}/<dir>/{ours}")),
            };
        }
    }
    match parts.as_slice() {
        // matano.config.yaml is told with the missing matano.config.yml
        [name] if *name == "matano.config.yaml" => Place::Fine,
        _ if looks_like(name, "matano.config.yml") => wrong("move it to matano.config.yml at the root of the project"),
        ["log_sources", directory, _] => wrong(format!("tables lie in log_sources/{directory}/tables/")),
        ["log_sources", directory, "table", name] => wrong(format!("move it to log_sources/{directory}/tables/{name}")),
        ["log_sources", name] => {
            wrong(format!("move it to log_sources/<dir>/log_source.yml, or {name} to its tables/"))
        }
        ["integrations" | "destinations", name] | ["destination" | "integration", .., name] => {
            wrong(format!("move it to integrations/destinations/{name}"))
        }
        ["integrations", "destination", name] => wrong(format!("move it to integrations/destinations/{name}")),
        _ => Place::Fine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(path: &str) -> Option<String> {
        match place(path) {
            Place::Fine => None,
            Place::Wrong { help } => Some(help),
        }
    }

    #[test]
    fn files_in_their_places_are_left_alone() {
        for path in [
            "matano.config.yml",
            "log_sources/a/log_source.yml",
            "log_sources/a/tables/default.yml",
            "detections/a/detection.yml",
            "enrichment/a/enrichment.yml",
            "integrations/destinations/slack.yml",
            ".github/workflows/detection.yml",
            "detections/a/fixtures/detection.yml",
            "detections/a/sigma.yml",
            "README.md",
        ] {
            assert_eq!(help(path), None, "{path}");
        }
    }

    #[test]
    fn files_that_were_meant_are_told_where_they_belong() {
        for (path, expected) in [
            ("detections/a/detection.yaml", "move it to detections/a/detection.yml"),
            ("detection/a/detection.yml", "move it to detections/a/detection.yml"),
            ("log_sources/a/log-source.yml", "move it to log_sources/a/log_source.yml"),
            ("log_sources/a/tables/default.yaml", "rename it to default.yml"),
            ("log_sources/a/default.yml", "tables lie in log_sources/a/tables/"),
            ("detections/detection.yml", "move it to detections/<dir>/detection.yml"),
            ("integrations/slack.yml", "move it to integrations/destinations/slack.yml"),
            ("destinations/slack.yml", "move it to integrations/destinations/slack.yml"),
            ("integrations/destinations/slack.yaml", "rename it to slack.yml"),
            ("config/matano.config.yml", "move it to matano.config.yml at the root of the project"),
        ] {
            assert_eq!(help(path).as_deref(), Some(expected), "{path}");
        }
    }
}
