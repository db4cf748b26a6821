//! A project as it is on disk, with everything that is wrong with it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;
use check::{render, rules::SQL_QUERY};
use embedded::sql;
use model::{name::TableName, schema::TableSchema, system};
use project::{Diagnostic, Project, project::Trigger};

use crate::{
    exit::input,
    target,
    terminal::Terminal,
    workspace::{self, Workspace},
};

/// A loaded project.
pub struct Judged {
    /// Its directory and files.
    pub workspace: Workspace,
    /// What the files mean.
    pub project: Project,
    /// What is wrong with them, sorted by file, line and rule.
    pub diagnostics: Vec<Diagnostic>,
}

/// Finds, reads, loads and checks the project.
pub async fn judge(directory: Option<&Path>) -> Result<Judged> {
    assess(workspace::read(workspace::find(directory)?)?).await
}

/// Loads and checks files that were read.
pub async fn assess(workspace: Workspace) -> Result<Judged> {
    let (project, loading) = project::load(&workspace.files);
    let queries = queries(&project).await;
    let diagnostics = check::check(&project, loading.into_iter().chain(queries).collect());
    Ok(Judged { workspace, project, diagnostics })
}

impl Judged {
    /// Whether anything keeps it from being released.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The project, if it can be released; else its mistakes are written to standard error.
    pub fn require_releasable(self, terminal: Terminal) -> Result<(Workspace, Project)> {
        if !self.has_errors() {
            return Ok((self.workspace, self.project));
        }
        let errors: Vec<Diagnostic> = self.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
        terminal.note(render::terminal::report(&errors, &self.workspace.files, terminal.render()).trim_end());
        Err(input("the project has mistakes: mend them first (`matano check` shows them all)"))
    }

    /// The embedded target's directory.
    pub fn target_directory(&self) -> PathBuf {
        target::directory(&self.workspace.root, &self.project)
    }
}

/// Scheduled detections' SQL, checked against the columns that the tables will have.
pub async fn queries(project: &Project) -> Vec<Diagnostic> {
    let scheduled = project.detections.values().filter_map(|detection| match &detection.trigger {
        Trigger::Streaming => None,
        Trigger::Scheduled(schedule) => Some(&schedule.query),
    });
    let queries: Vec<_> = scheduled.collect();
    if queries.is_empty() {
        return Vec::new();
    }
    let tables = queryable(project);
    let mut out = Vec::new();
    for query in queries {
        let Some(mistake) = sql::check(&query.text, &tables).await else { continue };
        let range = mistake.range.unwrap_or(0..query.text.trim_end().len());
        out.push(Diagnostic {
            rule: SQL_QUERY.id,
            severity: SQL_QUERY.level,
            file: query.map.file().to_owned(),
            span: Some(query.map.span(range)),
            message: mistake.message,
            help: mistake.help,
            related: Vec::new(),
            fix: None,
        });
    }
    out
}

/// The tables that a query may name, with their columns.
fn queryable(project: &Project) -> BTreeMap<TableName, TableSchema> {
    let logs = project.tables.values().map(|table| (table.name.clone(), table.schema.as_ref().clone()));
    let enrichment =
        project.enrichment.values().map(|table| (TableName::of_enrichment(&table.name), table.schema.clone()));
    let own = [(TableName::alerts(), system::alerts()), (TableName::rejects(), system::rejects())];
    logs.chain(enrichment).chain(own).collect()
}
