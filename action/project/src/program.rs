//! VRL and SQL taken out of YAML, with the way back to the lines they come from.

use std::ops::Range;

use model::name::{EnrichmentName, LogSourceName, TableName};

use crate::{
    diagnostic::{Diagnostic, Pos, Span},
    rules::Rule,
    text_map::TextMap,
    yaml::Doc,
};

/// What a VRL program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One record to one row.
    Transform,
    /// One object to its records.
    Expand,
    /// The table of an object, from its metadata.
    SelectMetadata,
    /// The table of a record.
    SelectRecord,
    /// One uploaded record to one row of an enrichment table.
    EnrichmentTransform,
}

/// Text of one scalar of one file.
#[derive(Debug, Clone)]
pub struct Block {
    /// The text, without indentation and escapes.
    pub text: String,
    /// The way back into the file.
    pub map: TextMap,
}

impl Block {
    /// The scalar at a pointer.
    pub fn of(doc: &Doc, pointer: &str) -> Option<Self> {
        Some(Self { text: doc.text(pointer)?.to_owned(), map: doc.text_map(pointer)? })
    }

    /// A diagnostic at a stretch of the text.
    pub fn diagnostic(&self, rule: &Rule, range: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(rule, self.map.file(), Some(self.map.span(range)), message)
    }
}

/// A whole VRL program. A table's transform is put together from up to four files.
#[derive(Debug, Clone)]
pub struct VrlProgram {
    /// For people: `transform of aws_cloudtrail_digest`.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// The whole text.
    pub text: String,
    /// The parts it is made of, in order.
    pub fragments: Vec<Fragment>,
    /// The file to blame where there is no text.
    pub file: String,
    /// The log source it belongs to.
    pub log_source: Option<LogSourceName>,
    /// The table it belongs to; `None` for selectors.
    pub table: Option<TableName>,
    /// The enrichment table it belongs to.
    pub enrichment: Option<EnrichmentName>,
}

/// A part of a program that comes from one file.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// The stretch of the program's text.
    pub range: Range<usize>,
    /// The way back into the file.
    pub map: TextMap,
}

impl Fragment {
    /// The file it comes from.
    pub fn file(&self) -> &str {
        self.map.file()
    }
}

impl VrlProgram {
    /// Puts blocks together, one after the other on lines of their own.
    pub(crate) fn join(name: String, kind: Kind, file: &str, blocks: Vec<Block>) -> Self {
        let (mut text, mut fragments) = (String::new(), Vec::new());
        for block in blocks {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            let start = text.len();
            text.push_str(&block.text);
            fragments.push(Fragment { range: start..text.len(), map: block.map });
        }
        let file = file.to_owned();
        Self { name, kind, text, fragments, file, log_source: None, table: None, enrichment: None }
    }

    /// File, line and column of a byte offset in the text; an offset between two parts is the end of the first.
    pub fn locate(&self, offset: usize) -> (String, Pos) {
        match self.fragment(offset) {
            Some(fragment) => {
                let within = offset.clamp(fragment.range.start, fragment.range.end) - fragment.range.start;
                (fragment.file().to_owned(), fragment.map.pos(within))
            }
            None => (self.file.clone(), Pos { line: 1, column: 1, offset: 0 }),
        }
    }

    /// File and span of a stretch of the text; what reaches into another part ends with the first.
    pub fn span(&self, range: Range<usize>) -> (String, Option<Span>) {
        match self.fragment(range.start) {
            Some(fragment) => {
                let within =
                    |offset: usize| offset.clamp(fragment.range.start, fragment.range.end) - fragment.range.start;
                let span = fragment.map.span(within(range.start)..within(range.end));
                (fragment.file().to_owned(), Some(span))
            }
            None => (self.file.clone(), None),
        }
    }

    fn fragment(&self, offset: usize) -> Option<&Fragment> {
        let behind = self.fragments.partition_point(|fragment| fragment.range.start <= offset);
        self.fragments.get(behind.saturating_sub(1))
    }
}
