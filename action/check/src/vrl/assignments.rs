//! What a program's text tells and its compiler does not: where a path of the event is assigned, which variables were,
//! what was left open.

use std::{collections::BTreeSet, ops::Range};

/// The targets of assignments: dotted path up to the first index, and the bytes it stands at.
pub(crate) fn assignments(text: &str) -> Vec<(String, Range<usize>)> {
    let mut scan = Scan { text, at: 0 };
    let mut out = Vec::new();
    // targets seen since the last token that cannot stand in `.a, err =`
    let mut pending: Vec<(String, Range<usize>)> = Vec::new();
    while let Some(c) = scan.peek() {
        match c {
            '#' => scan.skip_line(),
            '"' => scan.skip_quoted('"'),
            's' | 'r' | 't' if scan.rest()[1..].starts_with('\'') => {
                scan.at += 1;
                scan.skip_quoted('\'');
            }
            '.' if scan.begins_path() => pending.extend(scan.path()),
            '=' if matches!(scan.rest().as_bytes().get(1), Some(b'=' | b'~')) => {
                pending.clear();
                scan.at += 2;
            }
            '=' => {
                out.append(&mut pending);
                scan.at += 1;
            }
            '!' | '<' | '>' => {
                pending.clear();
                scan.at += if scan.rest()[1..].starts_with('=') { 2 } else { 1 };
            }
            '|' if scan.rest().starts_with("|=") => {
                out.append(&mut pending);
                scan.at += 2;
            }
            '?' if scan.rest().starts_with("??=") => {
                out.append(&mut pending);
                scan.at += 3;
            }
            ',' | ' ' | '\t' => scan.at += 1,
            c if c.is_alphanumeric() || c == '_' => {
                let comma = scan.text[..scan.at].trim_end().ends_with(',');
                scan.skip_word();
                // only a name after a comma can be the `err` of `.a, err =`
                if !comma {
                    pending.clear();
                }
            }
            c => {
                pending.clear();
                scan.at += c.len_utf8();
            }
        }
    }
    out
}

/// The variables that a text assigns.
pub(crate) fn variables(text: &str) -> BTreeSet<&str> {
    let mut scan = Scan { text, at: 0 };
    let mut out = BTreeSet::new();
    // names since the last token that cannot stand in `a, err =`
    let mut pending: Vec<&str> = Vec::new();
    while let Some(c) = scan.peek() {
        let start = scan.at;
        match c {
            '#' => scan.skip_line(),
            '"' => scan.skip_quoted('"'),
            's' | 'r' | 't' if scan.rest()[1..].starts_with('\'') => {
                scan.at += 1;
                scan.skip_quoted('\'');
            }
            c if c.is_alphanumeric() || c == '_' => {
                scan.skip_word();
                // a member: what is assigned is the variable before it, or the event
                if !text[..start].ends_with('.') {
                    pending.push(&text[start..scan.at]);
                }
                continue;
            }
            ',' | '.' | ' ' | '\t' => {
                scan.at += 1;
                continue;
            }
            '=' if scan.rest()[1..].starts_with('=') => scan.at += 2,
            '=' | '|' if c == '=' || scan.rest().starts_with("|=") => {
                out.extend(pending.iter().copied());
                scan.at += if c == '=' { 1 } else { 2 };
            }
            '!' | '<' | '>' if scan.rest()[1..].starts_with('=') => scan.at += 2,
            c => scan.at += c.len_utf8(),
        }
        pending.clear();
    }
    out
}

