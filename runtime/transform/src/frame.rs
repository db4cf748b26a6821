//! Plain bytes -> records: JSON in any arrangement, lines, CSV, one huge array, CloudWatch envelopes, Parquet.
//!
//! Start at [`read_records`]. Records are handed out one at a time, borrowed from one buffer; no more than the longest
//! record that the limits allow is ever held. A record that is not what its format says becomes a reject with its
//! bytes, and its neighbours are not touched. JSON objects handed out on one line are balanced, valid UTF-8 and not
//! nested too deep, but their grammar is not checked: whoever parses them finds the rest.

mod array; // elements of an array deep in a document
mod auto; // JSON or lines, decided record by record
mod balance; // the end of an object, 64 bytes at a time
mod cloudwatch; // subscription envelopes
mod csv; // rows as JSON objects
mod grammar; // strict JSON, for objects over several lines
mod parquet; // rows as JSON objects
mod whole; // everything as one text
mod window; // the part of the input that is in memory

use std::io::{self, Read};

use model::object::{Position, RejectRule};

use crate::decode::{self, Meter, Part, source_error};

pub use crate::decode::Hints;
use window::Window;

/// What the records of an object look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// JSON objects (one a line, concatenated, pretty-printed, or in an array), and lines of text.
    Auto,
    /// Comma-separated rows; the names of the columns, or none where the first row has them.
    Csv {
        /// Names in order of the columns.
        headers: Vec<String>,
    },
    /// The elements of the array at this path of keys, of one document or of several: `["Records"]`.
    JsonArrayAt(Vec<String>),
    /// All of the decoded text as one record.
    Whole,
    /// CloudWatch Logs subscription envelopes, whose log events are the records.
    CloudWatch,
}

/// What an object may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A record of more bytes is a reject.
    pub max_record_bytes: usize,
    /// A text of more bytes is not expanded as a whole.
    pub max_expand_bytes: usize,
    /// JSON nested deeper is a reject, so that nobody's stack has to hold it.
    pub max_depth: u32,
    /// More decoded bytes for each stored byte than this are a decompression bomb.
    pub max_ratio: u64,
    /// The ratio counts once this many bytes were decoded.
    pub ratio_from_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_record_bytes: 16 << 20,
            max_expand_bytes: 256 << 20,
            max_depth: 128,
            max_ratio: 1000,
            ratio_from_bytes: 1 << 30,
        }
    }
}

/// How much is kept of a record that is too large or cut off.
pub const EXCERPT_BYTES: usize = 64 << 10;

/// What came out of the input next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record.
    Record {
        /// Its ordinal in the object.
        position: Position,
        /// What is transformed.
        body: Body<'a>,
        /// When CloudWatch received it, in milliseconds since the Unix epoch.
        ts_millis: Option<i64>,
        /// Its bytes as they stood in the decoded input.
        raw: &'a [u8],
    },
    /// Bytes that are no record.
    Reject {
        /// Its ordinal in the object.
        position: Position,
        /// Why, as a word.
        rule: RejectRule,
        /// Why, as a sentence.
        error: String,
        /// Its bytes, or the first [`EXCERPT_BYTES`] of them where they are too many.
        raw: Vec<u8>,
    },
}

/// The content of a record. Always valid UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// One JSON object: its braces balance, its grammar is unchecked.
    Json(&'a [u8]),
    /// A line, or another piece of text.
    Text(&'a [u8]),
}

/// What was read, when all of it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadSummary {
    /// Records and rejects: the next position.
    pub records: u64,
    /// How many of them are rejects.
    pub rejects: u64,
    /// Decoded bytes.
    pub bytes: u64,
    /// Stored bytes.
    pub stored_bytes: u64,
}

