//! The elements of one array, wherever in a document it stands: the document is never held, an element at a time is.

use memchr::memchr2;

use super::{
    EXCERPT_BYTES, Out, auto,
    balance::{Balance, Found, Newlines},
    grammar::is_scalar,
    window::{Window, is_whitespace},
};

/// Reads all documents of one stream, one behind the other or one a line or in an array.
pub(super) fn read<E>(window: &mut Window<'_>, path: &[String], out: &mut Out<'_, E>) -> Result<(), E> {
    window.skip_bom();
    while !window.is_stopped()
        && let Some(byte) = window.skip_whitespace()
    {
        match byte {
            b'{' if !path.is_empty() => Document::new(window, path).read(out)?,
            b'[' if path.is_empty() => elements(window, out)?,
            b'[' | b']' | b',' => window.consume(1),
            b'\xef' if window.starts_with(b"\xef\xbb\xbf") => window.skip_bom(),
            _ => {
                auto::not_json(window, &format!("expected a JSON document with an array at `{}`", path.join(".")), out)?
            }
        }
    }
    Ok(())
}

/// One document on its way through.
struct Document<'d, 'r> {
    window: &'d mut Window<'r>,
    path: &'d [String],
    /// How many keys of the path lead to where we are.
    level: usize,
    found: bool,
    /// Its first bytes, for the reject that says there is no array.
    excerpt: Vec<u8>,
}

/// Why a document cannot be followed further.
enum Stop<E> {
    /// The input ends.
    End,
    /// It is not JSON.
    Malformed(&'static str),
    /// The caller wants no more.
    Caller(E),
}

impl<'d, 'r> Document<'d, 'r> {
    fn new(window: &'d mut Window<'r>, path: &'d [String]) -> Self {
        Self { window, path, level: 0, found: false, excerpt: Vec::new() }
    }

    fn read<E>(mut self, out: &mut Out<'_, E>) -> Result<(), E> {
        let error = match self.members(out) {
            Ok(()) if self.found => return Ok(()),
            Ok(()) => format!("expected an array at `{}`, found none", self.path.join(".")),
            Err(Stop::Caller(error)) => return Err(error),
            Err(Stop::End) if self.window.is_stopped() => return Ok(()),
            Err(Stop::End) if self.window.is_broken() => {
                self.window.stop();
                return Ok(());
            }
            Err(Stop::End) => "expected the end of the JSON document, found the end of the input".to_owned(),
            Err(Stop::Malformed(expected)) => {
                let end = auto::rest_of_line(self.window);
                self.take(end);
                format!("expected {expected} in the JSON document")
            }
        };
        out.malformed(error, &self.excerpt)
    }

    /// Walks through the members of the objects that the path leads through.
    fn members<E>(&mut self, out: &mut Out<'_, E>) -> Result<(), Stop<E>> {
        self.take(1);
        loop {
            match self.next()? {
                b',' => self.take(1),
                b'}' => {
                    self.take(1);
                    if self.level == 0 {
                        return Ok(());
                    }
                    self.level -= 1;
                }
                b'"' => {
                    let is_wanted = self.key()?;
                    if self.next()? != b':' {
                        return Err(Stop::Malformed("a colon"));
                    }
                    self.take(1);
                    let first = self.next()?;
                    if is_wanted { self.wanted(first, out)? } else { self.skip_value(first)? }
                }
                _ => return Err(Stop::Malformed("a key")),
            }
        }
    }

    /// The value behind the next key of the path.
    fn wanted<E>(&mut self, first: u8, out: &mut Out<'_, E>) -> Result<(), Stop<E>> {
        let last = self.level + 1 == self.path.len();
        match first {
            b'[' if last => {
                self.found = true;
                self.excerpt = Vec::new();
                elements(self.window, out).map_err(Stop::Caller)?;
                if self.window.is_stopped() { Err(Stop::End) } else { Ok(()) }
            }
            b'{' if !last => {
                self.take(1);
                self.level += 1;
                Ok(())
            }
            _ => {
                // null stands for an empty array
                self.found |= last && first == b'n';
                self.skip_value(first)
            }
        }
    }

    fn next<E>(&mut self) -> Result<u8, Stop<E>> {
        let blank = self.window.skip_whitespace();
        blank.ok_or(Stop::End)
    }

    /// Consumes a key; whether it is the next of the path.
    fn key<E>(&mut self) -> Result<bool, Stop<E>> {
        let Some(end) = string_end(self.window, EXCERPT_BYTES) else {
            self.skip_string()?;
            return Ok(false);
        };
        let text = &self.window.bytes()[..end];
        let wanted = self.path[self.level].as_bytes();
        let same = &text[1..end - 1] == wanted
            || text.contains(&b'\\')
                && serde_json::from_slice::<String>(text).is_ok_and(|key| key.as_bytes() == wanted);
        self.take(end);
        Ok(same)
    }

    fn skip_value<E>(&mut self, first: u8) -> Result<(), Stop<E>> {
        match first {
            b'{' | b'[' => {
                let mut balance = Balance::new(Newlines::Pass);
                loop {
                    if let Found::End(end) = balance.scan(self.window.bytes()) {
                        self.take(end);
                        return Ok(());
                    }
                    self.more()?;
                }
            }
            b'"' => self.skip_string(),
            _ => loop {
                let bytes = self.window.bytes();
                let end = bytes.iter().position(|&byte| is_whitespace(byte) || matches!(byte, b',' | b'}' | b']'));
                match end {
                    Some(0) if matches!(first, b',' | b'}' | b']') => return Err(Stop::Malformed("a value")),
                    Some(end) => {
                        self.take(end);
                        return Ok(());
                    }
                    None => self.more()?,
                }
            },
        }
    }

