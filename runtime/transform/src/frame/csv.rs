//! Comma-separated rows as JSON objects, keyed by the names of the columns.
//!
//! A cell that is a JSON number or `true` or `false` becomes one. What a number would change stays text: leading zeros,
//! integers beyond 2^53, more than 17 digits. Cells beyond the last name are called `column_7`, by their place.

use csv_core::{ReadRecordResult, Reader};

use super::{Body, EXCERPT_BYTES, Out, grammar::is_number, window::Window};

/// Reads all rows of one stream.
pub(super) fn read<E>(window: &mut Window<'_>, headers: &[String], out: &mut Out<'_, E>) -> Result<(), E> {
    window.skip_bom();
    let mut rows =
        Rows { reader: Reader::new(), cells: vec![0; 4096], ends: vec![0; 64], given: 0, length: 0, count: 0 };
    let mut names: Vec<Vec<u8>> = headers.iter().map(|name| key(name.as_bytes())).collect();
    let mut object = Vec::new();
    loop {
        match rows.next(window, out.limits.max_record_bytes) {
            Row::Complete if names.is_empty() => names = rows.cells().map(key).collect(),
            Row::Complete => {
                let length = rows.given.min(window.bytes().len());
                let raw = window.bytes()[..length].trim_ascii();
                write_object(&mut object, &names, rows.cells());
                if raw.len() > out.limits.max_record_bytes {
                    out.too_large(raw)?;
                } else if std::str::from_utf8(raw).is_err() {
                    out.malformed("expected UTF-8, found other bytes in the row", raw)?;
                } else {
                    out.record(Body::Json(&object), None, raw)?;
                }
            }
            Row::TooLong => {
                let kept = window.bytes().len().min(EXCERPT_BYTES);
                out.too_large(&window.bytes()[..kept])?;
                rows.skip(window);
            }
            Row::End => return Ok(()),
        }
        rows.forget(window);
    }
}

enum Row {
    Complete,
    TooLong,
    End,
}

/// A row under way: how much of the window went into it and what came out.
struct Rows {
    reader: Reader,
    cells: Vec<u8>,
    ends: Vec<usize>,
    given: usize,
    length: usize,
    count: usize,
}

impl Rows {
    fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends[..self.count].iter().copied());
        starts.zip(&self.ends[..self.count]).map(|(start, &end)| self.cells[start..end].trim_ascii())
    }

    fn forget(&mut self, window: &mut Window<'_>) {
        window.consume(self.given);
        self.given = 0;
        self.length = 0;
        self.count = 0;
    }

    fn next(&mut self, window: &mut Window<'_>, limit: usize) -> Row {
        loop {
            if self.given == window.bytes().len() && !window.more() && window.is_broken() {
                // what was begun belongs to the break
                self.given = 0;
                window.stop();
                return Row::End;
            }
            match self.step(window) {
                ReadRecordResult::Record => return Row::Complete,
                ReadRecordResult::End => return Row::End,
                ReadRecordResult::InputEmpty if self.given > limit + 2 => return Row::TooLong,
                ReadRecordResult::InputEmpty => (),
                ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    fn step(&mut self, window: &Window<'_>) -> ReadRecordResult {
        let input = &window.bytes()[self.given..];
        let (result, read, written, ended) =
            self.reader.read_record(input, &mut self.cells[self.length..], &mut self.ends[self.count..]);
        self.given += read;
        self.length += written;
        self.count += ended;
        result
    }

    /// Reads to the end of a row without keeping it.
    fn skip(&mut self, window: &mut Window<'_>) {
        loop {
            self.forget(window);
            if window.bytes().is_empty() && !window.more() && window.is_broken() {
                return;
            }
            match self.step(window) {
                ReadRecordResult::Record | ReadRecordResult::End => return,
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => (),
            }
        }
    }
}

/// `"name":`
fn key(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_string(&mut out, String::from_utf8_lossy(name.trim_ascii()).as_bytes());
    out.push(b':');
    out
}

fn write_object<'c>(out: &mut Vec<u8>, names: &[Vec<u8>], cells: impl Iterator<Item = &'c [u8]>) {
    out.clear();
    out.push(b'{');
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match names.get(index) {
            Some(name) => out.extend_from_slice(name),
            None => out.extend_from_slice(format!("\"column_{}\":", index + 1).as_bytes()),
        }
        if is_typed(cell) { out.extend_from_slice(cell) } else { write_string(out, cell) }
    }
    out.push(b'}');
}

/// Whether a cell is a JSON number or boolean that keeps its value.
fn is_typed(cell: &[u8]) -> bool {
    const EXACT: u64 = 1 << 53;
    if matches!(cell, b"true" | b"false") {
        return true;
    }
    if !is_number(cell) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(cell) else { return false };
    if cell.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        let digits = cell.iter().filter(|byte| byte.is_ascii_digit()).count();
        return digits <= 17 && text.parse::<f64>().is_ok_and(f64::is_finite);
    }
    text.parse::<i64>().is_ok_and(|number| number.unsigned_abs() <= EXACT)
}

fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
