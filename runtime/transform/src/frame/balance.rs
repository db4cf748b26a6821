//! Finds the end of a JSON object or array by its brackets, 64 bytes at a time.
//!
//! Strings are recognised, so brackets in them do not count. Which kind of bracket closes which is not checked. The bit
//! tricks for escapes and strings are those of Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019).

/// What a scan came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// All brackets are closed; the offset behind the last one.
    End(usize),
    /// A line feed before that, at this offset; whether it is inside a string.
    Newline { at: usize, in_string: bool },
    /// Neither, in what there was.
    Nothing,
}

/// Whether a line feed ends the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Newlines {
    Stop,
    Pass,
}

/// The state of a scan between pieces of input.
#[derive(Debug, Clone)]
pub(super) struct Balance {
    newlines: Newlines,
    depth: u64,
    deepest: u64,
    /// All ones inside a string, else zero.
    in_string: u64,
    /// One if the next character is escaped, else zero.
    escaped: u64,
}

const LANES: usize = 64;

/// A bit for each byte of a block.
struct Masks {
    quote: u64,
    backslash: u64,
    open: u64,
    close: u64,
    newline: u64,
}

impl Balance {
    pub fn new(newlines: Newlines) -> Self {
        Self { newlines, depth: 0, deepest: 0, in_string: 0, escaped: 0 }
    }

    /// Whether the brackets of `whole`, which this has scanned, are nested deeper than `limit`.
    pub fn is_deeper_than(&self, limit: u32, whole: &[u8]) -> bool {
        // a block counts all it opens before what it closes, so a high figure is looked at again
        let mut exact = Self::new(self.newlines);
        self.deepest > u64::from(limit) && {
            exact.bytewise(whole);
            exact.deepest > u64::from(limit)
        }
    }

    /// Goes on with the next bytes. The first byte of all must be an opening bracket.
    pub fn scan(&mut self, bytes: &[u8]) -> Found {
        let (blocks, tail) = bytes.as_chunks::<LANES>();
        for (index, block) in blocks.iter().enumerate() {
            match self.block(block) {
                Found::Nothing => (),
                found => return found.later(index * LANES),
            }
        }
        let offset = blocks.len() * LANES;
        self.bytewise(tail).later(offset)
    }

    fn block(&mut self, block: &[u8; LANES]) -> Found {
        let masks = masks(block);
        let strings = self.strings(&masks);
        let newline = if self.newlines == Newlines::Stop { masks.newline } else { 0 };
        let (open, close) = (masks.open & !strings, masks.close & !strings);
        let (opened, closed) = (u64::from(open.count_ones()), u64::from(close.count_ones()));
        if newline != 0 || closed >= self.depth {
            return self.walk(open, close, newline, strings);
        }
        self.deepest = self.deepest.max(self.depth + opened);
        self.depth = self.depth + opened - closed;
        Found::Nothing
    }

    /// The bytes inside strings, opening quotes included and closing ones not.
    fn strings(&mut self, masks: &Masks) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let backslash = masks.backslash & !self.escaped;
        let follows = backslash << 1 | self.escaped;
        let odd_starts = backslash & !EVEN & !follows;
        let (on_even, carry) = odd_starts.overflowing_add(backslash);
        self.escaped = u64::from(carry);
        let escaped = (EVEN ^ (on_even << 1)) & follows;
        let strings = prefix_xor(masks.quote & !escaped) ^ self.in_string;
        self.in_string = 0u64.wrapping_sub(strings >> 63);
        strings
    }

    /// Looks at the brackets of a block one by one.
    fn walk(&mut self, open: u64, close: u64, newline: u64, strings: u64) -> Found {
        let mut left = open | close | newline;
        while left != 0 {
            let at = left.trailing_zeros();
            let bit = 1 << at;
            left &= left - 1;
            if newline & bit != 0 {
                return Found::Newline { at: at as usize, in_string: strings & bit != 0 };
            }
            if open & bit != 0 {
                self.depth += 1;
                self.deepest = self.deepest.max(self.depth);
                continue;
            }
            self.depth = self.depth.saturating_sub(1);
            if self.depth == 0 {
                return Found::End(at as usize + 1);
            }
        }
        Found::Nothing
    }

    fn bytewise(&mut self, bytes: &[u8]) -> Found {
        for (at, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' && self.newlines == Newlines::Stop {
                return Found::Newline { at, in_string: self.in_string != 0 };
            }
            let escaped = std::mem::take(&mut self.escaped) != 0;
            match byte {
                b'\\' if !escaped => self.escaped = 1,
                b'"' if !escaped => self.in_string = !self.in_string,
                b'{' | b'[' if self.in_string == 0 => {
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
                b'}' | b']' if self.in_string == 0 => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Found::End(at + 1);
                    }
                }
                _ => (),
            }
        }
        Found::Nothing
    }
}

