//! A buffered reader that can look ahead without consuming, and that keeps the world's errors apart from the data's.

use std::{
    fmt,
    io::{self, BufRead, Read},
};

use super::Meter;

const CAPACITY: usize = 64 * 1024;

/// A buffered reader with lookahead.
pub(crate) struct Peek<'r> {
    reader: Box<dyn Read + 'r>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    meter: Option<Meter>,
}

impl<'r> Peek<'r> {
    pub fn new(reader: impl Read + 'r) -> Self {
        Self { reader: Box::new(reader), buffer: vec![0; CAPACITY].into_boxed_slice(), start: 0, end: 0, meter: None }
    }

    /// One that counts what is consumed as bytes of the object.
    pub fn counting(reader: impl Read + 'r, meter: Meter) -> Self {
        Self { meter: Some(meter), ..Self::new(reader) }
    }

    /// The next `length` bytes, fewer at the end; at most the buffer's size. They stay unread.
    pub fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        let length = length.min(CAPACITY);
        if self.buffer.len() - self.start < length {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < length {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                // what came before the break is looked at first; the reader says it again
                Err(error) if self.end == self.start => return Err(error),
                Err(error) => {
                    self.reader = Box::new(Failing(Some(error)));
                    break;
                }
            }
        }
        Ok(&self.buffer[self.start..self.end.min(self.start + length)])
    }
}

impl BufRead for Peek<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = loop {
                match self.reader.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                    other => break other?,
                }
            };
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.end - self.start);
        self.start += amount;
        if let Some(meter) = &self.meter {
            meter.add_read(amount);
        }
    }
}

impl Read for Peek<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // a large read past an empty buffer needs no copy
        if self.start == self.end && out.len() >= CAPACITY {
            let read = self.reader.read(out)?;
            if let Some(meter) = &self.meter {
                meter.add_read(read);
            }
            return Ok(read);
        }
        let held = self.fill_buf()?;
        let length = held.len().min(out.len());
        out[..length].copy_from_slice(&held[..length]);
        self.consume(length);
        Ok(length)
    }
}

/// A reader that says one error, then that it is at its end.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Marks errors of the object's own reader: the network, the disk. All others are faults of the data.
#[derive(Debug)]
pub(crate) struct SourceError(io::Error);

impl SourceError {
    /// Marks an error again.
    pub fn new(error: io::Error) -> Self {
        Self(error)
    }

    /// A reader whose errors are marked.
    pub fn tagging(reader: Box<dyn Read + Send>) -> impl Read {
        Tagging(reader)
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SourceError {}

struct Tagging(Box<dyn Read + Send>);

impl Read for Tagging {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(out) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(io::Error::other(SourceError(error))),
                Ok(read) => return Ok(read),
            }
        }
    }
}

/// The original error where the object could not be read, else the fault of the data.
pub(crate) fn source_error(error: io::Error) -> Result<io::Error, io::Error> {
    if !error.get_ref().is_some_and(|inner| inner.is::<SourceError>()) {
        return Err(error);
    }
    let kind = error.kind();
    match error.into_inner().map(|inner| inner.downcast::<SourceError>()) {
        Some(Ok(source)) => Ok(source.0),
        Some(Err(other)) => Err(io::Error::new(kind, other)),
        None => Err(io::Error::from(kind)),
    }
}
