//! The parser's events -> nodes: aliases copied in, merge keys applied, duplicate keys reported, all within limits.

use std::{collections::BTreeMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::{Data, Entry, Meaning, Node, Style, scalar, syntax};
use crate::{
    diagnostic::{Diagnostic, Span},
    rules,
    source::Source,
};

/// Nodes of a file after its aliases are copied in; long text counts as several.
const MAX_NODES: usize = 100_000;
/// So many bytes of text count as one more node, or a few aliases of a long text would fill the memory.
const TEXT_OF_A_NODE: usize = 128;
/// Mappings and lists within each other.
const MAX_DEPTH: usize = 64;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The one document of a file; an empty file is a null.
pub fn root(source: &Arc<Source>, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let mut builder = Builder::new(source, diagnostics);
    match builder.document() {
        Ok(node) => Some(node),
        Err(diagnostic) => {
            diagnostics.push(*diagnostic);
            None
        }
    }
}

type Built<T> = Result<T, Box<Diagnostic>>;

struct Builder<'a> {
    source: &'a Arc<Source>,
    parser: Parser<'a, StrInput<'a>>,
    /// Byte offsets of characters, where the file is not ASCII; the parser counts in characters.
    offsets: Option<Vec<u32>>,
    /// Bytes before what the parser sees: a byte order mark.
    base: usize,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Arc<Source>, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        let text = source.text().strip_prefix(BYTE_ORDER_MARK).unwrap_or(source.text());
        let offsets = (!text.is_ascii()).then(|| {
            let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).chain([end]).collect()
        });
        let base = source.text().len() - text.len();
        let parser = Parser::new_from_str(text);
        Self { source, parser, offsets, base, anchors: BTreeMap::new(), nodes: 0, diagnostics }
    }

    fn offset(&self, chars: usize) -> usize {
        let within = match &self.offsets {
            None => chars,
            Some(offsets) => offsets.get(chars).or(offsets.last()).map_or(0, |&offset| offset as usize),
        };
        self.base + within
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        self.source.span(self.offset(span.start.index()), self.offset(span.end.index()))
    }

    fn next(&mut self) -> Built<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.span(span))),
            Some(Err(error)) => Err(self.syntax_error(&error)),
            None => Ok((Event::StreamEnd, self.source.span(usize::MAX, usize::MAX))),
        }
    }

    fn syntax_error(&self, error: &ScanError) -> Box<Diagnostic> {
        let at = self.offset(error.marker().index());
        let next = self.source.text().get(at..).and_then(|rest| rest.chars().next());
        let width = next.filter(|c| !c.is_whitespace()).map_or(0, char::len_utf8);
        let (message, help) = syntax::explain(error.info());
        let span = self.source.span(at, at + width);
        let rule = if error.info() == "recursion limit exceeded" { &rules::YAML_LIMIT } else { &rules::YAML_SYNTAX };
        let mut diagnostic = Diagnostic::new(rule, self.source.file(), Some(span), message);
        diagnostic.help = help.map(str::to_owned);
        Box::new(diagnostic)
    }

    fn refuse(&self, rule: &rules::Rule, span: Span, message: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(rule, self.source.file(), Some(span), message))
    }

    fn document(&mut self) -> Built<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::Nothing | Event::DocumentEnd => (),
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    let message = "expected one document in a file, found a second one";
                    let help = "put it in a file of its own";
                    return Err(Box::new(self.refuse(&rules::UNSUPPORTED_YAML, span, message).help(help)));
                }
                Event::DocumentStart(_) => (),
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        let start = self.source.span(self.base, self.base);
        Ok(root.unwrap_or_else(|| empty(start)))
    }

    fn count(&mut self, nodes: usize, span: Span) -> Built<()> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("expected at most {MAX_NODES} nodes, aliases counted as what they stand for");
            return Err(self.refuse(&rules::YAML_LIMIT, span, &message));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Built<Node> {
        if depth > MAX_DEPTH {
            let message = format!("expected at most {MAX_DEPTH} levels of nesting");
            return Err(self.refuse(&rules::YAML_LIMIT, span, &message));
        }
        let before = self.nodes;
        self.count(1, span)?;
        let (node, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(text.len() / TEXT_OF_A_NODE, span)?;
                (self.scalar(text.into_owned(), style, tag.as_deref(), span)?, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span)?;
                (self.sequence(span, depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span)?;
                (self.mapping(span, depth)?, anchor)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(self.refuse(&rules::YAML_SYNTAX, span, "expected a value")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Built<Node> {
        let Some((_, nodes)) = self.anchors.get(&anchor) else {
            return Err(self.refuse(&rules::UNSUPPORTED_YAML, span, "an alias cannot stand inside its own anchor"));
        };
        // what the copy costs is known before it is made
        self.count(*nodes, span)?;
        let (node, _) = &self.anchors[&anchor];
        Ok(Node { span, data: node.data.clone() })
    }

    fn scalar(&self, text: String, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Built<Node> {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        let meaning = match tag {
            None if style == Style::Plain => scalar::resolve(&text),
            None => Meaning::Text,
            Some(tag) => self.tagged(&text, tag, span)?,
        };
        let span = self.trim(style, span);
        Ok(Node { span, data: Data::Scalar { style, text: text.into_boxed_str(), meaning } })
    }

    fn tagged(&self, text: &str, tag: &Tag, span: Span) -> Built<Meaning> {
        let resolved = || scalar::resolve(text);
        let meaning = match tag.suffix.as_str() {
            "str" if tag.is_yaml_core_schema() => Some(Meaning::Text),
            "int" | "float" if tag.is_yaml_core_schema() => scalar::number(text).map(Meaning::Number),
            "bool" if tag.is_yaml_core_schema() => Some(resolved()).filter(|is| matches!(is, Meaning::Boolean(_))),
            "null" if tag.is_yaml_core_schema() => Some(resolved()).filter(|is| *is == Meaning::Null),
            // `! text` is a string by the letter of the standard
            "!" if tag.handle.is_empty() => Some(Meaning::Text),
            _ => return Err(self.unknown_tag(tag, span)),
        };
        meaning.ok_or_else(|| {
            let message = format!("expected a value of the tag `!!{}`, found `{text}`", tag.suffix);
            self.refuse(&rules::UNSUPPORTED_YAML, span, &message)
        })
    }

    fn collection_tag(&self, tag: Option<&Tag>, wanted: &str, span: Span) -> Built<()> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == wanted) => Err(self.unknown_tag(tag, span)),
            Some(_) | None => Ok(()),
        }
    }

    fn unknown_tag(&self, tag: &Tag, span: Span) -> Box<Diagnostic> {
        let message = format!("the tag `{tag}` is not supported");
        let help = "remove it; a value that begins with `!` needs quotes";
        Box::new(self.refuse(&rules::UNSUPPORTED_YAML, span, &message).help(help))
    }

    /// The span of a scalar in quotes or of a block reaches to the next token, comments included: what is not content at
    /// its end goes off.
    fn trim(&self, style: Style, span: Span) -> Span {
        let text = &self.source.text()[span.start.offset..span.end.offset];
        let length = match style {
            Style::Plain => return span,
            Style::SingleQuoted => quoted(text, |rest| if rest.starts_with("''") { 2 } else { 0 }),
            Style::DoubleQuoted => quoted(text, |rest| if rest.starts_with('\\') { 2 } else { 0 }),
            Style::Literal | Style::Folded => text.trim_end().len(),
        };
        self.source.span(span.start.offset, span.start.offset + length)
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Built<Node> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    items.shrink_to_fit();
                    let span = self.collection_span(start, end, items.last().map(|item| item.span));
                    return Ok(Node { span, data: Data::Sequence(items) });
                }
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    /// `[…]` and `{…}` end with their bracket, the others with the last thing in them.
    fn collection_span(&self, start: Span, end: Span, last: Option<Span>) -> Span {
        let bracket = self.source.text()[..end.end.offset].ends_with([']', '}']) && end.start != end.end;
        let end = if bracket { end.end } else { last.map_or(start.end, |last| last.end) };
        Span { start: start.start, end: end.max(start.start) }
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Built<Node> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let mut merged: Vec<Entry> = Vec::new();
        let mut last = None;
        let end = loop {
            let (key, key_span) = match self.next()? {
                (Event::MappingEnd, end) => break end,
                (event, span) => self.key(event, span, depth)?,
            };
            let (event, span) = self.next()?;
            let missing = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, 0, None) if text.is_empty());
            let node = if missing {
                self.count(1, span).map(|()| empty(key_span))?
            } else {
                self.node(event, span, depth + 1)?
            };
            last = Some(node.span);
            if key == "<<" {
                self.merge(node, &mut merged)?;
            } else if let Some(first) = seen.get(&key) {
                let message = format!("the key `{key}` stands twice in this mapping");
                let diagnostic = Diagnostic::new(&rules::DUPLICATE_KEY, self.source.file(), Some(key_span), message);
                self.diagnostics.push(diagnostic.related(self.source.file(), Some(*first), "the first one is here"));
            } else {
                seen.insert(key.clone(), key_span);
                entries.push(Entry { key, key_span, node });
            }
        };
        entries.extend(merged.into_iter().filter(|entry| seen.insert(entry.key.clone(), entry.key_span).is_none()));
        entries.shrink_to_fit();
        let span = self.collection_span(start, end, last);
        Ok(Node { span, data: Data::Mapping(entries) })
    }

    /// The text of a key, and where it stands: `1` and `true` are the keys `"1"` and `"true"`.
    fn key(&mut self, event: Event<'a>, span: Span, depth: usize) -> Built<(String, Span)> {
        let node = self.node(event, span, depth + 1)?;
        match node.data {
            Data::Scalar { text, meaning, .. } if meaning != Meaning::Null => Ok((text.into_string(), node.span)),
            Data::Scalar { .. } => Err(self.refuse(&rules::UNSUPPORTED_YAML, span, "expected a key, found nothing")),
            Data::Sequence(_) | Data::Mapping(_) => {
                let message = "expected a word as the key, found a list or a mapping";
                let help = "text that begins with `[`, `{` or `?` needs quotes";
                Err(Box::new(self.refuse(&rules::UNSUPPORTED_YAML, span, message).help(help)))
            }
        }
    }

    /// `<<: *anchor` gives the keys that the mapping itself does not have.
    fn merge(&self, node: Node, into: &mut Vec<Entry>) -> Built<()> {
        match node.data {
            Data::Mapping(entries) => into.extend(entries),
            Data::Sequence(items) => {
                for item in items {
                    self.merge(item, into)?;
                }
            }
            Data::Scalar { .. } => {
                let message = "expected a mapping to merge, found a single value";
                return Err(self.refuse(&rules::UNSUPPORTED_YAML, node.span, message));
            }
        }
        Ok(())
    }
}

fn empty(span: Span) -> Node {
    Node { span, data: Data::Scalar { style: Style::Plain, text: Box::default(), meaning: Meaning::Null } }
}

/// How long a text in quotes is, both quotes included. `escape` says how many bytes at the begin of the rest are an escape.
fn quoted(text: &str, escape: impl Fn(&str) -> usize) -> usize {
    let mut at = 1;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let quote = text.as_bytes()[0];
        match escape(rest) {
            0 if rest.as_bytes()[0] == quote => return at + 1,
            0 => at += rest.chars().next().map_or(1, char::len_utf8),
            length => at += length.min(rest.len()),
        }
        // an escaped character may be of several bytes
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    text.len()
}
