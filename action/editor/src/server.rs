//! Messages in, messages out.
//!
//! Requests are answered from the last analysis and the text as it is now; analyses run beside, when nothing has changed
//! for a moment.

mod answers; // requests and their results
mod projects; // what is open, and what is known of it

use std::{panic::AssertUnwindSafe, panic::catch_unwind, sync::Arc, time::Instant};

use crossbeam_channel::{Receiver, select};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions, HoverProviderCapability,
    InitializeParams, SaveOptions, ServerCapabilities, TextDocumentSyncCapability, TextDocumentSyncKind,
    TextDocumentSyncOptions, TextDocumentSyncSaveOptions, WorkspaceFoldersServerCapabilities,
    WorkspaceServerCapabilities,
};
use serde_json::{Value, json};

use self::{answers::Refusal, projects::Projects};
use crate::{
    Host,
    address::path,
    position::Encoding,
    worker::{self, Done},
};

/// How a conversation ended. The protocol wants exit code 0 for the first and 1 for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client said `shutdown`, then `exit`.
    Clean,
    /// It said `exit` unasked for, or went away.
    Abrupt,
}

/// Speaks to one client until it leaves. Fails where no thread can be started.
pub fn serve(connection: &Connection, host: Arc<dyn Host>) -> std::io::Result<Ending> {
    // an `exit`, or nobody there
    let Ok((id, parameters)) = connection.initialize_start() else { return Ok(Ending::Abrupt) };
    let (jobs, results) = worker::start(Arc::clone(&host))?;
    // whatever a client says of itself, it can be served
    let client: InitializeParams = serde_json::from_value(parameters).unwrap_or_default();
    let offered = client.capabilities.general.as_ref().and_then(|general| general.position_encodings.as_deref());
    let encoding = Encoding::negotiate(offered);
    let projects = Projects::new(host, connection.sender.clone(), jobs, encoding);
    let mut server = Server { connection, projects, ending: None };
    let answer = json!({
        "capabilities": capabilities(encoding),
        "serverInfo": { "name": "matano", "version": env!("CARGO_PKG_VERSION") },
    });
    server.send(Response::new_ok(id, answer).into());
    server.open_folders(&client);
    server.watch_files(&client);
    Ok(server.run(&results))
}

fn capabilities(encoding: Encoding) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::FULL),
            save: Some(TextDocumentSyncSaveOptions::SaveOptions(SaveOptions { include_text: Some(false) })),
            ..TextDocumentSyncOptions::default()
        })),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some([".", "\"", "'", "[", " "].map(str::to_owned).to_vec()),
            ..CompletionOptions::default()
        }),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX, CodeActionKind::SOURCE_FIX_ALL]),
            ..CodeActionOptions::default()
        })),
        workspace: Some(WorkspaceServerCapabilities {
            workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                supported: Some(true),
                change_notifications: None,
            }),
            file_operations: None,
        }),
        ..ServerCapabilities::default()
    }
}

struct Server<'a> {
    connection: &'a Connection,
    projects: Projects,
    /// Set by `shutdown` and `exit`.
    ending: Option<Ending>,
}

impl Server<'_> {
    fn send(&self, message: Message) {
        // a client that has gone away is noticed when it is listened to
        let _ = self.connection.sender.send(message);
    }

    fn open_folders(&mut self, client: &InitializeParams) {
        let folders = client.workspace_folders.iter().flatten().map(|folder| &folder.uri);
        #[expect(deprecated, reason = "clients that know no workspace folders")]
        let root = client.root_uri.as_ref();
        let paths: Vec<_> = folders.chain(root).filter_map(path).collect();
        paths.iter().for_each(|path| self.projects.discover(path));
    }

    /// Files change outside of the editor too: a branch is switched, a fixture is written.
    fn watch_files(&self, client: &InitializeParams) {
        let workspace = client.capabilities.workspace.as_ref();
        let can = workspace.and_then(|workspace| workspace.did_change_watched_files?.dynamic_registration);
        if can != Some(true) {
            return;
        }
        let watchers = ["**/*.{yml,yaml,py,json,txt}"].map(|glob| json!({ "globPattern": glob }));
        let registration = json!({ "registrations": [{
            "id": "files",
            "method": "workspace/didChangeWatchedFiles",
            "registerOptions": { "watchers": watchers },
        }] });
        self.send(Request::new("watch".to_owned().into(), "client/registerCapability".to_owned(), registration).into());
    }

    fn run(&mut self, results: &Receiver<Done>) -> Ending {
        let messages = self.connection.receiver.clone();
        loop {
            let wait = self.projects.next_due().map(|due| due.saturating_duration_since(Instant::now()));
            let alarm = wait.map_or_else(crossbeam_channel::never, crossbeam_channel::after);
            select! {
                recv(messages) -> message => match message {
                    Ok(message) => {
                        if let Some(ending) = self.take(message) {
                            return ending;
                        }
                    }
                    Err(_) => return Ending::Abrupt,
                },
                recv(results) -> done => if let Ok(done) = done {
                    self.projects.finish(done);
                },
                recv(alarm) -> _ => self.projects.start_due(Instant::now()),
            }
        }
    }

    fn take(&mut self, message: Message) -> Option<Ending> {
        match message {
            Message::Request(request) => self.answer(request),
            Message::Notification(notification) if notification.method == "exit" => {
                return Some(self.ending.unwrap_or(Ending::Abrupt));
            }
            Message::Notification(notification) => self.note(notification),
            // of our registration, which nothing depends on
            Message::Response(_) => (),
        }
        None
    }

    fn answer(&mut self, request: Request) {
        let Request { id, method, params } = request;
        let result = if self.ending.is_some() {
            Err(Refusal { code: ErrorCode::InvalidRequest, message: "the server is shutting down".to_owned() })
        } else if method == "shutdown" {
            self.ending = Some(Ending::Clean);
            Ok(Value::Null)
        } else {
            // a mistake of ours in one answer must not end the conversation
            catch_unwind(AssertUnwindSafe(|| answers::answer(&self.projects, &method, params))).unwrap_or_else(|_| {
                Err(Refusal { code: ErrorCode::InternalError, message: format!("`{method}` failed") })
            })
        };
        let response = match result {
            Ok(value) => Response::new_ok(id, value),
            Err(Refusal { code, message }) => Response::new_err(id, code as i32, message),
        };
        self.send(response.into());
    }

    /// Notifications that are not understood are passed over, as the protocol wants it.
    fn note(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        match method.as_str() {
            "textDocument/didOpen" => self.with(params, Projects::open),
            "textDocument/didChange" => self.with(params, Projects::change),
            "textDocument/didSave" => self.with(params, Projects::save),
            "textDocument/didClose" => self.with(params, Projects::close),
            "workspace/didChangeWatchedFiles" => self.with(params, Projects::files_changed),
            _ => (),
        }
    }

    fn with<P: serde::de::DeserializeOwned>(&mut self, parameters: Value, act: fn(&mut Projects, P)) {
        if let Ok(parameters) = serde_json::from_value(parameters) {
            act(&mut self.projects, parameters);
        }
    }
}
