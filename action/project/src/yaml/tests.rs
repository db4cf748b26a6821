use serde_json::json;

use super::*;

fn parse(yaml: &str) -> (Option<Doc>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let doc = Doc::parse("f", yaml.as_bytes(), &mut diagnostics);
    (doc, diagnostics)
}

fn doc(yaml: &str) -> Doc {
    let (doc, diagnostics) = parse(yaml);
    assert_eq!(diagnostics, [], "{yaml:?}");
    doc.unwrap()
}

/// Lines and columns of a span.
fn place(span: Span) -> (usize, usize, usize, usize) {
    (span.start.line, span.start.column, span.end.line, span.end.column)
}

/// What is wrong with a file that cannot be used: rule, line and column.
fn check_wrong(yaml: &str, rule: &Rule, line: usize, column: usize) {
    let (doc, diagnostics) = parse(yaml);
    let yaml = &yaml[..yaml.len().min(100)];
    assert!(doc.is_none(), "{yaml:?}");
    let [one] = diagnostics.as_slice() else { panic!("{yaml:?}: {diagnostics:?}") };
    let start = one.span.unwrap().start;
    assert_eq!((one.rule, start.line, start.column), (rule.id, line, column), "{yaml:?}: {}", one.message);
}

#[test]
fn values_are_those_of_yaml_1_2() {
    let doc = doc("a: off\nb: [yes, 1, 0x10, ~, null, 1.5, '1', \"2\"]\n1: one\ntrue: t\n");
    assert_eq!(
        doc.to_value(),
        json!({"a": "off", "b": ["yes", 1, 16, null, null, 1.5, "1", "2"], "1": "one", "true": "t"})
    );
}

#[test]
fn an_empty_file_is_a_null_at_its_begin() {
    for yaml in ["", "\n", "# only a comment\n", "---\n", "\u{feff}"] {
        let doc = doc(yaml);
        assert_eq!(doc.to_value(), json!(null), "{yaml:?}");
        assert_eq!(doc.point("").start.column, 1, "{yaml:?}");
    }
}

#[test]
fn values_and_keys_have_spans() {
    let doc = doc("alert:\n  severity: high # bad\n  destinations: [a, 'b c']\n  more:\n    - x\n    - y: 1\nz:\n");
    assert_eq!(place(doc.span("/alert/severity").unwrap()), (2, 13, 2, 17));
    assert_eq!(place(doc.key_span("/alert/severity").unwrap()), (2, 3, 2, 11));
    assert_eq!(place(doc.span("/alert/destinations").unwrap()), (3, 17, 3, 27));
    assert_eq!(place(doc.span("/alert/destinations/1").unwrap()), (3, 21, 3, 26));
    assert_eq!(place(doc.span("/alert/more").unwrap()), (5, 5, 6, 11));
    assert_eq!(place(doc.span("/alert").unwrap()), (2, 3, 6, 11));
    // nothing is where its key is
    assert_eq!(place(doc.span("/z").unwrap()), (7, 1, 7, 2));
    assert_eq!(doc.span("/nothing"), None);
    assert_eq!(doc.key_span("/alert/more/0"), None);
}

#[test]
fn a_block_is_pointed_to_by_its_key_and_what_is_missing_by_its_parent() {
    let doc = doc("transform: |\n  a\n  b\n\n# c\nalert:\n  x: 1\n");
    assert_eq!(place(doc.span("/transform").unwrap()), (2, 3, 3, 4));
    assert_eq!(place(doc.point("/transform")), (1, 1, 1, 10));
    assert_eq!(place(doc.point("/alert/severity")), (7, 3, 7, 7));
    assert_eq!(place(doc.point("/no/such/thing")), (1, 1, 1, 13));
}

#[test]
fn keys_with_slashes_and_tildes_are_escaped_in_pointers() {
    let doc = doc("a/b~c: {d: 1}\n");
    assert_eq!(place(doc.span(&format!("/{}/d", escape("a/b~c"))).unwrap()), (1, 12, 1, 13));
}

