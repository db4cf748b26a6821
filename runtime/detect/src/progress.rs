use std::sync::atomic::{AtomicU64, Ordering};

use model::worker::{Function, Progress};
use pyo3::{buffer::PyBuffer, exceptions::PyValueError, prelude::*};

/// The memory shared with the host through a file: says which call is going on, at the price of three stores.
pub struct ProgressPage {
    words: &'static [AtomicU64; 4],
    /// Keeps the mapping alive.
    _map: PyBuffer<u8>,
}

impl ProgressPage {
    /// Takes Python's mapping of the file.
    pub fn new(map: PyBuffer<u8>) -> PyResult<Self> {
        let words = map.buf_ptr().cast::<[AtomicU64; 4]>();
        if map.readonly() || map.len_bytes() != Progress::BYTES || words.is_null() || !words.is_aligned() {
            return Err(PyValueError::new_err("the progress file must be 32 bytes long and writable"));
        }
        #[allow(unsafe_code)]
        // SAFETY: not null, aligned and of this size (checked above); Python keeps the mapping as long as `_map` exists,
        // which is as long as this struct, and the reference does not leave it; every word is accessed atomically
        let words = unsafe { &*words };
        Ok(Self { words, _map: map })
    }

    /// A call begins.
    pub fn begin(&self, row: u64, detection: u32, function: Function) {
        let sequence = self.words[0].load(Ordering::Relaxed);
        self.words[1].store(row, Ordering::Relaxed);
        self.words[2].store(Progress::call_word(detection, function), Ordering::Relaxed);
        self.words[0].store(sequence.wrapping_add(1), Ordering::Relaxed);
    }

    /// The call is over.
    pub fn end(&self) {
        // nobody else writes
        self.words[2].store(self.words[2].load(Ordering::Relaxed) & !Progress::BUSY, Ordering::Relaxed);
    }

    /// What is going on.
    pub fn now(&self) -> Progress {
        let mut bytes = [0; Progress::BYTES];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(self.words) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        Progress::decode(&bytes)
    }
}
