//! Requests to one repository: sent again where that helps, errors in words that say what to do.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use octocrab::Octocrab;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::GithubError,
    pace::{self, Clock, Limits, Next, Patience},
    repository::RepositoryName,
};

/// The largest answer that is read: a page of a hundred long comments.
const ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// More pages than this are not read: ten thousand items of a list.
const PAGES: usize = 100;

/// Where GitHub is and who asks.
#[derive(Clone)]
pub struct Connection {
    /// `https://api.github.com`, or that of an own server.
    pub api_url: String,
    /// Without one only public things can be read.
    pub token: Option<String>,
    /// What everything is about.
    pub repository: RepositoryName,
}

/// Sends requests. Clones share connections.
#[derive(Clone)]
pub struct Client {
    octocrab: Octocrab,
    repository: RepositoryName,
    clock: Arc<dyn Clock>,
    patience: Patience,
}

impl Client {
    /// A client for one repository. Must be made where a tokio runtime runs.
    pub fn new(connection: Connection, clock: Arc<dyn Clock>, patience: Patience) -> Result<Self, GithubError> {
        let Connection { api_url, token, repository } = connection;
        let wrong = |error: &dyn std::error::Error| {
            GithubError::Configuration(format!("`{api_url}` is no API address: {}", innermost(error)))
        };
        let mut builder = Octocrab::builder()
            .base_uri(api_url.trim_end_matches('/'))
            .map_err(|error| wrong(&error))?
            .set_connect_timeout(Some(Duration::from_secs(10)))
            .set_read_timeout(Some(Duration::from_secs(30)))
            .set_write_timeout(Some(Duration::from_secs(30)));
        if let Some(token) = token {
            builder = builder.personal_token(token);
        }
        Ok(Self { octocrab: builder.build().map_err(|error| wrong(&error))?, repository, clock, patience })
    }

