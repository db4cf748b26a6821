use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use editor::{Ending, Host};
use lsp_server::{Connection, Message, Notification, Request, Response};
use project::{Diagnostic, FileSet, Project};
use serde_json::{Value, json};

/// Nothing takes as long as this unless it never comes.
const NEVER: Duration = Duration::from_secs(120);

/// A project at `/repo` of which the test holds the files.
#[derive(Default)]
pub struct Memory {
    pub files: Mutex<FileSet>,
    /// Why the files cannot be read.
    pub trouble: Mutex<Option<String>>,
    /// How often SQL was looked at.
    pub queries: AtomicUsize,
    /// What is wrong with it.
    pub mistakes: Mutex<Vec<Diagnostic>>,
}

impl Host for Memory {
    fn project_of(&self, path: &Path) -> Option<PathBuf> {
        path.starts_with("/repo").then(|| PathBuf::from("/repo"))
    }

    fn read(&self, _: &Path) -> Result<FileSet, String> {
        match &*self.trouble.lock().unwrap() {
            Some(why) => Err(why.clone()),
            None => Ok(self.files.lock().unwrap().clone()),
        }
    }

    fn check_queries(&self, _: &Project) -> Vec<Diagnostic> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.mistakes.lock().unwrap().clone()
    }

    fn quiet_time(&self) -> Duration {
        Duration::ZERO
    }
}

/// An editor.
pub struct Client {
    pub host: Arc<Memory>,
    connection: Connection,
    server: JoinHandle<Ending>,
    next: i32,
    /// What the server said unasked and nobody has looked at yet.
    said: VecDeque<Notification>,
    version: i32,
}

/// A log source with columns, a destination, an enrichment table and a detection without mistakes.
pub const PROJECT: &[(&str, &str)] = &[
    ("matano.config.yml", "target: embedded\n"),
    (
        "log_sources/web/log_source.yml",
        "name: web\nschema:\n  ecs_field_names: [event.outcome, source.ip, user.name]\n  fields:\n    - {name: attempts, type: long}\ntransform: |\n  .event.outcome = .json.outcome\n",
    ),
    ("integrations/destinations/ops.yml", "name: ops\ntype: stdout\n"),
    (
        "enrichment/bad_ips/enrichment.yml",
        "name: bad_ips\nlookup_keys: [ip]\nschema:\n  fields:\n    - {name: ip, type: string}\n",
    ),
    (
        "detections/failed/detection.yml",
        "name: failed\ntables: [web]\nalert:\n  severity: high\n  destinations: [ops]\ntests:\n  - name: fires\n    event: {event.outcome: failure}\n    fires: true\n  - name: is quiet\n    event: {event.outcome: success}\n    fires: false\n",
    ),
    (
        "detections/failed/detect.py",
        "def detect(record):\n    return record.deepget(\"event.outcome\") == \"failure\"\n",
    ),
];

impl Client {
    /// Starts a server; nothing is said yet.
    pub fn silent(files: &[(&str, &str)]) -> Self {
        let host = Arc::new(Memory::default());
        *host.files.lock().unwrap() = files.iter().copied().collect();
        let (connection, other) = Connection::memory();
        let served = Arc::clone(&host);
        let server = std::thread::spawn(move || editor::serve(&other, served).unwrap());
        Self { host, connection, server, next: 0, said: VecDeque::new(), version: 0 }
    }

    /// Starts a server for a project, with these capabilities of the client.
    pub fn with(files: &[(&str, &str)], capabilities: Value) -> (Self, Value) {
        let mut client = Self::silent(files);
        let folders = json!([{ "uri": "file:///repo", "name": "repo" }]);
        let parameters = json!({ "processId": null, "capabilities": capabilities, "workspaceFolders": folders });
        let answer = client.request("initialize", parameters).unwrap();
        client.notify("initialized", json!({}));
        (client, answer)
    }

    pub fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, json!({})).0
    }

    /// Starts a server, opens a file and waits until the project was looked at with it.
    pub fn open(files: &[(&str, &str)], file: &str, text: &str) -> Self {
        let mut client = Self::new(files);
        client.did_open(file, text);
        client.until_seen(file);
        client
    }

    pub fn send(&self, message: impl Into<Message>) {
        self.connection.sender.send(message.into()).unwrap();
    }

    pub fn notify(&self, method: &str, parameters: Value) {
        self.send(Notification::new(method.to_owned(), parameters));
    }

    /// The result, or the code of the error.
    pub fn request(&mut self, method: &str, parameters: Value) -> Result<Value, i32> {
        self.next += 1;
        let id = self.next;
        self.send(Request::new(id.into(), method.to_owned(), parameters));
        loop {
            match self.receive() {
                Message::Response(Response { id: answered, response_result }) if answered == id.into() => {
                    return response_result.map_err(|error| error.code);
                }
                Message::Notification(notification) => self.said.push_back(notification),
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn receive(&self) -> Message {
        self.connection.receiver.recv_timeout(NEVER).expect("the server says something")
    }

    /// The parameters of the next notification of a kind that `wanted` accepts; those before it are forgotten.
    pub fn wait_for(&mut self, method: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let notification = match self.said.pop_front() {
                Some(notification) => notification,
                None => match self.receive() {
                    Message::Notification(notification) => notification,
                    other => panic!("{other:?}"),
                },
            };
            if notification.method == method && wanted(&notification.params) {
                return notification.params;
            }
        }
    }

    /// The diagnostics of a file, once they are like this.
    pub fn diagnostics(&mut self, file: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let uri = uri(file);
        let found = self.wait_for("textDocument/publishDiagnostics", |parameters| {
            parameters["uri"] == uri.as_str() && wanted(parameters["diagnostics"].as_array().unwrap())
        });
        found["diagnostics"].as_array().unwrap().clone()
    }

    /// Waits until the project was looked at with the file as it is now.
    pub fn until_seen(&mut self, file: &str) {
        let (uri, version) = (uri(file), self.version);
        self.wait_for("textDocument/publishDiagnostics", |parameters| {
            parameters["uri"] == uri.as_str() && parameters["version"] == version
        });
    }

    pub fn did_open(&mut self, file: &str, text: &str) {
        self.version += 1;
        let document = json!({ "uri": uri(file), "languageId": "yaml", "version": self.version, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
    }

    pub fn did_change(&mut self, file: &str, text: &str) {
        self.version += 1;
        let document = json!({ "uri": uri(file), "version": self.version });
        let change = json!({ "textDocument": document, "contentChanges": [{ "text": text }] });
        self.notify("textDocument/didChange", change);
    }

    pub fn did_save(&self, file: &str) {
        self.notify("textDocument/didSave", json!({ "textDocument": { "uri": uri(file) } }));
    }

    /// Shuts the server down and returns how it saw the end.
    pub fn end(mut self) -> Ending {
        assert_eq!(self.request("shutdown", Value::Null), Ok(Value::Null));
        self.notify("exit", Value::Null);
        self.server.join().unwrap()
    }

    /// Says `exit` at once.
    pub fn exit(self) -> Ending {
        self.notify("exit", Value::Null);
        self.server.join().unwrap()
    }

    /// Goes away without a word.
    pub fn vanish(self) -> Ending {
        drop(self.connection);
        self.server.join().unwrap()
    }
}

pub fn uri(file: &str) -> String {
    format!("file:///repo/{file}")
}
