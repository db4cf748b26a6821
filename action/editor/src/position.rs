//! Lines and columns as the client counts them: from zero, in UTF-16 code units unless it asked for bytes, without the
//! byte order mark that an editor takes off.

use lsp_types::{Position, PositionEncodingKind, Range};
use project::Span;

/// What the client counts columns in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16,
}

impl Encoding {
    /// The first of the client's that we speak; UTF-16 is what everyone must.
    pub(crate) fn negotiate(offered: Option<&[PositionEncodingKind]>) -> Self {
        let known = |kind: &PositionEncodingKind| match kind.as_str() {
            "utf-8" => Some(Self::Utf8),
            "utf-16" => Some(Self::Utf16),
            _ => None,
        };
        offered.unwrap_or_default().iter().find_map(known).unwrap_or(Self::Utf16)
    }

    /// As the protocol names it.
    pub(crate) fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
        }
    }

    fn length(self, text: &str) -> usize {
        match self {
            Self::Utf8 => text.len(),
            Self::Utf16 => text.chars().map(char::len_utf16).sum(),
        }
    }
}

/// A text and where its lines begin.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str, encoding: Encoding) -> Self {
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let bytes = text.as_bytes();
        // the protocol ends lines with \n, \r\n and \r alone
        let ends = bytes.iter().enumerate().filter(|(at, byte)| match **byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(first).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { text, starts, encoding }
    }

    /// The position of a byte offset; offsets behind the end are the end, and those inside a character its start.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset.min(self.text.len())).max(self.starts[0]);
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let column = self.encoding.length(&self.text[self.starts[line]..offset]);
        Position { line: number(line), character: number(column) }
    }

    /// The byte offset of a position; columns behind the end of a line are its end.
    pub(crate) fn offset(&self, position: Position) -> usize {
        let line = usize::try_from(position.line).unwrap_or(usize::MAX);
        let Some(start) = self.starts.get(line).copied() else { return self.text.len() };
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let text = self.text[start..end].trim_end_matches(['\n', '\r']);
        let wanted = usize::try_from(position.character).unwrap_or(usize::MAX);
        let mut column = 0;
        for (at, c) in text.char_indices() {
            column += self.encoding.length(&text[at..at + c.len_utf8()]);
            if column > wanted {
                return start + at;
            }
        }
        start + text.len()
    }

    /// The range of two byte offsets.
    pub(crate) fn range(&self, start: usize, end: usize) -> Range {
        Range { start: self.position(start), end: self.position(end.max(start)) }
    }

    /// The range of a span, by its offsets.
    pub(crate) fn range_of(&self, span: Span) -> Range {
        self.range(span.start.offset, span.end.offset)
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str, encoding: Encoding, offset: usize, line: u32, character: u32) {
        let lines = Lines::new(text, encoding);
        assert_eq!(lines.position(offset), Position { line, character });
        assert_eq!(lines.offset(Position { line, character }), offset);
    }

    #[test]
    fn columns_count_what_was_agreed() {
        let text = "a🚀é x\nb";
        there_and_back(text, Encoding::Utf16, 8, 0, 5);
        there_and_back(text, Encoding::Utf8, 8, 0, 8);
        there_and_back(text, Encoding::Utf16, 10, 1, 0);
    }

    #[test]
    fn every_kind_of_line_end_counts_once() {
        there_and_back("a\r\nb\rc\nd", Encoding::Utf16, 3, 1, 0);
        there_and_back("a\r\nb\rc\nd", Encoding::Utf16, 5, 2, 0);
        there_and_back("a\r\nb\rc\nd", Encoding::Utf16, 7, 3, 0);
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        there_and_back("\u{feff}ab", Encoding::Utf16, 4, 0, 1);
        assert_eq!(Lines::new("\u{feff}ab", Encoding::Utf8).position(0), Position { line: 0, character: 0 });
    }

    #[test]
    fn places_that_are_not_there_are_the_nearest_ones() {
        let lines = Lines::new("é\nb", Encoding::Utf16);
        assert_eq!(lines.position(1), Position { line: 0, character: 0 });
        assert_eq!(lines.position(99), Position { line: 1, character: 1 });
        assert_eq!(lines.offset(Position { line: 0, character: 99 }), 2);
        assert_eq!(lines.offset(Position { line: 99, character: 0 }), 4);
        // the middle of a pair of code units
        assert_eq!(Lines::new("🚀", Encoding::Utf16).offset(Position { line: 0, character: 1 }), 0);
    }

    #[test]
    fn the_first_encoding_that_both_speak_is_taken() {
        let offered = [PositionEncodingKind::UTF32, PositionEncodingKind::UTF8, PositionEncodingKind::UTF16];
        assert_eq!(Encoding::negotiate(Some(&offered)), Encoding::Utf8);
        assert_eq!(Encoding::negotiate(Some(&[PositionEncodingKind::UTF32])), Encoding::Utf16);
        assert_eq!(Encoding::negotiate(None), Encoding::Utf16);
    }
}
