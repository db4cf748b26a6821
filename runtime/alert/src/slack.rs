//! Words for Slack, in Block Kit.
//!
//! One alert is one message, edited as the alert grows, with a thread that lists its context and what each update
//! added. An incoming webhook can neither edit nor thread, so there each delivery is a message of its own.
//!
//! Nothing from a log line is markup: free text goes into `plain_text`, values go into code spans with `&`, `<` and `>`
//! escaped (<https://docs.slack.dev/messaging/formatting-message-text>), and `verbatim` keeps Slack from making links and
//! mentions of what is left.

use std::collections::BTreeMap;

use model::{
    alert::{Alert, Severity},
    delivery::DeliveryKind,
    time::Timestamp,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    context::FROM_DETECTION,
    news::News,
    plain::{self, clip},
};

/// Of a header block, in UTF-16 units.
const HEADER: usize = 150;
/// Of a text object in a section is 3000; headings and `…` need some of it.
const SECTION: usize = 2900;
/// Of free text from a detection.
const PROSE: usize = 1500;
/// Of a single value.
const VALUE: usize = 200;
/// Values of one field.
const VALUES: usize = 25;
/// Values of one field in the summary.
const VALUES_IN_SHORT: usize = 5;
/// Slack takes 50 blocks.
const BLOCKS: usize = 48;
/// Slack refuses all blocks together at about 13,000 characters of JSON (`msg_blocks_too_long`), which its reference
/// doesn't say: <https://github.com/slackapi/bolt-js/issues/2509>.
const BYTES: usize = 10_000;

/// What a message says. As arguments of `chat.postMessage` or as the body of an incoming webhook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlackMessage {
    /// For notifications and screen readers.
    pub text: String,
    /// What people see.
    pub blocks: Vec<Value>,
    /// No previews of links.
    pub unfurl_links: bool,
    /// No previews of media.
    pub unfurl_media: bool,
}

/// The message of an alert as it stands, new or edited.
pub fn alert_message(alert: &Alert) -> SlackMessage {
    let mut page = Page::new(vec![header(alert)], vec![footer(alert)]);
    page.add(facts(alert));
    describe(alert, &mut page);
    if let Some(short) = in_short(alert) {
        page.add(mrkdwn_section(&short));
    }
    page.message(fallback(alert))
}

/// The reply in the thread: the context of a new alert, or what an update added.
pub fn thread_message(news: &News<'_>) -> SlackMessage {
    let mut page = Page::new(vec![mrkdwn_section(&format!("*{}*", headline(news)))], Vec::new());
    context(news, &mut page);
    page.message(headline(news))
}

/// A message of its own that says all an incoming webhook hears of this delivery.
pub fn webhook_message(news: &News<'_>) -> SlackMessage {
    let alert = news.alert;
    let mut page = Page::new(vec![header(alert)], vec![footer(alert)]);
    page.add(facts(alert));
    match news.kind {
        DeliveryKind::New => describe(alert, &mut page),
        DeliveryKind::Update => page.add(mrkdwn_section(&format!("*{}*", headline(news)))),
    }
    context(news, &mut page);
    page.message(fallback(alert))
}

/// Blocks within the limits: what doesn't fit any more is left out, the rest stays.
struct Page {
    blocks: Vec<Value>,
    last: Vec<Value>,
    bytes: usize,
    full: bool,
}

impl Page {
    fn new(blocks: Vec<Value>, last: Vec<Value>) -> Self {
        let bytes = blocks.iter().chain(&last).map(size).sum();
        Self { blocks, last, bytes, full: false }
    }

    fn fits(&self, block: &Value) -> bool {
        self.blocks.len() + self.last.len() < BLOCKS && self.bytes + size(block) <= BYTES
    }

    fn add(&mut self, block: Value) {
        if self.fits(&block) {
            self.bytes += size(&block);
            self.blocks.push(block);
        } else {
            self.full = true;
        }
    }

    fn message(mut self, text: String) -> SlackMessage {
        self.blocks.append(&mut self.last);
        SlackMessage { text, blocks: self.blocks, unfurl_links: false, unfurl_media: false }
    }
}

