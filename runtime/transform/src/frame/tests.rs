use std::io::Write as _;

use super::*;

/// A record or reject in a form that is easily written down.
#[derive(Debug, Clone, PartialEq)]
enum Got {
    Json(String),
    Text(String),
    At(i64, String),
    Bad(RejectRule, Vec<u8>),
}

fn json(text: &str) -> Got {
    Got::Json(text.to_owned())
}

fn text(text: &str) -> Got {
    Got::Text(text.to_owned())
}

fn bad(rule: RejectRule, raw: &str) -> Got {
    Got::Bad(rule, raw.as_bytes().to_vec())
}

/// Returns at most so many bytes a call.
struct Dribble(io::Cursor<Vec<u8>>, usize);

impl Read for Dribble {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(self.1);
        self.0.read(&mut out[..length])
    }
}

fn read_from(
    input: Box<dyn Read + Send>,
    key: &str,
    shape: &Shape,
    limits: &Limits,
) -> (Vec<Got>, Vec<String>, ReadSummary) {
    let (mut got, mut errors) = (Vec::new(), Vec::new());
    let mut next = 0;
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("records are UTF-8");
    let summary = read_records::<io::Error>(input, &Hints::of_key(key), shape, limits, &mut |item| {
        let (Item::Record { position, .. } | Item::Reject { position, .. }) = &item;
        assert_eq!(position.0, next, "positions count up");
        next += 1;
        got.push(match item {
            Item::Record { body: Body::Json(body), ts_millis: None, .. } => Got::Json(utf8(body)),
            Item::Record { body: Body::Text(body), ts_millis: None, .. } => Got::Text(utf8(body)),
            Item::Record { body: Body::Json(body) | Body::Text(body), ts_millis: Some(ts), .. } => {
                Got::At(ts, utf8(body))
            }
            Item::Reject { rule, error, raw, .. } => {
                errors.push(error);
                Got::Bad(rule, raw)
            }
        });
        Ok(())
    })
    .expect("reading from memory does not fail");
    assert_eq!(summary.records, got.len() as u64);
    (got, errors, summary)
}

fn read_as(bytes: &[u8], shape: &Shape) -> Vec<Got> {
    let whole = read_from(Box::new(io::Cursor::new(bytes.to_vec())), "x", shape, &Limits::default());
    for step in [1, 3, 7] {
        let dribble = Dribble(io::Cursor::new(bytes.to_vec()), step);
        assert_eq!(read_from(Box::new(dribble), "x", shape, &Limits::default()).0, whole.0, "in steps of {step}");
    }
    whole.0
}

fn check(input: impl AsRef<[u8]>, expected: &[Got]) {
    assert_eq!(read_as(input.as_ref(), &Shape::Auto), expected);
}

