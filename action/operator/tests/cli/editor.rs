use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use super::repo::Repo;

/// `matano lsp` as an editor starts it.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_matano"));
        let mut child = command.arg("lsp").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn send(&mut self, message: Value) {
        let text = message.to_string();
        let input = self.child.stdin.as_mut().unwrap();
        write!(input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        input.flush().unwrap();
    }

    /// The next message.
    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the server went away");
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", count)) => length = count.parse().unwrap(),
                Some(_) => (),
                None => break,
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The next message of a kind.
    fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.receive();
            if wanted(&message) {
                return message;
            }
        }
    }

    fn initialize(&mut self, repo: &Repo) {
        let folder = json!({ "uri": format!("file://{}", repo.path().display()), "name": "repo" });
        let parameters = json!({ "processId": null, "capabilities": {}, "workspaceFolders": [folder] });
        self.send(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters }));
        let answer = self.wait_for(|message| message["id"] == 1);
        assert_eq!(answer["result"]["serverInfo"]["name"], "matano");
        self.send(json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }));
    }

    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn an_editor_is_told_of_mistakes_in_yaml_and_in_sql() {
    let repo = Repo::with(&[
        ("matano.config.yml", "target: embedded\n"),
        (
            "log_sources/web/log_source.yml",
            "name: web\nschema:\n  fields:\n    - {name: n, type: long}\ntransform: .n = 1\n",
        ),
        (
            "detections/many/detection.yml",
            "name: many\nschedule: rate(1 hour)\nquery: |\n  SELECT n FROM wed WHERE ts >= :start AND ts < :end\n",
        ),
    ]);
    let mut server = Server::start();
    server.initialize(&repo);
    let found = server.wait_for(|message| {
        message["method"] == "textDocument/publishDiagnostics"
            && message["params"]["uri"].as_str().unwrap().ends_with("/detections/many/detection.yml")
    });
    let diagnostics = found["params"]["diagnostics"].as_array().unwrap();
    let query = diagnostics.iter().find(|one| one["code"] == "sql-query").unwrap();
    assert_eq!(query["range"]["start"], json!({ "line": 3, "character": 16 }));
    server.send(json!({ "jsonrpc": "2.0", "id": 2, "method": "shutdown" }));
    assert_eq!(server.wait_for(|message| message["id"] == 2)["result"], Value::Null);
    server.send(json!({ "jsonrpc": "2.0", "method": "exit" }));
    assert_eq!(server.code(), Some(0));
}

#[test]
fn an_editor_that_leaves_without_a_word_ends_the_server() {
    let repo = Repo::with(&[("matano.config.yml", "target: embedded\n")]);
    let mut server = Server::start();
    server.initialize(&repo);
    server.send(json!({ "jsonrpc": "2.0", "method": "exit" }));
    assert_eq!(server.code(), Some(1));
    let mut server = Server::start();
    server.initialize(&repo);
    drop(server.child.stdin.take());
    assert_eq!(server.code(), Some(1));
}
