//! zip archives read from the front, entry after entry: nothing is spooled, and a cut archive yields what it has.
//!
//! The format is PKWARE's APPNOTE: <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>.

use std::io::{self, BufRead, Read};

use super::{Meter, Peek, codec, source_error};

/// What the archive holds next.
pub(super) enum Entry<'a> {
    /// The contents of a file.
    Data { name: &'a str, reader: &'a mut dyn Read },
    /// An entry, or the rest of the archive, that cannot be read, and why.
    Broken(String),
    /// The object itself could not be read.
    Source(io::Error),
}

/// Hands out the entries in order.
pub(super) fn entries<E>(
    input: &mut Peek<'_>,
    meter: &Meter,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        let header = match Header::read(input, meter) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(()),
            Err(error) => return visit(failed(error)),
        };
        if let Err(reason) = header.check() {
            visit(Entry::Broken(format!("zip: entry `{}` {reason}", header.name)))?;
            if header.has_descriptor() {
                return visit(failed(meter.broken("zip", "the entries after it cannot be found")));
            }
            if let Err(error) = skip(input, header.packed) {
                return visit(failed(error));
            }
            continue;
        }
        let mut contents = Contents::new(input, &header, meter);
        if !header.name.ends_with('/') {
            visit(Entry::Data { name: &header.name, reader: &mut contents })?;
        }
        // whoever met an error has said so
        let drained = io::copy(&mut contents, &mut io::sink());
        if contents.lost || drained.is_err() && !contents.failed {
            return Ok(());
        }
        let left = contents.packed_left.unwrap_or(0);
        if let Err(error) = skip(input, left) {
            return visit(failed(error));
        }
    }
}

fn failed<'a>(error: io::Error) -> Entry<'a> {
    match source_error(error) {
        Ok(source) => Entry::Source(source),
        Err(broken) => Entry::Broken(broken.to_string()),
    }
}

fn skip(input: &mut Peek<'_>, length: u64) -> io::Result<()> {
    io::copy(&mut input.take(length), &mut io::sink()).map(|_| ())
}

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

struct Header {
    name: String,
    flags: u16,
    method: u16,
    checksum: u32,
    packed: u64,
    plain: u64,
    zip64: bool,
}

impl Header {
    /// The next entry's header; `None` at the directory that ends the archive.
    fn read(input: &mut Peek<'_>, meter: &Meter) -> io::Result<Option<Self>> {
        let head = input.peek(30)?;
        let (u16_at, u32_at) = (
            |at: usize| u16::from_le_bytes([head[at], head[at + 1]]),
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]),
        );
        if head.starts_with(b"PK\x01\x02") || head.starts_with(b"PK\x05\x06") || head.starts_with(b"PK\x06\x06") {
            return Ok(None);
        }
        if !head.starts_with(LOCAL_HEADER) || head.len() < 30 {
            let found =
                if head.len() < 30 { "the archive ends in the middle" } else { "expected an entry or the directory" };
            return Err(meter.broken("zip", found));
        }
        let (name_length, extra_length) = (usize::from(u16_at(26)), usize::from(u16_at(28)));
        let mut header = Self {
            name: String::new(),
            flags: u16_at(6),
            method: u16_at(8),
            checksum: u32_at(14),
            packed: u64::from(u32_at(18)),
            plain: u64::from(u32_at(22)),
            zip64: false,
        };
        input.consume(30);
        let mut rest = vec![0; name_length + extra_length];
        input.read_exact(&mut rest).map_err(|error| truncated(error, meter))?;
        let (name, extra) = rest.split_at(name_length);
        header.name = String::from_utf8_lossy(name).into_owned();
        header.read_zip64(extra);
        Ok(Some(header))
    }

    /// Takes the sizes from the extra field of large entries.
    fn read_zip64(&mut self, mut extra: &[u8]) {
        while let [tag_low, tag_high, length_low, length_high, rest @ ..] = extra {
            let length = usize::from(u16::from_le_bytes([*length_low, *length_high])).min(rest.len());
            let (field, after) = rest.split_at(length);
            if u16::from_le_bytes([*tag_low, *tag_high]) == 1 {
                self.zip64 = true;
                let mut numbers = field.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
                if self.plain == u64::from(u32::MAX) {
                    self.plain = numbers.next().unwrap_or(self.plain);
                }
                if self.packed == u64::from(u32::MAX) {
                    self.packed = numbers.next().unwrap_or(self.packed);
                }
            }
            extra = after;
        }
    }

    fn has_descriptor(&self) -> bool {
        self.flags & 8 != 0
    }

    /// Whether the contents can be read.
    fn check(&self) -> Result<(), String> {
        if self.flags & 1 != 0 {
            return Err("is encrypted: store it without a password".into());
        }
        match self.method {
            DEFLATED => Ok(()),
            STORED if !self.has_descriptor() => Ok(()),
            STORED => Err("is stored without its length".into()),
            other => Err(format!("has compression method `{other}`: expected stored (0) or deflated (8)")),
        }
    }
}