    /// Consumes a string of any length.
    fn skip_string<E>(&mut self) -> Result<(), Stop<E>> {
        self.take(1);
        loop {
            match memchr2(b'"', b'\\', self.window.bytes()) {
                Some(at) if self.window.bytes()[at] == b'"' => {
                    self.take(at + 1);
                    return Ok(());
                }
                Some(at) => {
                    self.take(at);
                    if self.window.byte(1).is_none() {
                        return Err(Stop::End);
                    }
                    self.take(2);
                }
                None => self.more()?,
            }
        }
    }

    /// Consumes all there is and reads on.
    fn more<E>(&mut self) -> Result<(), Stop<E>> {
        self.take(self.window.bytes().len());
        if self.window.more() { Ok(()) } else { Err(Stop::End) }
    }

    fn take(&mut self, amount: usize) {
        if !self.found {
            let room = EXCERPT_BYTES - self.excerpt.len();
            let bytes = self.window.bytes();
            self.excerpt.extend_from_slice(&bytes[..amount.min(room).min(bytes.len())]);
        }
        self.window.consume(amount);
    }
}

/// Hands out the elements of the array that begins here and consumes it. Objects are JSON, strings their text, and
/// everything else text as it stands.
pub(super) fn elements<E>(window: &mut Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    window.consume(1);
    loop {
        match window.skip_whitespace() {
            None if window.is_broken() => {
                window.stop();
                return Ok(());
            }
            None => {
                window.stop();
                return out.malformed("expected the end of the array, found the end of the input", &[]);
            }
            Some(b']') => {
                window.consume(1);
                return Ok(());
            }
            Some(b',') => window.consume(1),
            Some(first @ (b'{' | b'[')) => nested(window, first, out)?,
            Some(b'"') => string(window, out)?,
            Some(_) => scalar(window, out)?,
        }
        if window.is_stopped() {
            return Ok(());
        }
    }
}

/// An element that is an object or an array.
fn nested<E>(window: &mut Window<'_>, first: u8, out: &mut Out<'_, E>) -> Result<(), E> {
    let mut balance = Balance::new(Newlines::Pass);
    let mut scanned = 0;
    loop {
        if let Found::End(end) = balance.scan(&window.bytes()[scanned..]) {
            let element = &window.bytes()[..scanned + end];
            if first == b'{' {
                auto::balanced(element, &balance, out)?
            } else {
                out.text(element)?
            }
            window.consume(scanned + end);
            return Ok(());
        }
        scanned = window.bytes().len();
        if scanned > out.limits.max_record_bytes {
            out.too_large(window.bytes())?;
            window.consume(scanned);
            auto::discard(window, balance);
            return Ok(());
        }
        if !window.more() {
            return cut_off(window, out);
        }
    }
}

/// An element that is a string: its text.
fn string<E>(window: &mut Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    match string_end(window, out.limits.max_record_bytes) {
        Some(end) => {
            let quoted = &window.bytes()[..end];
            match serde_json::from_slice::<String>(quoted) {
                Ok(text) => out.record(super::Body::Text(text.as_bytes()), None, quoted)?,
                Err(error) => out.malformed(format!("expected a JSON string: {error}"), quoted)?,
            }
            window.consume(end);
            Ok(())
        }
        None if window.bytes().len() > out.limits.max_record_bytes => {
            out.too_large(window.bytes())?;
            // a document without a path: it only skips
            let skipped: Result<(), Stop<E>> = Document::new(window, &[]).skip_string();
            match skipped {
                Ok(()) | Err(Stop::End | Stop::Malformed(_)) => Ok(()),
                Err(Stop::Caller(error)) => Err(error),
            }
        }
        None => cut_off(window, out),
    }
}

/// An element that is a number, a literal, or no JSON at all.
fn scalar<E>(window: &mut Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    let mut end = 0;
    while end <= EXCERPT_BYTES
        && let Some(byte) = window.byte(end)
        && !is_whitespace(byte)
        && !matches!(byte, b',' | b']' | b'{' | b'[' | b'"')
    {
        end += 1;
    }
    if window.byte(end).is_none() && window.is_broken() {
        window.stop();
        return Ok(());
    }
    let word = &window.bytes()[..end];
    if is_scalar(word) {
        out.text(word)?
    } else {
        out.malformed("expected an element of a JSON array", word)?
    }
    window.consume(end);
    Ok(())
}

/// An element that the input ends in.
fn cut_off<E>(window: &mut Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    if !window.is_broken() {
        out.malformed("expected the end of an element, found the end of the input", window.bytes())?;
        window.consume(window.bytes().len());
    }
    window.stop();
    Ok(())
}

/// The offset behind the string that begins here; `None` where it ends not at all, or not within `limit` bytes.
fn string_end(window: &mut Window<'_>, limit: usize) -> Option<usize> {
    let mut at = 1;
    loop {
        match memchr2(b'"', b'\\', window.bytes().get(at..).unwrap_or_default()) {
            Some(found) if window.bytes()[at + found] == b'"' => return Some(at + found + 1),
            Some(found) => {
                at += found + 2;
                window.byte(at)?;
            }
            None => {
                at = at.max(window.bytes().len());
                if at > limit || !window.more() {
                    return None;
                }
            }
        }
    }
}