fn size(block: &Value) -> usize {
    block.to_string().len() + 1
}

fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "🔴",
        Severity::High => "🟠",
        Severity::Medium => "🟡",
        Severity::Low => "🔵",
        Severity::Notice | Severity::Info => "⚪",
    }
}

/// The two that wake people say so in the title.
fn shout(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL: ",
        Severity::High => "HIGH: ",
        Severity::Medium | Severity::Low | Severity::Notice | Severity::Info => "",
    }
}

fn header(alert: &Alert) -> Value {
    let title = format!("{} {}{}", mark(alert.severity), shout(alert.severity), plain::line(&alert.title));
    json!({"type": "header", "text": {"type": "plain_text", "text": clip(&title, HEADER), "emoji": false}})
}

fn facts(alert: &Alert) -> Value {
    let tables: Vec<String> = alert.tables.iter().take(VALUES_IN_SHORT).map(|table| code(table.as_str())).collect();
    let mut matches = format!("*Matches:* {}", alert.match_count);
    if alert.threshold.get() > 1 {
        matches.push_str(&format!(" (threshold {})", alert.threshold));
    }
    context_block(&[
        format!("*Severity:* {}", alert.severity),
        matches,
        format!("*{}:* {}", if tables.len() == 1 { "Table" } else { "Tables" }, tables.join(", ")),
        format!("*Detection:* {}", code(alert.detection.as_str())),
    ])
}

fn footer(alert: &Alert) -> Value {
    context_block(&[
        format!("*First match:* {}", date(alert.first_matched_at)),
        format!("*Last match:* {}", date(alert.last_matched_at)),
        format!("*Alert:* {}", code(&alert.id.to_string())),
    ])
}

fn describe(alert: &Alert, page: &mut Page) {
    let written = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    if let Some(text) = written(&alert.description) {
        page.add(plain_section(&clip(&plain::lines(&text), PROSE)));
    }
    if let Some(text) = written(&alert.runbook) {
        page.add(match link(&text) {
            Some(link) => mrkdwn_section(&format!("*Runbook:* {link}")),
            None => plain_section(&format!("Runbook: {}", clip(&plain::lines(&text), PROSE))),
        });
    }
    if !alert.references.is_empty() {
        let mut text = "*References:*".to_owned();
        for reference in &alert.references {
            let line = format!("\n• {}", link(reference).unwrap_or_else(|| code(&clip(reference, VALUE))));
            if units(&text) + units(&line) <= SECTION {
                text.push_str(&line);
            }
        }
        page.add(mrkdwn_section(&text));
    }
    if !alert.false_positives.is_empty() {
        let each = alert.false_positives.iter().take(VALUES_IN_SHORT * 2);
        let lines: Vec<String> = each.map(|text| format!("• {}", clip(&plain::line(text), VALUE))).collect();
        page.add(plain_section(&format!("False positives:\n{}", lines.join("\n"))));
    }
}

