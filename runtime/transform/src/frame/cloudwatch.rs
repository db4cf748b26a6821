//! CloudWatch Logs subscription envelopes: `{"messageType": "DATA_MESSAGE", "logEvents": [{"timestamp", "message"}]}`.
//!
//! The format is described at
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html>.

use std::borrow::Cow;

use serde::Deserialize;

use super::{
    Body, Item, Out, auto,
    balance::{Balance, Found, Newlines},
    window::{Window, is_whitespace},
};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "messageType", borrow, default)]
    message_type: Cow<'a, str>,
    #[serde(rename = "logEvents", borrow, default)]
    log_events: Option<Vec<LogEvent<'a>>>,
}

#[derive(Deserialize)]
struct LogEvent<'a> {
    timestamp: Option<i64>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// Reads the log events of all envelopes of one stream.
pub(super) fn read<E>(window: &mut Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    let limits = out.limits;
    let mut on = |item: Item<'_>| match item {
        Item::Record { body: Body::Json(envelope), .. } => log_events(envelope, out),
        Item::Record { body: Body::Text(text), .. } => {
            out.malformed("expected an envelope of a CloudWatch Logs subscription, found text", text)
        }
        Item::Reject { position: _, rule, error, raw } => out.reject(rule, error, &raw),
    };
    let mut envelopes = Out { on: &mut on, limits, next: 0, rejects: 0 };
    auto::read(window, &mut envelopes)
}

fn log_events<E>(bytes: &[u8], out: &mut Out<'_, E>) -> Result<(), E> {
    let envelope: Envelope<'_> = match sonic_rs::from_slice(bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            let error = error.to_string();
            let reason = error.lines().next().unwrap_or_default();
            return out.malformed(format!("expected an envelope of a CloudWatch Logs subscription: {reason}"), bytes);
        }
    };
    // what CloudWatch sends to see whether anybody listens
    if envelope.message_type == "CONTROL_MESSAGE" {
        return Ok(());
    }
    let Some(events) = envelope.log_events else {
        return out.malformed("expected an envelope of a CloudWatch Logs subscription, found no `logEvents`", bytes);
    };
    for event in events {
        let message = event.message.trim_end_matches(['\r', '\n']).as_bytes();
        if message.iter().copied().all(is_whitespace) {
            continue;
        }
        match body(message, out.limits.max_depth) {
            Some(body) => out.record(body, event.timestamp, message)?,
            None => {
                let limit = out.limits.max_depth;
                out.malformed(format!("expected JSON nested at most `{limit}` deep, found it deeper"), message)?;
            }
        }
    }
    Ok(())
}

/// JSON where the message is one object and nothing else; `None` where it is nested too deep.
fn body(message: &[u8], max_depth: u32) -> Option<Body<'_>> {
    let object = message.trim_ascii();
    if object.first() != Some(&b'{') {
        return Some(Body::Text(message));
    }
    let mut balance = Balance::new(Newlines::Pass);
    match balance.scan(object) {
        Found::End(end) if end == object.len() => {
            (!balance.is_deeper_than(max_depth, object)).then_some(Body::Json(object))
        }
        Found::End(_) | Found::Newline { .. } | Found::Nothing => Some(Body::Text(message)),
    }
}
