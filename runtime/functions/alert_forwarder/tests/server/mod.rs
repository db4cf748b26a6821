//! HTTP servers for the tests: any, and one that answers as Slack documents its Web API.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

/// What arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What goes back.
pub enum Reply {
    /// Status and further header lines, and the body.
    Answer(&'static str, String),
    /// The connection ends.
    Reset,
    /// The connection stays open and silent.
    Silence,
}

/// Starts a server on a free port; each connection has a thread of its own.
pub fn serve(handle: impl Fn(Request) -> Reply + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handle = Arc::new(handle);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let handle = Arc::clone(&handle);
            std::thread::spawn(move || answer(stream.unwrap(), &*handle));
        }
    });
    url
}

fn answer(mut stream: TcpStream, handle: &dyn Fn(Request) -> Reply) {
    let request = read(&mut stream);
    match handle(request) {
        Reply::Answer(status, body) => {
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            // a client that gave up is no failure of the server
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
        Reply::Reset => drop(stream),
        Reply::Silence => {
            let _ = stream.read(&mut [0]); // until the client goes away
        }
    }
}

fn read(stream: &mut TcpStream) -> Request {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut request = Request { path, headers, body: Vec::new() };
    request.body = vec![0; request.header("content-length").parse().unwrap()];
    stream.read_exact(&mut request.body).unwrap();
    request
}

/// What goes wrong with one call of the Web API.
pub enum Trouble {
    /// This instead of doing anything.
    Instead(Reply),
    /// Done, but nobody hears of it; the tests are told.
    DoneInSilence,
}

/// A message as it stands in a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub channel: String,
    pub ts: String,
    pub thread: Option<String>,
    pub text: String,
    pub edits: u32,
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    trouble: VecDeque<Option<Trouble>>,
    calls: Vec<String>,
}

/// A workspace with the channel `C1`, known as `#alerts` too, and the token `xoxb-good`.
#[derive(Clone)]
pub struct Slack {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Slack {
    /// Starts it; the receiver hears of each [`Trouble::DoneInSilence`].
    pub fn start() -> (Self, mpsc::UnboundedReceiver<()>) {
        let state = Arc::new(Mutex::new(State::default()));
        let (tell, told) = mpsc::unbounded_channel();
        let shared = Arc::clone(&state);
        let url = serve(move |request| shared.lock().unwrap().call(&request, &tell));
        (Self { url, state }, told)
    }

    /// Trouble for the calls to come, in order; `None` is none.
    pub fn trouble(&self, trouble: impl IntoIterator<Item = Option<Trouble>>) {
        self.state.lock().unwrap().trouble.extend(trouble);
    }

    pub fn messages(&self) -> Vec<Message> {
        self.state.lock().unwrap().messages.clone()
    }

    /// Messages that start no thread's reply.
    pub fn roots(&self) -> Vec<Message> {
        self.messages().into_iter().filter(|message| message.thread.is_none()).collect()
    }

    pub fn replies(&self) -> Vec<Message> {
        self.messages().into_iter().filter(|message| message.thread.is_some()).collect()
    }

    pub fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    pub fn delete_all(&self) {
        self.state.lock().unwrap().messages.clear();
    }
}

impl State {
    fn call(&mut self, request: &Request, tell: &mpsc::UnboundedSender<()>) -> Reply {
        let method = request.path.trim_start_matches('/').to_owned();
        self.calls.push(method.clone());
        match self.trouble.pop_front().flatten() {
            Some(Trouble::Instead(reply)) => return reply,
            Some(Trouble::DoneInSilence) => {
                self.act(&method, request);
                tell.send(()).unwrap();
                return Reply::Silence;
            }
            None => (),
        }
        Reply::Answer("200 OK\r\ncontent-type: application/json", self.act(&method, request).to_string())
    }

    fn act(&mut self, method: &str, request: &Request) -> Value {
        let refuse = |word: &str| json!({"ok": false, "error": word});
        if request.header("authorization") != "Bearer xoxb-good" {
            return refuse("invalid_auth");
        }
        if !request.header("content-type").starts_with("application/json") {
            return refuse("invalid_form_data");
        }
        let arguments = request.json();
        let text = |name: &str| arguments[name].as_str().map(str::to_owned);
        let Some(channel) = text("channel").filter(|channel| matches!(channel.as_str(), "C1" | "#alerts")) else {
            return refuse("channel_not_found");
        };
        let (Some(blocks), Some(message)) = (arguments["blocks"].as_array(), text("text")) else {
            return refuse("no_text");
        };
        if blocks.is_empty() || blocks.len() > 50 {
            return refuse("invalid_blocks");
        }
        match method {
            "chat.postMessage" => {
                let thread = text("thread_ts");
                if thread.as_ref().is_some_and(|thread| !self.messages.iter().any(|message| message.ts == *thread)) {
                    return refuse("thread_not_found");
                }
                let ts = format!("1688986800.{:06}", self.messages.len());
                self.messages.push(Message {
                    channel: "C1".to_owned(),
                    ts: ts.clone(),
                    thread,
                    text: message,
                    edits: 0,
                });
                json!({"ok": true, "channel": "C1", "ts": ts})
            }
            // an edit takes the id of a channel, not its name
            "chat.update" if channel != "C1" => refuse("channel_not_found"),
            "chat.update" => match self.messages.iter_mut().find(|have| Some(&have.ts) == text("ts").as_ref()) {
                Some(have) => {
                    have.text = message;
                    have.edits += 1;
                    json!({"ok": true, "channel": "C1", "ts": have.ts})
                }
                None => refuse("message_not_found"),
            },
            _ => refuse("unknown_method"),
        }
    }
}