fn truncated(error: io::Error, meter: &Meter) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        meter.broken("zip", "the archive ends in the middle")
    } else {
        error
    }
}

/// The decoded contents of one entry, the checksum verified at their end.
struct Contents<'i, 'r> {
    input: &'i mut Peek<'r>,
    meter: Meter,
    /// `None` where the entry is stored as it is.
    inflate: Option<flate2::Decompress>,
    packed_left: Option<u64>,
    checksum: flate2::Crc,
    expected: Option<u32>,
    zip64: bool,
    packed: u64,
    done: bool,
    failure: Option<io::Error>,
    /// The failure was handed on.
    failed: bool,
    /// Nobody knows where the next entry begins.
    lost: bool,
}

impl<'i, 'r> Contents<'i, 'r> {
    fn new(input: &'i mut Peek<'r>, header: &Header, meter: &Meter) -> Self {
        let known = !header.has_descriptor();
        Self {
            input,
            meter: meter.clone(),
            inflate: (header.method == DEFLATED).then(|| flate2::Decompress::new(false)),
            packed_left: known.then_some(header.packed),
            checksum: flate2::Crc::new(),
            expected: known.then_some(header.checksum),
            zip64: header.zip64,
            packed: 0,
            done: false,
            failure: None,
            failed: false,
            lost: false,
        }
    }

    /// Reads the descriptor if there is one, then compares.
    fn finish(&mut self) -> io::Result<()> {
        self.done = true;
        self.lost = true;
        if let Some(left) = self.packed_left {
            skip(self.input, left)?;
        }
        self.packed_left = None;
        let expected = match self.expected {
            Some(expected) => expected,
            None => self.descriptor()?,
        };
        self.lost = false;
        if expected != self.checksum.sum() {
            return Err(self.meter.broken("zip", "the contents do not match their checksum"));
        }
        Ok(())
    }

    fn descriptor(&mut self) -> io::Result<u32> {
        if self.input.peek(4)? == DESCRIPTOR {
            self.input.consume(4);
        }
        let mut checksum = [0; 4];
        self.input.read_exact(&mut checksum).map_err(|error| truncated(error, &self.meter))?;
        // the lengths have eight bytes in large entries, and some writers do not say which entries those are
        let low = u32::try_from(self.packed & u64::from(u32::MAX)).unwrap_or_default();
        let next = self.input.peek(12)?;
        let short = next.starts_with(&low.to_le_bytes()) && next.get(8..10) == Some(b"PK".as_slice());
        let length = if short || !self.zip64 && next.len() < 12 { 8 } else { 16 };
        skip(self.input, length)?;
        Ok(u32::from_le_bytes(checksum))
    }

    fn step(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let held = self.input.fill_buf()?;
        let held = match self.packed_left {
            Some(left) => &held[..held.len().min(usize::try_from(left).unwrap_or(usize::MAX))],
            None => held,
        };
        let at_end = held.is_empty();
        let step = match &mut self.inflate {
            Some(state) => codec::inflate(state, held, out),
            None => {
                let length = held.len().min(out.len());
                out[..length].copy_from_slice(&held[..length]);
                codec::Step { consumed: length, produced: length, ended: Ok(self.packed_left == Some(length as u64)) }
            }
        };
        self.input.consume(step.consumed);
        self.packed += step.consumed as u64;
        self.packed_left = self.packed_left.map(|left| left - step.consumed as u64);
        self.checksum.update(&out[..step.produced]);
        match step.ended {
            Ok(true) => self.failure = self.finish().err(),
            Ok(false) if at_end && step.produced == 0 => {
                self.failure = Some(self.meter.broken("zip", "an entry ends in the middle"));
                self.lost = self.packed_left != Some(0);
            }
            Ok(false) => (),
            Err(message) => {
                self.failure = Some(self.meter.broken("zip", message));
                self.lost = self.packed_left.is_none();
            }
        }
        if let Err(bomb) = self.meter.add_decoded(step.produced) {
            self.failure = Some(bomb);
            self.lost = true;
        }
        Ok(step.produced)
    }
}

impl Read for Contents<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(failure) = self.failure.take() {
                self.failed = true;
                self.done = true;
                return Err(failure);
            }
            if self.done || out.is_empty() {
                return Ok(0);
            }
            let produced = match self.step(out) {
                Ok(produced) => produced,
                Err(error) => {
                    self.failure = Some(error);
                    self.lost = true;
                    continue;
                }
            };
            if produced > 0 {
                return Ok(produced);
            }
        }
    }
}