impl Found {
    fn later(self, by: usize) -> Self {
        match self {
            Self::End(end) => Self::End(end + by),
            Self::Newline { at, in_string } => Self::Newline { at: at + by, in_string },
            Self::Nothing => Self::Nothing,
        }
    }
}

/// Each bit becomes the parity of itself and all below: ones from an odd quote up to the next.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// One pass marks the kinds of each byte in a form that compilers turn into vector instructions; the second gathers the
/// marks of eight bytes at a time into bits.
fn masks(block: &[u8; LANES]) -> Masks {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut kinds = [0u8; LANES];
    for (kind, &byte) in kinds.iter_mut().zip(block) {
        // square and curly brackets differ in one bit
        let curly = byte | 0x20;
        *kind = u8::from(byte == b'"')
            | u8::from(byte == b'\\') << 1
            | u8::from(curly == b'{') << 2
            | u8::from(curly == b'}') << 3
            | u8::from(byte == b'\n') << 4;
    }
    let mut masks = [0; 5];
    for (index, bytes) in kinds.as_chunks::<8>().0.iter().enumerate() {
        let marks = u64::from_le_bytes(*bytes);
        for (kind, mask) in masks.iter_mut().enumerate() {
            let bits = ((marks >> kind) & LOWEST).wrapping_mul(GATHER) >> 56;
            *mask |= bits << (8 * index);
        }
    }
    let [quote, backslash, open, close, newline] = masks;
    Masks { quote, backslash, open, close, newline }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(text: &str) -> Found {
        Balance::new(Newlines::Stop).scan(text.as_bytes())
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let object = r#"{"a":"}]\"}\\","b":[{"c":"\\\\\""}]}"#;
        assert_eq!(end(&format!("{object} {{")), Found::End(object.len()));
        let long = format!(r#"{{"pad":"{}","b":"{{\"[" }}"#, "\\\"x".repeat(100));
        assert_eq!(end(&long), Found::End(long.len()));
    }

    #[test]
    fn a_line_feed_stops_the_scan_and_says_where_it_stands() {
        assert_eq!(end("{\"a\":\n1}"), Found::Newline { at: 5, in_string: false });
        assert_eq!(end("{\"a\n"), Found::Newline { at: 3, in_string: true });
        let long = format!("{{\"{}\n\"}}", "x".repeat(100));
        assert_eq!(end(&long), Found::Newline { at: 102, in_string: true });
    }

    #[test]
    fn the_depth_is_counted() {
        let mut balance = Balance::new(Newlines::Pass);
        let text = "[".repeat(1000) + &"]".repeat(1000);
        assert_eq!(balance.scan(text.as_bytes()), Found::End(2000));
        assert!(balance.is_deeper_than(999, text.as_bytes()));
        assert!(!balance.is_deeper_than(1000, text.as_bytes()));
    }

    proptest! {
        #[test]
        fn blocks_and_bytes_agree(text in r#"\{["\\{}\[\]a\n]{0,300}"#, cut in 0usize..300) {
            for newlines in [Newlines::Stop, Newlines::Pass] {
                let mut slow = Balance::new(newlines);
                let expected = slow.bytewise(text.as_bytes());
                let mut fast = Balance::new(newlines);
                prop_assert_eq!(fast.scan(text.as_bytes()), expected);
                let cut = cut.min(text.len());
                let mut pieces = Balance::new(newlines);
                let found = match pieces.scan(&text.as_bytes()[..cut]) {
                    Found::Nothing => pieces.scan(&text.as_bytes()[cut..]).later(cut),
                    found => found,
                };
                prop_assert_eq!(found, expected);
            }
        }
    }
}