fn at(path: &str) -> Shape {
    Shape::JsonArrayAt(path.split('.').map(str::to_owned).collect())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

use RejectRule::{Decode, Malformed, TooLarge};

#[test]
fn json_lines_are_objects_and_other_lines_text() {
    check(
        "{\"a\":1}\r\n\n  {\"b\":{}} \n[1,2]\n5\n  indented\n{}\nlast",
        &[
            json("{\"a\":1}"),
            json("{\"b\":{}}"),
            text("[1,2]"),
            text("5"),
            text("  indented"),
            json("{}"),
            text("last"),
        ],
    );
}

#[test]
fn objects_need_no_line_feeds_between_them() {
    check(
        "{\"a\":1}{\"b\":2} {\"c\":3},{\"d\":4}",
        &[json("{\"a\":1}"), json("{\"b\":2}"), json("{\"c\":3}"), json("{\"d\":4}")],
    );
}

#[test]
fn objects_may_go_on_over_several_lines() {
    check(
        "{\n  \"a\": [\n    1\n  ]\n}\n{\n  \"b\": 2\n}\ntext",
        &[json("{\n  \"a\": [\n    1\n  ]\n}"), json("{\n  \"b\": 2\n}"), text("text")],
    );
}

#[test]
fn the_elements_of_a_top_level_array_are_records() {
    check(
        "[ {\"a\":1},\n {\"b\":[2]} , 3, \"x\\ty\", null]\n[]\n[{\"c\":\"]\"}]",
        &[json("{\"a\":1}"), json("{\"b\":[2]}"), text("3"), text("x\ty"), text("null"), json("{\"c\":\"]\"}")],
    );
}

#[test]
fn text_that_begins_with_a_bracket_is_text() {
    check(
        "{user} logged in\n[12/Jul/2023] ok\n{\"a\":1} is what it said\n[{x}]",
        &[text("{user} logged in"), text("[12/Jul/2023] ok"), text("{\"a\":1} is what it said"), text("[{x}]")],
    );
}

#[test]
fn a_broken_object_does_not_take_its_neighbours_along() {
    check(
        "{\"a\":1}\n{\"b\":\n{\"c\":3}\n{\"d\":\"open\n{\"e\":5}\n{\"f\":",
        &[
            json("{\"a\":1}"),
            bad(Malformed, "{\"b\":"),
            json("{\"c\":3}"),
            bad(Malformed, "{\"d\":\"open"),
            json("{\"e\":5}"),
            bad(Malformed, "{\"f\":"),
        ],
    );
}

#[test]
fn a_broken_object_over_several_lines_is_one_reject() {
    check(
        "{\n  \"a\": 1\n  \"b\": 2\n}\n{\"c\":3}\n",
        &[bad(Malformed, "{\n  \"a\": 1\n  \"b\": 2\n}"), json("{\"c\":3}")],
    );
}

#[test]
fn byte_order_marks_are_no_content() {
    check("\u{feff}{\"a\":1}\n\u{feff}{\"b\":2}", &[json("{\"a\":1}"), json("{\"b\":2}")]);
    check("\u{feff}text", &[text("text")]);
    check("\u{feff}", &[]);
    assert_eq!(read_as("\u{feff}a,b\n1,2".as_bytes(), &Shape::Csv { headers: vec![] }), [json("{\"a\":1,\"b\":2}")]);
    assert_eq!(read_as("\u{feff}{\"r\":[{}]}".as_bytes(), &at("r")), [json("{}")]);
    assert_eq!(read_as("\u{feff}all".as_bytes(), &Shape::Whole), [text("all")]);
}

#[test]
fn invalid_utf8_is_a_reject_with_its_bytes() {
    check(
        b"ok\n\xff\xfe bad\n{\"a\":\"\xc3\x28\"}\nok",
        &[
            text("ok"),
            Got::Bad(Malformed, b"\xff\xfe bad".to_vec()),
            Got::Bad(Malformed, b"{\"a\":\"\xc3\x28\"}".to_vec()),
            text("ok"),
        ],
    );
}

#[test]
fn large_numbers_and_duplicate_keys_pass_unchanged() {
    check("{\"a\":1e400,\"a\":2}", &[json("{\"a\":1e400,\"a\":2}")]);
}

#[test]
fn nothing_is_read_from_nothing() {
    for shape in [Shape::Auto, Shape::Csv { headers: vec![] }, at("r"), Shape::Whole, Shape::CloudWatch] {
        assert_eq!(read_as(b"", &shape), []);
        let (got, _, _) = read_from(Box::new(io::Cursor::new(gzip(b""))), "x.gz", &shape, &Limits::default());
        assert_eq!(got, []);
    }
}

#[test]
fn ten_thousand_levels_are_a_reject_and_no_stack_overflow() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let broken = "{\"a\":".repeat(10_000);
    check(format!("{deep}\n{{\"b\":2}}"), &[bad(Malformed, &deep), json("{\"b\":2}")]);
    check(format!("{broken}\n{{\"b\":2}}"), &[bad(Malformed, &broken), json("{\"b\":2}")]);
    let lines = deep.replace('[', "[\n ").replace(']', "]\n ");
    assert_eq!(read_as(lines.as_bytes(), &Shape::Auto).len(), 1);
    let wrapped = format!("{{\"r\":[{deep},{{}}]}}");
    assert_eq!(read_as(wrapped.as_bytes(), &at("r")), [bad(Malformed, &deep), json("{}")]);
    let shallow = format!("{{\"a\":{}1{}}}", "[".repeat(127), "]".repeat(127));
    let wide = format!("{{\"a\":[{}0]}}", "{},".repeat(500));
    check(format!("{shallow}\n{wide}"), &[json(&shallow), json(&wide)]);
}

