//! `matano init`: a new detections repo from the template, cut to what the user has.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};
use dialoguer::{Input, MultiSelect};
use include_dir::{Dir, DirEntry, include_dir};
use project::yaml::Doc;

use crate::{
    cli::Init,
    exit::{Outcome, environment, input},
    terminal::Terminal,
    workspace::CONFIG,
};

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../project-template");

/// Where the template's Slack destination stands.
const SLACK: &str = "integrations/destinations/secops_slack.yml";

/// Where the template's workflows stand.
const WORKFLOWS: &str = ".github/workflows/";

/// How they name the Action: by the version of this program.
const ACTION: &str = concat!("matano/matano@v", env!("CARGO_PKG_VERSION"));

/// What the new repo gets.
struct Choice {
    log_sources: BTreeSet<String>,
    slack_channel: Option<String>,
}

/// Makes the directory; an existing file is never overwritten.
pub fn run(arguments: &Init, terminal: Terminal) -> Result<Outcome> {
    let directory = &arguments.directory;
    if directory.join(CONFIG).exists() {
        return Err(environment(format!("`{}` is a detections repo already", directory.display())));
    }
    let choice = choose(arguments, terminal)?;
    let files = files(&choice)?;
    if let Some((taken, _)) = files.iter().find(|(name, _)| directory.join(name).exists()) {
        return Err(environment(format!(
            "`{}` is in the way: choose another directory, or move it",
            directory.join(taken).display()
        )));
    }
    for (name, bytes) in &files {
        let path = directory.join(name);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    report(directory, &files, terminal)?;
    Ok(Outcome::Fine)
}

fn report(directory: &Path, files: &[(String, Vec<u8>)], terminal: Terminal) -> Result<()> {
    if terminal.is_json() {
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        return terminal.json(&serde_json::json!({ "directory": directory, "files": names }));
    }
    for (name, _) in files {
        terminal.line(&format!("{} {}", terminal.paint("32", "+"), directory.join(name).display()));
    }
    terminal.line("\nNext:");
    if directory != Path::new(".") {
        terminal.line(&format!("  cd {}", directory.display()));
    }
    terminal.line("  matano check && matano test\n  matano deploy\n  matano ingest PATH-TO-LOGS");
    Ok(())
}

fn choose(arguments: &Init, terminal: Terminal) -> Result<Choice> {
    let offered = offered();
    let ask = terminal.is_interactive() && !arguments.yes;
    let log_sources = if !arguments.log_sources.is_empty() {
        for wanted in &arguments.log_sources {
            if !offered.contains(wanted) {
                return Err(input(format!(
                    "there is no log source `{wanted}` in the template, only {}; write others in log_sources/",
                    offered.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
                )));
            }
        }
        arguments.log_sources.iter().cloned().collect()
    } else if ask {
        let items: Vec<&String> = offered.iter().collect();
        let chosen = MultiSelect::new()
            .with_prompt("Log sources to start with (space chooses, enter goes on)")
            .items(&items)
            .defaults(&vec![true; items.len()])
            .interact()?;
        chosen.into_iter().map(|index| items[index].clone()).collect()
    } else {
        offered
    };
    let slack_channel = match &arguments.slack_channel {
        Some(channel) => Some(channel.clone()),
        None if ask => {
            let prompt = "Slack channel for alerts (empty for the template's)";
            let channel: String = Input::new().with_prompt(prompt).allow_empty(true).interact_text()?;
            (!channel.trim().is_empty()).then(|| channel.trim().to_owned())
        }
        None => None,
    };
    if let Some(channel) = &slack_channel
        && !channel.trim_start_matches('#').chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
    {
        return Err(input(format!(
            "`{channel}` is no Slack channel: expected a name like `#security-alerts` or an id"
        )));
    }
    Ok(Choice { log_sources, slack_channel })
}

/// The log sources of the template.
fn offered() -> BTreeSet<String> {
    let sources = TEMPLATE.get_dir("log_sources").map(Dir::dirs).into_iter().flatten();
    sources.filter_map(|source| Some(source.path().file_name()?.to_str()?.to_owned())).collect()
}

/// The template's files that go with the choice.
fn files(choice: &Choice) -> Result<Vec<(String, Vec<u8>)>> {
    let mut out = Vec::new();
    collect(&TEMPLATE, choice, &mut out)?;
    Ok(out)
}

fn collect(directory: &Dir<'_>, choice: &Choice, out: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in directory.entries() {
        match entry {
            DirEntry::Dir(inner) => {
                if is_wanted(inner, choice) {
                    collect(inner, choice, out)?;
                }
            }
            DirEntry::File(file) => {
                let name = file.path().to_str().context("the template's file names are UTF-8")?.replace('\\', "/");
                let bytes = match (&choice.slack_channel, name.as_str()) {
                    (Some(channel), SLACK) => {
                        with_channel(file.contents_utf8().unwrap_or_default(), channel).into_bytes()
                    }
                    (Some(_) | None, workflow) if workflow.starts_with(WORKFLOWS) => {
                        pinned(file.contents_utf8().unwrap_or_default(), option_env!("MATANO_COMMIT")).into_bytes()
                    }
                    (Some(_) | None, _) => file.contents().to_vec(),
                };
                out.push((name, bytes));
            }
        }
    }
    Ok(())
}

