//! The part of the input that is in memory: what is not consumed yet, growing as far as the reader of records wants.

use std::io::{self, Read};

/// How much is read at once from a long input.
const CHUNK: usize = 256 << 10;
/// And at first: most objects are small.
const FIRST_CHUNK: usize = 64 << 10;
/// The mark some editors put before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Unconsumed bytes of a reader. Offsets count from the first of them and stay right when more is read.
pub(super) struct Window<'r> {
    reader: &'r mut dyn Read,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    failure: Option<io::Error>,
    bytes_read: u64,
    stopped: bool,
}

impl<'r> Window<'r> {
    pub fn new(reader: &'r mut dyn Read) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            at_end: false,
            failure: None,
            bytes_read: 0,
            stopped: false,
        }
    }

    /// What is in memory and not consumed.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads more behind what is there. `false` when there is no more, be it the end or a break.
    pub fn more(&mut self) -> bool {
        if self.at_end {
            return false;
        }
        self.make_room();
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(read) => {
                    self.end += read;
                    self.bytes_read += read as u64;
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        self.at_end = true;
        false
    }

    fn make_room(&mut self) {
        let held = self.end - self.start;
        // moving what is held is cheap while it is little; a long record doubles the buffer instead
        if self.start > 0 && (self.start >= held || self.end == self.buffer.len()) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = held;
        }
        if self.buffer.len() - self.end < (self.buffer.len() / 2).clamp(1, CHUNK / 2) {
            let length = (self.buffer.len() * 2).max(FIRST_CHUNK);
            self.buffer.resize(length, 0);
        }
    }

    /// Forgets the first `amount` bytes.
    pub fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// The byte at an offset, reading as far as it takes.
    pub fn byte(&mut self, at: usize) -> Option<u8> {
        loop {
            if let Some(&byte) = self.bytes().get(at) {
                return Some(byte);
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Whether these bytes come next.
    pub fn starts_with(&mut self, text: &[u8]) -> bool {
        self.byte(text.len() - 1);
        self.bytes().starts_with(text)
    }

    /// Consumes a byte order mark.
    pub fn skip_bom(&mut self) {
        if self.byte(0) == Some(BOM[0]) && self.starts_with(BOM) {
            self.consume(BOM.len());
        }
    }

    /// Consumes white space of JSON and returns what comes next.
    pub fn skip_whitespace(&mut self) -> Option<u8> {
        loop {
            let bytes = self.bytes();
            let blank = bytes.iter().take_while(|byte| is_whitespace(**byte)).count();
            let next = bytes.get(blank).copied();
            self.consume(blank);
            if next.is_some() {
                return next;
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Says that what is left belongs to no record.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether [`Window::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether reading ended with an error.
    pub fn is_broken(&self) -> bool {
        self.failure.is_some()
    }

    /// The error that reading ended with.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// How many bytes came in.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

/// White space between JSON tokens.
pub(super) fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