fn padded(before: &'static str, length: u64, after: &'static str) -> Box<dyn Read + Send> {
    let middle = io::repeat(b'x').take(length);
    Box::new(before.as_bytes().chain(middle).chain(after.as_bytes()))
}

#[test]
fn a_record_of_100_mb_is_a_reject_that_keeps_its_beginning_and_the_next_record() {
    let limits = Limits::default();
    let cases: [(&str, &str, Shape); 5] = [
        ("", "\n{\"b\":2}", Shape::Auto),
        ("{\"a\":\"", "\"}\n{\"b\":2}", Shape::Auto),
        ("{\"a\":\"", "\"}{\"b\":2}", Shape::Auto),
        ("{\"r\":[{\"a\":\"", "\"},{\"b\":2}]}", at("r")),
        ("{\"r\":[\"", "\",{\"b\":2}]}", at("r")),
    ];
    for (before, after, shape) in cases {
        let (got, errors, summary) = read_from(padded(before, 100 << 20, after), "x", &shape, &limits);
        let [Got::Bad(TooLarge, raw), rest] = got.as_slice() else { panic!("{} items for {before}", got.len()) };
        assert_eq!(raw.len(), EXCERPT_BYTES);
        assert_eq!(rest, &json("{\"b\":2}"));
        assert_eq!(errors, ["expected a record of at most `16777216` bytes, found a longer one"]);
        assert!(summary.bytes > 100 << 20);
    }
}

#[test]
fn a_csv_row_that_never_ends_is_too_large() {
    let shape = Shape::Csv { headers: vec!["a".into()] };
    let limits = Limits { max_record_bytes: 1 << 20, ..Limits::default() };
    let (got, _, _) = read_from(padded("\"", 8 << 20, "\"\nb\n"), "x", &shape, &limits);
    let [Got::Bad(TooLarge, _), rest] = got.as_slice() else { panic!("{} items", got.len()) };
    assert_eq!(rest, &json("{\"a\":\"b\"}"));
}

#[test]
fn a_record_at_the_limit_is_taken_and_one_beyond_is_not() {
    let limits = Limits { max_record_bytes: 10, ..Limits::default() };
    let read =
        |text: &str| read_from(Box::new(io::Cursor::new(text.as_bytes().to_vec())), "x", &Shape::Auto, &limits).0;
    assert_eq!(read("0123456789\r\n01234567890\nx"), [text("0123456789"), bad(TooLarge, "01234567890"), text("x")]);
    assert_eq!(read("{\"a\":1234}{\"a\":12345}{}"), [json("{\"a\":1234}"), bad(TooLarge, "{\"a\":12345}"), json("{}")]);
}

