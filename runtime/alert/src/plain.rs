//! Text from logs, made harmless: whoever writes a log line must not write our messages.

use serde_json::Value;

/// One line without control, zero-width and direction characters, so that nothing is hidden, reordered or run by a
/// terminal.
pub fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { visible(c) }).collect()
}

/// As [`line()`], with its line breaks.
pub fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars()
        .map(|c| {
            if c == '\n' {
                c
            } else if c.is_whitespace() {
                ' '
            } else {
                visible(c)
            }
        })
        .collect()
}

/// A value as people read it: strings without quotes.
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) => line(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            line(&value.to_string())
        }
    }
}

/// Cuts at `limit` UTF-16 units, which is how Slack counts, and ends what was cut in `…`.
pub fn clip(text: &str, limit: usize) -> String {
    if text.len() <= limit || text.chars().map(char::len_utf16).sum::<usize>() <= limit {
        return text.to_owned();
    }
    let mut units = 1;
    let mut out: String = text
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= limit
        })
        .collect();
    out.push('…');
    out
}

fn visible(c: char) -> char {
    let hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    if hidden || c.is_control() { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_codes_and_hidden_characters_become_visible() {
        assert_eq!(line("a\u{1b}[31mb\u{202e}c\u{200b}d"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
        assert_eq!(line("two\r\nlines\u{2028}x"), "two  lines x");
        assert_eq!(lines("two\r\nlines\tx"), "two\nlines x");
    }

    #[test]
    fn cutting_counts_utf16_and_never_splits_a_character() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abcde…");
        assert_eq!(clip("🔴🔴🔴", 6), "🔴🔴🔴");
        assert_eq!(clip("🔴🔴🔴🔴", 6), "🔴🔴…");
    }
}
