//! User text made safe and measurable for a terminal.
//!
//! A file of a pull request may hold escape sequences, text that runs backwards or characters that cannot be seen.
//! Each becomes a visible character one column wide, so that nothing moves the cursor and carets still fit.

use unicode_width::UnicodeWidthChar;

/// Columns that a tab takes in an excerpt.
const TAB: usize = 4;

/// What stands for a character that must not reach a terminal.
const REPLACEMENT: char = '\u{fffd}';

/// How one character is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    As(char),
    Tab,
    Nothing,
}

fn shown(c: char) -> Shown {
    match c {
        '\t' => Shown::Tab,
        // the pictures of the control characters stand in their order: ␀ to ␟
        '\0'..='\u{1f}' => Shown::As(char::from_u32(0x2400 + u32::from(c)).unwrap_or(REPLACEMENT)),
        '\u{7f}' => Shown::As('\u{2421}'),
        // joiners and variation selectors: without them every terminal agrees on the width of an emoji
        '\u{200d}' | '\u{fe00}'..='\u{fe0f}' => Shown::Nothing,
        // text direction, invisible and line-breaking characters, and the tags that can carry hidden text
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => Shown::As(REPLACEMENT),
        c if c.width().is_none() => Shown::As(REPLACEMENT),
        c => Shown::As(c),
    }
}

/// How many columns a character takes.
pub(super) fn width(c: char) -> usize {
    match shown(c) {
        Shown::As(c) => c.width().unwrap_or(1),
        Shown::Tab => TAB,
        Shown::Nothing => 0,
    }
}

/// Adds a character as it is shown.
pub(super) fn push(out: &mut String, c: char) {
    match shown(c) {
        Shown::As(c) => out.push(c),
        Shown::Tab => (0..TAB).for_each(|_| out.push(' ')),
        Shown::Nothing => (),
    }
}

/// Text whose line breaks stay.
pub fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|text| line(text.strip_suffix('\r').unwrap_or(text))).collect();
    lines.join("\n")
}

/// Text on one line: line breaks are shown too.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(&mut out, c));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_visible() {
        assert_eq!(line("a\u{1b}[31mred\u{9b}0m\u{7f}"), "a␛[31mred\u{fffd}0m␡");
        assert_eq!(line("one\r\ntwo"), "one␍␊two");
    }

    #[test]
    fn text_that_runs_backwards_or_hides_is_replaced() {
        for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{2028}', '\u{e0041}'] {
            assert_eq!(line(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
            assert_eq!(width(c), 1);
        }
    }

    #[test]
    fn tabs_and_wide_characters_have_their_widths() {
        assert_eq!(width('\t'), 4);
        assert_eq!(width('漢'), 2);
        assert_eq!(width('🚀'), 2);
        assert_eq!(width('\u{301}'), 0);
    }

    #[test]
    fn a_family_of_emoji_is_as_wide_as_its_members() {
        let family = "👩\u{200d}👧";
        assert_eq!(family.chars().map(width).sum::<usize>(), 4);
        assert_eq!(line(family), "👩👧");
    }
}
