use proptest::prelude::*;

use super::*;
use crate::yaml::Doc;

fn map(yaml: &str) -> (String, TextMap) {
    let mut diagnostics = Vec::new();
    let doc = Doc::parse("f", yaml.as_bytes(), &mut diagnostics).unwrap_or_else(|| panic!("{yaml:?}: {diagnostics:?}"));
    (doc.text("/k").unwrap().to_owned(), doc.text_map("/k").unwrap())
}

/// Where the first `needle` of the text stands: line and column.
fn check(yaml: &str, needle: &str, expected: (usize, usize)) {
    let (text, map) = map(yaml);
    assert!(map.is_exact(), "{yaml:?}");
    let pos = map.pos(text.find(needle).unwrap_or_else(|| panic!("{needle:?} is not in {text:?}")));
    assert_eq!((pos.line, pos.column), expected, "{yaml:?}");
}

#[test]
fn literal_blocks_lose_their_indentation() {
    check("k: |\n  a = 1\n  b = 2\n", "b", (3, 3));
    check("k: |\n  a = 1\n\n    b = 2\n", "b", (4, 5));
    check("k: |\n\n\n  b\n", "b", (4, 3));
    check("k: |-\n  a\n  é b", "b", (3, 5));
    check("a: 1\nk: |+ # kept\n    a\n    b\n\n\nz: 1\n", "b", (4, 5));
    check("k: |2\n    a\n   b\n", "b", (3, 4));
    check("k: |\r\n  a\r\n  b\r\n", "b", (3, 3));
    check("\u{feff}k: |\n  a\n  b\n", "b", (3, 3));
    check("x:\n  - k: 1\nk: |\n\ta: b\n".replace('\t', "      ").as_str(), "b", (4, 10));
}

#[test]
fn folded_blocks_lose_their_line_ends_too() {
    check("k: >\n  a\n  b\n", "b", (3, 3));
    check("k: >\n  a\n\n  b\n  c\n", "c", (5, 3));
    check("k: >-\n  a\n    more\n  b\n", "more", (3, 5));
    check("k: >\n\n  a\n  b", "b", (4, 3));
    check("k: >\n  a b\n  a c\n", "c", (3, 5));
}

#[test]
fn flow_scalars_are_unquoted_and_unescaped() {
    check("k: a b\n", "b", (1, 6));
    check("k: a\n  b\n", "b", (2, 3));
    check("k: a\n\n  b # comment\n", "b", (3, 3));
    check("k: 'it''s b'\n", "b", (1, 11));
    check("k: 'a\n\n   b'\n", "b", (3, 4));
    check(r#"k: "a\tb""#, "b", (1, 8));
    check(r#"k: "\u00e9\"\x41b""#, "b", (1, 17));
    check("k: \"a\\\n    b\"\n", "b", (2, 5));
    check("k: \"a  \n  b\"\n", "b", (2, 3));
    check("{k: 'b'}", "b", (1, 6));
}

#[test]
fn a_span_ends_behind_its_last_character() {
    let (text, map) = map("k: |\n  ab\n  cd\n");
    assert_eq!(text, "ab\ncd\n");
    let span = map.span(0..2);
    assert_eq!((span.start.column, span.end.line, span.end.column), (3, 2, 5));
    let span = map.span(1..4);
    assert_eq!((span.start.column, span.end.line, span.end.column), (4, 3, 4));
    let span = map.span(2..2);
    assert_eq!(span.start, span.end);
    assert_eq!(map.span(0..99).end.line, 3);
}

/// Lines of a program: with blanks inside, deeper ones, empty ones, and what YAML might take for its own.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        3 => r"[a-z.=(){}|&*!?%@:,#\[\]<>'\\éß→-]{1,12}( [a-z0-9:#'-]{1,6}){0,3}",
        1 => Just(String::new()),
        1 => r"  [a-z]{1,5}",
    ];
    proptest::collection::vec(line, 1..12)
}

fn every_byte_is_found(yaml: &str, text: &str, map: &TextMap) {
    assert!(map.is_exact(), "not found again: {yaml:?} as {text:?}");
    for (at, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        let found = yaml[map.offset(at)..].chars().next();
        assert_eq!(found, Some(c), "byte {at} of {text:?} in {yaml:?}");
    }
}

proptest! {
    #[test]
    fn every_character_of_a_block_is_found_where_it_stands(
        lines in lines(),
        indent in 1_usize..6,
        style in prop_oneof![Just("|"), Just("|-"), Just("|+"), Just(">"), Just(">-"), Just(">+")],
        line_end in prop_oneof![Just("\n"), Just("\r\n")],
        behind in any::<bool>(),
    ) {
        let mut yaml = format!("é: x{line_end}k: {style}{line_end}");
        for line in &lines {
            yaml.push_str(&if line.is_empty() { line_end.to_owned() } else { format!("{}{line}{line_end}", " ".repeat(indent)) });
        }
        if behind {
            yaml.push_str(&format!("z: 1{line_end}"));
        }
        // a first line that begins with a blank asks for an indentation indicator: not a block that people write
        prop_assume!(lines.iter().find(|line| !line.is_empty()).is_some_and(|line| !line.starts_with(' ')));
        let (text, map) = map(&yaml);
        every_byte_is_found(&yaml, &text, &map);
    }

    #[test]
    fn every_character_of_plain_and_quoted_text_is_found_where_it_stands(
        words in proptest::collection::vec("[a-zé]{1,6}", 1..8),
        breaks in proptest::collection::vec(0_usize..4, 8),
        quote in prop_oneof![Just(""), Just("'"), Just("\"")],
    ) {
        let mut yaml = format!("k: {quote}");
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                yaml.push_str(&if breaks[index] == 0 { " ".to_owned() } else { format!("{}  ", "\n".repeat(breaks[index])) });
            }
            yaml.push_str(word);
        }
        yaml.push_str(quote);
        let (text, map) = map(&yaml);
        every_byte_is_found(&yaml, &text, &map);
    }
}
