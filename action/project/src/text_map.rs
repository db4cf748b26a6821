//! Where each byte of a scalar's text stands in its file, so that an error inside a VRL or SQL block points to its line.

use std::{ops::Range, sync::Arc};

use crate::{
    diagnostic::{Pos, Span},
    source::Source,
    yaml::Style,
};

/// The way from a scalar's text (unescaped, without indentation) back into its file.
#[derive(Debug, Clone)]
pub struct TextMap {
    source: Arc<Source>,
    /// In the order of the text.
    runs: Vec<Run>,
    start: usize,
    /// Bytes of the text.
    len: usize,
    exact: bool,
}

/// Bytes that stand in the text as they stand in the file, or one that stands for several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    text: usize,
    file: usize,
    len: usize,
}

impl TextMap {
    /// For the scalar at `span`. The text is found again in the file; where that fails all of it maps to the start.
    pub fn new(source: &Arc<Source>, style: Style, span: Span, text: &str) -> Self {
        let start = span.start.offset;
        let runs = match style {
            Style::Literal => Walk::block(source, span, text).and_then(Walk::literal),
            Style::Folded => Walk::block(source, span, text).and_then(Walk::folded),
            Style::Plain => Walk::flow(source, start, text).quoted(|_, _| None),
            Style::SingleQuoted => Walk::flow(source, start + 1, text).quoted(single_escape),
            Style::DoubleQuoted => Walk::flow(source, start + 1, text).quoted(double_escape),
        };
        let exact = runs.is_some();
        Self { source: Arc::clone(source), runs: runs.unwrap_or_default(), start, len: text.len(), exact }
    }

    /// Whether every byte has its own place; else all of them are said to be at the start.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// The path of the file.
    pub fn file(&self) -> &str {
        self.source.file()
    }

    /// The byte offset in the file of a byte offset in the text.
    pub fn offset(&self, at: usize) -> usize {
        let next = self.runs.partition_point(|run| run.text <= at);
        match next.checked_sub(1).map(|index| self.runs[index]) {
            Some(run) => run.file + (at - run.text).min(run.len),
            None => self.runs.first().map_or(self.start, |run| run.file),
        }
    }

    /// Line and column in the file of a byte offset in the text.
    pub fn pos(&self, at: usize) -> Pos {
        self.source.pos(self.offset(at))
    }

    /// The stretch of the file for a stretch of the text.
    pub fn span(&self, range: Range<usize>) -> Span {
        let (start, range) = (self.offset(range.start), range.start..range.end.min(self.len));
        // the end is behind the last character, not at the begin of what follows it; a line end adds nothing to see
        let last = self.offset(range.end.saturating_sub(1));
        let line_end = self.source.text()[self.ceil(last)..].starts_with(['\n', '\r']);
        let end = if range.end > range.start { last + usize::from(!line_end) } else { start };
        self.source.span(start, self.ceil(end))
    }

    fn ceil(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.source.text().len());
        while !self.source.text().is_char_boundary(offset) {
            offset += 1;
        }
        offset
    }
}

/// An escape at the begin of the file's text: its length there, and the character it stands for.
type Escape = fn(&str, &mut String) -> Option<usize>;

fn single_escape(rest: &str, out: &mut String) -> Option<usize> {
    rest.starts_with("''").then(|| {
        out.push('\'');
        2
    })
}

fn double_escape(rest: &str, out: &mut String) -> Option<usize> {
    let code = rest.strip_prefix('\\')?.chars().next()?;
    let digits = match code {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let number = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        out.push(char::from_u32(number)?);
        return Some(2 + digits);
    }
    out.push(match code {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        c @ (' ' | '"' | '/' | '\\') => c,
        _ => return None,
    });
    Some(1 + code.len_utf8())
}

/// Two cursors, one in the text and one in the file, that advance together or fail.
struct Walk<'a> {
    text: &'a str,
    file: &'a str,
    at: usize,
    offset: usize,
    indent: usize,
    runs: Vec<Run>,
}

impl<'a> Walk<'a> {
    fn flow(source: &'a Source, offset: usize, text: &'a str) -> Self {
        Self { text, file: source.text(), at: 0, offset, indent: 0, runs: Vec::new() }
    }