#[test]
fn text_is_as_written() {
    let doc = doc("a: 007\nb: '007'\nc: [1]\n");
    assert_eq!((doc.text("/a"), doc.text("/b"), doc.text("/c")), (Some("007"), Some("007"), None));
}

#[test]
fn columns_are_characters_and_offsets_bytes() {
    let doc = doc("é: {ü: ö}\n");
    let span = doc.span("/é/ü").unwrap();
    assert_eq!(place(span), (1, 8, 1, 9));
    assert_eq!((span.start.offset, span.end.offset), (9, 11));
}

#[test]
fn windows_files_are_fine() {
    let doc = doc("\u{feff}a: 1\r\nb: |\r\n  x\r\n  y\r\n");
    assert_eq!(doc.to_value(), json!({"a": 1, "b": "x\ny\n"}));
    assert_eq!(place(doc.span("/a").unwrap()), (1, 4, 1, 5));
    assert_eq!(place(doc.key_span("/b").unwrap()), (2, 1, 2, 2));
}

#[test]
fn aliases_are_copies_and_merge_keys_give_what_is_not_there() {
    let doc = doc("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd:\n  <<: [{x: 9}, *a]\n");
    assert_eq!(doc.to_value()["b"], json!({"x": 1, "y": 2}));
    assert_eq!(doc.to_value()["c"], json!({"x": 1, "y": 3}));
    assert_eq!(doc.to_value()["d"], json!({"x": 9, "y": 2}));
    assert_eq!(place(doc.span("/b").unwrap()), (2, 4, 2, 6));
}

#[test]
fn tags_of_yaml_are_understood() {
    assert_eq!(
        doc("[!!str 1, !!int '2', !!float 3, !!bool true, !!null ~, ! 5]").to_value(),
        json!(["1", 2, 3, true, null, "5"])
    );
    assert_eq!(doc("!!map {a: !!seq [1]}").to_value(), json!({"a": [1]}));
}

#[test]
fn a_key_that_stands_twice_is_told_and_the_first_one_counts() {
    let (doc, diagnostics) = parse("a: 1\nb: {c: 1, c: 2}\na: 2\n");
    assert_eq!(doc.unwrap().to_value(), json!({"a": 1, "b": {"c": 1}}));
    let places: Vec<_> = diagnostics.iter().map(|one| (one.rule, place(one.span.unwrap()))).collect();
    assert_eq!(places, [("duplicate-key", (2, 11, 2, 12)), ("duplicate-key", (3, 1, 3, 2))]);
    assert_eq!(place(diagnostics[1].related[0].span.unwrap()), (1, 1, 1, 2));
}

#[test]
fn what_cannot_be_used_is_told_where_it_stands() {
    check_wrong("a: 1\n b: 2\n", &rules::YAML_SYNTAX, 2, 3);
    check_wrong("a:\n\tb: 1\n", &rules::YAML_SYNTAX, 2, 2);
    check_wrong("a: [1, 2\n", &rules::YAML_SYNTAX, 2, 1);
    check_wrong("a: \"\\q\"\n", &rules::YAML_SYNTAX, 1, 4);
    check_wrong("é: 'x'y\n", &rules::YAML_SYNTAX, 1, 7);
    check_wrong("a: *b\n", &rules::YAML_SYNTAX, 1, 4);
    check_wrong("a: 1\n---\na: 2\n", &rules::UNSUPPORTED_YAML, 2, 1);
    check_wrong("a: !mine 1\n", &rules::UNSUPPORTED_YAML, 1, 4);
    check_wrong("? [a]\n: 1\n", &rules::UNSUPPORTED_YAML, 1, 3);
    check_wrong("~: 1\n", &rules::UNSUPPORTED_YAML, 1, 1);
    check_wrong("a: {<<: 5}\n", &rules::UNSUPPORTED_YAML, 1, 9);
    check_wrong("a: &a [*a]\n", &rules::UNSUPPORTED_YAML, 1, 8);
    check_wrong("a: x\u{0}y\n", &rules::YAML_SYNTAX, 1, 5);
    check_wrong("a: !!int x\n", &rules::UNSUPPORTED_YAML, 1, 4);
}

