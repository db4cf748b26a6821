//! Lines of a file with a span marked.
//!
//! Our own and small rather than `annotate-snippets` 0.12: that crate draws a separator between an excerpt and its help,
//! panics on a span that ends behind the text, and lets the control characters U+0080 to U+009F through to the terminal.
//! Here every span is clamped, so any span can be drawn.

use std::ops::Range;

use project::Span;

use super::printable;

/// A span of more lines than this loses its middle.
const MOST_LINES: usize = 7;
/// How many lines are shown before and after the lost middle.
const HEAD: usize = 4;
const TAIL: usize = 2;

/// One row of an excerpt, without its gutter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// A line of the file.
    Source { number: usize, bar: Option<char>, text: String },
    /// Carets under the line before.
    Mark { bar: Option<char>, text: String },
    /// Lines left out.
    Skipped,
}

/// A place: line and column from zero, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    line: usize,
    column: usize,
}

/// The rows that show `span` in `text`, each at most `limit` columns wide.
pub(super) fn rows(text: &str, span: &Span, limit: usize) -> Vec<Row> {
    let lines = lines(text);
    let start = clamp(&lines, span.start.line, span.start.column);
    let end = last_place(&lines, start, clamp(&lines, span.end.line, span.end.column));
    if start.line == end.line {
        let cut = cut(lines[start.line], start.column..end.column, limit);
        return vec![
            Row::Source { number: start.line + 1, bar: None, text: cut.text },
            Row::Mark { bar: None, text: format!("{}{}", " ".repeat(cut.lead), "^".repeat(cut.marked)) },
        ];
    }
    many_rows(&lines, start, end, limit.saturating_sub(2))
}

fn many_rows(lines: &[&str], start: Place, end: Place, limit: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let first = lines[start.line];
    let cut_first = cut(first, start.column..start.column + 1, limit);
    let starts_the_line = first.chars().take(start.column).all(char::is_whitespace);
    let bar = if starts_the_line { '/' } else { ' ' };
    rows.push(Row::Source { number: start.line + 1, bar: Some(bar), text: cut_first.text });
    if !starts_the_line {
        rows.push(Row::Mark { bar: Some(' '), text: format!("{}^", "_".repeat(cut_first.lead + 1)) });
    }
    let count = end.line - start.line + 1;
    for (index, line) in lines[start.line..end.line].iter().enumerate().skip(1) {
        if count > MOST_LINES && index >= HEAD && index < count - TAIL {
            if index == HEAD {
                rows.push(Row::Skipped);
            }
            continue;
        }
        let number = start.line + index + 1;
        rows.push(Row::Source { number, bar: Some('|'), text: cut(line, 0..0, limit).text });
    }
    let last = end.column.saturating_sub(1);
    let cut_last = cut(lines[end.line], last..last + 1, limit);
    rows.push(Row::Source { number: end.line + 1, bar: Some('|'), text: cut_last.text });
    rows.push(Row::Mark { bar: Some('|'), text: format!("{}^", "_".repeat(cut_last.lead + 1)) });
    rows
}

/// The largest line number among rows.
pub(super) fn largest_number(rows: &[Row]) -> usize {
    let number = |row: &Row| match row {
        Row::Source { number, .. } => *number,
        Row::Mark { .. } | Row::Skipped => 0,
    };
    rows.iter().map(number).max().unwrap_or(0)
}

/// Lines as `project::Source` counts them, without their ends. A byte order mark belongs to none.
fn lines(text: &str) -> Vec<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect()
}

fn clamp(lines: &[&str], line: usize, column: usize) -> Place {
    let wanted = line.saturating_sub(1);
    let line = wanted.min(lines.len() - 1);
    let length = lines[line].chars().count();
    let column = if wanted > line { length } else { column.saturating_sub(1).min(length) };
    Place { line, column }
}

/// Where a span's last row ends: a block's span reaches to the start of the next line, and blank lines show nothing.
fn last_place(lines: &[&str], start: Place, mut end: Place) -> Place {
    while end.line > start.line && lines[end.line].chars().take(end.column).all(char::is_whitespace) {
        end = Place { line: end.line - 1, column: lines[end.line - 1].chars().count() };
    }
    end.max(start)
}

/// A line cut to fit.
struct Cut {
    /// What is shown.
    text: String,
    /// Columns before the first marked one.
    lead: usize,
    /// Marked columns, one at least.
    marked: usize,
}

/// Cuts a line around the characters of `focus`; what is left out shows as `…`.
fn cut(line: &str, focus: Range<usize>, limit: usize) -> Cut {
    let chars: Vec<char> = line.trim_end().chars().collect();
    let widths: Vec<usize> = chars.iter().map(|c| printable::width(*c)).collect();
    let total: usize = widths.iter().sum();
    let window = if total <= limit { 0..chars.len() } else { window(&widths, &focus, limit.max(8) - 2) };
    let mut text = String::new();
    let mut lead = 0;
    if window.start > 0 {
        text.push('…');
        lead = 1;
    }
    chars[window.clone()].iter().for_each(|c| printable::push(&mut text, *c));
    if window.end < chars.len() {
        text.push('…');
    }
    let visible = |from: usize, to: usize| -> usize {
        let (from, to) = (from.max(window.start).min(window.end), to.max(window.start).min(window.end));
        widths[from..to.max(from)].iter().sum()
    };
    lead += visible(window.start, focus.start);
    // a place after the end of the line: the end of a flow sequence that is missing, trailing blanks
    lead += focus.start.saturating_sub(chars.len()).min(limit);
    Cut { text, lead, marked: visible(focus.start, focus.end).max(1) }
}

