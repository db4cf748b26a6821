//! Lines on standard output, for a laptop.

use std::fmt::Write as _;

use model::{alert::Severity, delivery::DeliveryKind};

use crate::{
    context::FROM_DETECTION,
    news::News,
    plain::{self, clip},
};

const VALUES: usize = 5;
const VALUE: usize = 80;

/// One line for the alert, one for what an update is about, and one for each field that says who or where; ends in a
/// line break.
pub fn lines(news: &News<'_>) -> String {
    let alert = news.alert;
    let tables: Vec<&str> = alert.tables.iter().map(|table| table.as_str()).collect();
    let matches = if news.new_matches == 1 { "match" } else { "matches" };
    let mut out = format!(
        "{} {} [{}] {} ({}; {}; alert {})\n",
        match news.kind {
            DeliveryKind::New => "ALERT ",
            DeliveryKind::Update => "UPDATE",
        },
        level(alert.severity),
        alert.detection,
        clip(&plain::line(&alert.title), 200),
        match news.kind {
            DeliveryKind::New => format!("{} {matches}", alert.match_count),
            DeliveryKind::Update => format!("{} more {matches}, {} in all", news.new_matches, alert.match_count),
        },
        tables.join(", "),
        alert.id.0.short(12),
    );
    if let Some(earlier) = news.raised_from {
        let _ = writeln!(out, "       severity raised from {earlier} to {}", alert.severity);
    }
    for (field, values) in &news.new_context {
        if !field.starts_with("related.") && !field.starts_with(FROM_DETECTION) {
            continue;
        }
        let shown: Vec<String> = values.iter().take(VALUES).map(|value| clip(&plain::value(value), VALUE)).collect();
        let hidden = values.len().saturating_sub(VALUES) as u64;
        let more = hidden + news.new_context_more.get(field).copied().unwrap_or(0);
        let tail = if more > 0 { format!(" +{more} more") } else { String::new() };
        let _ = writeln!(out, "       {}: {}{tail}", plain::line(field), shown.join(", "));
    }
    out
}

/// All of one width, so that titles stand below each other.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL",
        Severity::High => "HIGH    ",
        Severity::Medium => "medium  ",
        Severity::Low => "low     ",
        Severity::Notice => "notice  ",
        Severity::Info => "info    ",
    }
}
