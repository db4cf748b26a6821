//! What was expected and what was found, in words.

use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::terminal::Terminal;

/// Lines around a change that are shown with it.
const AROUND: usize = 2;

/// One thing that was not as expected.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference {
    /// What of the rows or the alert: `title`, `rows[0].event.action`; empty where the message says it all.
    pub path: String,
    /// What is wrong, where it is not one value for another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The value that was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// The value that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
    /// The place in the project that it comes from, where it is another than the test's: file and line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<(String, u32)>,
}

impl Difference {
    /// Something that is no value for another.
    pub fn message(text: impl Into<String>) -> Self {
        Self { message: Some(text.into()), ..Self::default() }
    }

    /// One value for another.
    pub fn values(path: &str, expected: Value, found: Value) -> Self {
        Self { path: path.to_owned(), expected: Some(expected), found: Some(found), ..Self::default() }
    }

    /// As people read it, without colours.
    pub fn text(&self) -> String {
        self.lines(|_, text| text.to_owned())
    }

    /// The same, in colours where the terminal has them.
    pub fn painted(&self, terminal: Terminal) -> String {
        self.lines(|part, text| match part {
            Part::Missing => terminal.paint("31", text),
            Part::Unexpected => terminal.paint("32", text),
            Part::Same => text.to_owned(),
        })
    }

    fn lines(&self, paint: impl Fn(Part, &str) -> String) -> String {
        let mut out = Vec::new();
        if !self.path.is_empty() {
            out.push(self.path.clone());
        }
        out.extend(self.message.as_deref().map(visible));
        match (&self.expected, &self.found) {
            (Some(Value::String(expected)), Some(Value::String(found)))
                if expected.trim_end().contains('\n') || found.trim_end().contains('\n') =>
            {
                out.extend(line_by_line(expected, found, &paint));
            }
            (Some(Value::String(expected)), Some(Value::String(found))) => {
                let (expected, found) = word_by_word(expected, found, &paint);
                out.push(format!("  expected {expected}\n  found    {found}"));
            }
            (Some(expected), Some(found)) => {
                out.push(format!("  expected {}\n  found    {}", shown(expected), shown(found)));
            }
            (Some(expected), None) => out.push(format!("  expected {}", shown(expected))),
            (None, Some(found)) => out.push(format!("  found    {}", shown(found))),
            (None, None) => (),
        }
        out.join("\n")
    }
}

/// A part of a text that is compared with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Expected and not found.
    Missing,
    /// Found and not expected.
    Unexpected,
    /// Both.
    Same,
}

impl From<ChangeTag> for Part {
    fn from(tag: ChangeTag) -> Self {
        match tag {
            ChangeTag::Delete => Self::Missing,
            ChangeTag::Insert => Self::Unexpected,
            ChangeTag::Equal => Self::Same,
        }
    }
}

/// As `diff -u` has it: what was expected with a minus, what was found with a plus.
fn line_by_line(expected: &str, found: &str, paint: &impl Fn(Part, &str) -> String) -> Vec<String> {
    let (expected, found) = (visible(expected), visible(found));
    let diff = TextDiff::from_lines(expected.trim_end(), found.trim_end());
    let mut out = vec!["  - expected, + found".to_owned()];
    for (index, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if index > 0 {
            out.push("  …".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = format!("{sign} {}", change.value().trim_end_matches(['\n', '\r']));
            out.push(format!("  {}", paint(change.tag().into(), line.trim_end())));
        }
    }
    out
}

/// Two lines with the words that differ marked.
fn word_by_word(expected: &str, found: &str, paint: &impl Fn(Part, &str) -> String) -> (String, String) {
    let (expected, found) = (shown(&expected.into()), shown(&found.into()));
    let diff = TextDiff::from_words(&expected, &found);
    let (mut left, mut right) = (String::new(), String::new());
    for change in diff.iter_all_changes() {
        let text = paint(change.tag().into(), change.value());
        match change.tag() {
            ChangeTag::Delete => left.push_str(&text),
            ChangeTag::Insert => right.push_str(&text),
            ChangeTag::Equal => {
                left.push_str(&text);
                right.push_str(&text);
            }
        }
    }
    (left, right)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            visible(&value.to_string())
        }
    }
}

/// Text of a detection or a log, which may neither move a cursor nor turn other text around.
pub fn visible(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_line_stands_below_the_other() {
        let difference = Difference::values("title", json!("root from 192.0.2.7"), json!("root from 192.0.2.8"));
        let expected = "title\n  expected \"root from 192.0.2.7\"\n  found    \"root from 192.0.2.8\"";
        assert_eq!(difference.text(), expected);
        let marked =
            difference.lines(|part, text| if part == Part::Same { text.to_owned() } else { format!("[{text}]") });
        assert!(marked.contains("found    \"root from [192.0.2.8\"]"), "{marked}");
    }

    #[test]
    fn texts_of_several_lines_are_compared_line_by_line() {
        let difference = Difference::values("runbook", json!("a\nb\nc\nd\ne\nf\n"), json!("a\nb\nc\nd\nE\nf\n"));
        assert_eq!(difference.text(), "runbook\n  - expected, + found\n    c\n    d\n  - e\n  + E\n    f");
    }

    #[test]
    fn what_is_not_there_is_called_nothing() {
        let difference = Difference::values("a", json!(1), Value::Null);
        assert_eq!(difference.text(), "a\n  expected 1\n  found    (nothing)");
    }

    #[test]
    fn text_of_a_detection_moves_no_cursor() {
        let difference = Difference::message("a\u{1b}[2Jb\u{202e}c\nd");
        assert_eq!(difference.text(), "a\u{fffd}[2Jb\u{fffd}c\nd");
    }
}
