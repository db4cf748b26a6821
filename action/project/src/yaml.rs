//! YAML with positions: one parse gives the values and where each of them stands.
//!
//! YAML 1.2: `on`, `off`, `yes` and `no` are strings. The only module that names the YAML crate.

mod build; // parser events -> nodes
mod scalar; // what a plain scalar means
mod syntax; // the parser's complaints in plain words

use std::sync::Arc;

pub use scalar::Meaning;
use serde_json::Value;

use crate::{
    diagnostic::{Diagnostic, Span},
    rules::{self, Rule},
    source::Source,
    text_map::TextMap,
};

/// A file of more bytes than this is not configuration.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value itself, without its key. A block scalar's begins at its first character of content.
    pub span: Span,
    /// What it is.
    pub data: Data,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Data {
    /// Text, as written and as understood.
    Scalar {
        /// How it is written.
        style: Style,
        /// The text: unquoted, unescaped, without indentation.
        text: Box<str>,
        /// What the text means.
        meaning: Meaning,
    },
    /// Items in order.
    Sequence(Vec<Node>),
    /// Entries in order; keys are unique.
    Mapping(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub node: Node,
}

/// One parsed file. Places are named by JSON pointer: `/alert/severity`, `/tables/0`.
#[derive(Debug, Clone)]
pub struct Doc {
    source: Arc<Source>,
    root: Node,
}

impl Doc {
    /// Parses a file. `None` where it is no YAML; duplicate keys are reported, and the first one counts.
    pub fn parse(file: &str, bytes: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let source = read(file, bytes, diagnostics)?;
        let root = build::root(&source, diagnostics)?;
        Some(Self { source, root })
    }

    /// The path of the file.
    pub fn file(&self) -> &str {
        self.source.file()
    }

    /// The text of the file.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The whole document as JSON, made anew: most of a project's documents are needed so but once.
    pub fn to_value(&self) -> Value {
        self.root.to_value()
    }

    /// The node at a pointer.
    pub fn node(&self, pointer: &str) -> Option<&Node> {
        self.walk(pointer).map(|(node, _)| node)
    }

    /// The span of the value at a pointer.
    pub fn span(&self, pointer: &str) -> Option<Span> {
        self.walk(pointer).map(|(node, _)| node.span)
    }

    /// The span of the key whose value is at a pointer; `None` for the root and for items of lists.
    pub fn key_span(&self, pointer: &str) -> Option<Span> {
        self.walk(pointer)?.1
    }

    /// Where to point when something is wrong with the value at a pointer: the value where it fits on one line, else its
    /// key, else the first line of it; the nearest parent where there is no such value.
    pub fn point(&self, pointer: &str) -> Span {
        let mut pointer = pointer;
        loop {
            if let Some((node, key)) = self.walk(pointer) {
                let one_line = node.span.start.line == node.span.end.line;
                return match key {
                    _ if one_line => node.span,
                    Some(key) => key,
                    None => self.first_line(node),
                };
            }
            match pointer.rfind('/') {
                Some(at) => pointer = &pointer[..at],
                None => return self.first_line(&self.root),
            }
        }
    }

    fn first_line(&self, node: &Node) -> Span {
        let line = self.source.line_span(node.span.start.line);
        Span { start: node.span.start, end: line.end.max(node.span.start) }
    }

    /// The text of the scalar at a pointer, as written: `007` where the value is the number 7.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        match &self.node(pointer)?.data {
            Data::Scalar { text, .. } => Some(text),
            Data::Sequence(_) | Data::Mapping(_) => None,
        }
    }

    /// Where each byte of the text of the scalar at a pointer stands.
    pub fn text_map(&self, pointer: &str) -> Option<TextMap> {
        let node = self.node(pointer)?;
        match &node.data {
            Data::Scalar { style, text, .. } => Some(TextMap::new(&self.source, *style, node.span, text)),
            Data::Sequence(_) | Data::Mapping(_) => None,
        }
    }

    /// A diagnostic at the value at a pointer.
    pub fn at(&self, rule: &Rule, pointer: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(rule, self.file(), Some(self.point(pointer)), message)
    }

    /// A diagnostic at the key whose value is at a pointer.
    pub fn at_key(&self, rule: &Rule, pointer: &str, message: impl Into<String>) -> Diagnostic {
        let span = self.key_span(pointer).unwrap_or_else(|| self.point(pointer));
        Diagnostic::new(rule, self.file(), Some(span), message)
    }

    fn walk(&self, pointer: &str) -> Option<(&Node, Option<Span>)> {
        let mut found = (&self.root, None);
        let parts = if pointer.is_empty() { "" } else { pointer.strip_prefix('/')? };
        for part in parts.split('/').take(if pointer.is_empty() { 0 } else { usize::MAX }) {
            found = match &found.0.data {
                Data::Mapping(entries) => {
                    let key = unescape(part);
                    let entry = entries.iter().find(|entry| entry.key == key)?;
                    (&entry.node, Some(entry.key_span))
                }
                Data::Sequence(items) => (items.get(part.parse::<usize>().ok()?)?, None),
                Data::Scalar { .. } => return None,
            };
        }
        Some(found)
    }
}

impl Node {
    /// What it says, as JSON.
    pub fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar { text, meaning, .. } => meaning.value(text),
            Data::Sequence(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Data::Mapping(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_value())).collect())
            }
        }
    }
}

/// One step of a JSON pointer.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn read(file: &str, bytes: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Option<Arc<Source>> {
    if bytes.len() > MAX_BYTES {
        let message = format!("file has {} bytes, expected at most {MAX_BYTES}", bytes.len());
        diagnostics.push(Diagnostic::new(&rules::YAML_LIMIT, file, None, message));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.valid_up_to();
            let source = Source::new(file, String::from_utf8_lossy(bytes).into_owned());
            let message = format!("expected UTF-8 text, found the byte `0x{:02x}`", bytes[good]);
            let span = source.span(good, good + char::REPLACEMENT_CHARACTER.len_utf8());
            let help = "save the file in the encoding UTF-8";
            diagnostics.push(Diagnostic::new(&rules::INVALID_UTF8, file, Some(span), message).help(help));
            return None;
        }
    };
    let source = Source::new(file, text.to_owned());
    // the parser takes a NUL for the end of the file, and would drop what follows in silence
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if let Some((at, found)) = text.char_indices().find(|(_, c)| control(*c)) {
        let message = format!("expected text, found the control character U+{:04X}", u32::from(found));
        let span = source.span(at, at + found.len_utf8());
        let help = "write it as an escape in double quotes, or remove it";
        diagnostics.push(Diagnostic::new(&rules::YAML_SYNTAX, file, Some(span), message).help(help));
        return None;
    }
    Some(source)
}

#[cfg(test)]
mod tests;
