use editor::Ending;
use lsp_server::{ErrorCode, Message};
use serde_json::{Value, json};

use crate::client::{Client, PROJECT, uri};

#[test]
fn what_it_can_do_is_said_at_the_begin() {
    let (client, answer) = Client::with(PROJECT, json!({}));
    let can = &answer["capabilities"];
    assert_eq!(can["positionEncoding"], "utf-16");
    assert_eq!(can["hoverProvider"], true);
    assert_eq!(can["textDocumentSync"]["change"], 1);
    assert_eq!(answer["serverInfo"]["name"], "matano");
    assert_eq!(client.end(), Ending::Clean);
}

#[test]
fn bytes_are_counted_where_the_client_wants_it() {
    let capabilities = json!({ "general": { "positionEncodings": ["utf-8", "utf-16"] } });
    let (client, answer) = Client::with(PROJECT, capabilities);
    assert_eq!(answer["capabilities"]["positionEncoding"], "utf-8");
    assert_eq!(client.end(), Ending::Clean);
}

#[test]
fn an_exit_without_a_shutdown_is_abrupt() {
    assert_eq!(Client::new(PROJECT).exit(), Ending::Abrupt);
    assert_eq!(Client::new(PROJECT).vanish(), Ending::Abrupt);
    assert_eq!(Client::silent(PROJECT).exit(), Ending::Abrupt);
}

#[test]
fn what_is_not_known_is_refused_with_the_right_code() {
    let mut client = Client::silent(PROJECT);
    let early = client.request("textDocument/hover", json!({}));
    assert_eq!(early, Err(ErrorCode::ServerNotInitialized as i32));
    client.request("initialize", json!({ "capabilities": {} })).unwrap();
    assert_eq!(client.request("textDocument/rename", json!({})), Err(ErrorCode::MethodNotFound as i32));
    assert_eq!(client.request("textDocument/hover", json!({ "position": 7 })), Err(ErrorCode::InvalidParams as i32));
    client.notify("$/setTrace", json!({ "value": "off" }));
    client.notify("textDocument/didOpen", json!("nonsense"));
    client.request("shutdown", Value::Null).unwrap();
    assert_eq!(client.request("textDocument/hover", json!({})), Err(ErrorCode::InvalidRequest as i32));
    assert_eq!(client.exit(), Ending::Clean);
}

#[test]
fn a_file_outside_of_any_project_has_no_help() {
    let mut client = Client::new(PROJECT);
    let document = json!({ "uri": "file:///elsewhere/a.yml" });
    let hover = client
        .request("textDocument/hover", json!({ "textDocument": document, "position": { "line": 0, "character": 0 } }));
    assert_eq!(hover, Ok(Value::Null));
    assert_eq!(client.end(), Ending::Clean);
}

#[test]
fn changes_outside_of_the_editor_are_watched_where_the_client_can() {
    let capabilities = json!({ "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } } });
    let (mut client, _) = Client::with(PROJECT, capabilities);
    let Message::Request(request) = client.receive() else { panic!("expected a request") };
    assert_eq!(request.method, "client/registerCapability");
    assert_eq!(request.params["registrations"][0]["method"], "workspace/didChangeWatchedFiles");
    client.host.files.lock().unwrap().insert("detections/failed/detect.py", "def detct(r):\n    return True\n");
    let change = json!({ "changes": [{ "uri": uri("detections/failed/detect.py"), "type": 2 }] });
    client.notify("workspace/didChangeWatchedFiles", change);
    let found = client.diagnostics("detections/failed/detect.py", |all| !all.is_empty());
    assert_eq!(found[0]["code"], "missing-detect");
    assert_eq!(client.end(), Ending::Clean);
}
