//! JSON objects or lines of text, decided record by record.
//!
//! | what stands there | what it is |
//! |---|---|
//! | `{` and then `"` or `}` | a JSON object, with nothing or another one behind it on its line |
//! | `[` and then such an object | an array whose elements are records |
//! | anything else | a line of text |
//!
//! An object may go on over several lines as long as it is strict JSON. Where it is not, the line is a reject, with the
//! lines below that can only belong to it: those that are indented or begin as the inside of JSON does.

use memchr::memchr;

use super::{
    Out, array,
    balance::{Balance, Found, Newlines},
    grammar::{Grammar, Verdict},
    window::{Window, is_whitespace},
};

/// How far white space is looked through to tell what begins.
const LOOKAHEAD: usize = 4096;

/// Reads all records of one stream.
pub(super) fn read<E>(window: &mut Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    while !window.is_stopped()
        && let Some(start) = next_start(window)
    {
        match start {
            Start::Object => object(window, out)?,
            Start::Array => array::elements(window, out)?,
            Start::Line => line(window, out)?,
        }
    }
    Ok(())
}

enum Start {
    Object,
    Array,
    Line,
}

/// Consumes blank lines and what may stand before JSON; says what begins then. Indented text keeps its indentation.
fn next_start(window: &mut Window<'_>) -> Option<Start> {
    window.skip_bom();
    let mut blank = 0;
    let first = loop {
        match window.byte(blank) {
            None => {
                window.consume(blank);
                return None;
            }
            Some(b'\n') => {
                window.consume(blank + 1);
                blank = 0;
                window.skip_bom();
            }
            Some(byte) if is_whitespace(byte) && blank < LOOKAHEAD => blank += 1,
            Some(byte) => break byte,
        }
    };
    let start = match first {
        b'{' if begins_object(window, blank) => Start::Object,
        b'[' if array_of_objects(window, blank) => Start::Array,
        _ => return Some(Start::Line),
    };
    window.consume(blank);
    Some(start)
}

/// The first byte from `at` on that is no white space, and where it stands.
fn significant(window: &mut Window<'_>, at: usize) -> Option<(usize, u8)> {
    (at..at + LOOKAHEAD).find_map(|at| match window.byte(at) {
        None => Some(None),
        Some(byte) if is_whitespace(byte) => None,
        Some(byte) => Some(Some((at, byte))),
    })?
}

/// Whether the brace at `at` begins JSON rather than a text with braces.
fn begins_object(window: &mut Window<'_>, at: usize) -> bool {
    matches!(significant(window, at + 1), Some((_, b'"' | b'}')) | None)
}

fn array_of_objects(window: &mut Window<'_>, at: usize) -> bool {
    match significant(window, at + 1) {
        Some((inner, b'{')) => begins_object(window, inner),
        Some((end, b']')) => ends_line(window, end + 1).is_some(),
        Some(_) | None => false,
    }
}

/// Whether only white space, a comma, or more JSON follows on this line; the offset up to which it can be consumed.
fn ends_line(window: &mut Window<'_>, mut at: usize) -> Option<usize> {
    let mut comma = false;
    loop {
        match window.byte(at) {
            None | Some(b'\n' | b'{' | b'[') => return Some(at),
            Some(b',') if !comma => comma = true,
            Some(b' ' | b'\t' | b'\r') => (),
            Some(_) => return None,
        }
        at += 1;
    }
}

/// One object: on one line in the common case.
fn object<E>(window: &mut Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    let mut balance = Balance::new(Newlines::Stop);
    let mut scanned = 0;
    loop {
        match balance.scan(&window.bytes()[scanned..]) {
            Found::End(end) => {
                let end = scanned + end;
                let Some(rest) = ends_line(window, end) else { return line(window, out) };
                balanced(&window.bytes()[..end], &balance, out)?;
                window.consume(rest);
                return Ok(());
            }
            Found::Newline { at, in_string: true } => {
                return broken(window, scanned + at, "expected the end of a string, found the end of the line", out);
            }
            Found::Newline { at, in_string: false } => return over_lines(window, scanned + at, out),
            Found::Nothing => {
                scanned = window.bytes().len();
                if scanned > out.limits.max_record_bytes {
                    out.too_large(window.bytes())?;
                    window.consume(scanned);
                    discard(window, balance);
                    if let Some(rest) = ends_line(window, 0) {
                        window.consume(rest);
                    }
                    return Ok(());
                }
                if !window.more() {
                    return unfinished(window, scanned, out);
                }
            }
        }
    }
}

/// Hands on an object, or a reject where it is nested too deep.
pub(super) fn balanced<E>(object: &[u8], balance: &Balance, out: &mut Out<'_, E>) -> Result<(), E> {
    let limit = out.limits.max_depth;
    if object.len() <= out.limits.max_record_bytes && balance.is_deeper_than(limit, object) {
        return out.malformed(format!("expected JSON nested at most `{limit}` deep, found it deeper"), object);
    }
    out.json(object, None)
}

/// Skips the rest of an object that is too large: to its end, or to the end of its line.
pub(super) fn discard(window: &mut Window<'_>, mut balance: Balance) {
    loop {
        match balance.scan(window.bytes()) {
            Found::End(end) => {
                window.consume(end);
                return;
            }
            Found::Newline { at, .. } => {
                window.consume(at + 1);
                return;
            }
            Found::Nothing => {
                window.consume(window.bytes().len());
                if !window.more() {
                    return;
                }
            }
        }
    }
}

