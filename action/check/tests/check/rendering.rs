use check::render::{
    json,
    terminal::{self, Colors, Terminal},
};
use project::{Diagnostic, FileSet, Level, Pos, Related, Span};
use proptest::prelude::*;

fn span(start: (usize, usize), end: (usize, usize)) -> Span {
    let pos = |(line, column)| Pos { line, column, offset: 0 };
    Span { start: pos(start), end: pos(end) }
}

fn diagnostic(span: Option<Span>) -> Diagnostic {
    Diagnostic {
        rule: "unknown-table",
        severity: Level::Error,
        file: "detections/root_login/detection.yml".to_owned(),
        span,
        message: "table `aws_cloudtrial` does not exist".to_owned(),
        help: Some("did you mean `aws_cloudtrail`?".to_owned()),
        related: Vec::new(),
        fix: None,
    }
}

fn files(text: &str) -> FileSet {
    [("detections/root_login/detection.yml", text)].into_iter().collect()
}

fn check(text: &str, span: Span, expected: &str) {
    assert_eq!(terminal::one(&diagnostic(Some(span)), &files(text), Terminal::default()), expected);
}

#[test]
fn a_diagnostic_reads_as_the_style_guide_has_it() {
    let text = format!("{}tables:\n  - aws_cloudtrial\n", "\n".repeat(12));
    check(
        &text,
        span((14, 5), (14, 19)),
        "error[unknown-table]: table `aws_cloudtrial` does not exist
  --> detections/root_login/detection.yml:14:5
   |
14 |   - aws_cloudtrial
   |     ^^^^^^^^^^^^^^
help: did you mean `aws_cloudtrail`?
",
    );
}

#[test]
fn tabs_emoji_and_windows_line_ends_keep_the_carets_in_place() {
    check(
        "\u{feff}name: 🚀\t日本 x # y\r\ntables: []\r\n",
        span((1, 12), (1, 13)),
        "error[unknown-table]: table `aws_cloudtrial` does not exist
 --> detections/root_login/detection.yml:1:12
  |
1 | name: 🚀    日本 x # y
  |                  ^
help: did you mean `aws_cloudtrail`?
",
    );
}

#[test]
fn other_places_follow_as_notes_with_one_gutter() {
    let mut one = diagnostic(Some(span((2, 1), (2, 2))));
    one.related.push(Related {
        file: "detections/root_login/detection.yml".to_owned(),
        span: Some(span((11, 1), (12, 2))),
        message: "first named here".to_owned(),
    });
    let text = "a\nb\n\n\n\n\n\n\n\n\nc:\n  d\n";
    assert_eq!(
        terminal::one(&one, &files(text), Terminal::default()),
        "error[unknown-table]: table `aws_cloudtrial` does not exist
  --> detections/root_login/detection.yml:2:1
   |
 2 | b
   | ^
note: first named here
  --> detections/root_login/detection.yml:11:1
   |
11 | c:
   | ^^
help: did you mean `aws_cloudtrail`?
"
    );
}

#[test]
fn a_file_that_is_not_at_hand_has_no_excerpt() {
    let one = terminal::one(&diagnostic(Some(span((3, 2), (3, 9)))), &FileSet::new(), Terminal::default());
    assert_eq!(
        one,
        "error[unknown-table]: table `aws_cloudtrial` does not exist
 --> detections/root_login/detection.yml:3:2
help: did you mean `aws_cloudtrail`?
"
    );
}

#[test]
fn colours_are_written_only_when_asked_for() {
    let one = diagnostic(Some(span((1, 1), (1, 2))));
    let plain = terminal::one(&one, &files("a"), Terminal { colors: Colors::Off, ..Terminal::default() });
    let colored = terminal::one(&one, &files("a"), Terminal { colors: Colors::On, ..Terminal::default() });
    assert!(!plain.contains('\u{1b}'));
    assert_eq!(without_colors(&colored), plain);
    assert!(colored.starts_with("\u{1b}[1;31merror[unknown-table]\u{1b}[0m"), "{colored:?}");
}

