//! Deliveries to real sockets.
#![allow(clippy::unwrap_used)] // a test may panic

mod server;

use std::{
    collections::BTreeMap,
    io::Write,
    num::NonZeroU32,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use alert_forwarder::{AlertForwarder, Backoff, ForwarderOptions, Report, World};
use alert_writer::AlertWriter;
use model::{
    alert::{MatchId, RuleMatch, Severity},
    digest::Digest,
    name::{DestinationName, DetectionName, TableName},
    release::{Destination, DestinationKind, FORMAT, Release, ReleaseId},
    time::Timestamp,
};
use serde_json::{Value, json};
use server::{Reply, Request, Slack, Trouble, serve};
use store::{
    alerts::{AlertStore, Redrive},
    alerts_sqlite::SqliteAlerts,
    http::{HttpClient, HttpLimits},
    secrets::LocalSecrets,
};

fn name(text: &str) -> DestinationName {
    DestinationName::parse(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(seconds)
}

fn found(dedupe: &str, record: &str, destinations: &[&str]) -> RuleMatch {
    let detection = DetectionName::parse("root_login").unwrap();
    RuleMatch {
        id: MatchId::of(&detection, record),
        detection,
        release: ReleaseId(Digest::of(b"release")),
        table: TableName::parse("aws_cloudtrail").unwrap(),
        record_id: record.to_owned(),
        ts: at(10),
        title: format!("Root of {dedupe}"),
        dedupe: dedupe.to_owned(),
        severity: Severity::High,
        description: None,
        runbook: None,
        references: Vec::new(),
        false_positives: Vec::new(),
        destinations: destinations.iter().map(|text| name(text)).collect(),
        context: json!({}),
        event: json!({"related": {"ip": [record]}}),
        threshold: NonZeroU32::MIN,
        window_seconds: NonZeroU32::new(3600).unwrap(),
    }
}

/// What a program would own: a store, destinations, secrets, a clock.
struct Setup {
    directory: tempfile::TempDir,
    store: Arc<dyn AlertStore>,
    destinations: BTreeMap<DestinationName, DestinationKind>,
    secrets: Vec<(String, String)>,
    slack_api: String,
    timeout: Duration,
    now: Arc<Mutex<Timestamp>>,
    out: Arc<Mutex<Vec<u8>>>,
}

fn open(directory: &tempfile::TempDir) -> Arc<dyn AlertStore> {
    Arc::new(SqliteAlerts::open(&directory.path().join("alerts.db")).unwrap())
}

impl Setup {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            store: open(&directory),
            directory,
            destinations: BTreeMap::new(),
            secrets: Vec::new(),
            slack_api: "https://127.0.0.1:1".to_owned(),
            timeout: Duration::from_secs(30),
            now: Arc::new(Mutex::new(at(0))),
            out: Arc::default(),
        }
    }

    fn slack(slack: &Slack) -> Self {
        let channel = Some("#alerts".to_owned());
        let setup = Self::new().with("ops", DestinationKind::Slack { channel });
        Self { slack_api: slack.url.clone(), ..setup }.secret("OPS_BOT_USER_OAUTH_TOKEN", "xoxb-good")
    }

    fn with(mut self, destination: &str, kind: DestinationKind) -> Self {
        self.destinations.insert(name(destination), kind);
        self
    }

    fn secret(mut self, variable: &str, value: &str) -> Self {
        self.secrets.push((format!("MATANO_SECRET_{variable}"), value.to_owned()));
        self
    }

    fn release(&self) -> Release {
        let each = self.destinations.iter();
        Release {
            format: FORMAT,
            log_sources: BTreeMap::new(),
            tables: BTreeMap::new(),
            detections: BTreeMap::new(),
            enrichment: BTreeMap::new(),
            destinations: each
                .map(|(name, kind)| (name.clone(), Destination { name: name.clone(), kind: kind.clone() }))
                .collect(),
        }
    }

    fn forwarder(&self) -> AlertForwarder {
        let now = Arc::clone(&self.now);
        let limits = HttpLimits { total: self.timeout, ..HttpLimits::default() };
        let world = World {
            store: Arc::clone(&self.store),
            secrets: Arc::new(LocalSecrets::new(self.secrets.clone(), None::<PathBuf>)),
            http: HttpClient::new(limits).unwrap(),
            stdout: Arc::clone(&self.out) as Arc<Mutex<dyn Write + Send>>,
            clock: Arc::new(move || *now.lock().unwrap()),
            jitter: Arc::new(|| 0.0),
            slack_api: self.slack_api.clone(),
        };
        let backoff = Backoff { first_seconds: 5, most_seconds: 60, attempts: 4 };
        AlertForwarder::new(world, &self.release(), ForwarderOptions { backoff, ..ForwarderOptions::default() })
    }

    async fn write(&self, matches: &[RuleMatch]) {
        let writer = AlertWriter::new(Arc::clone(&self.store), &self.release());
        writer.write(matches.to_vec(), self.now()).await.unwrap();
    }

    async fn forward(&self) -> Report {
        let forwarder = self.forwarder();
        // on another thread, as a program would
        let report = tokio::spawn(async move { forwarder.forward().await.unwrap() }).await.unwrap();
        assert_eq!(report.failed, []);
        report
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    /// Goes on `seconds` later.
    fn later(&self, seconds: i64) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus_seconds(seconds);
    }
}

