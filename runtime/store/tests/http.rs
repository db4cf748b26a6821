//! The HTTP client against real sockets.
#![allow(clippy::unwrap_used)] // a test may panic

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::JoinHandle,
    time::Duration,
};

use model::time::Timestamp;
use store::{
    error::StoreError,
    http::{HttpClient, HttpLimits, HttpResponse, RetryAfter},
};

/// A server that reads the head of each request and answers with the next of `answers`; returns the heads.
fn serve(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heads = std::thread::spawn(move || {
        let each = answers.iter().map(|answer| {
            let (mut stream, _) = listener.accept().unwrap();
            let head = read_head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            head
        });
        each.collect()
    });
    (url, heads)
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

fn client() -> HttpClient {
    let limits = HttpLimits { connect: Duration::from_secs(5), total: Duration::from_secs(30), body_bytes: 10 };
    HttpClient::new(limits).unwrap()
}

async fn post(url: &str) -> Result<HttpResponse, StoreError> {
    client().post(url, &[("x-test", "1".to_owned())], b"body".to_vec()).await
}

#[tokio::test]
async fn an_answer_has_status_retry_after_and_the_beginning_of_its_body() {
    let (url, heads) = serve(vec![answer("429 Too Many Requests", "Retry-After: 30\r\n", "more than ten bytes")]);
    let response = post(&url).await.unwrap();
    assert_eq!((response.status, response.retry_after), (429, Some(RetryAfter::Seconds(30))));
    assert_eq!(response.body, b"more than ");
    let head = heads.join().unwrap().remove(0).to_lowercase();
    assert!(head.starts_with("post / http/1.1") && head.contains("x-test: 1"), "{head}");
}

#[tokio::test]
async fn a_redirect_to_the_same_place_is_followed_with_its_body() {
    let (url, heads) =
        serve(vec![answer("307 Temporary Redirect", "Location: /there\r\n", ""), answer("200 OK", "", "ok")]);
    assert_eq!(post(&url).await.unwrap().body, b"ok");
    assert!(heads.join().unwrap()[1].starts_with("POST /there "));
}

#[tokio::test]
async fn a_redirect_to_another_place_is_not_followed() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("Location: http://{}/\r\n", other.local_addr().unwrap());
    let (url, _heads) = serve(vec![answer("307 Temporary Redirect", &location, "")]);
    assert_eq!(post(&url).await.unwrap().status, 307);
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "nobody called there");
}

#[tokio::test]
async fn a_redirect_that_would_drop_the_body_is_not_followed() {
    let (url, _heads) = serve(vec![answer("302 Found", "Location: /there\r\n", "")]);
    assert_eq!(post(&url).await.unwrap().status, 302);
}

#[tokio::test]
async fn plain_http_is_for_this_machine_only() {
    for url in [
        "http://example.com/hook",
        "ftp://example.com",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com",
    ] {
        let error = post(url).await.unwrap_err();
        assert!(!error.is_retryable() && error.to_string().contains("expected `https`"), "{error}");
    }
    assert!(post("not a url").await.unwrap_err().to_string().contains("has no valid URL"));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_failure_to_try_again_without_the_path() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hush", listener.local_addr().unwrap());
    let limits = HttpLimits { total: Duration::from_millis(50), ..HttpLimits::default() };
    let error = HttpClient::new(limits).unwrap().post(&url, &[], Vec::new()).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(error.to_string(), "request to `127.0.0.1` had no answer in time");
}

#[tokio::test]
async fn a_connection_that_breaks_or_is_refused_is_a_failure_to_try_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hush", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let broken = post(&url).await.unwrap_err();
    server.join().unwrap();
    let refused = post(&url).await.unwrap_err();
    for error in [broken, refused] {
        assert!(error.is_retryable() && !error.to_string().contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn a_header_with_a_line_break_is_refused_without_showing_it() {
    let sent = client().post("https://localhost/", &[("authorization", "Bearer hush\n".to_owned())], Vec::new()).await;
    let error = sent.unwrap_err();
    assert!(!error.is_retryable() && !error.to_string().contains("hush"), "{error}");
}

#[test]
fn retry_after_is_read_in_both_forms() {
    let now: Timestamp = "2015-10-21T07:00:00Z".parse().unwrap();
    let time = |text: &str| RetryAfter::parse(text).map(|after| after.time(now).to_string());
    assert_eq!(time("120").as_deref(), Some("2015-10-21T07:02:00.000000Z"));
    assert_eq!(time("Wed, 21 Oct 2015 07:28:00 GMT").as_deref(), Some("2015-10-21T07:28:00.000000Z"));
    assert_eq!(time("Wed, 21 Oct 2015 06:28:00 GMT").as_deref(), Some("2015-10-21T07:00:00.000000Z"), "in the past");
    assert_eq!(time("99999999999999999999").as_deref().map(|time| &time[..4]), Some("2151"));
    assert_eq!(time("soon"), None);
    assert_eq!(time(""), None);
}
