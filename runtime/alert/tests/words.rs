//! What destinations are told. The Slack messages in `golden/` are checked against Slack's own models by
//! `slack_blocks.py`; `UPDATE_GOLDEN=1` writes them anew.
#![allow(clippy::unwrap_used)] // a test may panic

mod example;

use std::{num::NonZeroU32, path::Path};

use alert::{
    console,
    news::News,
    slack::{self, SlackMessage},
    webhook,
};
use example::{alert_of, at, found};
use model::{
    alert::{RuleMatch, Severity},
    delivery::DeliveryKey,
    digest::Digest,
    name::TableName,
};
use serde_json::{Value, json};

fn ordinary() -> Vec<RuleMatch> {
    let event = |user: &str, ip: &str| {
        json!({
            "event": {"action": "ConsoleLogin", "outcome": "success"}, "user": {"name": user}, "source": {"ip": ip},
            "related": {"user": [user], "ip": [ip]}, "cloud": {"account": {"id": "123456789012"}},
        })
    };
    let mut first = found("r1", 0, event("root", "198.51.100.7"));
    first.description = Some("Someone signed in with the account's root user.".to_owned());
    first.runbook = Some("https://wiki.example.com/root?a=1&b=2".to_owned());
    first.references = vec!["https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user.html".to_owned()];
    first.false_positives = vec!["Break-glass exercises".to_owned(), "Changing the support plan".to_owned()];
    first.context = json!({"mfa": false, "account": "production"});
    first.threshold = NonZeroU32::new(1).unwrap();
    let mut second = found("r2", 60, event("root", "203.0.113.9"));
    second.severity = Severity::Critical;
    vec![first, second]
}

/// Everything a log line could try, and more of it than fits.
fn hostile() -> Vec<RuleMatch> {
    let attack = "<!channel> <@U1> <https://evil.example|click> @here `*_~ & :skull: \u{202e}\u{1b}[31m\n> quote";
    let fields: serde_json::Map<String, Value> = (0..200)
        .map(|n| {
            (format!("f{n} {attack}"), json!((0..40).map(|v| format!("{v} {}", attack.repeat(9))).collect::<Vec<_>>()))
        })
        .collect();
    let mut found =
        found("r1", 0, json!({"own": fields, "related": {"ip": vec![attack.repeat(20); 3], "user": [attack]}}));
    found.title = attack.repeat(5);
    found.description = Some(attack.repeat(100));
    found.runbook = Some(attack.repeat(100));
    found.references = (0..50).map(|n| format!("https://{n}.example/{}", "&".repeat(300))).collect();
    found.references.push(attack.to_owned());
    found.false_positives = (0..50).map(|n| format!("{n} {}", attack.repeat(10))).collect();
    found.context = json!({attack: attack});
    vec![found]
}

fn messages(matches: &[RuleMatch], known: usize) -> Vec<(&'static str, SlackMessage)> {
    let after = alert_of(matches);
    let before = (known > 0).then(|| alert_of(&matches[..known]));
    let news = News::between(before.as_ref(), &after);
    vec![
        ("message", slack::alert_message(&after)),
        ("thread", slack::thread_message(&news)),
        ("webhook", slack::webhook_message(&news)),
    ]
}

fn every_message() -> Vec<(String, SlackMessage)> {
    let (ordinary, hostile) = (ordinary(), hostile());
    let bare = [found("r1", 0, json!({}))];
    let cases = [
        ("new", &ordinary[..1], 0),
        ("update", &ordinary[..], 1),
        ("bare", &bare[..], 0),
        ("hostile", &hostile[..], 0),
    ];
    let each = cases.into_iter().flat_map(|(case, matches, known)| {
        messages(matches, known).into_iter().map(move |(name, message)| (format!("{case}_{name}"), message))
    });
    each.collect()
}

#[test]
fn slack_messages_are_as_written_down() {
    let golden = Path::new("tests/golden");
    for (name, message) in every_message() {
        let path = golden.join(format!("slack_{name}.json"));
        let text = serde_json::to_string_pretty(&message).unwrap() + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected: Value = serde_json::from_slice(&std::fs::read(&path).unwrap_or_default()).unwrap_or_default();
        assert_eq!(json!(message), expected, "{} differs: UPDATE_GOLDEN=1 writes it anew", path.display());
    }
}

/// All text objects of a message.
fn texts<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            if matches!(value["type"].as_str(), Some("mrkdwn" | "plain_text")) {
                out.push(value);
            }
            members.values().for_each(|member| texts(member, out));
        }
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

#[test]
fn slack_messages_are_within_the_limits() {
    for (name, message) in every_message() {
        assert!(!message.text.is_empty() && message.text.len() < 4000, "{name}");
        assert!((1..=50).contains(&message.blocks.len()), "{name}: {} blocks", message.blocks.len());
        let all = json!(message.blocks);
        assert!(all.to_string().len() < 12_000, "{name}: {} bytes", all.to_string().len());
        let mut found = Vec::new();
        texts(&all, &mut found);
        for text in found {
            let units = text["text"].as_str().unwrap().encode_utf16().count();
            assert!((1..=3000).contains(&units), "{name}: {units}");
        }
        let header = message.blocks.iter().find(|block| block["type"] == "header");
        assert!(header.is_none_or(|block| block["text"]["text"].as_str().unwrap().encode_utf16().count() <= 150));
    }
}