fn counts(report: &Report) -> (usize, usize, usize) {
    (report.sent.len(), report.again.len(), report.dead.len())
}

fn reason(report: &Report) -> &str {
    report.again.iter().chain(&report.dead).next().unwrap().reason.as_deref().unwrap()
}

fn status(head: &'static str, body: &str) -> Option<Trouble> {
    Some(Trouble::Instead(Reply::Answer(head, body.to_owned())))
}

#[tokio::test]
async fn an_alert_is_one_message_that_is_edited_and_a_thread_that_grows() {
    let (slack, _) = Slack::start();
    let setup = Setup::slack(&slack);
    setup.write(&[found("a", "r1", &["ops"])]).await;
    assert_eq!(counts(&setup.forward().await), (1, 0, 0));
    assert_eq!((slack.roots().len(), slack.replies().len()), (1, 1));
    assert_eq!(slack.roots()[0].text, "🟠 [high] Root of a (1 match)");
    assert_eq!(counts(&setup.forward().await), (0, 0, 0), "nothing is left to do");

    setup.write(&[found("a", "r2", &["ops"]), found("a", "r3", &["ops"])]).await;
    assert_eq!(counts(&setup.forward().await), (1, 0, 0));
    let (roots, replies) = (slack.roots(), slack.replies());
    assert_eq!((roots.len(), roots[0].edits, roots[0].text.as_str()), (1, 1, "🟠 [high] Root of a (3 matches)"));
    let said: Vec<_> = replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!(said, ["Context of the first 1 match", "2 more matches, 3 in all"]);
    assert!(replies.iter().all(|reply| reply.thread.as_ref() == Some(&roots[0].ts)));

    setup.write(&[found("b", "r4", &["ops"])]).await;
    setup.forward().await;
    assert_eq!(slack.roots().len(), 2, "another alert is another message");
}

#[tokio::test]
async fn too_many_requests_hold_the_destination_for_as_long_as_it_asks() {
    let (slack, _) = Slack::start();
    let setup = Setup::slack(&slack);
    setup.write(&[found("a", "r1", &["ops"]), found("b", "r2", &["ops"])]).await;
    slack.trouble([status("429 Too Many Requests\r\nRetry-After: 30", "")]);
    let report = setup.forward().await;
    assert_eq!(counts(&report), (0, 1, 0));
    assert_eq!(reason(&report), "answered 429");
    assert_eq!(slack.calls().len(), 1, "the other alert waits, too");
    setup.later(29);
    setup.write(&[found("c", "r3", &["ops"])]).await;
    assert_eq!(counts(&setup.forward().await), (0, 0, 0));
    setup.later(1);
    assert_eq!(counts(&setup.forward().await), (3, 0, 0));
    assert_eq!(slack.roots().len(), 3);
}