/// The characters to keep: the focus from its start, with as much before as after it where there is room.
fn window(widths: &[usize], focus: &Range<usize>, limit: usize) -> Range<usize> {
    let start = focus.start.min(widths.len());
    let end = focus.end.clamp(start, widths.len());
    let focused: usize = widths[start..end].iter().sum();
    let before = if focused >= limit { limit / 8 } else { (limit - focused) / 2 };
    let mut from = start;
    let mut used = 0;
    while from > 0 && used + widths[from - 1] <= before {
        from -= 1;
        used += widths[from];
    }
    let mut to = start;
    while to < widths.len() && used + widths[to] <= limit {
        used += widths[to];
        to += 1;
    }
    // room left after the end of the line goes before the start
    while from > 0 && used + widths[from - 1] <= limit {
        from -= 1;
        used += widths[from];
    }
    from..to
}

#[cfg(test)]
mod tests {
    use project::Pos;

    use super::*;

    fn span(start: (usize, usize), end: (usize, usize)) -> Span {
        let pos = |(line, column)| Pos { line, column, offset: 0 };
        Span { start: pos(start), end: pos(end) }
    }

    fn check(text: &str, start: (usize, usize), end: (usize, usize), limit: usize, expected: &[&str]) {
        let shown: Vec<String> = rows(text, &span(start, end), limit)
            .into_iter()
            .map(|row| match row {
                Row::Source { number, bar, text } => {
                    format!("{number}|{}{text}", bar.map(|c| format!("{c} ")).unwrap_or_default())
                }
                Row::Mark { bar, text } => format!(" |{}{text}", bar.map(String::from).unwrap_or_default()),
                Row::Skipped => "...".to_owned(),
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn carets_stand_under_the_span() {
        check("a: b\nkey: value\n", (2, 6), (2, 11), 80, &["2|key: value", " |     ^^^^^"]);
    }

    #[test]
    fn tabs_and_wide_characters_move_the_carets() {
        check("\tx: 漢字 🚀 y", (1, 5), (1, 7), 80, &["1|    x: 漢字 🚀 y", " |       ^^^^"]);
        check("🚀🚀 y", (1, 4), (1, 5), 80, &["1|🚀🚀 y", " |     ^"]);
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_are_not_shown() {
        check("\u{feff}a: 1\r\nb: 2\r\n", (1, 1), (1, 2), 80, &["1|a: 1", " |^"]);
        check("\u{feff}a: 1\r\nb: 2\r\n", (2, 4), (2, 5), 80, &["2|b: 2", " |   ^"]);
    }

    #[test]
    fn a_place_after_the_end_has_a_caret_too() {
        check("a: [", (1, 5), (1, 5), 80, &["1|a: [", " |    ^"]);
        check("a\n", (9, 9), (9, 12), 80, &["2|", " |^"]);
        check("", (1, 1), (1, 1), 80, &["1|", " |^"]);
    }

    #[test]
    fn many_lines_have_a_bar() {
        check("a:\n  b: 1\n  c: 2\nd: 3\n", (2, 3), (3, 7), 80, &["2|/   b: 1", "3||   c: 2", " ||______^"]);
        check("x = f(\n  1,\n)\n", (1, 5), (3, 2), 80, &["1|  x = f(", " | _____^", "2||   1,", "3|| )", " ||_^"]);
    }

    #[test]
    fn a_span_to_the_start_of_the_next_line_ends_before_it() {
        check("a: 1\nb: 2\n", (1, 1), (2, 1), 80, &["1|a: 1", " |^^^^"]);
        check("a: 1\n\n\nb: 2\n", (1, 1), (4, 1), 80, &["1|a: 1", " |^^^^"]);
    }

    #[test]
    fn the_middle_of_a_long_span_is_left_out() {
        let text: String = (1..=20).map(|n| format!("l{n}\n")).collect();
        let expected = ["1|/ l1", "2|| l2", "3|| l3", "4|| l4", "...", "19|| l19", "20|| l20", " ||___^"];
        check(&text, (1, 1), (20, 4), 80, &expected);
    }

    #[test]
    fn long_lines_are_cut_around_the_span() {
        let line = format!("{}here{}", "a".repeat(100), "b".repeat(100));
        check(&line, (1, 101), (1, 105), 20, &["1|…aaaaaaaherebbbbbbb…", " |        ^^^^"]);
        check(&line, (1, 1), (1, 205), 20, &["1|aaaaaaaaaaaaaaaaaa…", " |^^^^^^^^^^^^^^^^^^"]);
        check(&line, (1, 204), (1, 205), 20, &["1|…bbbbbbbbbbbbbbbbbb", " |                  ^"]);
    }
}
