//! What is open, and what is known of the projects that it belongs to.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use crossbeam_channel::Sender;
use lsp_server::{Message, Notification};
use lsp_types::{
    Diagnostic as LspDiagnostic, DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, MessageType, PublishDiagnosticsParams, ShowMessageParams,
    Uri,
};

use crate::{
    Host,
    address::{self, path},
    analysis::Analysis,
    position::Encoding,
    publish::{self, Shown},
    worker::{Depth, Done, Job},
};

/// A file as the editor has it.
pub(super) struct Buffer {
    uri: Uri,
    version: i32,
    pub(super) text: String,
}

/// A project that something is open of.
#[derive(Default)]
struct Open {
    analysis: Option<Arc<Analysis>>,
    /// When it is to be looked at again, and how far.
    due: Option<(Instant, Depth)>,
    running: bool,
    /// Files that diagnostics are shown for.
    published: BTreeSet<String>,
    /// Why the last look failed.
    trouble: Option<String>,
}

/// Everything that is open.
pub(super) struct Projects {
    host: Arc<dyn Host>,
    client: Sender<Message>,
    jobs: Sender<Job>,
    pub(super) encoding: Encoding,
    buffers: BTreeMap<PathBuf, Buffer>,
    open: BTreeMap<PathBuf, Open>,
}

/// A file of a project, and all that is known at the moment.
pub(super) struct Here<'a> {
    pub(super) root: &'a Path,
    /// The path within the project.
    pub(super) file: String,
    /// The text as it is now.
    pub(super) text: &'a str,
    pub(super) analysis: &'a Analysis,
}

impl Projects {
    pub(super) fn new(host: Arc<dyn Host>, client: Sender<Message>, jobs: Sender<Job>, encoding: Encoding) -> Self {
        Self { host, client, jobs, encoding, buffers: BTreeMap::new(), open: BTreeMap::new() }
    }

    /// Takes in the project that a path belongs to.
    pub(super) fn discover(&mut self, path: &Path) {
        if let Some(root) = self.host.project_of(path) {
            self.touch(&root, Depth::Whole);
        }
    }

    pub(super) fn open(&mut self, parameters: DidOpenTextDocumentParams) {
        let document = parameters.text_document;
        let Some(path) = path(&document.uri) else { return };
        let buffer = Buffer { uri: document.uri, version: document.version, text: document.text };
        self.buffers.insert(path.clone(), buffer);
        self.discover(&path);
    }

    pub(super) fn change(&mut self, parameters: DidChangeTextDocumentParams) {
        let Some(path) = path(&parameters.text_document.uri) else { return };
        // whole texts were asked for, so the last one is it
        let Some(change) = parameters.content_changes.into_iter().next_back() else { return };
        if let Some(buffer) = self.buffers.get_mut(&path) {
            buffer.text = change.text;
            buffer.version = parameters.text_document.version;
        }
        self.touch_project_of(&path, Depth::Typing);
    }

    pub(super) fn save(&mut self, parameters: DidSaveTextDocumentParams) {
        if let Some(path) = path(&parameters.text_document.uri) {
            // matano.config.yml may just have come to be
            self.discover(&path);
        }
    }

    pub(super) fn close(&mut self, parameters: DidCloseTextDocumentParams) {
        if let Some(path) = path(&parameters.text_document.uri) {
            self.buffers.remove(&path);
            self.touch_project_of(&path, Depth::Whole);
        }
    }

    pub(super) fn files_changed(&mut self, parameters: DidChangeWatchedFilesParams) {
        let paths: Vec<PathBuf> = parameters.changes.iter().filter_map(|change| path(&change.uri)).collect();
        paths.iter().for_each(|path| self.touch_project_of(path, Depth::Whole));
    }

    fn touch_project_of(&mut self, path: &Path, depth: Depth) {
        if let Some(root) = self.root_of(path).map(Path::to_path_buf) {
            self.touch(&root, depth);
        }
    }

