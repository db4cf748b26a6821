//! Signed JSON for any other system.
//!
//! The body is one object; fields may be added, and are never renamed or removed while `version` is 1:
//!
//! | field | value |
//! |---|---|
//! | `version` | 1 |
//! | `delivery` | the same for every attempt of one delivery; also in `X-Matano-Delivery` |
//! | `kind` | `new` or `update` |
//! | `alert` | the alert as it is now: `id`, `detection`, `dedupe`, `window`, `title`, `severity`, `description`, `runbook`, `references`, `false_positives`, `destinations`, `tables`, `match_count`, `threshold`, `first_matched_at`, `last_matched_at`, `context`, `context_more`, `release` |
//! | `new_matches` | how many matches this destination had not heard of |
//! | `severity_raised_from` | the earlier severity where it has risen, else null |
//! | `new_context` | the values this destination had not seen, by dotted field |
//! | `new_context_more` | how many more of them a field has |
//!
//! `X-Matano-Signature` is `v1=` and the hex HMAC-SHA256 of `X-Matano-Timestamp`, a full stop, and the body, with the
//! destination's `signing_secret`. A receiver compares it in constant time and refuses old timestamps; it answers 2xx
//! once it has the delivery, and ignores a delivery id that it has seen, because a delivery can come twice.

use hmac::{Hmac, Mac as _};
use model::{delivery::DeliveryKey, time::Timestamp};
use serde_json::json;
use sha2::Sha256;

use crate::news::News;

/// Of the body's shape.
pub const VERSION: u32 = 1;

/// What is posted to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    /// JSON.
    pub body: Vec<u8>,
    /// Names in lower case, with their values.
    pub headers: Vec<(&'static str, String)>,
}

/// The request of one delivery.
pub fn request(news: &News<'_>, key: DeliveryKey, signing_secret: &str, sent_at: Timestamp) -> WebhookRequest {
    let body = body(news, key);
    let seconds = sent_at.micros().div_euclid(1_000_000);
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-matano-delivery", key.to_string()),
        ("x-matano-timestamp", seconds.to_string()),
        ("x-matano-signature", signature(signing_secret, seconds, &body)),
    ];
    WebhookRequest { body, headers }
}

/// The JSON of one delivery: the same bytes for every attempt.
pub fn body(news: &News<'_>, key: DeliveryKey) -> Vec<u8> {
    let body = json!({
        "version": VERSION,
        "delivery": key,
        "kind": news.kind,
        "alert": news.alert,
        "new_matches": news.new_matches,
        "severity_raised_from": news.raised_from,
        "new_context": news.new_context,
        "new_context_more": news.new_context_more,
    });
    body.to_string().into_bytes()
}

/// `v1=` and the hex HMAC-SHA256 of the timestamp, a full stop, and the body.
pub fn signature(signing_secret: &str, seconds: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(signing_secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}
