//! A request as the answers see it, and what they give back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A request that came in, for tests that count them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET`
    pub method: String,
    /// With the query: `/repos/acme/detections/issues/1/comments?per_page=100`.
    pub url: String,
    /// What was answered.
    pub status: u16,
}

/// A request, taken apart.
#[derive(Debug)]
pub(crate) struct Request {
    pub method: String,
    /// The segments of the path, percent-decoded.
    pub path: Vec<String>,
    pub query: BTreeMap<String, String>,
    pub url: String,
    /// The token, without `Bearer`.
    pub token: Option<String>,
    pub body: Value,
    /// Where this server is: `http://127.0.0.1:1234`.
    pub base: String,
}

impl Request {
    /// From the parts of HTTP. A body that is no JSON is as good as none.
    pub fn new(method: &str, url: &str, token: Option<String>, body: &[u8], base: &str) -> Self {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(&value.replace('+', " ")))
        });
        Self {
            method: method.to_owned(),
            path: path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect(),
            query: query.collect(),
            url: url.to_owned(),
            token,
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            base: base.to_owned(),
        }
    }

    /// A member of the body that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What is sent back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// A JSON document.
    pub fn json(status: u16, body: Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// Nothing but a status.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// GitHub's form of an error.
    pub fn error(status: u16, message: &str) -> Self {
        let page = "https://docs.github.com/rest";
        Self::json(status, json!({ "message": message, "documentation_url": page, "status": status.to_string() }))
    }

    /// What is missing, or not to be seen.
    pub fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    /// A field that GitHub does not take.
    pub fn invalid(resource: &str, field: &str, code: &str) -> Self {
        let page = "https://docs.github.com/rest";
        let errors = json!([{ "resource": resource, "field": field, "code": code }]);
        let body = json!({ "message": "Validation Failed", "documentation_url": page, "errors": errors });
        Self::json(422, body)
    }

    /// Adds a header.
    pub fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_taken_apart_and_decoded() {
        let request = Request::new("GET", "/repos/a/b/commits/x%2Fy?page=2&labels=a%3Ab+c", None, b"", "");
        assert_eq!(request.path, ["repos", "a", "b", "commits", "x/y"]);
        assert_eq!(request.query["page"], "2");
        assert_eq!(request.query["labels"], "a:b c");
    }

    #[test]
    fn a_percent_sign_that_escapes_nothing_stays() {
        assert_eq!(decoded("100%é%zz%4"), "100%é%zz%4");
    }
}
