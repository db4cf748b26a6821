//! A file's text and where its lines start.

use std::sync::Arc;

use crate::diagnostic::{Pos, Span};

/// The text of one file of the project, kept so that an offset can be told as line and column.
#[derive(Debug)]
pub struct Source {
    file: String,
    text: String,
    line_starts: Vec<usize>,
    /// How many characters begin before each [`STRIDE`] bytes, so that a column in a line of a megabyte is cheap.
    chars_before: Vec<usize>,
}

const STRIDE: usize = 256;

/// What some editors put in front of UTF-8; it takes no column.
const BYTE_ORDER_MARK: char = '\u{feff}';

impl Source {
    /// Takes in a file. Lines end with `\n`, a `\r` before it belongs to the line end.
    pub fn new(file: &str, text: String) -> Arc<Self> {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut before = 0;
        let chunks = text.as_bytes().chunks(STRIDE).map(|chunk| {
            let here = before;
            before += chunk.iter().filter(|byte| starts_character(**byte)).count();
            here
        });
        let chars_before = chunks.collect();
        Arc::new(Self { file: file.to_owned(), text, line_starts, chars_before })
    }

    /// The path within the project.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset; offsets behind the end are the end, and those inside a character its start.
    pub fn pos(&self, offset: usize) -> Pos {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self.line_start(line);
        let mark = usize::from(offset > start && self.text[start..].starts_with(BYTE_ORDER_MARK));
        Pos { line, column: self.chars(offset) - self.chars(start) - mark + 1, offset }
    }

    /// How many characters begin before a byte offset.
    fn chars(&self, offset: usize) -> usize {
        let stride = offset / STRIDE;
        let bytes = &self.text.as_bytes()[stride * STRIDE..offset];
        let before = self.chars_before.get(stride).copied();
        // behind the last whole stride there is nothing to count
        let before = before.unwrap_or_else(|| self.chars_in_all());
        before + bytes.iter().filter(|byte| starts_character(**byte)).count()
    }

    fn chars_in_all(&self) -> usize {
        let last = self.chars_before.len().saturating_sub(1);
        let bytes = &self.text.as_bytes()[last * STRIDE..];
        self.chars_before.last().copied().unwrap_or(0) + bytes.iter().filter(|byte| starts_character(**byte)).count()
    }

    /// From one byte offset to another.
    pub fn span(&self, start: usize, end: usize) -> Span {
        Span { start: self.pos(start), end: self.pos(end.max(start)) }
    }

    /// The byte offset at which a line (counted from 1) begins; that of the last line for lines behind the end.
    pub fn line_start(&self, line: usize) -> usize {
        let index = line.saturating_sub(1).min(self.line_starts.len() - 1);
        self.line_starts[index]
    }

    /// The span of a whole line (counted from 1) without its indentation and line end.
    pub fn line_span(&self, line: usize) -> Span {
        let start = self.line_start(line);
        let text = self.text[start..].lines().next().unwrap_or_default();
        let indent = text.len() - text.trim_start().len();
        self.span(start + indent, start + text.trim_end().len())
    }
}

/// Every byte of UTF-8 but those that continue a character.
fn starts_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, offset: usize) -> (usize, usize) {
        let pos = Source::new("f", text.to_owned()).pos(offset);
        (pos.line, pos.column)
    }

    #[test]
    fn lines_and_columns_are_counted_from_one_and_in_characters() {
        assert_eq!(at("", 0), (1, 1));
        assert_eq!(at("ab\ncd", 4), (2, 2));
        assert_eq!(at("äö: x", 4), (1, 3));
        assert_eq!(at("a\r\nb", 3), (2, 1));
        assert_eq!(at("a\n", 99), (2, 1));
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        assert_eq!(at("\u{feff}ab", 4), (1, 2));
        assert_eq!(at("\u{feff}ab", 0), (1, 1));
    }

    #[test]
    fn columns_of_long_lines_are_right_on_every_stride() {
        let text = "aé".repeat(1000);
        let source = Source::new("f", text.clone());
        for (column, (offset, _)) in text.char_indices().enumerate() {
            assert_eq!(source.pos(offset).column, column + 1);
        }
        assert_eq!(source.pos(text.len()).column, 2001);
        assert_eq!(Source::new("f", "a".repeat(2 * STRIDE)).pos(2 * STRIDE).column, 2 * STRIDE + 1);
    }

    #[test]
    fn a_line_span_leaves_out_indentation_and_line_end() {
        let span = Source::new("f", "a\n  bc \r\n".to_owned()).line_span(2);
        assert_eq!((span.start.column, span.end.column), (3, 5));
    }
}
