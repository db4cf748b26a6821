//! Files of a project, and all that is known from them.

use project::{Diagnostic, FileSet, Project};

/// A project at one moment.
#[derive(Debug, Default)]
pub(crate) struct Analysis {
    /// The files as they were then, unsaved ones included.
    pub(crate) files: FileSet,
    /// What they mean.
    pub(crate) project: Project,
    /// What is wrong with them.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Those of them that came from the SQL of scheduled detections.
    pub(crate) queries: Vec<Diagnostic>,
}

/// Looks at files. `queries` finds what is wrong with the SQL.
pub(crate) fn analyze(files: FileSet, queries: impl FnOnce(&Project, &FileSet) -> Vec<Diagnostic>) -> Analysis {
    let (project, loading) = project::load(&files);
    let queries = queries(&project, &files);
    let diagnostics = check::check(&project, loading.into_iter().chain(queries.iter().cloned()).collect());
    Analysis { files, project, diagnostics, queries }
}

impl Analysis {
    /// The text of a file, where it is text.
    pub(crate) fn text(&self, file: &str) -> Option<&str> {
        std::str::from_utf8(self.files.get(file)?).ok()
    }

    /// What of its findings about SQL still holds for other files: what stands in a file that did not change.
    pub(crate) fn queries_still_true(&self, files: &FileSet) -> Vec<Diagnostic> {
        let same = |diagnostic: &&Diagnostic| files.get(&diagnostic.file) == self.files.get(&diagnostic.file);
        self.queries.iter().filter(same).cloned().collect()
    }
}