#[tokio::test]
async fn passing_failures_are_tried_again_and_later_each_time() {
    let (slack, _) = Slack::start();
    let setup = Setup::slack(&slack);
    setup.write(&[found("a", "r1", &["ops"])]).await;
    let troubles: [(Option<Trouble>, &str, i64); 3] = [
        (status("500 Internal Server Error", "oh\u{1b}no"), "answered 500: oh\u{fffd}no", 5),
        (Some(Trouble::Instead(Reply::Reset)), "request to `127.0.0.1` failed", 10),
        (
            status("200 OK", r#"{"ok": false, "error": "ratelimited"}"#),
            "slack refused `chat.postMessage`: `ratelimited`",
            20,
        ),
    ];
    for (trouble, expected, wait) in troubles {
        slack.trouble([trouble]);
        let report = setup.forward().await;
        assert_eq!(counts(&report), (0, 1, 0), "{expected}");
        assert!(reason(&report).starts_with(expected), "{}", reason(&report));
        setup.later(wait - 1);
        assert_eq!(counts(&setup.forward().await), (0, 0, 0), "{expected}");
        setup.later(1);
    }
    assert_eq!(counts(&setup.forward().await), (1, 0, 0));
    assert_eq!((slack.roots().len(), slack.replies().len()), (1, 1));
}

#[tokio::test]
async fn what_fails_too_often_is_a_dead_letter_that_can_be_redriven() {
    let (slack, _) = Slack::start();
    let setup = Setup::slack(&slack);
    setup.write(&[found("a", "r1", &["ops"])]).await;
    for _ in 0..3 {
        slack.trouble([status("503 Service Unavailable", "")]);
        assert_eq!(counts(&setup.forward().await), (0, 1, 0));
        setup.later(60);
    }
    slack.trouble([status("503 Service Unavailable", "")]);
    let report = setup.forward().await;
    assert_eq!(reason(&report), "gave up after 4 attempts: answered 503");
    setup.later(10_000);
    assert_eq!(counts(&setup.forward().await), (0, 0, 0));
    assert_eq!(setup.store.redrive(&Redrive::All, setup.now()).await.unwrap(), 1);
    assert_eq!(counts(&setup.forward().await), (1, 0, 0));
    assert_eq!(setup.store.dead_letters().await.unwrap(), []);
}

#[tokio::test]
async fn lasting_refusals_are_dead_letters_at_once_and_say_what_to_do() {
    let (slack, _) = Slack::start();
    let wrong_token = Setup::slack(&slack);
    let wrong_token = Setup { secrets: Vec::new(), ..wrong_token }.secret("OPS_BOT_USER_OAUTH_TOKEN", "xoxb-bad");
    let wrong_channel = Setup::slack(&slack).with("ops", DestinationKind::Slack { channel: Some("C2".to_owned()) });
    let no_channel = Setup::slack(&slack).with("ops", DestinationKind::Slack { channel: None });
    let no_secret = Setup { secrets: Vec::new(), ..Setup::slack(&slack) };
    let cases = [
        (wrong_token, "slack refused `chat.postMessage`: `invalid_auth`: check the secret `bot_user_oauth_token`"),
        (wrong_channel, "slack refused `chat.postMessage`: `channel_not_found`: check `channel`, and invite the app"),
        (no_channel, "destination `ops` has a bot token but no `channel`: add one"),
        (
            no_secret,
            "destination `ops` has no secret `bot_user_oauth_token`: set `MATANO_SECRET_OPS_BOT_USER_OAUTH_TOKEN`",
        ),
        (
            Setup::new().with("ops", DestinationKind::Ses { from: "a@example.com".to_owned(), to: Vec::new() }),
            "mail through Amazon SES needs the target `aws`",
        ),
        (
            Setup::new()
                .with("ops", DestinationKind::Webhook { url: Some("http://example.com/".to_owned()) })
                .secret("OPS_SIGNING_SECRET", "s"),
            "request to `example.com` would use `http`, expected `https`",
        ),
    ];
    for (setup, expected) in cases {
        setup.write(&[found("a", "r1", &["ops"])]).await;
        let report = setup.forward().await;
        assert_eq!(counts(&report), (0, 0, 1), "{report:?}");
        assert!(reason(&report).starts_with(expected), "{}", reason(&report));
        let dead = setup.store.dead_letters().await.unwrap();
        assert_eq!((dead.len(), dead[0].reason.as_str()), (1, reason(&report)));
        assert!(!dead[0].reason.contains("xoxb"), "{}", dead[0].reason);
    }
    assert_eq!(slack.messages(), []);
}

#[tokio::test]
async fn a_message_that_someone_deleted_is_posted_again() {
    let (slack, _) = Slack::start();
    let setup = Setup::slack(&slack);
    setup.write(&[found("a", "r1", &["ops"])]).await;
    setup.forward().await;
    slack.delete_all();
    setup.write(&[found("a", "r2", &["ops"])]).await;
    assert_eq!(counts(&setup.forward().await), (1, 0, 0));
    assert_eq!((slack.roots().len(), slack.replies().len()), (1, 1));
    setup.write(&[found("a", "r3", &["ops"])]).await;
    setup.forward().await;
    assert_eq!((slack.roots().len(), slack.roots()[0].edits), (1, 1), "and it is the new one that is edited");
}

#[tokio::test]
async fn a_crash_after_any_step_repeats_that_step_at_most() {
    // the process dies after Slack has done the nth call and before it hears of it
    for (calls, roots, replies) in [(0, 1, 1), (1, 2, 1), (2, 1, 2)] {
        let (slack, mut done) = Slack::start();
        let mut setup = Setup::slack(&slack);
        setup.write(&[found("a", "r1", &["ops"])]).await;
        if calls > 0 {
            slack.trouble((1..calls).map(|_| None).chain([Some(Trouble::DoneInSilence)]));
            let forwarder = setup.forwarder();
            tokio::select! {
                report = forwarder.forward() => panic!("{report:?}"),
                _ = done.recv() => (),
            }
        }
        setup.store = open(&setup.directory);
        if calls > 0 {
            assert_eq!(counts(&setup.forward().await), (0, 0, 0), "the dead process's lease holds");
        }
        // in the meantime the alert grows
        setup.write(&[found("a", "r2", &["ops"])]).await;
        setup.later(120);
        setup.forward().await;
        let expected_replies = if calls > 0 { replies + 1 } else { replies };
        assert_eq!((slack.roots().len(), slack.replies().len()), (roots, expected_replies), "crash after call {calls}");
        assert_eq!(slack.roots().last().unwrap().text, "🟠 [high] Root of a (2 matches)");
        assert_eq!(setup.store.next_due().await.unwrap(), None);
    }
}

/// A webhook that keeps what it gets.
fn webhook() -> (String, Arc<Mutex<Vec<Request>>>) {
    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let keep = Arc::clone(&seen);
    let url = serve(move |request| {
        keep.lock().unwrap().push(request);
        Reply::Answer("202 Accepted", String::new())
    });
    (url, seen)
}

#[tokio::test]
async fn a_webhook_gets_signed_json_and_every_attempt_has_the_same_id() {
    let (url, seen) = webhook();
    let setup = Setup::new().with("siem", DestinationKind::Webhook { url: None });
    let setup = setup.secret("SIEM_URL", &format!("{url}/hook")).secret("SIEM_SIGNING_SECRET", "hush");
    setup.write(&[found("a", "r1", &["siem"])]).await;
    assert_eq!(counts(&setup.forward().await), (1, 0, 0));
    setup.write(&[found("a", "r2", &["siem"])]).await;
    let report = setup.forward().await;
    let seen = seen.lock().unwrap();
    let bodies: Vec<Value> = seen.iter().map(Request::json).collect();
    assert_eq!((&bodies[0]["kind"], &bodies[1]["kind"]), (&json!("new"), &json!("update")));
    assert_eq!(bodies[1]["new_context"], json!({"related.ip": ["r2"]}));
    assert_eq!(seen[1].header("x-matano-delivery"), report.sent[0].key.to_string());
    assert_eq!(seen[1].path, "/hook");
    let seconds: i64 = seen[1].header("x-matano-timestamp").parse().unwrap();
    assert_eq!(seen[1].header("x-matano-signature"), alert::webhook::signature("hush", seconds, &seen[1].body));
}

#[tokio::test]
async fn a_webhook_that_answers_too_late_gets_the_same_body_and_id_again() {
    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let keep = Arc::clone(&seen);
    let url = serve(move |request| {
        let mut seen = keep.lock().unwrap();
        seen.push(request);
        if seen.len() == 1 { Reply::Silence } else { Reply::Answer("200 OK", String::new()) }
    });
    let setup = Setup { timeout: Duration::from_millis(100), ..Setup::new() };
    let setup = setup.with("siem", DestinationKind::Webhook { url: Some(url) }).secret("SIEM_SIGNING_SECRET", "hush");
    setup.write(&[found("a", "r1", &["siem"])]).await;
    let report = setup.forward().await;
    assert_eq!(reason(&report), "request to `127.0.0.1` had no answer in time");
    // growth after the first attempt is a delivery of its own
    setup.write(&[found("a", "r2", &["siem"])]).await;
    setup.later(5);
    // the time-out is for the first attempt; the others need none
    let setup = Setup { timeout: Duration::from_secs(30), ..setup };
    assert_eq!(counts(&setup.forward().await), (2, 0, 0));
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].body, seen[1].body);
    assert_eq!(seen[0].header("x-matano-delivery"), seen[1].header("x-matano-delivery"));
    assert_ne!(seen[1].header("x-matano-delivery"), seen[2].header("x-matano-delivery"));
}

