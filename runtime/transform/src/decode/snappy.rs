//! snappy in the arrangements it is stored in: framed, Hadoop's and Java's blocks, and raw.

use std::io::{self, Read};

use super::{Meter, Peek};

/// How the compressed blocks are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The framing format, with checksums.
    Framed,
    /// Of snappy-java: a header of 16 bytes, then blocks with their length before them.
    Xerial,
    /// Of Hadoop: the plain length of a block, then chunks with their length before them.
    Hadoop,
    /// One block and nothing else.
    Raw,
}

/// Blocks above this are refused: they are held in memory.
const MAX_BLOCK: usize = 256 << 20;

impl Kind {
    /// Of bytes without a mark of their own.
    pub fn of_unframed(head: &[u8]) -> Self {
        let length = |at: usize| {
            let bytes = head.get(at..at + 4)?;
            usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
        };
        let (Some(block), Some(chunk)) = (length(0), length(4)) else { return Self::Raw };
        let inner = head.get(8..).and_then(|chunk| snap::raw::decompress_len(chunk).ok());
        match inner {
            Some(inner) if chunk > 0 && inner <= block && block <= MAX_BLOCK && chunk <= MAX_BLOCK => Self::Hadoop,
            Some(_) | None => Self::Raw,
        }
    }
}

/// The decoded bytes.
pub(super) fn reader<'i>(input: &'i mut Peek<'_>, kind: Kind, meter: Meter) -> Box<dyn Read + 'i> {
    match kind {
        Kind::Framed => Box::new(Framed { reader: snap::read::FrameDecoder::new(input), meter }),
        Kind::Xerial | Kind::Hadoop | Kind::Raw => {
            Box::new(Blocks { input, kind, meter, started: false, left: 0, block: Vec::new(), at: 0 })
        }
    }
}

struct Framed<'i, 'r> {
    reader: snap::read::FrameDecoder<&'i mut Peek<'r>>,
    meter: Meter,
}

impl Read for Framed<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(out).map_err(|error| explain(&self.meter, error))?;
        self.meter.add_decoded(read)?;
        Ok(read)
    }
}

struct Blocks<'i, 'r> {
    input: &'i mut Peek<'r>,
    kind: Kind,
    meter: Meter,
    started: bool,
    /// Plain bytes that are still to come of Hadoop's block.
    left: usize,
    block: Vec<u8>,
    at: usize,
}

impl Blocks<'_, '_> {
    /// Decodes the next block; `false` at the end.
    fn next(&mut self) -> io::Result<bool> {
        if !self.started {
            self.started = true;
            if self.kind == Kind::Xerial {
                self.input.read_exact(&mut [0; 16])?;
            }
        }
        if self.kind == Kind::Raw {
            return self.raw();
        }
        if self.kind == Kind::Hadoop && self.left == 0 {
            match self.length()? {
                Some(length) => self.left = length,
                None => return Ok(false),
            }
            if self.left == 0 {
                return Ok(true);
            }
        }
        let Some(length) = self.length()? else {
            return if self.kind == Kind::Hadoop { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(false) };
        };
        let mut packed = Vec::new();
        (&mut *self.input).take(length as u64).read_to_end(&mut packed)?;
        if packed.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unpack(&packed)?;
        self.left = self.left.saturating_sub(self.block.len());
        Ok(true)
    }

    fn raw(&mut self) -> io::Result<bool> {
        let mut packed = Vec::new();
        (&mut *self.input).take(MAX_BLOCK as u64 + 1).read_to_end(&mut packed)?;
        if packed.is_empty() {
            return Ok(false);
        }
        self.unpack(&packed)?;
        Ok(true)
    }

    /// A length of four bytes; `None` at the end of the input.
    fn length(&mut self) -> io::Result<Option<usize>> {
        if self.input.peek(1)?.is_empty() {
            return Ok(None);
        }
        let mut bytes = [0; 4];
        self.input.read_exact(&mut bytes)?;
        let length = u32::from_be_bytes(bytes) as usize;
        if length > MAX_BLOCK {
            return Err(io::Error::other(format!(
                "expected blocks up to `{MAX_BLOCK}` bytes, found one of `{length}`"
            )));
        }
        Ok(Some(length))
    }

    fn unpack(&mut self, packed: &[u8]) -> io::Result<()> {
        let length = snap::raw::decompress_len(packed)?;
        // a byte of snappy is at most 64 plain ones: more is a lie, and would be allocated
        if length > MAX_BLOCK || length / 64 > packed.len() {
            return Err(io::Error::other(format!("`{length}` bytes cannot come out of `{}`", packed.len())));
        }
        self.block.resize(length, 0);
        let length = snap::raw::Decoder::new().decompress(packed, &mut self.block)?;
        self.block.truncate(length);
        self.at = 0;
        self.meter.add_decoded(length)
    }
}

impl Read for Blocks<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            self.block.clear();
            self.at = 0;
            match self.next() {
                Ok(true) => (),
                Ok(false) => return Ok(0),
                Err(error) => return Err(explain(&self.meter, error)),
            }
        }
        let length = out.len().min(self.block.len() - self.at);
        out[..length].copy_from_slice(&self.block[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// A fault of the data in words; the input's own errors pass.
fn explain(meter: &Meter, error: io::Error) -> io::Error {
    match super::source_error(error) {
        Ok(source) => io::Error::other(super::SourceError::new(source)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            meter.broken("snappy", "the data ends in the middle")
        }
        Err(error) => meter.broken("snappy", error.to_string().trim_start_matches("snappy: ")),
    }
}
