//! HTTP on a free port of 127.0.0.1.

use std::{
    io::Read as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use tiny_http::{Header, Response};

use crate::{
    answer,
    request::{Answer, Request, Seen},
    world::World,
};

/// A body larger than this is cut: GitHub's own limit is lower.
const BODY_BYTES: u64 = 16 * 1024 * 1024;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}: {problem}")]
pub struct ServerError {
    address: String,
    problem: String,
}

/// A running server. It ends when it is dropped.
pub struct Server {
    http: Arc<tiny_http::Server>,
    world: Arc<Mutex<World>>,
    url: String,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free port, with this in it.
    pub fn start(world: World) -> Result<Self, ServerError> {
        Self::start_on(world, 0)
    }

    /// Listens on a port, with this in it.
    pub fn start_on(world: World, port: u16) -> Result<Self, ServerError> {
        let address = format!("127.0.0.1:{port}");
        let failed = |problem: String| ServerError { address: address.clone(), problem };
        let http = tiny_http::Server::http(&address).map_err(|error| failed(error.to_string()))?;
        let port = http.server_addr().to_ip().map(|address| address.port());
        let url = format!("http://127.0.0.1:{}", port.ok_or_else(|| failed("no port was given".to_owned()))?);
        let (http, world) = (Arc::new(http), Arc::new(Mutex::new(world)));
        let thread = thread::spawn({
            let (http, world, url) = (Arc::clone(&http), Arc::clone(&world), url.clone());
            move || http.incoming_requests().for_each(|request| serve(request, &world, &url))
        });
        Ok(Self { http, world, url, thread: Some(thread) })
    }

    /// The API's address, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What there is, to look at and to change. No request is answered while it is held.
    pub fn world(&self) -> MutexGuard<'_, World> {
        // a test that failed while it held the world has said so already
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers requests until the process ends.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.http.unblock();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut request: tiny_http::Request, world: &Mutex<World>, base: &str) {
    let mut body = Vec::new();
    let read = request.as_reader().take(BODY_BYTES).read_to_end(&mut body);
    let header = |name: &'static str| {
        let mut headers = request.headers().iter();
        headers.find(|header| header.field.equiv(name)).map(|header| header.value.as_str().to_owned())
    };
    let token = header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        ["bearer", "token"].contains(&scheme.to_ascii_lowercase().as_str()).then(|| token.to_owned())
    });
    let parsed = Request::new(request.method().as_str(), request.url(), token, &body, base);
    let answer = match read {
        Ok(_) => {
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = answer::to(&mut world, &parsed);
            world.seen.push(Seen { method: parsed.method, url: parsed.url, status: answer.status });
            answer
        }
        Err(_) => Answer::error(400, "Problems reading the request"),
    };
    let mut response = Response::from_data(answer.body).with_status_code(answer.status);
    for (name, value) in &answer.headers {
        if let Ok(header) = Header::from_bytes(name.as_bytes(), value.as_bytes()) {
            response.add_header(header);
        }
    }
    // a client that has gone away needs no answer
    let _ = request.respond(response);
}