#[tokio::test]
async fn a_destination_that_is_slow_or_wrong_holds_up_no_other() {
    // `slow` answers only after `quick` was served: if one waited for the other, neither would end
    let served = Arc::new((Mutex::new(false), Condvar::new()));
    let wait = Arc::clone(&served);
    let slow = serve(move |_| {
        let (flag, changed) = &*wait;
        let _served = changed.wait_while(flag.lock().unwrap(), |served| !*served).unwrap();
        Reply::Answer("200 OK", String::new())
    });
    let quick = serve(move |_| {
        let (flag, changed) = &*served;
        *flag.lock().unwrap() = true;
        changed.notify_all();
        Reply::Answer("200 OK", String::new())
    });
    let setup = Setup::new()
        .with("a_slow", DestinationKind::Webhook { url: Some(slow) })
        .with("b_wrong", DestinationKind::Webhook { url: None })
        .with("c_quick", DestinationKind::Webhook { url: Some(quick) })
        .secret("A_SLOW_SIGNING_SECRET", "s")
        .secret("C_QUICK_SIGNING_SECRET", "s");
    setup.write(&[found("a", "r1", &["a_slow", "b_wrong", "c_quick", "unknown"])]).await;
    let report = setup.forward().await;
    let sent: Vec<_> = report.sent.iter().map(|settled| settled.destination.as_str()).collect();
    assert_eq!(sent, ["a_slow", "c_quick"]);
    assert_eq!(report.dead.len(), 1);
    assert!(reason(&report).starts_with("destination `b_wrong` has no secret `url`"), "{}", reason(&report));
    assert_eq!(setup.store.dead_letters().await.unwrap().len(), 2, "the unknown one never got here");
}