#[test]
fn text_of_users_cannot_steer_a_terminal() {
    let mut one = diagnostic(Some(span((1, 1), (1, 4))));
    one.message = "table `\u{1b}]0;owned\u{7}` does not exist\nerror: forged".to_owned();
    one.help = Some("\u{1b}[2J\nsecond line \u{202e}desrever".to_owned());
    let files = files("a\u{1b}[31mb\u{9b}2J");
    let shown = terminal::report(&[one], &files, Terminal::default());
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(!shown.contains('\u{202e}'));
    assert!(!shown.lines().any(|line| line.starts_with("error: forged")), "{shown}");
}

#[test]
fn a_report_ends_with_the_counts() {
    let mut warning = diagnostic(None);
    warning.severity = Level::Warning;
    warning.file = "matano.config.yml".to_owned();
    let error = diagnostic(None);
    let report = terminal::report(&[error.clone(), error, warning], &FileSet::new(), Terminal::default());
    assert!(report.ends_with("\n2 errors, 1 warning in 2 files\n"), "{report}");
    assert_eq!(terminal::report(&[], &FileSet::new(), Terminal::default()), "no problems found\n");
}

#[test]
fn the_json_object_is_the_documented_one() {
    let mut one = diagnostic(Some(Span {
        start: Pos { line: 14, column: 5, offset: 211 },
        end: Pos { line: 14, column: 19, offset: 225 },
    }));
    one.related.push(Related { file: "a".to_owned(), span: None, message: "b".to_owned() });
    let found: serde_json::Value = serde_json::from_str(&json::report(&[one])).unwrap();
    assert_eq!(
        found,
        serde_json::json!({
            "version": 1,
            "diagnostics": [{
                "rule": "unknown-table",
                "level": "error",
                "file": "detections/root_login/detection.yml",
                "span": {
                    "start": {"line": 14, "column": 5, "offset": 211},
                    "end": {"line": 14, "column": 19, "offset": 225},
                },
                "message": "table `aws_cloudtrial` does not exist",
                "help": "did you mean `aws_cloudtrail`?",
                "related": [{"file": "a", "span": null, "message": "b"}],
            }],
            "summary": {"errors": 1, "warnings": 0, "notes": 0, "files": 1},
        })
    );
}

fn without_colors(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    out + rest
}

/// Pieces that make columns and bytes disagree.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "é",
        "漢",
        "🚀",
        "👩\u{200d}👧",
        "e\u{301}",
        "\u{feff}",
        "\u{1b}[31m",
        "\u{202e}",
        "\0",
        "key: value",
        "| ",
        "\u{9b}",
        "\u{e0041}",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn pos() -> impl Strategy<Value = Pos> {
    let number = || prop_oneof![4 => 0..30_usize, 1 => Just(usize::MAX)];
    (number(), number(), number()).prop_map(|(line, column, offset)| Pos { line, column, offset })
}

proptest! {
    #[test]
    fn any_span_can_be_rendered(text in text(), message in text(), start in pos(), end in pos(), width in 0..50_usize) {
        let mut one = diagnostic(Some(Span { start, end }));
        one.message = message.clone();
        one.help = Some(message);
        one.related.push(Related { file: one.file.clone(), span: Some(Span { start: end, end: start }), message: text.clone() });
        let files = files(&text);
        let all = [one];
        let plain = terminal::report(&all, &files, Terminal { colors: Colors::Off, width });
        prop_assert!(plain.chars().all(|c| c == '\n' || !c.is_control()));
        let colored = terminal::report(&all, &files, Terminal { colors: Colors::On, width });
        prop_assert_eq!(without_colors(&colored).replace(' ', ""), plain.replace(' ', ""));
        let json: serde_json::Value = serde_json::from_str(&json::report(&all)).unwrap();
        prop_assert_eq!(&json["diagnostics"][0]["message"], &serde_json::Value::from(all[0].message.as_str()));
    }
}

#[test]
fn files_that_come_with_matano_have_excerpts_too() {
    let mut one = diagnostic(Some(span((1, 1), (1, 5))));
    one.file = "managed:aws_cloudtrail/log_source.yml".to_owned();
    let first = project::managed::files().get("aws_cloudtrail/log_source.yml").unwrap();
    let first = String::from_utf8_lossy(first).lines().next().unwrap().to_owned();
    let shown = terminal::one(&one, &FileSet::new(), Terminal::default());
    assert!(shown.contains(&format!("1 | {first}\n  | ^^^^\n")), "{shown}");
}
