//! `matano lsp`: help in an editor, over standard input and output.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use editor::{Ending, Host};
use project::{Diagnostic, FileSet, Project};
use tokio::runtime::Handle;

use crate::{cli::Global, exit::Outcome, judge, workspace};

/// Ends when the editor says so. An end that it did not announce is 1, as the protocol wants it.
pub fn run(global: &Global) -> Result<Outcome> {
    let project = global.project.as_deref().map(|directory| workspace::find(Some(directory))).transpose()?;
    let host = Arc::new(Disk { project, runtime: Handle::current() });
    let (connection, threads) = editor::stdio();
    let ending = tokio::task::block_in_place(|| editor::serve(&connection, host)).context("serve the editor")?;
    match ending {
        Ending::Clean => {
            drop(connection);
            threads.join().context("speak to the editor")?;
            Ok(Outcome::Fine)
        }
        // the thread that reads may wait for input that never comes
        Ending::Abrupt => Ok(Outcome::Findings),
    }
}

/// The files on this machine.
struct Disk {
    /// The only project, where one was given.
    project: Option<PathBuf>,
    runtime: Handle,
}

impl Host for Disk {
    fn project_of(&self, path: &Path) -> Option<PathBuf> {
        match &self.project {
            Some(root) => (path.starts_with(root) || root.starts_with(path)).then(|| root.clone()),
            None => path.ancestors().find(|directory| workspace::is_project(directory)).map(Path::to_path_buf),
        }
    }

    fn read(&self, root: &Path) -> Result<FileSet, String> {
        workspace::read(root.to_path_buf()).map(|workspace| workspace.files).map_err(|error| format!("{error:#}"))
    }

    fn check_queries(&self, project: &Project) -> Vec<Diagnostic> {
        self.runtime.block_on(judge::queries(project))
    }
}