/// An object that is not finished at the end of its first line, whose line feed is at `newline`.
fn over_lines<E>(window: &mut Window<'_>, newline: usize, out: &mut Out<'_, E>) -> Result<(), E> {
    let limit = out.limits.max_depth;
    let mut grammar = Grammar::new(limit);
    let mut checked = 0;
    loop {
        match grammar.check(&window.bytes()[checked..]) {
            Verdict::End(end) => {
                let end = checked + end;
                let rest = ends_line(window, end).unwrap_or(end);
                out.json(&window.bytes()[..end], None)?;
                window.consume(rest);
                return Ok(());
            }
            Verdict::Wrong(at) => {
                let error = format!("expected JSON, found a mistake at byte `{}` of the object", checked + at);
                return broken(window, newline, &error, out);
            }
            Verdict::TooDeep(_) => {
                let error = format!("expected JSON nested at most `{limit}` deep, found it deeper");
                return broken(window, newline, &error, out);
            }
            Verdict::Open => {
                checked = window.bytes().len();
                if checked > out.limits.max_record_bytes {
                    out.too_large(window.bytes())?;
                    discard_lines(window, checked, grammar);
                    return Ok(());
                }
                if !window.more() {
                    return unfinished(window, newline, out);
                }
            }
        }
    }
}

/// Skips the rest of an object over several lines that is too large.
fn discard_lines(window: &mut Window<'_>, checked: usize, mut grammar: Grammar) {
    window.consume(checked);
    loop {
        match grammar.check(window.bytes()) {
            Verdict::End(end) | Verdict::Wrong(end) | Verdict::TooDeep(end) => {
                window.consume(end);
                skip_line(window);
                return;
            }
            Verdict::Open => {
                window.consume(window.bytes().len());
                if !window.more() {
                    return;
                }
            }
        }
    }
}

/// An object that the input ends in. Behind a break it is what the break has cut off, and is left in the window.
fn unfinished<E>(window: &mut Window<'_>, first_line: usize, out: &mut Out<'_, E>) -> Result<(), E> {
    if window.is_broken() {
        window.stop();
        return Ok(());
    }
    broken(window, first_line, "expected the end of the object, found the end of the input", out)
}

/// Rejects a line that begins like JSON and is not, with the lines that continue it; goes on behind them.
fn broken<E>(window: &mut Window<'_>, newline: usize, error: &str, out: &mut Out<'_, E>) -> Result<(), E> {
    let (mut end, mut cut) = (newline, false);
    while !cut {
        match window.byte(end + 1) {
            Some(b' ' | b'\t' | b'}' | b']' | b'"' | b',') if end <= out.limits.max_record_bytes => {
                end = match line_end(window, end + 1, out.limits.max_record_bytes + 2) {
                    LineEnd::At(next) => next,
                    LineEnd::End(next) => next,
                    LineEnd::TooFar(next) => {
                        cut = true;
                        next
                    }
                };
            }
            Some(_) | None => break,
        }
    }
    let raw = window.bytes();
    let raw = &raw[..end.min(raw.len())];
    out.malformed(error, raw)?;
    window.consume(end);
    skip_line(window);
    Ok(())
}

/// Rejects a line where JSON had to stand.
pub(super) fn not_json<E>(window: &mut Window<'_>, error: &str, out: &mut Out<'_, E>) -> Result<(), E> {
    let end = match line_end(window, 0, out.limits.max_record_bytes + 2) {
        LineEnd::End(_) if window.is_broken() => {
            window.stop();
            return Ok(());
        }
        LineEnd::At(end) | LineEnd::End(end) | LineEnd::TooFar(end) => end,
    };
    out.malformed(error, &window.bytes()[..end])?;
    window.consume(end);
    skip_line(window);
    Ok(())
}

/// How many bytes are left of this line, its line feed included, as far as is worth keeping.
pub(super) fn rest_of_line(window: &mut Window<'_>) -> usize {
    match line_end(window, 0, super::EXCERPT_BYTES) {
        LineEnd::At(end) => end + 1,
        LineEnd::End(end) => end,
        LineEnd::TooFar(end) => end,
    }
}

enum LineEnd {
    /// The offset of the line feed.
    At(usize),
    /// The offset behind the last byte of the input.
    End(usize),
    /// No line feed up to this offset, which is beyond the limit.
    TooFar(usize),
}

/// Looks for the next line feed from `from` on.
fn line_end(window: &mut Window<'_>, from: usize, limit: usize) -> LineEnd {
    let mut searched = from;
    loop {
        if let Some(at) = memchr(b'\n', &window.bytes()[searched.min(window.bytes().len())..]) {
            return LineEnd::At(searched + at);
        }
        searched = window.bytes().len();
        if searched > limit {
            return LineEnd::TooFar(searched);
        }
        if !window.more() {
            return LineEnd::End(searched);
        }
    }
}

/// One line of text.
pub(super) fn line<E>(window: &mut Window<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
    // the line feed and a carriage return before it may stand beyond the limit
    match line_end(window, 0, out.limits.max_record_bytes + 2) {
        LineEnd::At(end) => {
            text(&window.bytes()[..end], out)?;
            window.consume(end + 1);
        }
        LineEnd::End(_) if window.is_broken() => window.stop(),
        LineEnd::End(end) => {
            text(&window.bytes()[..end], out)?;
            window.consume(end);
        }
        LineEnd::TooFar(end) => {
            out.too_large(window.bytes())?;
            window.consume(end);
            skip_line(window);
        }
    }
    Ok(())
}

fn text<E>(line: &[u8], out: &mut Out<'_, E>) -> Result<(), E> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.iter().copied().all(is_whitespace) {
        return Ok(());
    }
    out.text(line)
}

/// Consumes up to and with the next line feed.
fn skip_line(window: &mut Window<'_>) {
    loop {
        if let Some(at) = memchr(b'\n', window.bytes()) {
            window.consume(at + 1);
            return;
        }
        window.consume(window.bytes().len());
        if !window.more() {
            return;
        }
    }
}