/// Decodes an object and hands out its records in order.
///
/// # Errors
/// What `on` returns ends the reading, as does an error of `input` itself. Broken data never does: it becomes rejects.
pub fn read_records<E: From<io::Error>>(
    input: Box<dyn Read + Send>,
    hints: &Hints,
    shape: &Shape,
    limits: &Limits,
    on: &mut dyn FnMut(Item<'_>) -> Result<(), E>,
) -> Result<ReadSummary, E> {
    let meter = Meter::new(limits);
    let mut out = Out { on, limits, next: 0, rejects: 0 };
    let mut bytes = 0;
    decode::parts(input, hints, &meter, &mut |part| match part {
        Part::Bytes(reader) => {
            let mut window = Window::new(reader);
            match shape {
                Shape::Auto => auto::read(&mut window, &mut out)?,
                Shape::Csv { headers } => csv::read(&mut window, headers, &mut out)?,
                Shape::JsonArrayAt(path) => array::read(&mut window, path, &mut out)?,
                Shape::Whole => whole::read(&mut window, &mut out)?,
                Shape::CloudWatch => cloudwatch::read(&mut window, &mut out)?,
            }
            bytes += window.bytes_read();
            finish(window, &mut out)
        }
        Part::Parquet(reader) => {
            bytes += parquet::read(reader, &mut out)?;
            Ok(())
        }
        Part::Broken(message) => out.reject(RejectRule::Decode, message, &[]),
    })?;
    Ok(ReadSummary { records: out.next, rejects: out.rejects, bytes, stored_bytes: meter.read() })
}

/// Says that the input broke, if it did: with the bytes that belong to no complete record.
fn finish<E: From<io::Error>>(mut window: Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    match window.take_failure().map(source_error) {
        None => Ok(()),
        Some(Ok(source)) => Err(E::from(source)),
        Some(Err(broken)) => out.reject(RejectRule::Decode, broken.to_string(), window.bytes()),
    }
}

/// Where records go: counts them and keeps the limits.
struct Out<'o, E> {
    on: &'o mut dyn FnMut(Item<'_>) -> Result<(), E>,
    limits: &'o Limits,
    next: u64,
    rejects: u64,
}

impl<E> Out<'_, E> {
    fn position(&mut self) -> Position {
        let position = Position(self.next);
        self.next += 1;
        position
    }

    /// A JSON object whose braces balance.
    fn json(&mut self, object: &[u8], ts_millis: Option<i64>) -> Result<(), E> {
        self.record(Body::Json(object), ts_millis, object)
    }

    /// Anything else.
    fn text(&mut self, text: &[u8]) -> Result<(), E> {
        self.record(Body::Text(text), None, text)
    }

    /// A record, or a reject where its bytes are not UTF-8.
    fn record(&mut self, body: Body<'_>, ts_millis: Option<i64>, raw: &[u8]) -> Result<(), E> {
        let (Body::Json(bytes) | Body::Text(bytes)) = body;
        if bytes.len() > self.limits.max_record_bytes {
            return self.too_large(raw);
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            let error = format!("expected UTF-8, found other bytes from byte `{}` of the record", error.valid_up_to());
            return self.reject(RejectRule::Malformed, error, raw);
        }
        let position = self.position();
        (self.on)(Item::Record { position, body, ts_millis, raw })
    }

    fn malformed(&mut self, error: impl Into<String>, raw: &[u8]) -> Result<(), E> {
        self.reject(RejectRule::Malformed, error.into(), raw)
    }

    /// A record that is longer than the limit; `start` are its first bytes.
    fn too_large(&mut self, start: &[u8]) -> Result<(), E> {
        let error =
            format!("expected a record of at most `{}` bytes, found a longer one", self.limits.max_record_bytes);
        self.reject(RejectRule::TooLarge, error, &start[..start.len().min(EXCERPT_BYTES)])
    }

    fn reject(&mut self, rule: RejectRule, error: String, raw: &[u8]) -> Result<(), E> {
        let kept = match rule {
            RejectRule::TooLarge | RejectRule::Decode => EXCERPT_BYTES,
            RejectRule::Malformed
            | RejectRule::Expand
            | RejectRule::NoTable
            | RejectRule::Transform
            | RejectRule::NoTimestamp => self.limits.max_record_bytes,
        };
        let raw = raw[..raw.len().min(kept)].to_vec();
        self.rejects += 1;
        let position = self.position();
        (self.on)(Item::Reject { position, rule, error, raw })
    }
}

#[cfg(test)]
mod tests;