    /// The repository that everything is about.
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// The clock that waits are measured with.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Reads one thing of the repository: `path` starts with a slash and is escaped.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GithubError> {
        let answer = self.ask(&Method::GET, path, None::<&()>, ANSWER_BYTES).await?;
        answer.json()
    }

    /// Makes something.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, GithubError> {
        self.ask(&Method::POST, path, Some(body), ANSWER_BYTES).await?.json()
    }

    /// Changes something.
    pub(crate) async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, GithubError> {
        self.ask(&Method::PATCH, path, Some(body), ANSWER_BYTES).await?.json()
    }

    /// Removes something; what is gone already is no error.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), GithubError> {
        match self.ask(&Method::DELETE, path, None::<&()>, ANSWER_BYTES).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads bytes, of which there may be no more than `limit`.
    pub(crate) async fn download(&self, path: &str, limit: usize) -> Result<Vec<u8>, GithubError> {
        Ok(self.ask(&Method::GET, path, None::<&()>, limit).await?.body)
    }

    /// Reads all pages of a list.
    pub(crate) async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, GithubError> {
        self.pages(path, |page: Vec<T>| page).await
    }

    /// Reads all pages of a list that comes wrapped in an object.
    pub(crate) async fn pages<P: DeserializeOwned, T>(
        &self,
        path: &str,
        items: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, GithubError> {
        let mut out = Vec::new();
        for page in 1..=PAGES {
            let join = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{join}per_page=100&page={page}");
            let answer = self.ask(&Method::GET, &path, None::<&()>, ANSWER_BYTES).await?;
            let more = answer.has_next;
            out.extend(items(answer.json()?));
            if !more {
                return Ok(out);
            }
        }
        Err(GithubError::Answer {
            request: format!("GET {path}"),
            problem: format!("the list has more than {PAGES} pages"),
        })
    }

    /// Sends a request until it is answered, or until patience ends.
    async fn ask<B: Serialize + ?Sized>(
        &self,
        method: &Method,
        path: &str,
        body: Option<&B>,
        limit: usize,
    ) -> Result<Answered, GithubError> {
        let path = format!("/repos/{}{path}", self.repository);
        let request = format!("{method} {path}");
        let mut attempt = 1;
        loop {
            let wait = match self.once(method, &path, body, limit, &request).await {
                Ok(answer) => {
                    match pace::next(answer.status, answer.limits, &answer.message(), attempt, self.clock.now()) {
                        Next::Take => return answer.checked(),
                        Next::Again(_) if attempt >= self.patience.attempts => {
                            return Err(GithubError::Broken { request, status: answer.status, attempts: attempt });
                        }
                        Next::Limited(wait)
                            if attempt >= self.patience.attempts || wait > self.patience.longest_wait =>
                        {
                            return Err(GithubError::RateLimited { request, seconds: wait.as_secs() });
                        }
                        Next::Again(wait) | Next::Limited(wait) => wait,
                    }
                }
                Err(error) if error.is_retryable() && attempt < self.patience.attempts => pace::backoff(attempt),
                Err(error) => return Err(error),
            };
            tracing::warn!(%request, attempt, seconds = wait.as_secs(), "GitHub is asked again");
            self.clock.sleep(wait).await;
            attempt += 1;
        }
    }

    async fn once<B: Serialize + ?Sized>(
        &self,
        method: &Method,
        path: &str,
        body: Option<&B>,
        limit: usize,
        request: &str,
    ) -> Result<Answered, GithubError> {
        let unreachable = |error: octocrab::Error| GithubError::Unreachable {
            request: request.to_owned(),
            problem: innermost(&error),
        };
        let built = http::Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::ACCEPT, "application/vnd.github+json");
        let built = self
            .octocrab
            .build_request(built, body)
            .map_err(|error| GithubError::Answer { request: request.to_owned(), problem: innermost(&error) })?;
        let answer = self.octocrab.send(built).await.map_err(unreachable)?;
        let (parts, mut stream) = answer.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = stream.frame().await {
            let Ok(data) = frame.map_err(unreachable)?.into_data() else { continue };
            if bytes.len() + data.len() > limit {
                return Err(GithubError::TooLarge { request: request.to_owned(), limit });
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Answered {
            request: request.to_owned(),
            status: parts.status.as_u16(),
            limits: limits(&parts.headers),
            has_next: text(&parts.headers, "link").is_some_and(|link| link.contains("rel=\"next\"")),
            body: bytes,
        })
    }
}

/// An answer of any status.
struct Answered {
    request: String,
    status: u16,
    limits: Limits,
    has_next: bool,
    body: Vec<u8>,
}

impl Answered {
    /// GitHub's words about an error; nothing where it is none.
    fn message(&self) -> String {
        #[derive(Deserialize)]
        struct Message {
            message: String,
        }
        if self.status < 400 {
            return String::new();
        }
        serde_json::from_slice(&self.body).map(|Message { message }| message).unwrap_or_default()
    }

    fn checked(self) -> Result<Self, GithubError> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_success() {
            return Ok(self);
        }
        let (message, request) = (self.message(), self.request);
        Err(match self.status {
            401 => GithubError::Unauthorized { request },
            403 => GithubError::Forbidden { request, message },
            404 | 410 => GithubError::NotFound { request },
            status => GithubError::Refused { request, status, message },
        })
    }

    fn json<T: DeserializeOwned>(self) -> Result<T, GithubError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| GithubError::Answer { request: self.request, problem: error.to_string() })
    }
}

fn limits(headers: &HeaderMap) -> Limits {
    let number = |name| text(headers, name).and_then(|text| text.trim().parse::<u64>().ok());
    Limits {
        retry_after: number("retry-after"),
        remaining: number("x-ratelimit-remaining"),
        reset: number("x-ratelimit-reset").and_then(|seconds| i64::try_from(seconds).ok()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The cause at the bottom, which says what happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

/// A part of a path or a value of a query, escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
