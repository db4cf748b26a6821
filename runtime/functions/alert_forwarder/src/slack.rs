//! Slack: one message an alert, edited as the alert grows, and a thread with its context; or an incoming webhook.
//!
//! Steps of one delivery: post the message (or edit the one there is), remember where it is, reply in its thread. A
//! retry edits instead of posting. `client_msg_id` is sent, but Slack does not promise to look at it.

use alert::{
    news::News,
    slack::{self, SlackMessage},
};
use model::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::secrets::Secret;

use crate::attempt::{Attempt, Sender, of_status};

/// What is remembered of an alert: where its message is, as `chat.postMessage` answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Message {
    channel: String,
    ts: String,
}

/// The parts of Slack's answers that we read.
#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
    error: Option<String>,
    needed: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

/// Why a call did not do what was asked.
enum Refusal {
    /// The word in Slack's `error`, with what a reader needs.
    Said(String, String),
    /// No answer of Slack's own.
    Other(Attempt),
}

impl From<Refusal> for Attempt {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Said(word, reason) => {
                if PASSING.contains(&word.as_str()) {
                    Self::again(reason)
                } else {
                    Self::Dead(reason)
                }
            }
            Refusal::Other(attempt) => attempt,
        }
    }
}

/// Errors of Slack's that go away by themselves. Any other is about us: token, channel, message.
const PASSING: [&str; 8] = [
    "ratelimited",
    "rate_limited",
    "message_limit_exceeded",
    "internal_error",
    "fatal_error",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

/// The message we remember is not there any more, or not ours to edit: a new one is posted.
const GONE: [&str; 5] =
    ["message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found", "thread_not_found"];

pub(crate) async fn send(sender: &Sender<'_>, news: &News<'_>, channel: Option<&str>) -> Attempt {
    let sent = async {
        if let Some(token) = sender.secret_if_given("bot_user_oauth_token").await? {
            return web_api(sender, news, channel, &token).await;
        }
        if let Some(url) = sender.secret_if_given("webhook_url").await? {
            return incoming_webhook(sender, news, &url).await;
        }
        // neither: the error tells how to give the better one
        sender.secret("bot_user_oauth_token").await.map(|_| ())
    };
    match sent.await {
        Ok(()) => Attempt::Done,
        Err(attempt) => attempt,
    }
}

async fn web_api(sender: &Sender<'_>, news: &News<'_>, channel: Option<&str>, token: &Secret) -> Result<(), Attempt> {
    let api = Api { sender, token };
    let known: Option<Message> =
        sender.leased.provider.clone().and_then(|provider| serde_json::from_value(provider).ok());
    let message = slack::alert_message(news.alert);
    let known = match known {
        Some(known) => api.edit(&known, &message).await?.then_some(known),
        None => None,
    };
    let at = match known {
        Some(at) => at,
        None => {
            let channel = channel.ok_or_else(|| {
                Attempt::Dead(format!("destination `{}` has a bot token but no `channel`: add one", sender.name))
            })?;
            let at = api.post(channel, None, &message).await?;
            let provider = serde_json::to_value(&at).expect("two strings are JSON");
            sender.world.store.remember(sender.leased, &provider).await?;
            at
        }
    };
    api.post(&at.channel, Some(&at.ts), &slack::thread_message(news)).await?;
    Ok(())
}

struct Api<'a> {
    sender: &'a Sender<'a>,
    token: &'a Secret,
}

impl Api<'_> {
    /// `chat.postMessage`: <https://docs.slack.dev/reference/methods/chat.postMessage>
    async fn post(&self, channel: &str, thread: Option<&str>, message: &SlackMessage) -> Result<Message, Attempt> {
        let key = self.sender.leased.delivery.key;
        let step = if thread.is_some() { "reply" } else { "message" };
        let mut arguments = arguments(message);
        arguments["channel"] = json!(channel);
        arguments["client_msg_id"] = json!(uuid(&Digest::of_parts([key.0.as_bytes().as_slice(), step.as_bytes()])));
        if let Some(thread) = thread {
            arguments["thread_ts"] = json!(thread);
        }
        let answer = self.call("chat.postMessage", &arguments).await?;
        match (answer.channel, answer.ts) {
            (Some(channel), Some(ts)) => Ok(Message { channel, ts }),
            _ => Err(Attempt::again("slack answered `ok` without `channel` and `ts`")),
        }
    }

    /// `chat.update`: <https://docs.slack.dev/reference/methods/chat.update>. False where there is no such message.
    async fn edit(&self, at: &Message, message: &SlackMessage) -> Result<bool, Attempt> {
        let mut arguments = arguments(message);
        arguments["channel"] = json!(at.channel);
        arguments["ts"] = json!(at.ts);
        match self.call("chat.update", &arguments).await {
            Ok(_) => Ok(true),
            Err(Refusal::Said(word, _)) if GONE.contains(&word.as_str()) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn call(&self, method: &str, arguments: &Value) -> Result<Answer, Refusal> {
        let url = format!("{}/{method}", self.sender.world.slack_api);
        let headers = [
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("authorization", format!("Bearer {}", self.token.expose())),
        ];
        let sent = self.sender.world.http.post(&url, &headers, arguments.to_string().into_bytes()).await;
        let response = sent.map_err(|error| Refusal::Other(error.into()))?;
        if response.status != 200 {
            return Err(Refusal::Other(of_status(&response)));
        }
        let answer: Answer = serde_json::from_slice(&response.body).map_err(|_| {
            Refusal::Other(Attempt::again(format!("slack answered `{method}` with something else than JSON")))
        })?;
        if answer.ok {
            return Ok(answer);
        }
        let word = answer.error.unwrap_or_else(|| "no reason".to_owned());
        let reason = format!("slack refused `{method}`: `{word}`{}", advice(&word, answer.needed.as_deref()));
        Err(Refusal::Said(word, reason))
    }
}

fn advice(word: &str, needed: Option<&str>) -> String {
    match word {
        "not_in_channel" => ": invite the app to the channel".to_owned(),
        "channel_not_found" => ": check `channel`, and invite the app if the channel is private".to_owned(),
        "is_archived" => ": the channel is archived, choose another".to_owned(),
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            ": check the secret `bot_user_oauth_token`".to_owned()
        }
        "missing_scope" => format!(": give the app the scope `{}`", needed.unwrap_or("chat:write")),
        _ => String::new(),
    }
}

/// Posts to an incoming webhook: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>
async fn incoming_webhook(sender: &Sender<'_>, news: &News<'_>, url: &Secret) -> Result<(), Attempt> {
    let headers = [("content-type", "application/json".to_owned())];
    let body = arguments(&slack::webhook_message(news)).to_string().into_bytes();
    let response = sender.world.http.post(url.expose(), &headers, body).await?;
    if response.status == 200 { Ok(()) } else { Err(of_status(&response)) }
}

fn arguments(message: &SlackMessage) -> Value {
    serde_json::to_value(message).expect("a message has string keys and JSON values")
}

/// The digest's beginning in the form of a UUID, version 8: made by a rule of our own.
fn uuid(digest: &Digest) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
