//! Analyses, on a thread of their own so that messages are answered meanwhile.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    thread,
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use project::FileSet;

use crate::{
    Host,
    analysis::{Analysis, analyze},
};

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// What is quick.
    Typing,
    /// Also SQL.
    Whole,
}

/// A project to look at.
pub(crate) struct Job {
    pub(crate) root: PathBuf,
    /// Texts that stand before those on disk, by path within the project.
    pub(crate) unsaved: BTreeMap<String, String>,
    pub(crate) depth: Depth,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) root: PathBuf,
    /// Or why not, in words for the user.
    pub(crate) result: Result<Arc<Analysis>, String>,
}

/// Starts the thread. It ends when the sender of jobs is dropped.
pub(crate) fn start(host: Arc<dyn Host>) -> std::io::Result<(Sender<Job>, Receiver<Done>)> {
    let (jobs, to_do) = unbounded::<Job>();
    let (done, results) = unbounded();
    // parsers recurse
    thread::Builder::new().name("analysis".to_owned()).stack_size(16 << 20).spawn(move || {
        let mut last: BTreeMap<PathBuf, Arc<Analysis>> = BTreeMap::new();
        for Job { root, unsaved, depth } in to_do {
            let before = last.get(&root).cloned();
            let look = || look(host.as_ref(), &root, unsaved, depth, before.as_deref());
            // a mistake of ours in one rule must not take the editor's help away
            let result = catch_unwind(AssertUnwindSafe(look))
                .unwrap_or_else(|_| Err("matano failed on this project: `matano check` says more".to_owned()));
            if let Ok(analysis) = &result {
                last.insert(root.clone(), Arc::clone(analysis));
            }
            if done.send(Done { root, result }).is_err() {
                return;
            }
        }
    })?;
    Ok((jobs, results))
}

fn look(
    host: &dyn Host,
    root: &std::path::Path,
    unsaved: BTreeMap<String, String>,
    depth: Depth,
    before: Option<&Analysis>,
) -> Result<Arc<Analysis>, String> {
    let mut files = host.read(root)?;
    for (file, text) in unsaved {
        files.insert(file, text);
    }
    let queries = |project: &project::Project, files: &FileSet| match depth {
        Depth::Whole => host.check_queries(project),
        Depth::Typing => before.map(|before| before.queries_still_true(files)).unwrap_or_default(),
    };
    Ok(Arc::new(analyze(files, queries)))
}