#[tokio::test]
async fn a_delivery_that_always_fails_does_not_hold_up_other_alerts() {
    let url = serve(|request| match request.json()["alert"]["dedupe"].as_str() {
        Some("bad") => Reply::Answer("500 Internal Server Error", String::new()),
        _ => Reply::Answer("200 OK", String::new()),
    });
    let setup =
        Setup::new().with("siem", DestinationKind::Webhook { url: Some(url) }).secret("SIEM_SIGNING_SECRET", "s");
    let matches = ["bad", "good", "fine"].map(|dedupe| found(dedupe, dedupe, &["siem"]));
    setup.write(&matches).await;
    assert_eq!(counts(&setup.forward().await), (2, 1, 0));
}

#[tokio::test]
async fn a_destination_that_is_down_is_left_alone_after_a_few_failures() {
    let calls: Arc<Mutex<u32>> = Arc::default();
    let count = Arc::clone(&calls);
    let url = serve(move |_| {
        *count.lock().unwrap() += 1;
        Reply::Answer("502 Bad Gateway", String::new())
    });
    let setup =
        Setup::new().with("siem", DestinationKind::Webhook { url: Some(url) }).secret("SIEM_SIGNING_SECRET", "s");
    let matches: Vec<_> = (0..20).map(|n| found(&n.to_string(), &n.to_string(), &["siem"])).collect();
    setup.write(&matches).await;
    assert_eq!(counts(&setup.forward().await), (0, 3, 0));
    assert_eq!(counts(&setup.forward().await), (0, 0, 0));
    assert_eq!(*calls.lock().unwrap(), 3);
    assert_eq!(setup.store.next_due().await.unwrap(), Some(at(5)));
}

