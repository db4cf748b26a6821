//! `matano destroy`: takes the release away; data only where each table is named.

use anyhow::Result;
use dialoguer::{Confirm, Input};
use model::name::TableName;
use serde_json::json;

use crate::{
    cli::{Destroy, Global},
    exit::{Outcome, environment, input},
    target,
    terminal::{Terminal, grouped},
};

/// Without `--delete-data` nothing is lost: the next deploy brings everything back.
pub async fn run(global: &Global, arguments: &Destroy, terminal: Terminal) -> Result<Outcome> {
    let target = target::open_deployed(global, 1).await?;
    let (release, tables) = (target.deployed()?, target.tables().await?);
    let mut doomed: Vec<TableName> = Vec::new();
    for name in &arguments.tables {
        match tables.get_key_value(name.as_str()) {
            Some((name, _)) => doomed.push(name.clone()),
            None => return Err(input(format!("there is no table `{name}`"))),
        }
    }
    if arguments.delete_data && doomed.is_empty() {
        let names: Vec<String> = tables.keys().map(|name| format!("--table {name}")).collect();
        return Err(input(format!("--delete-data deletes only what is named: {}", names.join(" "))));
    }
    if let Some(release) = &release {
        terminal.note(&format!("release {} will be taken away; tables and rows stay", release.id().short()));
    }
    for name in &doomed {
        let rows = tables.get(name).map_or(0, |table| table.rows);
        terminal.note(
            &terminal.paint("31", &format!("table {name} and its {} rows will be deleted for good", grouped(rows))),
        );
    }
    if !arguments.yes {
        if !terminal.is_interactive() {
            return Err(environment("nobody is there to say yes: add --yes to go on without asking"));
        }
        for name in &doomed {
            let typed: String =
                Input::new().with_prompt(format!("Type `{name}` to delete it")).allow_empty(true).interact_text()?;
            if typed.trim() != name.as_str() {
                terminal.line("Nothing was changed.");
                return Ok(Outcome::Fine);
            }
        }
        if doomed.is_empty() && !Confirm::new().with_prompt("Take the release away?").default(false).interact()? {
            terminal.line("Nothing was changed.");
            return Ok(Outcome::Fine);
        }
    }
    target.undeploy()?;
    for name in &doomed {
        target.delete_table(name).await?;
    }
    if terminal.is_json() {
        let deleted: Vec<&str> = doomed.iter().map(TableName::as_str).collect();
        terminal.json(&json!({ "undeployed": release.is_some(), "deleted_tables": deleted }))?;
    } else {
        terminal.line(&format!("done: {} tables deleted; `matano deploy` makes everything anew", doomed.len()));
    }
    Ok(Outcome::Fine)
}
