//! An incoming webhook on this machine, so that the demo shows real deliveries without a Slack workspace.

use std::{
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Result, anyhow};
use serde_json::Value;

/// Receives what would go to Slack.
pub struct Receiver {
    server: Arc<tiny_http::Server>,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Listens on a free port of the loopback interface.
    pub fn start() -> Result<Self> {
        let server = tiny_http::Server::http("127.0.0.1:0").map_err(|error| anyhow!("listen on 127.0.0.1: {error}"))?;
        let (server, messages) = (Arc::new(server), Arc::new(Mutex::new(Vec::new())));
        let (listener, sink) = (Arc::clone(&server), Arc::clone(&messages));
        thread::spawn(move || {
            for mut request in listener.incoming_requests() {
                let message = serde_json::from_reader(request.as_reader()).map(|body: Value| text(&body));
                if let (Ok(message), Ok(mut sink)) = (message, sink.lock()) {
                    sink.push(message);
                }
                let _ = request.respond(tiny_http::Response::from_string("ok"));
            }
        });
        Ok(Self { server, messages })
    }

    /// The webhook's URL.
    pub fn url(&self) -> String {
        format!("http://{}/services/demo", self.server.server_addr())
    }

    /// What has arrived.
    pub fn messages(&self) -> Vec<String> {
        self.messages.lock().map(|messages| messages.clone()).unwrap_or_default()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

/// The message's words without its layout.
fn text(body: &Value) -> String {
    let mut lines = Vec::new();
    for block in body["blocks"].as_array().into_iter().flatten() {
        collect(block, &mut lines);
    }
    if lines.is_empty() {
        lines.extend(body["text"].as_str().map(str::to_owned));
    }
    lines.iter().map(|line| format!("   │ {}", line.replace('\n', "\n   │ "))).collect::<Vec<_>>().join("\n") + "\n"
}

fn collect(value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match (key.as_str(), member) {
                    ("text", Value::String(text)) => lines.push(text.clone()),
                    ("text" | "elements" | "fields", nested) => collect(nested, lines),
                    _ => (),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, lines)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}
