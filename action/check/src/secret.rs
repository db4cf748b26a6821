//! Finds what looks like a secret in a text, by its form or by the name it is assigned to.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

/// A stretch of text that is probably a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    /// What it is, with its article: "a token of GitHub".
    pub(crate) kind: &'static str,
    /// Its bytes.
    pub(crate) range: Range<usize>,
}

/// Forms that nothing else has. The first group is the secret.
static FORMS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let forms = [
        ("the id of an access key of AWS", r"\b(AKIA[A-Z2-7]{16})\b"),
        ("a token of GitHub", r"\b(gh[pousr]_[A-Za-z0-9]{36,255})\b"),
        ("a token of GitHub", r"\b(github_pat_[A-Za-z0-9_]{60,255})\b"),
        ("a token of GitLab", r"\b(glpat-[A-Za-z0-9_-]{20,})"),
        ("a token of Slack", r"\b(xox[abeoprs]-[0-9][0-9A-Za-z-]{16,})"),
        ("a webhook of Slack", r"(https://hooks\.slack\.com/(?:services|workflows)/T[A-Z0-9]+/[A-Za-z0-9/]{20,})"),
        ("a key of Stripe", r"\b([rs]k_live_[0-9A-Za-z]{20,})\b"),
        ("a key of Google", r"\b(AIza[0-9A-Za-z_-]{35})\b"),
        // detections look for the first line alone
        ("a private key", r"(-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:\\n|\s)*[A-Za-z0-9+/=]{32,})"),
    ];
    forms.into_iter().map(|(kind, form)| (kind, regex(form))).collect()
});

/// A name that says what its value is, and the value, up to the end of the line.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)\b[a-z0-9_.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)["']?\s*[:=]\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"'#,\[\]{}()]+)\s*(?:#.*)?$)"#,
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(&format!("(?m){pattern}")).expect("the patterns are constants, and a test uses each of them")
}

/// Everything that looks like a secret, in the order of the text.
pub(crate) fn find(text: &str) -> Vec<Secret> {
    let mut out: Vec<Secret> = Vec::new();
    for (kind, form) in FORMS.iter() {
        for found in form.captures_iter(text).filter_map(|captures| captures.get(1)) {
            if !is_example(found.as_str()) && !is_id_of_a_key(text, found.start()) {
                out.push(Secret { kind, range: found.range() });
            }
        }
    }
    for captures in NAMED.captures_iter(text) {
        let Some(value) = captures.iter().skip(1).flatten().next() else { continue };
        let overlaps = |secret: &Secret| secret.range.start < value.end() && value.start() < secret.range.end;
        if is_random(value.as_str()) && !is_example(value.as_str()) && !out.iter().any(overlaps) {
            out.push(Secret { kind: "a secret, by its name and its randomness", range: value.range() });
        }
    }
    out.sort_by_key(|secret| (secret.range.start, secret.range.end));
    out
}

/// What documentation writes in place of a secret.
fn is_example(value: &str) -> bool {
    let lower = value.to_lowercase();
    let words = ["example", "xxxx", "changeme", "placeholder", "redacted", "dummy", "0000000"];
    words.iter().any(|word| lower.contains(word)) || distinct(value) < 6
}

/// In records of AWS the id of a key says who did it; it opens nothing.
fn is_id_of_a_key(text: &str, at: usize) -> bool {
    let line = text[..at].rsplit('\n').next().unwrap_or_default().to_lowercase();
    let named = line.trim_end_matches(['"', '\'', ' ', '\\', ':', '=', '(', ',']);
    (named.ends_with("access_key_id") && !named.ends_with("aws_access_key_id")) || named.ends_with("accesskeyid")
}

/// Long, and neither words, nor a path, an address, a time or an id that everyone may know.
fn is_random(value: &str) -> bool {
    let shown = |c: char| c.is_ascii_alphanumeric() || "+/=_-.!@#$%^&*~".contains(c);
    if value.len() < 16 || !value.chars().all(shown) || value.starts_with(['$', '<', '.', '/']) {
        return false;
    }
    let has = |test: fn(&char) -> bool| value.chars().filter(test).count();
    let (digits, lower, upper) =
        (has(char::is_ascii_digit), has(char::is_ascii_lowercase), has(char::is_ascii_uppercase));
    let is_hex = value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_mixed = (digits >= 1 && lower >= 2 && upper >= 1) || (digits >= 3 && lower + upper >= 6);
    (is_hex || is_mixed) && !is_uuid(value) && !is_dotted_name(value) && entropy(value) >= 3.3
}

