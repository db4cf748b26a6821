//! What the server asks of the process that runs it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use project::{Diagnostic, FileSet, Project};

/// The machine as the server sees it.
pub trait Host: Send + Sync + 'static {
    /// The directory of the project that a file or directory belongs to.
    fn project_of(&self, path: &Path) -> Option<PathBuf>;

    /// The files of a project as they are on disk; why not, in words for the user.
    fn read(&self, root: &Path) -> Result<FileSet, String>;

    /// What is wrong with the SQL of scheduled detections. Asked when files are opened and saved, not on every change.
    fn check_queries(&self, project: &Project) -> Vec<Diagnostic>;

    /// How long nothing must change before the project is looked at again.
    fn quiet_time(&self) -> Duration {
        Duration::from_millis(150)
    }
}
