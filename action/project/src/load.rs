//! Files -> project. Every file is read whatever is wrong with the others, and every mistake is told at once.

mod columns; // the columns of a table, from all its layers
mod config;
mod destination;
mod detection;
mod enrichment;
mod log_source;
mod managed_source; // the files of a managed source
mod placement; // files that lie where nothing looks for them
mod references; // what names something else
mod tests; // the tests in log sources and detections

use std::{collections::BTreeMap, fmt::Display, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{
    conform,
    diagnostic::{self, Diagnostic, Span},
    file_set::FileSet,
    project::Project,
    rules,
    spec::FileKind,
    yaml::Doc,
};

/// Reads a project. Defaults are applied, names resolved, layers merged; what is wrong is left out and reported, sorted
/// by file, line and rule. Only a project without errors is to be lowered.
pub fn load(files: &FileSet) -> (Project, Vec<Diagnostic>) {
    let mut loader = Loader::new(files);
    placement::check(&mut loader);
    config::load(&mut loader);
    destination::load(&mut loader);
    log_source::load(&mut loader);
    enrichment::load(&mut loader);
    detection::load(&mut loader);
    references::check(&mut loader);
    diagnostic::sort(&mut loader.diagnostics);
    (loader.project, loader.diagnostics)
}

struct Loader<'a> {
    files: &'a FileSet,
    project: Project,
    diagnostics: Vec<Diagnostic>,
    /// Directories and stems of files that could not be read: what they declare is not known to be missing.
    unread: Vec<String>,
    /// Where each name was first used, by kind and name.
    named: BTreeMap<(&'static str, String), (String, Option<Span>)>,
    /// Fixtures that were read, by path; `None` where one is broken.
    fixtures: BTreeMap<String, Option<serde_json::Value>>,
}

impl<'a> Loader<'a> {
    fn new(files: &'a FileSet) -> Self {
        Self {
            files,
            project: Project::default(),
            diagnostics: Vec::new(),
            unread: Vec::new(),
            named: BTreeMap::new(),
            fixtures: BTreeMap::new(),
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Parses a file and holds it against the schema of its kind.
    fn read<T: DeserializeOwned>(&mut self, kind: FileKind, file: &str, bytes: &[u8]) -> Option<(Arc<Doc>, T)> {
        let doc = Arc::new(Doc::parse(file, bytes, &mut self.diagnostics)?);
        self.project.docs.insert(file.to_owned(), Arc::clone(&doc));
        let spec = conform::read(kind, &doc, &mut self.diagnostics)?;
        Some((doc, spec))
    }

    /// Checks a name where it is written.
    fn name<N, E: Display>(&mut self, doc: &Doc, pointer: &str, parsed: Result<N, E>) -> Option<N> {
        parsed.map_err(|error| self.report(doc.at(&rules::INVALID_NAME, pointer, error.to_string()))).ok()
    }

    /// Keeps a name of a kind for its first user; `false`, and a diagnostic, for the others.
    fn claim(&mut self, kind: &'static str, name: &str, doc: &Doc, pointer: &str) -> bool {
        let span = doc.point(pointer);
        if let Some((file, first)) = self.named.get(&(kind, name.to_owned())) {
            let message = format!("the {kind} `{name}` exists already");
            let diagnostic =
                doc.at(&rules::DUPLICATE_NAME, pointer, message).related(file, *first, "the other one is here");
            self.report(diagnostic);
            return false;
        }
        self.named.insert((kind, name.to_owned()), (doc.file().to_owned(), Some(span)));
        true
    }

    /// Whether something of this name may be declared in a file that could not be read.
    fn may_be_unread(&self, name: &str) -> bool {
        self.unread.iter().any(|stem| name.starts_with(stem.as_str()))
    }
}

/// Names that matano keeps for itself.
fn is_reserved(name: &str) -> bool {
    name == "matano" || name.starts_with("matano_") || name.starts_with("enrich_")
}