fn is_uuid(value: &str) -> bool {
    let lengths: Vec<usize> = value.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && value.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// A column, a module or a host: words with dots in between.
fn is_dotted_name(value: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().filter(u8::is_ascii_digit).count() <= 2 && !word.contains(['+', '/', '='])
    };
    value.contains('.') && value.split('.').all(word)
}

fn distinct(value: &str) -> usize {
    value.bytes().collect::<std::collections::BTreeSet<u8>>().len()
}

/// Bits for each character, by how often each occurs (Shannon).
fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    value.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = value.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = find(text).into_iter().map(|secret| &text[secret.range]).collect();
        assert_eq!(found, expected, "{text}");
    }

    /// Joined here, so that no scanner takes the test for a leak.
    fn joined(parts: &[&str]) -> String {
        parts.concat()
    }

    #[test]
    fn secrets_are_known_by_their_form() {
        let letters = "aB3dE6gH9jK2mN5pQ8sT1vW4xY7z";
        for secret in [
            joined(&["AKIA", "Q3EGRT7YUIOPLKJH"]),
            joined(&["gh", "p_", letters, "0aB3dE6gH9"]),
            joined(&["github", "_pat_", letters, letters, letters]),
            joined(&["glpat", "-", letters]),
            joined(&["xox", "b-1234567890-", letters]),
            joined(&["https://hooks.slack", ".com/services/T0AB1CD2E/B0FG3HI4J/", letters]),
            joined(&["sk_", "live_", letters]),
            joined(&["AI", "za", letters, "aB3dE6g"]),
            joined(&["-----BEGIN RSA PRIVATE", " KEY-----\n", letters, letters]),
            joined(&["-----BEGIN PRIVATE", " KEY-----\\n", letters, letters]),
        ] {
            check(&format!("x: {secret}"), &[&secret]);
            check(&format!("# {secret}"), &[&secret]);
        }
    }

    #[test]
    fn secrets_are_known_by_the_name_they_are_assigned_to() {
        check("password: 'correct-Horse-7-battery'", &["correct-Horse-7-battery"]);
        check("API_KEY = \"9f86d081884c7d659a2feaa0c55ad015\"", &["9f86d081884c7d659a2feaa0c55ad015"]);
        check("  auth_token: k3J9x-Qm2Zp8Rv5Tn1 # ours", &["k3J9x-Qm2Zp8Rv5Tn1"]);
        check("{\"client_secret\": \"k3J9x-Qm2Zp8Rv5Tn1\"}", &["k3J9x-Qm2Zp8Rv5Tn1"]);
        check(".token = \"k3J9x-Qm2Zp8Rv5Tn1\"", &["k3J9x-Qm2Zp8Rv5Tn1"]);
    }

    #[test]
    fn what_only_looks_like_one_is_left_alone() {
        for text in [
            "password: ${WEBHOOK_PASSWORD}",
            "token = r.deepget(\"aws.cloudtrail.user_identity.token\")",
            "token: user.authentication.token_id2",
            "secret_token = \"changeme-changeme-1\"",
            "password: correct horse battery staple",
            "password_hash: 9f86d081884c7d659a2feaa0c55ad015",
            "next_token: 123e4567-e89b-12d3-a456-426614174000",
            "token = .json.access.Token1234567890",
            "secret = \"arn:aws:secretsmanager:eu-central-1:111122223333:secret:Slack1\"",
            "if \"-----BEGIN RSA PRIVATE KEY-----\" in message:",
            "event: {aws.cloudtrail.user_identity.access_key_id: AKIAQ3EGRT7YUIOPLKJH}",
            "raw: '{\"accessKeyId\": \"AKIAQ3EGRT7YUIOPLKJH\"}'",
            "key: AKIAIOSFODNN7EXAMPLE",
            "password = \"\"",
        ] {
            check(text, &[]);
        }
    }
}