    fn touch(&mut self, root: &Path, depth: Depth) {
        let due = Instant::now() + self.host.quiet_time();
        let open = self.open.entry(root.to_path_buf()).or_default();
        let depth = open.due.map_or(depth, |(_, before)| before.max(depth));
        open.due = Some((due, depth));
    }

    /// The innermost project that a path is in.
    fn root_of(&self, path: &Path) -> Option<&Path> {
        let roots = self.open.keys().filter(|root| path.starts_with(root));
        roots.max_by_key(|root| root.components().count()).map(PathBuf::as_path)
    }

    /// When the next project is to be looked at.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = self.open.values().filter(|open| !open.running);
        waiting.filter_map(|open| open.due.map(|(due, _)| due)).min()
    }

    /// Looks at the projects that have been quiet for long enough.
    pub(super) fn start_due(&mut self, now: Instant) {
        let Self { open, jobs, buffers, .. } = self;
        for (root, open) in open.iter_mut().filter(|(_, open)| !open.running) {
            let Some((_, depth)) = open.due.take_if(|(due, _)| *due <= now) else { continue };
            let unsaved =
                buffers.iter().filter_map(|(path, buffer)| Some((publish::file_of(root, path)?, buffer.text.clone())));
            let job = Job { root: root.clone(), unsaved: unsaved.collect(), depth };
            open.running = jobs.send(job).is_ok();
        }
    }

    /// Takes in what an analysis found, and shows it.
    pub(super) fn finish(&mut self, done: Done) {
        let Some(open) = self.open.get_mut(&done.root) else { return };
        open.running = false;
        match done.result {
            Ok(analysis) => {
                open.trouble = None;
                open.analysis = Some(analysis);
                self.publish(&done.root);
            }
            Err(why) => {
                // once, not after every key
                if open.trouble.as_ref() != Some(&why) {
                    let message = ShowMessageParams { typ: MessageType::ERROR, message: format!("matano: {why}") };
                    let note = Notification::new("window/showMessage".to_owned(), message);
                    let _ = self.client.send(note.into());
                }
                open.trouble = Some(why);
            }
        }
    }

    /// Shows diagnostics, and takes away those of files that have none any more.
    fn publish(&mut self, root: &Path) {
        let Some(open) = self.open.get_mut(root) else { return };
        let Some(analysis) = open.analysis.clone() else { return };
        let mut by_file: BTreeMap<String, Vec<LspDiagnostic>> = BTreeMap::new();
        for Shown { file, diagnostic: _, lsp } in publish::shown(&analysis, root, self.encoding) {
            by_file.entry(file).or_default().push(lsp);
        }
        let before = std::mem::replace(&mut open.published, by_file.keys().cloned().collect());
        // an open file is told about even where nothing is wrong, so that the editor knows it was looked at
        let open = self.buffers.keys().filter_map(|path| publish::file_of(root, path));
        for file in before.into_iter().chain(open) {
            by_file.entry(file).or_default();
        }
        for (file, diagnostics) in by_file {
            let buffer = self.buffers.get(&root.join(&file));
            // the client's own spelling, so that it knows the file again
            let uri = buffer.map(|buffer| buffer.uri.clone()).or_else(|| address::uri(&root.join(&file)));
            let Some(uri) = uri else { continue };
            let seen = buffer.filter(|buffer| analysis.text(&file) == Some(buffer.text.as_str()));
            let parameters = PublishDiagnosticsParams { uri, diagnostics, version: seen.map(|buffer| buffer.version) };
            let note = Notification::new("textDocument/publishDiagnostics".to_owned(), parameters);
            let _ = self.client.send(note.into());
        }
    }

    /// A file, where its project has been looked at.
    pub(super) fn here(&self, uri: &Uri) -> Option<Here<'_>> {
        let path = path(uri)?;
        let root = self.root_of(&path)?;
        let analysis = self.open.get(root)?.analysis.as_deref()?;
        let file = publish::file_of(root, &path)?;
        let text = match self.buffers.get(&path) {
            Some(buffer) => &buffer.text,
            None => analysis.text(&file)?,
        };
        Some(Here { root, file, text, analysis })
    }
}
