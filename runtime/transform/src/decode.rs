//! Bytes as stored -> plain bytes: gzip, zstd, bzip2, snappy and zip, alone or one in the other.
//!
//! A format is told by its first bytes; what the sender says about it counts only where those do not decide. Everything
//! streams. What stands before a break in a broken object is handed on, then the break is reported with its place.

mod codec; // gzip, zstd and bzip2, member after member
mod meter; // how far we are, and when it is too much
mod peek; // a reader that can look ahead
mod s3_key; // the encoding of keys in notifications
mod snappy; // framed, Hadoop's blocks, raw
mod sniff; // which format this is
mod zip; // entries in order, without the directory at the end

use std::io::{self, Read};

pub use s3_key::decode_s3_key;

use codec::{Bzip2, Gzip, Unpacked, Zstd};
pub(crate) use meter::Meter;
pub(crate) use peek::{Peek, SourceError, source_error};
use sniff::Format;

/// What is known of an object besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// The decoded key, or the path of a local file.
    pub key: String,
    /// The header `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
}

impl Hints {
    /// Hints that say nothing but the key.
    pub fn of_key(key: impl Into<String>) -> Self {
        Self { key: key.into(), ..Self::default() }
    }
}

/// How many encodings may lie around each other: a `.zip` of `.gz` has two.
const MAX_LAYERS: u32 = 2;

/// A piece of an object, decoded.
pub(crate) enum Part<'a> {
    /// Plain bytes. A read error that [`source_error`] does not know is a break in the encoding.
    Bytes(&'a mut dyn Read),
    /// A Parquet file, still whole.
    Parquet(&'a mut dyn Read),
    /// Something that cannot be decoded, and why.
    Broken(String),
}

/// Receives the parts of an object in order. An error ends the walk.
pub(crate) type Visit<'v, E> = dyn FnMut(Part<'_>) -> Result<(), E> + 'v;

/// Decodes an object and hands out its parts in order.
pub(crate) fn parts<E: From<io::Error>>(
    input: Box<dyn Read + Send>,
    hints: &Hints,
    meter: &Meter,
    visit: &mut Visit<'_, E>,
) -> Result<(), E> {
    let mut input = Peek::counting(SourceError::tagging(input), meter.clone());
    let labels = sniff::Labels {
        key: &hints.key,
        content_encoding: hints.content_encoding.as_deref(),
        content_type: hints.content_type.as_deref(),
    };
    layer(&mut input, labels, meter, MAX_LAYERS, visit)
}

fn layer<E: From<io::Error>>(
    input: &mut Peek<'_>,
    labels: sniff::Labels<'_>,
    meter: &Meter,
    layers_left: u32,
    visit: &mut Visit<'_, E>,
) -> Result<(), E> {
    let head = match input.peek(sniff::HEAD) {
        Ok(head) => head,
        Err(error) => return broken_or_source(error, visit),
    };
    let format = match sniff::format(head, labels) {
        Ok(format) => format,
        Err(message) => return visit(Part::Broken(message)),
    };
    if format.is_encoding() && layers_left == 0 {
        return visit(Part::Broken(format!(
            "expected at most {MAX_LAYERS} encodings around each other, found {} inside them",
            format.name()
        )));
    }
    let inner = sniff::Labels::of_key(labels.key_without_extension(format));
    match format {
        Format::Plain => visit(Part::Bytes(input)),
        Format::Parquet => visit(Part::Parquet(input)),
        Format::Zip => zip::entries(input, meter, &mut |part| match part {
            zip::Entry::Data { name, reader } => {
                let labels = sniff::Labels::of_key(name);
                layer(&mut Peek::new(reader), labels, meter, layers_left - 1, visit)
            }
            zip::Entry::Broken(message) => visit(Part::Broken(message)),
            zip::Entry::Source(error) => Err(E::from(error)),
        }),
        Format::Gzip | Format::Zstd | Format::Bzip2 | Format::Snappy(_) => {
            let reader: Box<dyn Read + '_> = match format {
                Format::Gzip => Box::new(Unpacked::new(input, Gzip::default(), meter.clone())),
                Format::Zstd => match Zstd::new() {
                    Ok(codec) => Box::new(Unpacked::new(input, codec, meter.clone())),
                    Err(error) => return Err(E::from(error)),
                },
                Format::Bzip2 => Box::new(Unpacked::new(input, Bzip2::default(), meter.clone())),
                Format::Snappy(kind) => snappy::reader(input, kind, meter.clone()),
                Format::Plain | Format::Parquet | Format::Zip => return Ok(()),
            };
            layer(&mut Peek::new(reader), inner, meter, layers_left - 1, visit)
        }
    }
}

/// A read error where nothing had been handed on yet.
fn broken_or_source<E: From<io::Error>>(error: io::Error, visit: &mut Visit<'_, E>) -> Result<(), E> {
    match source_error(error) {
        Ok(source) => Err(E::from(source)),
        Err(broken) => visit(Part::Broken(broken.to_string())),
    }
}
