//! Diagnostics as a section of Markdown, for a comment or a job summary on GitHub.
//!
//! What a pull request says must not steer the page that judges it: no text from its files becomes Markdown, HTML, a
//! link, a mention or a workflow command. Values (between backticks) are shown as code, where GitHub looks for none of
//! these; what cannot stand in a code span is written in entities.

use std::fmt::Write as _;

use project::{Diagnostic, Level};

use super::{Summary, printable, repository::Repository, wording};

/// A finding's text is cut here, so that one of them does not crowd out the others.
const MOST_OF_ONE: usize = 2000;

/// What is kept free for the line that says how many are left out.
const ROOM_FOR_THE_REST: usize = 120;

const HEAD: &str = "| | where | what |\n|---|---|---|\n";

/// The counts and a table of findings, at most `most_bytes` long. Findings that do not fit are left out whole, and the
/// last line says how many.
pub fn section(diagnostics: &[Diagnostic], repository: &Repository<'_>, most_bytes: usize) -> String {
    let mut out = format!("**{}**\n", Summary::of(diagnostics));
    if diagnostics.is_empty() || out.len() + HEAD.len() + ROOM_FOR_THE_REST > most_bytes {
        return if out.len() <= most_bytes { out } else { String::new() };
    }
    let (mut table, mut shown) = (String::new(), 0);
    let room = most_bytes - out.len() - HEAD.len() - 1;
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        let row = row(diagnostic, repository);
        let reserved = if index + 1 == diagnostics.len() { 0 } else { ROOM_FOR_THE_REST };
        if table.len() + row.len() + reserved > room {
            break;
        }
        table.push_str(&row);
        shown += 1;
    }
    if shown > 0 {
        let _ = write!(out, "\n{HEAD}{table}");
    }
    let rest = &diagnostics[shown..];
    if !rest.is_empty() {
        let more = if shown > 0 { " more" } else { "" };
        let _ = writeln!(out, "\n{}{more} not shown here: {}", rest.len(), Summary::of(rest));
    }
    out
}

fn row(diagnostic: &Diagnostic, repository: &Repository<'_>) -> String {
    let level = match diagnostic.severity {
        Level::Error => "❌ error",
        Level::Warning => "⚠️ warning",
        Level::Note => "note",
    };
    let place = repository.place(diagnostic).line_text();
    let words = wording::clipped(&wording::paragraphs(diagnostic, repository), MOST_OF_ONE);
    let words: Vec<String> = words.lines().map(indented).collect();
    format!("| {level} | {} | {} ({}) |\n", code(&place), words.join("<br>"), code(diagnostic.rule))
}

/// A line of help may be YAML to paste, whose indentation HTML would drop.
fn indented(line: &str) -> String {
    let rest = line.trim_start_matches(' ');
    "&nbsp;".repeat(line.len() - rest.len()) + &text(rest)
}

/// One line of words in which values stand between backticks. Safe in a paragraph, a list or a table.
pub fn text(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index % 2 == 0 {
            out.push_str(&prose(part));
        } else if index + 1 == parts.len() {
            // the backtick before it has no partner
            out.push_str("&#96;");
            out.push_str(&prose(part));
        } else if part.is_empty() {
            out.push_str("&#96;&#96;");
        } else {
            out.push_str(&code(part));
        }
    }
    out
}

/// One value as code. Safe wherever [`text`] is.
pub fn code(value: &str) -> String {
    let value = printable::line(value);
    // a table's cell ends at a bar, even in code; `<` and `#` could be read by who looks at the Markdown as text
    let plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "_-./:,;=+*@ ()[]{}'\"!?$%&^~".contains(c);
    if !value.is_empty() && value.trim() == value && value.chars().all(plain) {
        return format!("`{value}`");
    }
    format!("<code>{}</code>", entities(&value))
}

fn entities(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if c.is_ascii_alphanumeric() || !c.is_ascii() {
            out.push(c);
        } else {
            let _ = write!(out, "&#{};", u32::from(c));
        }
    }
    out
}

/// Words outside of values. A character of no width breaks up what GitHub would turn into a link or a mention.
fn prose(words: &str) -> String {
    const BREAK: &str = "&#8203;";
    let words = printable::line(words);
    let mut out = String::new();
    for (at, c) in words.char_indices() {
        let (before, after) = (&words[..at], &words[at..]);
        match c {
            '<' | '>' | '&' | '|' => out.push_str(&entities(&c.to_string())),
            '\\' | '`' | '*' | '_' | '[' | ']' | '{' | '}' | '$' | '!' | '~' | '^' => {
                out.push('\\');
                out.push(c);
            }
            '@' | '#' => {
                out.push(c);
                out.push_str(BREAK);
            }
            ':' if after.starts_with(":/") || after.starts_with("::") => {
                out.push(c);
                out.push_str(BREAK);
            }
            '.' if ends_with_word(before, "www") => {
                out.push_str(BREAK);
                out.push(c);
            }
            '-' if ends_with_word(before, "gh") => {
                out.push_str(BREAK);
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let Some(start) = text.len().checked_sub(word.len()).filter(|start| text.is_char_boundary(*start)) else {
        return false;
    };
    text[start..].eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_values_are_code_spans() {
        assert_eq!(text("table `aws_cloudtrial` does not exist"), "table `aws_cloudtrial` does not exist");
        assert_eq!(code("detections/a/detection.yml:14"), "`detections/a/detection.yml:14`");
    }

    #[test]
    fn odd_values_are_written_in_entities() {
        assert_eq!(code("a|b"), "<code>a&#124;b</code>");
        assert_eq!(code("<!-- x -->"), "<code>&#60;&#33;&#45;&#45;&#32;x&#32;&#45;&#45;&#62;</code>");
        assert_eq!(code("a`b"), "<code>a&#96;b</code>");
        assert_eq!(code(" "), "<code>&#32;</code>");
        assert_eq!(code("one\ntwo"), "`one␊two`");
    }

    #[test]
    fn words_become_no_markdown_link_or_mention() {
        assert_eq!(text("**a** [b](c) <i> & ~~d~~"), "\\*\\*a\\*\\* \\[b\\](c) &#60;i&#62; &#38; \\~\\~d\\~\\~");
        assert_eq!(text("@octocat #12 GH-12"), "@&#8203;octocat #&#8203;12 GH&#8203;-12");
        assert_eq!(text("https://example.com WWW.example.com"), "https:&#8203;//example.com WWW&#8203;.example.com");
        assert_eq!(text("::error::x"), ":&#8203;:error:&#8203;:x");
    }

    #[test]
    fn a_backtick_without_a_partner_opens_no_code() {
        assert_eq!(text("a ` b **c**"), "a &#96; b \\*\\*c\\*\\*");
        assert_eq!(text("`a` ` b"), "`a` &#96; b");
        assert_eq!(text(":``:"), ":&#96;&#96;:");
    }
}
