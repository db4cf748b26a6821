//! References that are meant to be addresses and cannot be opened.

use model::ecs::closest;
use project::{Diagnostic, Level};

use crate::{
    context::Context,
    rule::{Rule, Standing},
};

/// A reference that looks like an address is one.
pub const RULE: Rule = Rule {
    id: "invalid-reference",
    level: Level::Warning,
    standing: Standing::Adjustable,
    summary: "a reference that looks like an address can be opened",
    why: "References go into the alert as links. One that is cut off or has a typo in its scheme is found out by the person \
          who needs it most. Text that does not look like an address, such as the title of a document, is left alone. \
          Nothing is fetched.",
    bad: "references:\n  - https//example.com/runbooks/root-login\n",
    good: "references:\n  - https://example.com/runbooks/root-login\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for detection in context.project.detections.values() {
        let Some(doc) = context.project.doc(&detection.file) else { continue };
        let listed = (0..detection.references.len() + 1).map(|index| format!("/references/{index}"));
        for pointer in listed.chain(["/reference".to_owned()]) {
            let Some(problem) = doc.text(&pointer).and_then(problem) else { continue };
            let message = format!("expected an address such as `https://example.com/page`, {problem}");
            out.push(RULE.diagnostic(&detection.file, Some(doc.point(&pointer)), message));
        }
    }
    out
}

/// What is wrong with an address; `None` also for text that is not meant as one.
fn problem(text: &str) -> Option<String> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let Some((scheme, rest)) = text.split_once("://") else {
        let looks = lower.starts_with("www.") || lower.starts_with("http:") || lower.starts_with("https:");
        let slashes = ["http/", "https/", "http//", "https//"].iter().any(|start| lower.starts_with(start));
        return (looks || slashes).then(|| "found one without `https://`".to_owned());
    };
    // a sentence with an address in it
    if scheme.contains(char::is_whitespace) {
        return None;
    }
    let known = scheme.to_ascii_lowercase();
    if !matches!(known.as_str(), "http" | "https") {
        let meant = closest(&known, ["http", "https"]);
        return meant.map(|meant| format!("found `{scheme}://`: did you mean `{meant}://`?"));
    }
    if let Some(blank) = rest.chars().find(|c| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(*c)) {
        return Some(match blank.is_whitespace() {
            true => "found one with a blank in it".to_owned(),
            false => format!("found one with `{blank}` in it"),
        });
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let named = host.contains(':') || host.trim_end_matches('.').split('.').all(label);
    if host.is_empty() || !named || host.contains('%') {
        return Some("found one without a host".to_owned());
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Some("found one with a port that is no number".to_owned());
    }
    let escapes = rest.match_indices('%').all(|(at, _)| {
        rest.as_bytes().get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    (!escapes).then(|| "found one with a `%` that two hexadecimal digits do not follow".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_other_texts_pass() {
        for good in [
            "https://example.com",
            "http://example.com:8080/a?b=c#d",
            "https://user@example.com/%20/ü",
            "https://[2001:db8::1]:443/",
            "HTTPS://EXAMPLE.COM/",
            "Runbook 7, section 3",
            "CVE-2026-0001",
            "see https://example.com/a b",
            "file://server/share",
        ] {
            assert_eq!(problem(good), None, "{good}");
        }
    }

    #[test]
    fn broken_addresses_say_why() {
        let bad = |text: &str, part: &str| {
            let found = problem(text).unwrap_or_else(|| panic!("{text}"));
            assert!(found.contains(part), "{text}: {found}");
        };
        bad("htps://example.com", "did you mean `https://`");
        bad("https//example.com", "without `https://`");
        bad("https:/example.com", "without `https://`");
        bad("www.example.com", "without `https://`");
        bad("https://", "without a host");
        bad("https:///page", "without a host");
        bad("https://.example.com", "without a host");
        bad("https://example..com/", "without a host");
        bad("https://example.com/a b", "blank");
        bad("https://example.com/<id>", "`<`");
        bad("https://example.com:http/", "port");
        bad("https://example.com/100%", "hexadecimal");
    }
}
