//! What a place in a detection's Python is: the path of a column, or a name of an enrichment table.

/// A place in Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PythonPlace {
    /// The path of a column is written. `before` is what steps before it lead to, with a final dot: `event.` for
    /// `record["event"]["`.
    Column {
        /// The steps before.
        before: String,
        /// Where the word begins.
        start: usize,
    },
    /// An attribute of `enrichment`, or a name imported from it.
    Enrichment {
        /// Where the word begins.
        start: usize,
    },
    /// A rule named in a comment.
    Rule {
        /// Where the word begins.
        start: usize,
    },
    /// Anything else.
    Other,
}

/// The place at a byte offset.
pub(crate) fn at(text: &str, offset: usize) -> PythonPlace {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let line_start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[line_start..offset];
    match state(line) {
        State::Text { opened } => match column_of(&line[..opened]) {
            Some(before) => PythonPlace::Column { before, start: line_start + opened + 1 },
            None => PythonPlace::Other,
        },
        State::Comment if line.contains("matano") => {
            let start = line.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '-').map_or(0, |at| at + 1);
            PythonPlace::Rule { start: line_start + start }
        }
        State::Comment => PythonPlace::Other,
        State::Code => code(line, line_start),
    }
}

enum State {
    Code,
    Comment,
    /// Within a string that was opened there.
    Text {
        opened: usize,
    },
}

fn state(line: &str) -> State {
    let mut state = State::Code;
    let mut quote = ' ';
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match state {
            State::Comment => break,
            State::Code if matches!(c, '"' | '\'') => (quote, state) = (c, State::Text { opened: at }),
            State::Code if c == '#' => state = State::Comment,
            State::Code => (),
            State::Text { .. } if escaped => escaped = false,
            State::Text { .. } if c == '\\' => escaped = true,
            State::Text { .. } if c == quote => state = State::Code,
            State::Text { .. } => (),
        }
    }
    state
}

/// Whether a string that follows names a column: the argument of `deepget(` or `get(`, or a subscript. What steps before
/// it lead to.
fn column_of(before: &str) -> Option<String> {
    let before = before.trim_end();
    let object = match before.strip_suffix('[') {
        Some(object) => object,
        None => {
            let call = before.strip_suffix('(')?.trim_end();
            call.strip_suffix("deepget").or_else(|| call.strip_suffix("get"))?.trim_end().strip_suffix('.')?
        }
    };
    // `[` of a list, and not of a subscript
    if !object.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ']' | ')')) {
        return None;
    }
    let mut steps = Vec::new();
    let mut object = object;
    while let Some((rest, step)) = last_step(object) {
        steps.push(step);
        object = rest;
    }
    steps.reverse();
    Some(steps.iter().map(|step| format!("{step}.")).collect())
}

/// The last `["a"]`, `.get("a")` or `.deepget("a.b")` of an expression.
fn last_step(object: &str) -> Option<(&str, &str)> {
    let (inner, close) = match object.strip_suffix(']') {
        Some(inner) => (inner, '['),
        None => (object.strip_suffix(')')?, '('),
    };
    // a default value follows a comma
    let open = inner.rfind(close)?;
    let argument = inner[open + 1..].split(',').next()?.trim();
    let quote = argument.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let step = argument.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut rest = &inner[..open];
    if close == '(' {
        rest = rest.strip_suffix("deepget").or_else(|| rest.strip_suffix("get"))?.strip_suffix('.')?;
    }
    Some((rest, step))
}

fn code(line: &str, line_start: usize) -> PythonPlace {
    let word_at = line.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    let before = &line[..word_at];
    let start = line_start + word_at;
    let imported = line.trim_start().strip_prefix("from ").and_then(|rest| rest.split_once(" import "));
    if imported.is_some_and(|(module, _)| module.trim().ends_with("enrichment")) || before.ends_with("enrichment.") {
        return PythonPlace::Enrichment { start };
    }
    PythonPlace::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `‸` is the place.
    fn check(text: &str, expected: PythonPlace) {
        let offset = text.find('‸').unwrap();
        assert_eq!(at(&text.replace('‸', ""), offset), expected, "{text}");
    }

    fn column(before: &str, start: usize) -> PythonPlace {
        PythonPlace::Column { before: before.to_owned(), start }
    }

    #[test]
    fn strings_that_name_columns_are_known() {
        check("    r.deepget(\"event.out‸", column("", 15));
        check("x = r[\"‸\"]", column("", 7));
        check("r.get('user', {}).get('na‸", column("user.", 23));
        check("r[\"event\"][\"‸", column("event.", 12));
        check("r.deepget(\"a.b\").get(\"‸", column("a.b.", 22));
    }

    #[test]
    fn other_strings_are_left_alone() {
        check("x = \"event.‸", PythonPlace::Other);
        check("x = [\"‸", PythonPlace::Other);
        check("print(\"‸", PythonPlace::Other);
        check("# r.get(\"‸", PythonPlace::Other);
    }

    #[test]
    fn enrichment_tables_are_asked_for() {
        check("enrichment.bad‸", PythonPlace::Enrichment { start: 11 });
        check("from detection.enrichment import b‸", PythonPlace::Enrichment { start: 33 });
        check("enrichment.bad_ips.g‸", PythonPlace::Other);
    }

    #[test]
    fn rules_are_named_in_comments() {
        check("x = 1  # matano: ignore[unkn‸", PythonPlace::Rule { start: 24 });
        check("x = 1  # other‸", PythonPlace::Other);
    }
}