#[test]
fn log_data_is_never_markup_in_slack() {
    for (name, message) in every_message() {
        let all = json!(message.blocks);
        let mut found = Vec::new();
        texts(&all, &mut found);
        for text in found {
            let written = text["text"].as_str().unwrap();
            assert!(!written.contains(['\u{1b}', '\u{202e}']), "{name}: {written}");
            if text["type"] == "plain_text" {
                assert_eq!(text["emoji"], false, "{name}");
                continue;
            }
            assert_eq!(text["verbatim"], true, "{name}");
            // what is left of `<` is ours: dates, and links that show where they go
            for (at, _) in written.match_indices('<') {
                let rest = &written[at..];
                assert!(rest.starts_with("<!date^") || rest.starts_with("<https://"), "{name}: {rest}");
                assert!(
                    rest.starts_with("<!date^") || !rest[..rest.find('>').unwrap()].contains('|'),
                    "{name}: {rest}"
                );
            }
            // outside code spans nothing of the attack is left but field names
            let outside: String = written.split('`').step_by(2).collect();
            assert!(!outside.contains("@here") && !outside.contains(":skull:"), "{name}: {outside}");
        }
        assert!(!message.text.contains(['<', '>']), "{name}: {}", message.text);
    }
}

#[test]
fn a_message_that_is_full_says_where_the_rest_is() {
    let (_, message) = messages(&hostile(), 0).remove(1);
    let last = message.blocks.last().unwrap()["text"]["text"].as_str().unwrap();
    assert!(last.contains("`matano_alerts`"), "{last}");
}

#[test]
fn an_update_says_how_many_more_how_many_in_all_and_that_it_got_worse() {
    let (_, message) = messages(&ordinary(), 1).remove(1);
    assert_eq!(message.text, "1 more match, 2 in all, severity raised from high to critical");
    let context = message.blocks[1]["text"]["text"].as_str().unwrap();
    assert!(context.contains("203.0.113.9") && !context.contains("198.51.100.7"), "{context}");
}

#[test]
fn a_webhook_body_says_what_is_and_what_is_new() {
    let matches = ordinary();
    let (before, after) = (alert_of(&matches[..1]), alert_of(&matches));
    let key = DeliveryKey(Digest::of(b"key"));
    let body: Value = serde_json::from_slice(&webhook::body(&News::between(Some(&before), &after), key)).unwrap();
    assert_eq!((&body["version"], &body["kind"], &body["delivery"]), (&json!(1), &json!("update"), &json!(key)));
    assert_eq!((&body["new_matches"], &body["alert"]["match_count"]), (&json!(1), &json!(2)));
    assert_eq!(body["severity_raised_from"], "high");
    assert_eq!(body["new_context"], json!({"related.ip": ["203.0.113.9"], "source.ip": ["203.0.113.9"]}));
    assert_eq!(body["alert"], json!(after));
    let mut fields: Vec<&str> = body["alert"].as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let documented = [
        "context",
        "context_more",
        "dedupe",
        "description",
        "destinations",
        "detection",
        "false_positives",
        "first_matched_at",
        "id",
        "last_matched_at",
        "match_count",
        "references",
        "release",
        "runbook",
        "severity",
        "tables",
        "threshold",
        "title",
        "window",
    ];
    assert_eq!(fields, documented, "the shape is a promise: see the table in webhook.rs");
}

#[test]
fn a_webhook_is_signed_over_timestamp_and_body() {
    // printf '1688986800.{"a":1}' | openssl dgst -sha256 -hmac 'it is a secret'
    let expected = "v1=c80a1c3b74e03dc526c809809a75911e53fcd4f97a6366472098e65809725f78";
    assert_eq!(webhook::signature("it is a secret", 1_688_986_800, b"{\"a\":1}"), expected);
    let alert = alert_of(&ordinary());
    let news = News::between(None, &alert);
    let request = webhook::request(&news, DeliveryKey(Digest::of(b"key")), "it is a secret", at(0));
    let header = |name: &str| request.headers.iter().find(|(have, _)| *have == name).unwrap().1.clone();
    assert_eq!(header("x-matano-timestamp"), "1688986800");
    assert_eq!(header("x-matano-signature"), webhook::signature("it is a secret", 1_688_986_800, &request.body));
}

#[test]
fn console_lines_are_plain() {
    let mut matches = ordinary();
    matches[1].table = TableName::parse("okta_system").unwrap();
    let (before, after) = (alert_of(&matches[..1]), alert_of(&matches));
    let id = after.id.0.short(12);
    assert_eq!(
        console::lines(&News::between(None, &before)),
        format!(
            "ALERT  HIGH     [aws_root_login] Root signed in (1 match; aws_cloudtrail; alert {id})\n\
             \x20      alert_context.account: production\n\
             \x20      alert_context.mfa: false\n\
             \x20      related.ip: 198.51.100.7\n\
             \x20      related.user: root\n"
        )
    );
    assert_eq!(
        console::lines(&News::between(Some(&before), &after)),
        format!(
            "UPDATE CRITICAL [aws_root_login] Root signed in (1 more match, 2 in all; aws_cloudtrail, okta_system; alert {id})\n\
             \x20      severity raised from high to critical\n\
             \x20      related.ip: 203.0.113.9\n"
        )
    );
    let hostile = alert_of(&hostile());
    let text = console::lines(&News::between(None, &hostile));
    assert!(text.lines().all(|line| !line.chars().any(char::is_control)), "{text}");
}