#[test]
fn bytes_that_are_no_text_are_told_where_they_stand() {
    let mut diagnostics = Vec::new();
    assert!(Doc::parse("f", b"a: 1\nb: \xc3\xa9\xff\n", &mut diagnostics).is_none());
    assert_eq!(diagnostics[0].rule, rules::INVALID_UTF8.id);
    assert_eq!(place(diagnostics[0].span.unwrap()), (2, 5, 2, 6));
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        yaml.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    check_wrong(&yaml, &rules::YAML_LIMIT, 5, 45);
    let long = "x".repeat(100_000);
    check_wrong(&format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 200].join(", ")), &rules::YAML_LIMIT, 2, 509);
    check_wrong(&"[".repeat(100_000), &rules::YAML_LIMIT, 1, 256);
    check_wrong(&format!("{}{}", "[".repeat(70), "]".repeat(70)), &rules::YAML_LIMIT, 1, 66);
    check_wrong(&"- ".repeat(100_000), &rules::YAML_LIMIT, 1, 131);
    let mut diagnostics = Vec::new();
    assert!(Doc::parse("f", &vec![b' '; MAX_BYTES + 1], &mut diagnostics).is_none());
    assert_eq!(diagnostics[0].rule, rules::YAML_LIMIT.id);
}

mod any_input {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut diagnostics = Vec::new();
            let doc = Doc::parse("f", &bytes, &mut diagnostics);
            prop_assert!(doc.is_some() || !diagnostics.is_empty());
        }

        #[test]
        fn what_looks_like_yaml_never_panics_and_every_span_is_in_the_file(
            yaml in r#"([a-z?é]{0,3}[:\-#|>'"&*!%@`,\[\]{}<~\\0-9+][ \n\t]{0,3}[a-z]?){0,40}"#,
        ) {
            let mut diagnostics = Vec::new();
            if let Some(doc) = Doc::parse("f", yaml.as_bytes(), &mut diagnostics) {
                fn walk(doc: &Doc, node: &Node, pointer: &str, length: usize) {
                    assert!(node.span.start.offset <= node.span.end.offset && node.span.end.offset <= length);
                    doc.point(pointer);
                    match &node.data {
                        Data::Scalar { text, .. } => {
                            let map = doc.text_map(pointer).unwrap();
                            (0..=text.len()).for_each(|at| assert!(map.offset(at) <= length));
                            map.span(0..text.len());
                        }
                        Data::Sequence(items) => items.iter().enumerate().for_each(|(index, item)| {
                            walk(doc, item, &format!("{pointer}/{index}"), length);
                        }),
                        Data::Mapping(entries) => entries.iter().for_each(|entry| {
                            walk(doc, &entry.node, &format!("{pointer}/{}", escape(&entry.key)), length);
                        }),
                    }
                }
                walk(&doc, doc.node("").unwrap(), "", yaml.len());
            }
            for one in diagnostics {
                let span = one.span.unwrap();
                prop_assert!(span.start.offset <= span.end.offset && span.end.offset <= yaml.len());
            }
        }
    }
}

#[test]
fn the_span_of_a_quoted_text_ends_with_its_quote() {
    let check = |text: &str, expected: &str| {
        let doc = Doc::parse("f", text.as_bytes(), &mut Vec::new()).unwrap();
        let span = doc.span("/a").unwrap();
        assert_eq!(&text[span.start.offset..span.end.offset], expected, "{text}");
        let key = doc.key_span("/a").unwrap();
        assert_eq!(text[key.start.offset..key.end.offset].trim_matches(['"', '\'']), "a", "{text}");
    };
    check("a: 'b' # c\n", "'b'");
    check("\"a\" : \"b\" # c\n", "\"b\"");
    check("{'a'  : 'it''s' , d: e}\n", "'it''s'");
    check("a: \"\\\"\\é\"  # \"\n".replace("\\é", "é").as_str(), "\"\\\"é\"");
    check("a: 'é\n  b' # c\n", "'é\n  b'");
    check("a: ''\n", "''");
}