/// The innermost bracket that is opened and never closed, outside of strings and comments.
pub(crate) fn unclosed(text: &str) -> Option<char> {
    let mut scan = Scan { text, at: 0 };
    let mut open = Vec::new();
    while let Some(c) = scan.peek() {
        match c {
            '#' => scan.skip_line(),
            '"' => scan.skip_quoted('"'),
            's' | 'r' | 't' if scan.rest()[1..].starts_with('\'') => {
                scan.at += 1;
                scan.skip_quoted('\'');
            }
            _ => {
                match c {
                    '(' | '[' | '{' => open.push(c),
                    ')' | ']' | '}' => drop(open.pop()),
                    _ => (),
                }
                scan.at += c.len_utf8();
            }
        }
    }
    open.pop()
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    /// From the opening quote past the closing one.
    fn skip_quoted(&mut self, quote: char) {
        let mut escaped = false;
        for (index, c) in self.rest().char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    self.at += index + 1;
                    return;
                }
                _ => (),
            }
        }
        self.at = self.text.len();
    }

    fn skip_word(&mut self) {
        let rest = self.rest();
        self.at += rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    }

    /// A dot begins a path of the event unless it follows what it selects from, as in `user.name` and `f(x).y`.
    fn begins_path(&self) -> bool {
        let before = self.text[..self.at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ')' | ']' | '}' | '"' | '\'' | '.'))
    }

    /// `.a."b c"[0].d`: the dotted path up to the first index, and the bytes of all of it. `.` alone is no column.
    fn path(&mut self) -> Option<(String, Range<usize>)> {
        let start = self.at;
        let mut names: Vec<&str> = Vec::new();
        let mut indexed = false;
        loop {
            if self.rest().starts_with('.') {
                self.at += 1;
                let from = self.at;
                let name = if self.rest().starts_with('"') {
                    self.skip_quoted('"');
                    self.text[from..self.at].trim_matches('"')
                } else {
                    let end = self.rest().find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '@' | '-'));
                    self.at += end.unwrap_or(self.rest().len());
                    &self.text[from..self.at]
                };
                if !name.is_empty() && !indexed {
                    names.push(name);
                }
            } else if self.rest().starts_with('[') {
                indexed = true;
                self.at += self.rest().find(']').map_or(self.rest().len(), |end| end + 1);
            } else {
                break;
            }
        }
        (!names.is_empty()).then(|| (names.join("."), start..self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> =
            assignments(text).into_iter().map(|(path, at)| format!("{path} {}", &text[at])).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_kind_of_assignment_is_found() {
        check(".a = 1", &["a .a"]);
        check(".a.b = .c.d", &["a.b .a.b"]);
        check(".a, err = f(.b)", &["a .a"]);
        check("ok, .e = f(.b)", &["e .e"]);
        check(".a |= {\"b\": .c}", &["a .a"]);
        check(".a ??= .b", &["a .a"]);
        check(".a = .b = 1", &["a .a", "b .b"]);
        check(".a.\"x-y\"[0].c = 1", &["a.x-y .a.\"x-y\"[0].c"]);
        check("if .a == 1 { .b = 2 } else { .c = 3 }", &["b .b", "c .c"]);
    }

    #[test]
    fn what_looks_like_an_assignment_is_not_one() {
        check(".a == 1", &[]);
        check(".a != 1 || .b <= 2 || .c >= 3", &[]);
        check("# .a = 1\nx = .b", &[]);
        check("x = \".a = 1\"", &[]);
        check("x = r'.a = \\'1'", &[]);
        check("user.name = 1", &[]);
        check(". = {}", &[]);
        check("f(.a, .b)", &[]);
    }

    #[test]
    fn variables_are_names_before_an_equals_sign() {
        let text = "a = 1\nb, err = f(c)\nif d == 1 { e.m = 2 }\n# f = 1\ng |= \"h = 1\"\n.i = j != k";
        assert_eq!(variables(text), BTreeSet::from(["a", "b", "err", "e", "g"]));
    }

    #[test]
    fn an_open_bracket_is_found_outside_of_strings() {
        assert_eq!(unclosed("if .a == \"(\" { f([1, 2]) # ["), Some('{'));
        assert_eq!(unclosed("f(r'[', {\"a\": 1})"), None);
    }

    #[test]
    fn any_text_is_scanned_to_its_end() {
        for text in ["\"", ".a[", ".\"", "s'", ".a, = ", "é.é = 1", ".🚀", "r", "?", "|", "!", "."] {
            assignments(text);
            variables(text);
            unclosed(text);
        }
    }
}
