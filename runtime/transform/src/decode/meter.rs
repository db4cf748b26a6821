//! How much of an object has been read and how much came out of it.

use std::{cell::Cell, io, rc::Rc};

use crate::frame::Limits;

/// Shared by all layers of one object.
#[derive(Clone)]
pub(crate) struct Meter {
    counts: Rc<Counts>,
    max_ratio: u64,
    ratio_from: u64,
}

#[derive(Default)]
struct Counts {
    read: Cell<u64>,
    decoded: Cell<u64>,
}

impl Meter {
    pub fn new(limits: &Limits) -> Self {
        Self { counts: Rc::default(), max_ratio: limits.max_ratio, ratio_from: limits.ratio_from_bytes }
    }

    /// Bytes of the stored object consumed so far.
    pub fn read(&self) -> u64 {
        self.counts.read.get()
    }

    pub fn add_read(&self, bytes: usize) {
        self.counts.read.set(self.read() + bytes as u64);
    }

    /// Counts bytes that a layer put out; an error once they cannot come from honest compression.
    pub fn add_decoded(&self, bytes: usize) -> io::Result<()> {
        let decoded = self.counts.decoded.get() + bytes as u64;
        self.counts.decoded.set(decoded);
        let (read, limit) = (self.read(), self.max_ratio);
        if decoded > self.ratio_from && decoded / limit.max(1) > read {
            return Err(io::Error::other(format!(
                "looks like a decompression bomb: `{decoded}` bytes came out of `{read}`, more than `{limit}` to one"
            )));
        }
        Ok(())
    }

    /// An error about the encoding, with the place where it was noticed.
    pub fn broken(&self, format: &str, what: impl std::fmt::Display) -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{format}: {what}, near byte `{}` of the object", self.read()),
        )
    }
}