#[tokio::test]
async fn a_slack_webhook_gets_a_message_for_every_delivery() {
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let keep = Arc::clone(&seen);
    let url = serve(move |request| {
        keep.lock().unwrap().push(request.json());
        Reply::Answer("200 OK", "ok".to_owned())
    });
    let setup = Setup::new().with("ops", DestinationKind::Slack { channel: None }).secret("OPS_WEBHOOK_URL", &url);
    setup.write(&[found("a", "r1", &["ops"])]).await;
    setup.forward().await;
    setup.write(&[found("a", "r2", &["ops"])]).await;
    assert_eq!(counts(&setup.forward().await), (1, 0, 0));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|body| body["text"].is_string() && body["blocks"].is_array() && body["channel"].is_null()));
}

#[tokio::test]
async fn a_slack_webhook_that_was_revoked_is_a_dead_letter_without_its_url() {
    let url = serve(|_| Reply::Answer("404 Not Found", "no_service".to_owned()));
    let setup = Setup::new().with("ops", DestinationKind::Slack { channel: None });
    let setup = setup.secret("OPS_WEBHOOK_URL", &format!("{url}/services/T0/B0/hush"));
    setup.write(&[found("a", "r1", &["ops"])]).await;
    let report = setup.forward().await;
    assert_eq!((counts(&report), reason(&report)), ((0, 0, 1), "answered 404: no_service"));
}

#[tokio::test]
async fn standard_output_gets_lines() {
    let setup = Setup::new().with("here", DestinationKind::Stdout);
    setup.write(&[found("a", "r1", &["here"])]).await;
    assert_eq!(counts(&setup.forward().await), (1, 0, 0));
    let text = String::from_utf8(setup.out.lock().unwrap().clone()).unwrap();
    assert!(text.starts_with("ALERT  HIGH     [root_login] Root of a (1 match; aws_cloudtrail; alert "), "{text}");
}

#[tokio::test]
async fn a_destination_that_left_the_project_is_a_dead_letter() {
    let setup = Setup::new().with("here", DestinationKind::Stdout);
    setup.write(&[found("a", "r1", &["here"])]).await;
    let setup = Setup { destinations: BTreeMap::new(), ..setup };
    let report = setup.forward().await;
    assert!(reason(&report).starts_with("destination `here` is not in the project"), "{}", reason(&report));
}
