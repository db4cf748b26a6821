//! A small HTTP client for destinations: HTTPS only, time limits, bounded answers, no redirects to elsewhere.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use chrono::{DateTime, Utc};
use model::time::Timestamp;
use reqwest::{Client, Url, header, redirect};

use crate::error::StoreError;

const REDIRECTS: usize = 3;

/// What the client allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the answer is complete.
    pub total: Duration,
    /// Of the answer's body; the rest is left unread.
    pub body_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(15), body_bytes: 64 * 1024 }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// How long the server wants to be left alone.
    pub retry_after: Option<RetryAfter>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
}

/// The header `Retry-After`, in both of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds from now.
    Seconds(u32),
    /// At this time.
    At(Timestamp),
}

impl RetryAfter {
    /// Reads the header's value.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Seconds(text.parse().unwrap_or(u32::MAX)));
        }
        let time = DateTime::parse_from_rfc2822(text).ok()?;
        Timestamp::try_from(time.with_timezone(&Utc)).ok().map(Self::At)
    }

    /// The time it means, for a header that came at `now`.
    pub fn time(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Seconds(seconds) => now.plus_seconds(i64::from(seconds)),
            Self::At(time) => time.max(now),
        }
    }
}

/// Sends requests. Clones share connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    limits: HttpLimits,
}

impl HttpClient {
    /// A client with these limits.
    pub fn new(limits: HttpLimits) -> Result<Self, StoreError> {
        let client = Client::builder()
            .user_agent(concat!("matano/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .referer(false)
            .redirect(redirect::Policy::custom(same_place_only))
            .build()
            .map_err(|error| failed("?", &error, false))?;
        Ok(Self { client, limits })
    }

    /// Posts a body. An answer of any status is an answer; an error means that there was none.
    pub async fn post(&self, url: &str, headers: &[(&str, String)], body: Vec<u8>) -> Result<HttpResponse, StoreError> {
        let url = checked(url)?;
        let host = url.host_str().unwrap_or("?").to_owned();
        let mut request = self.client.post(url).body(body);
        for (name, value) in headers {
            // a header's value may be a secret, which `http` prints unless it is marked
            let mut value = header::HeaderValue::from_str(value).map_err(|_| StoreError::Request {
                host: host.clone(),
                problem: format!("has a value for `{name}` that no header can hold: check the secret for line breaks"),
                retryable: false,
            })?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        let mut response = request.send().await.map_err(|error| failed(&host, &error, true))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).and_then(RetryAfter::parse);
        let mut body = Vec::new();
        while body.len() < self.limits.body_bytes {
            match response.chunk().await.map_err(|error| failed(&host, &error, true))? {
                Some(chunk) => body.extend_from_slice(&chunk[..chunk.len().min(self.limits.body_bytes - body.len())]),
                None => break,
            }
        }
        Ok(HttpResponse { status, retry_after, body })
    }
}

/// HTTPS, or HTTP to this machine.
fn checked(url: &str) -> Result<Url, StoreError> {
    let refuse = |host: &str, problem: &str| StoreError::Request {
        host: host.to_owned(),
        problem: problem.to_owned(),
        retryable: false,
    };
    // the URL itself may be a secret: it is not repeated
    let url = Url::parse(url).map_err(|error| refuse("?", &format!("has no valid URL: {error}")))?;
    let host = url.host_str().unwrap_or("?").to_owned();
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&host) => Ok(url),
        other => Err(refuse(&host, &format!("would use `{other}`, expected `https`"))),
    }
}

fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost"
        || match ip {
            Ok(IpAddr::V4(ip)) => ip.octets()[0] == Ipv4Addr::LOCALHOST.octets()[0],
            Ok(IpAddr::V6(ip)) => ip == Ipv6Addr::LOCALHOST,
            Err(_) => false,
        }
}

/// A redirect that keeps method, scheme, host and port is followed; any other is the answer.
fn same_place_only(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let keeps_method = matches!(attempt.status().as_u16(), 307 | 308);
    let same_place = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if keeps_method && same_place && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

fn failed(host: &str, error: &reqwest::Error, retryable: bool) -> StoreError {
    let problem = if error.is_timeout() {
        "had no answer in time".to_owned()
    } else if error.is_connect() {
        format!("could not connect: {}", innermost(error))
    } else {
        format!("failed: {}", innermost(error))
    };
    StoreError::Request { host: host.to_owned(), problem, retryable: retryable && !error.is_builder() }
}

/// The cause at the bottom, which says what happened and, unlike the top, doesn't name the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut text = "no further cause".to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}