/// Who and where, for the eye.
fn in_short(alert: &Alert) -> Option<String> {
    let lines: Vec<String> = [
        ("related.user", "Users"),
        ("related.ip", "Addresses"),
        ("related.hosts", "Hosts"),
        ("related.hash", "Hashes"),
    ]
    .into_iter()
    .filter_map(|(field, name)| {
        let values = alert.context.get(field).filter(|values| !values.is_empty())?;
        let more = alert.context_more.get(field).copied().unwrap_or(0);
        Some(format!("*{name}:* {}", list(values, VALUES_IN_SHORT, SECTION / 5, more)))
    })
    .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn context(news: &News<'_>, page: &mut Page) {
    if news.new_context.is_empty() {
        page.add(plain_section(match news.kind {
            DeliveryKind::New => "The matches have no further fields.",
            DeliveryKind::Update => "Every value has been seen in this alert before.",
        }));
        return;
    }
    let of_detection = |field: &str| field == FROM_DETECTION || field.starts_with("alert_context.");
    let (own, event): (BTreeMap<_, _>, BTreeMap<_, _>) =
        news.new_context.iter().partition(|(field, _)| of_detection(field));
    for (heading, fields) in [("From the detection", own), ("From the events", event)] {
        if !fields.is_empty() {
            sections(heading, fields, news, page);
        }
    }
    if page.full {
        // the page keeps room for this: its limits are well below Slack's
        page.blocks.push(plain_section("There is more than a message can hold: all of it is in `matano_alerts`."));
    }
}

fn sections(heading: &str, fields: BTreeMap<&String, &Vec<Value>>, news: &News<'_>, page: &mut Page) {
    let mut text = format!("*{heading}*");
    for (field, values) in fields {
        let more = news.new_context_more.get(field).copied().unwrap_or(0);
        let name = field.strip_prefix("alert_context.").unwrap_or(field);
        let line = format!("{}: {}", code(&clip(name, VALUE)), list(values, VALUES, SECTION / 2, more));
        // a section for a few lines at a time: when the page is full, little is left out
        if units(&text) + units(&line) > SECTION / 4 {
            page.add(mrkdwn_section(&text));
            text = line;
        } else {
            text.push('\n');
            text.push_str(&line);
        }
    }
    page.add(mrkdwn_section(&text));
}

/// Values in code spans: at most `limit`, and at most so many `room` UTF-16 units.
fn list(values: &[Value], limit: usize, room: usize, mut more: u64) -> String {
    let mut out = String::new();
    let mut shown = 0;
    for value in values.iter().take(limit) {
        let span = code(&clip(&plain::value(value), VALUE));
        if units(&out) + units(&span) > room {
            break;
        }
        if shown > 0 {
            out.push_str(", ");
        }
        out.push_str(&span);
        shown += 1;
    }
    more += (values.len() - shown) as u64;
    if more > 0 {
        out.push_str(&format!("{}+{more} more", if shown > 0 { " " } else { "" }));
    }
    out
}

fn headline(news: &News<'_>) -> String {
    let matches = if news.new_matches == 1 { "match" } else { "matches" };
    match news.kind {
        DeliveryKind::New => format!("Context of the first {} {matches}", news.new_matches),
        DeliveryKind::Update => {
            let mut text = format!("{} more {matches}, {} in all", news.new_matches, news.alert.match_count);
            if let Some(earlier) = news.raised_from {
                text.push_str(&format!(", severity raised from {earlier} to {}", news.alert.severity));
            }
            text
        }
    }
}

fn fallback(alert: &Alert) -> String {
    let matches = if alert.match_count == 1 { "match" } else { "matches" };
    let title = escape(&clip(&plain::line(&alert.title), HEADER));
    format!("{} [{}] {title} ({} {matches})", mark(alert.severity), alert.severity, alert.match_count)
}

fn plain_section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "plain_text", "text": clip(text, SECTION), "emoji": false}})
}

fn mrkdwn_section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

fn context_block(texts: &[String]) -> Value {
    let element = |text: &String| json!({"type": "mrkdwn", "text": text, "verbatim": true});
    json!({"type": "context", "elements": texts.iter().map(element).collect::<Vec<_>>()})
}

/// In the reader's own time zone; the text after `|` is for clients that can't.
fn date(time: Timestamp) -> String {
    let seconds = time.micros().div_euclid(1_000_000);
    let utc = time.to_datetime().format("%Y-%m-%d %H:%M:%S UTC");
    format!("<!date^{seconds}^{{date_num}} {{time_secs}}|{utc}>")
}

/// A code span: what is in it has no markup.
fn code(text: &str) -> String {
    let text = plain::line(text).replace('`', "\u{2cb}");
    let text = text.trim();
    if text.is_empty() { "` `".to_owned() } else { format!("`{}`", escape(text)) }
}

/// The three characters that are Slack's markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A link whose text is its address, for what is an address and nothing else.
fn link(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = rest.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '|' | '`' | '"' | '\\'));
    let named = !host.is_empty() && !host.contains('@') && text.len() <= 300;
    (plain && named).then(|| format!("<{}>", escape(text)))
}

fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