/// A log source that was chosen; a detection whose tables all come from chosen ones; everything else.
fn is_wanted(directory: &Dir<'_>, choice: &Choice) -> bool {
    let path = directory.path();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match path.parent().and_then(Path::to_str) {
        Some("log_sources") => choice.log_sources.contains(name),
        Some("detections") => {
            let left_out = offered().into_iter().filter(|source| !choice.log_sources.contains(source));
            let left_out: Vec<String> = left_out.collect();
            !tables(directory).iter().any(|table| left_out.iter().any(|source| table.starts_with(source.as_str())))
        }
        Some(_) | None => true,
    }
}

/// The tables that a detection of the template reads.
fn tables(detection: &Dir<'_>) -> Vec<String> {
    let file = detection.get_file(detection.path().join("detection.yml"));
    let doc = file.and_then(|file| Doc::parse("detection.yml", file.contents(), &mut Vec::new()));
    let tables = doc.and_then(|doc| doc.to_value().get("tables").and_then(|tables| tables.as_array().cloned()));
    tables.into_iter().flatten().filter_map(|table| table.as_str().map(str::to_owned)).collect()
}

/// A released program knows the commit that it was built from: a tag can be moved, a commit cannot.
fn pinned(workflow: &str, commit: Option<&str>) -> String {
    match commit {
        Some(commit) => workflow.replace(ACTION, &format!("matano/matano@{commit} # v{}", env!("CARGO_PKG_VERSION"))),
        None => workflow.to_owned(),
    }
}

fn with_channel(yaml: &str, channel: &str) -> String {
    let mut out = String::new();
    for line in yaml.lines() {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().starts_with("channel:") {
            out.push_str(&format!("{}channel: \"{channel}\"", &line[..indent]));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workflows_name_the_action_of_this_version_and_a_release_pins_it_to_its_commit() {
        let workflows = TEMPLATE.get_dir(".github/workflows").expect("the template has workflows");
        assert_eq!(workflows.files().count(), 4);
        for file in workflows.files() {
            let text = file.contents_utf8().expect("a workflow is text");
            assert_eq!(text.matches("matano/matano@").count(), text.matches(ACTION).count(), "{:?}", file.path());
            let pinned = pinned(text, Some("0123456789012345678901234567890123456789"));
            assert!(pinned.contains("uses: matano/matano@0123456789012345678901234567890123456789 # v"), "{pinned}");
            assert!(!pinned.contains(ACTION));
        }
    }
}