    /// A block scalar: `span` begins at the first character of content, so its column is the indentation. Empty lines
    /// before it are line ends at the begin of the text.
    fn block(source: &'a Source, span: Span, text: &'a str) -> Option<Self> {
        let mut walk = Self::flow(source, span.start.offset, text);
        walk.indent = span.start.column - 1;
        let empty = text.len() - text.trim_start_matches('\n').len();
        let first = span.start.line.checked_sub(empty)?;
        for line in 0..empty {
            walk.runs.push(Run { text: line, file: source.line_start(first + line), len: 0 });
        }
        walk.at = empty;
        Some(walk)
    }

    fn rest_of_text(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn rest_of_file(&self) -> &'a str {
        self.file.get(self.offset..).unwrap_or_default()
    }

    fn advance(&mut self, in_text: usize, in_file: usize) {
        let same = in_text == in_file;
        match self.runs.last_mut() {
            Some(run) if same && run.text + run.len == self.at && run.file + run.len == self.offset => {
                run.len += in_text
            }
            _ if in_text > 0 => {
                self.runs.push(Run { text: self.at, file: self.offset, len: if same { in_text } else { 0 } });
            }
            _ => (),
        }
        self.at += in_text;
        self.offset += in_file;
    }

    /// The rest of the file's line, without its end, and the length of that end.
    fn line(&self) -> (&'a str, usize) {
        let rest = self.rest_of_file();
        let content = &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())];
        (content, line_end(&rest[content.len()..]))
    }

    fn skip_indent(&mut self) {
        let spaces = self.rest_of_file().bytes().take_while(|&byte| byte == b' ').count();
        self.offset += spaces.min(self.indent);
    }

    fn literal(mut self) -> Option<Vec<Run>> {
        while self.at < self.text.len() {
            let (content, end) = self.line();
            if !self.rest_of_text().starts_with(content) {
                return None;
            }
            self.advance(content.len(), content.len());
            match self.rest_of_text().bytes().next() {
                None => break,
                Some(b'\n') => self.advance(1, end),
                Some(_) => return None,
            }
            if end == 0 {
                break;
            }
            self.skip_indent();
        }
        (self.rest_of_text().trim_matches('\n').is_empty()).then_some(self.runs)
    }

    fn folded(mut self) -> Option<Vec<Run>> {
        let mut first = true;
        while !self.rest_of_text().trim_matches('\n').is_empty() {
            let (content, end) = self.line();
            if !content.is_empty() {
                if !first {
                    let breaks = self.rest_of_text().bytes().take_while(|&byte| byte == b'\n').count();
                    let space = usize::from(self.rest_of_text().starts_with(' ') && breaks == 0);
                    self.advance(breaks + space, 0);
                }
                if !self.rest_of_text().starts_with(content) {
                    return None;
                }
                self.advance(content.len(), content.len());
                first = false;
            }
            if end == 0 {
                break;
            }
            self.offset += end;
            self.skip_indent();
        }
        self.rest_of_text().trim_matches('\n').is_empty().then_some(self.runs)
    }

    /// Plain and quoted text: line ends with the blanks around them fold to one space, or to the empty lines in between.
    fn quoted(mut self, escape: Escape) -> Option<Vec<Run>> {
        let mut decoded = String::new();
        while self.at < self.text.len() {
            let rest = self.rest_of_file();
            decoded.clear();
            if let Some(len) = escape(rest, &mut decoded) {
                if !self.rest_of_text().starts_with(&decoded) {
                    return None;
                }
                self.advance(decoded.len(), len);
                continue;
            }
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            let breaks = count_line_ends(&rest[..blanks]);
            if breaks > 0 {
                let folded = if breaks == 1 { " ".to_owned() } else { "\n".repeat(breaks - 1) };
                if !self.rest_of_text().starts_with(&folded) {
                    return None;
                }
                self.advance(folded.len(), blanks);
                continue;
            }
            // `\` at the end of a line joins it to the next one
            if let Some(joined) = rest.strip_prefix('\\').filter(|joined| line_end(joined) > 0) {
                self.offset += 1 + joined.len() - joined.trim_start_matches([' ', '\t', '\n', '\r']).len();
                continue;
            }
            let c = rest.chars().next()?;
            if !self.rest_of_text().starts_with(c) {
                return None;
            }
            self.advance(c.len_utf8(), c.len_utf8());
        }
        Some(self.runs)
    }
}

fn line_end(rest: &str) -> usize {
    if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with(['\n', '\r'])) }
}

fn count_line_ends(blanks: &str) -> usize {
    blanks.matches(['\n', '\r']).count() - blanks.matches("\r\n").count()
}

#[cfg(test)]
mod tests;
