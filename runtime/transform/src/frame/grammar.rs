//! Strict JSON, byte by byte: tells an object over several lines from a broken one as early as it can be told.

/// What the bytes so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The value ended; the offset behind it.
    End(usize),
    /// Not JSON, from this offset on.
    Wrong(usize),
    /// Nested deeper than the limit, from this offset on.
    TooDeep(usize),
    /// All is well, and there must be more.
    Open,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// A value, or the end of an empty array.
    FirstElement,
    /// A key, or the end of an empty object.
    FirstKey,
    Key,
    Colon,
    /// A comma or the end of the innermost container.
    CommaOrEnd,
    /// The rest of a string; whether it is a key.
    Text {
        key: bool,
    },
    Escape {
        key: bool,
    },
    /// So many more hex digits of `\u`.
    Hex {
        key: bool,
        left: u8,
    },
    /// The rest of a number, `true`, `false` or `null`.
    Word,
}

/// A validator that takes its input in pieces.
#[derive(Debug)]
pub(super) struct Grammar {
    expect: Expect,
    /// The open containers, innermost last; `true` is an object.
    containers: Vec<bool>,
    word: Vec<u8>,
    max_depth: usize,
}

/// No number in logs is longer; the longest word is `false`.
const MAX_WORD: usize = 1024;

impl Grammar {
    pub fn new(max_depth: u32) -> Self {
        let max_depth = usize::try_from(max_depth).unwrap_or(usize::MAX);
        Self { expect: Expect::Value, containers: Vec::new(), word: Vec::new(), max_depth }
    }

    /// Goes on with the next bytes.
    pub fn check(&mut self, bytes: &[u8]) -> Verdict {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.take(byte).is_none() {
                return Verdict::Wrong(at);
            }
            if self.containers.is_empty() {
                return Verdict::End(at + 1);
            }
            if self.containers.len() > self.max_depth {
                return Verdict::TooDeep(at);
            }
        }
        Verdict::Open
    }

    /// `None` where the byte may not stand here. The first value must be an object or array.
    fn take(&mut self, byte: u8) -> Option<()> {
        if self.expect == Expect::Word && !is_word(byte) {
            if !is_scalar(&self.word) {
                return None;
            }
            self.expect = Expect::CommaOrEnd;
        }
        match self.expect {
            Expect::Text { key } => match byte {
                b'"' => self.expect = if key { Expect::Colon } else { Expect::CommaOrEnd },
                b'\\' => self.expect = Expect::Escape { key },
                0..=0x1f => return None,
                _ => (),
            },
            Expect::Escape { key } => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.expect = Expect::Text { key },
                b'u' => self.expect = Expect::Hex { key, left: 4 },
                _ => return None,
            },
            Expect::Hex { key, left } if byte.is_ascii_hexdigit() => {
                self.expect = if left > 1 { Expect::Hex { key, left: left - 1 } } else { Expect::Text { key } };
            }
            Expect::Hex { .. } => return None,
            Expect::Word if self.word.len() < MAX_WORD => self.word.push(byte),
            Expect::Word => return None,
            Expect::Value
            | Expect::FirstElement
            | Expect::FirstKey
            | Expect::Key
            | Expect::Colon
            | Expect::CommaOrEnd
                if super::window::is_whitespace(byte) => {}
            Expect::Colon if byte == b':' => self.expect = Expect::Value,
            Expect::CommaOrEnd if byte == b',' => {
                self.expect = if *self.containers.last()? { Expect::Key } else { Expect::Value };
            }
            Expect::FirstKey if byte == b'}' => self.close(true)?,
            Expect::FirstElement if byte == b']' => self.close(false)?,
            Expect::CommaOrEnd => self.close(match byte {
                b'}' => true,
                b']' => false,
                _ => return None,
            })?,
            Expect::FirstKey | Expect::Key if byte == b'"' => self.expect = Expect::Text { key: true },
            Expect::FirstKey | Expect::Key | Expect::Colon => return None,
            Expect::Value | Expect::FirstElement => self.begin(byte)?,
        }
        Some(())
    }

    fn begin(&mut self, byte: u8) -> Option<()> {
        match byte {
            b'{' => {
                self.containers.push(true);
                self.expect = Expect::FirstKey;
            }
            b'[' => {
                self.containers.push(false);
                self.expect = Expect::FirstElement;
            }
            b'"' => self.expect = Expect::Text { key: false },
            _ if is_word(byte) => {
                self.word.clear();
                self.word.push(byte);
                self.expect = Expect::Word;
            }
            _ => return None,
        }
        (!self.containers.is_empty()).then_some(())
    }

    fn close(&mut self, object: bool) -> Option<()> {
        (self.containers.pop()? == object).then(|| self.expect = Expect::CommaOrEnd)
    }
}

fn is_word(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.')
}

/// `true`, `false`, `null` or a JSON number.
pub(super) fn is_scalar(word: &[u8]) -> bool {
    matches!(word, b"true" | b"false" | b"null") || is_number(word)
}

/// A number as JSON writes it.
pub(super) fn is_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> &[u8] {
        &text[text.iter().take_while(|byte| byte.is_ascii_digit()).count()..]
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match text {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', rest @ ..] => digits(rest),
        _ => return false,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = digits(fraction);
        if rest.len() == fraction.len() {
            return false;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', exponent @ ..] => exponent,
            exponent => exponent,
        };
        rest = digits(exponent);
        if rest.len() == exponent.len() {
            return false;
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Verdict) {
        assert_eq!(Grammar::new(99).check(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn objects_end_where_they_end() {
        check("{}", Verdict::End(2));
        check("{\"a\" : [1, -2.5e+3, true, null, \"\\u00e9\\n\", {}, []]} x", Verdict::End(52));
        check("{\"a\":", Verdict::Open);
    }

    #[test]
    fn mistakes_are_found_at_their_byte() {
        check("{\"a\":1\n{\"b\":2}", Verdict::Wrong(7));
        check("{\"a\":1,}", Verdict::Wrong(7));
        check("{\"a\":[1}", Verdict::Wrong(7));
        check("{\"a\":01}", Verdict::Wrong(7));
        check("{\"a\n\":1}", Verdict::Wrong(3));
        check("{\"\\x\":1}", Verdict::Wrong(3));
        check("{foo}", Verdict::Wrong(1));
        check("[1 2]", Verdict::Wrong(3));
    }

    #[test]
    fn numbers_are_those_of_json() {
        for good in ["0", "-0", "10", "1.5", "1e400", "2E-7", "-12.50e+1"] {
            assert!(is_number(good.as_bytes()), "{good}");
        }
        for bad in ["", "-", "01", "1.", ".5", "+1", "1e", "0x1", "NaN", "1 "] {
            assert!(!is_number(bad.as_bytes()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_serde(text in r#"[\[{][\[\]{}:,"a1 \\n.-]{0,12}"#) {
            let text = text.trim_end();
            let ours = matches!(Grammar::new(99).check(text.as_bytes()), Verdict::End(end) if end == text.len());
            prop_assert_eq!(ours, serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        }
    }
}