#[test]
fn csv_rows_are_objects_with_typed_cells() {
    let rows = "a, b ,c\n1,\"x, \"\"y\"\"\",true\n007,9007199254740993,-1.5\r\n\n1e400,,NaN,extra\n2\n";
    assert_eq!(
        read_as(rows.as_bytes(), &Shape::Csv { headers: vec![] }),
        [
            json(r#"{"a":1,"b":"x, \"y\"","c":true}"#),
            json(r#"{"a":"007","b":"9007199254740993","c":-1.5}"#),
            json(r#"{"a":"1e400","b":"","c":"NaN","column_4":"extra"}"#),
            json(r#"{"a":2}"#),
        ]
    );
}

#[test]
fn given_csv_names_make_the_first_row_a_row() {
    let shape = Shape::Csv { headers: vec!["x".into(), "y \"z\"".into()] };
    assert_eq!(
        read_as(b"a,b\xff\n\"l1\nl2\",2", &shape),
        [Got::Bad(Malformed, b"a,b\xff".to_vec()), json("{\"x\":\"l1\\nl2\",\"y \\\"z\\\"\":2}"),]
    );
}

#[test]
fn the_elements_at_a_path_are_found_wherever_it_stands() {
    let document = r#"{"x":{"Records":[{"no":1}]},"s":"a\"]}","n":-1.5e3,"a":{"b":[1],"Rec\u006frds":[ {"y":"]}"} ,2,"t",[3]],"z":{}},"k":[[]]}"#;
    assert_eq!(
        read_as(document.as_bytes(), &at("a.Records")),
        [json(r#"{"y":"]}"}"#), text("2"), text("t"), text("[3]"),]
    );
    let both = r#"[{"Records":[{"a":1}]}, {"Records":null}]
        {"Records":[]}{"Records":[{"b":2}]}"#;
    assert_eq!(read_as(both.as_bytes(), &at("Records")), [json(r#"{"a":1}"#), json(r#"{"b":2}"#)]);
    assert_eq!(read_as(br#"[{"a":1},2]"#, &Shape::JsonArrayAt(vec![])), [json(r#"{"a":1}"#), text("2")]);
}

#[test]
fn a_document_without_the_array_is_a_reject() {
    check_array(r#"{"digest":{"a":1}}{"Records":[{}]}"#, &[bad(Malformed, r#"{"digest":{"a":1}}"#), json("{}")]);
    check_array(r#"{"Records":{"a":1}}"#, &[bad(Malformed, r#"{"Records":{"a":1}}"#)]);
    check_array("not json\n{\"Records\":[{}]}", &[bad(Malformed, "not json"), json("{}")]);
    check_array(r#"{"Records":[{"a":1}"#, &[json(r#"{"a":1}"#), bad(Malformed, "")]);
    check_array(r#"{"Records":[{"a":1},{"b":"#, &[json(r#"{"a":1}"#), bad(Malformed, r#"{"b":"#)]);
    check_array(
        r#"{"Records":[{"a":1},oops,{"b":2}]}"#,
        &[json(r#"{"a":1}"#), bad(Malformed, "oops"), json(r#"{"b":2}"#)],
    );
}

fn check_array(input: &str, expected: &[Got]) {
    assert_eq!(read_as(input.as_bytes(), &at("Records")), expected, "{input}");
}

#[test]
fn cloudwatch_envelopes_hold_the_records() {
    let envelopes = concat!(
        r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"0","timestamp":1,"message":"CWL CONTROL MESSAGE"}]}"#,
        r#"{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"g","logStream":"s","#,
        r#""logEvents":[{"id":"1","timestamp":1700000000000,"message":"a \u00e9 line\n"},"#,
        r#"{"id":"2","timestamp":1700000000001,"message":"{\"a\":1}"}]}"#,
        "\ntext\n{\"b\":2}",
    );
    assert_eq!(
        read_as(envelopes.as_bytes(), &Shape::CloudWatch),
        [
            Got::At(1_700_000_000_000, "a é line".into()),
            Got::At(1_700_000_000_001, "{\"a\":1}".into()),
            bad(Malformed, "text"),
            bad(Malformed, "{\"b\":2}"),
        ]
    );
}

#[test]
fn a_whole_text_is_one_record_up_to_the_limit() {
    assert_eq!(read_as(b"a\n\nb\n", &Shape::Whole), [text("a\n\nb\n")]);
    let limits = Limits { max_expand_bytes: 3, ..Limits::default() };
    let (got, errors, _) = read_from(Box::new(io::Cursor::new(b"abcd".to_vec())), "x", &Shape::Whole, &limits);
    assert_eq!(got, [bad(TooLarge, "abcd")]);
    assert_eq!(errors, ["expected at most `3` bytes to expand at once, found more"]);
}

#[test]
fn an_error_of_the_reader_is_no_fault_of_the_data() {
    struct Unplugged;
    impl Read for Unplugged {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "unplugged"))
        }
    }
    for head in [b"".to_vec(), b"{\"a\":1}\n{".to_vec(), gzip(b"{\"a\":1}\n")[..12].to_vec()] {
        let input = Box::new(io::Cursor::new(head).chain(Unplugged));
        let result =
            read_records::<io::Error>(input, &Hints::default(), &Shape::Auto, &Limits::default(), &mut |item| {
                assert!(matches!(item, Item::Record { .. }), "{item:?}");
                Ok(())
            });
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn the_caller_can_stop() {
    let mut seen = 0;
    let result = read_records::<io::Error>(
        Box::new(io::Cursor::new(b"a\nb\nc".to_vec())),
        &Hints::default(),
        &Shape::Auto,
        &Limits::default(),
        &mut |_| {
            seen += 1;
            if seen == 2 { Err(io::Error::other("enough")) } else { Ok(()) }
        },
    );
    assert_eq!((seen, result.unwrap_err().to_string()), (2, "enough".into()));
}

mod encodings;
mod properties;
