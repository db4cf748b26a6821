//! What to write instead, as code that can be pasted.
//!
//! Programs of 2022 meet a handful of differences: functions that can no longer fail, `to_unix_timestamp` in nanoseconds
//! which now can, `set` and `|=` that want to know that their argument is an object, and arithmetic on values that may be
//! null.

use std::ops::Range;

use transform::VrlDiagnostic;

use super::assignments::unclosed;

/// A rewrite for an error of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advice {
    /// The program was good for the VRL of the original.
    Migrate(String),
    /// It never was, but there is something to paste.
    Rewrite(String),
}

/// The rewrite for an error in `text`, where there is one.
pub(crate) fn advice(error: &VrlDiagnostic, text: &str) -> Option<Advice> {
    let at = one_line(text.get(error.span.clone())?);
    match error.code.as_deref()? {
        // unnecessary error coalescing operation
        "E651" => Some(Advice::Migrate(coalesce(&at))),
        // unnecessary error assignment
        "E104" => {
            let rewrite = error.labels.iter().find_map(|label| label.message.strip_prefix("use: "))?;
            let rewrite = one_line(rewrite);
            Some(Advice::Migrate(format!(
                "the call could fail in older versions of VRL and no longer can; write:\n{rewrite}"
            )))
        }
        // only objects can be merged
        "E652" => Some(Advice::Migrate(merge(error, text, &at))),
        // unhandled error, unhandled fallible assignment, fallible argument
        "E100" | "E103" | "E630" => fallible(error, text, &at),
        // call to undefined function
        "E105" => OUTSIDE.contains(&at.as_str()).then(|| {
            Advice::Rewrite(
                "a program sees its record and nothing else: no network, environment, system or files".to_owned(),
            )
        }),
        // non-boolean predicate
        "E102" => Some(Advice::Rewrite(format!(
            "write this for what is there:\n{at} != null\nor this for what is true:\n{at} == true"
        ))),
        // syntax error: unexpected end of program
        "E204" => unclosed(text).map(|open| Advice::Rewrite(format!("a `{open}` before it is not closed"))),
        // invalid argument type
        "E110" => set(error, text, &at).map(Advice::Migrate),
        // parent path segment rejects this mutation
        "E642" => member(error, text).map(Advice::Migrate),
        _ => None,
    }
}

/// Functions of VRL that reach outside the record, which programs of a project do not have.
const OUTSIDE: &[&str] = &[
    "get_env_var",
    "get_hostname",
    "dns_lookup",
    "reverse_dns",
    "http_request",
    "get_secret",
    "set_secret",
    "remove_secret",
];

/// `call ?? default` where the call cannot fail.
fn coalesce(at: &str) -> String {
    if let Some((function, arguments)) = at.split_once("!(") {
        return format!(
            "`!` rejects the record where `{function}` fails, so what follows `??` is never used; keep one of them:\n\
             {at}\n{function}({arguments} ?? null"
        );
    }
    format!(
        "this could fail in older versions of VRL and no longer can, so what follows `??` is never used; write:\n{at}"
    )
}

/// `|=` with something of which it is not known that it is an object.
fn merge(error: &VrlDiagnostic, text: &str, at: &str) -> String {
    let is_left = text[error.span.end..].trim_start().starts_with('|');
    if is_left {
        return format!(
            "`|=` merges objects, and `{at}` may be something else; write before it:\n{at} = object({at}) ?? {{}}"
        );
    }
    format!("`|=` merges objects, and this may be something else; write behind `|=`:\nobject({at}) ?? {{}}")
}

fn fallible(error: &VrlDiagnostic, text: &str, at: &str) -> Option<Advice> {
    if at.contains("to_unix_timestamp(") && at.contains("nanoseconds") {
        let rewrite = at.replace("to_unix_timestamp(", "to_unix_timestamp!(");
        return Some(Advice::Migrate(format!(
            "nanoseconds of times before 1677 and after 2262 do not fit, which older versions of VRL let pass; write this \
             to reject such a record:\n{rewrite}\nor this to leave the column empty:\n({at}) ?? null"
        )));
    }
    if let Some(rewrite) = with_exclamation_mark(error) {
        return Some(Advice::Rewrite(format!(
            "write this to reject a record where it fails:\n{rewrite}\nor this to leave the column empty:\n{}",
            or_null(at)
        )));
    }
    let (left, operator, right) = arithmetic(at)?;
    let nullable = [left, right].iter().any(|operand| may_be_null(operand, &text[..error.span.start]));
    let defaults = format!("{} {operator} {}", with_default(left, operator), with_default(right, operator));
    let advice = format!(
        "`{operator}` fails where a side of it is null or of another type; write this to leave the column empty then:\n\
         ({at}) ?? null\nor give each side a default:\n{defaults}"
    );
    Some(if nullable { Advice::Migrate(advice) } else { Advice::Rewrite(advice) })
}

/// The compiler's own rewrite with `!`.
fn with_exclamation_mark(error: &VrlDiagnostic) -> Option<&str> {
    let label = error.labels.iter().find(|label| label.message.contains("by adding a `!`: `"))?;
    let (_, rewrite) = label.message.split_once("`!`: `")?;
    rewrite.strip_suffix('`')
}

fn or_null(expression: &str) -> String {
    if arithmetic(expression).is_some() { format!("({expression}) ?? null") } else { format!("{expression} ?? null") }
}

/// Whether an operand was assigned something with `?? null` before.
fn may_be_null(operand: &str, before: &str) -> bool {
    before.lines().any(|line| {
        let line = line.trim();
        let assigned = line.strip_prefix(operand).map(str::trim_start).and_then(|rest| rest.strip_prefix('='));
        assigned.is_some_and(|value| value.trim_end().ends_with("?? null"))
    })
}

/// An operand as one that cannot be null. What is added to something of unknown type is taken for text.
fn with_default(operand: &str, operator: &str) -> String {
    let known = operand.parse::<f64>().is_ok() || operand.starts_with(['"', '(']) || operand.contains("!(");
    match operator {
        _ if known => operand.to_owned(),
        "+" => format!("(to_string({operand}) ?? \"\")"),
        _ => format!("(to_float({operand}) ?? 0.0)"),
    }
}

/// Splits at the last arithmetic operator that stands outside brackets and strings.
fn arithmetic(expression: &str) -> Option<(&str, &str, &str)> {
    let bytes = expression.as_bytes();
    let (mut depth, mut quoted, mut found) = (0_usize, false, None);
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => (),
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'?' | b'=' if depth == 0 => return None,
            b'+' | b'-' | b'*' | b'/' if depth == 0 && spaced(bytes, index) => found = Some(index),
            _ => (),
        }
    }
    let index = found?;
    let (left, right) = (expression[..index].trim(), expression[index + 1..].trim());
    (!left.is_empty() && !right.is_empty()).then(|| (left, &expression[index..=index], right))
}

fn spaced(bytes: &[u8], index: usize) -> bool {
    let blank = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_whitespace);
    blank(index.checked_sub(1)) && blank(Some(index + 1))
}

/// `set(x, path, value)` with an `x` that is known to be no object.
fn set(error: &VrlDiagnostic, text: &str, at: &str) -> Option<String> {
    let before = text.get(..error.span.start)?;
    let called = before.trim_end();
    if !called.ends_with("set(") && !called.ends_with("set!(") {
        return None;
    }
    let lines_before = before.rsplit_once('\n').map_or("", |(lines, _)| lines);
    Some(after_set(at, lines_before).unwrap_or_else(|| {
        format!(
            "`set` takes an object or an array, and `{at}` is neither; write before it:\n{at} = object({at}) ?? {{}}"
        )
    }))
}

/// A member of something that is no object, because `x, err = set(x, ...)` left it so.
fn member(error: &VrlDiagnostic, text: &str) -> Option<String> {
    let parent: Range<usize> = error.labels.iter().find(|label| !label.primary)?.span.clone();
    after_set(text.get(parent)?, text.get(..error.span.start)?)
}

/// The rewrite of the last `name, err = set(...)` before, after which `name` has no known members.
fn after_set(name: &str, before: &str) -> Option<String> {
    let line = before.lines().map(str::trim).rfind(|line| {
        let target = line.split_once(',').map(|(target, _)| target.trim());
        target == Some(name) && (line.contains("= set(") || line.contains("=set("))
    })?;
    let (_, arguments) = line.split_once("set(")?;
    Some(format!(
        "after `{name}, err = set(...)` the VRL of today takes `{name}` for a text; write there:\n{name} = set!({arguments}"
    ))
}

/// Code as one line, cut where it is long.
fn one_line(code: &str) -> String {
    const LONGEST: usize = 160;
    let line = code.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use transform::{EnrichmentTables, ProgramKind, VrlDiagnostics, compile};

    use super::*;

    fn check(text: &str, expected: Option<Advice>) {
        let tables = EnrichmentTables::none();
        let VrlDiagnostics(errors) = compile(text, ProgramKind::Transform, &tables, None).unwrap_err();
        assert_eq!(advice(&errors[0], text), expected, "{text}: {errors:#?}");
    }

    fn last_lines(advice: Option<Advice>) -> (bool, Vec<String>) {
        match advice {
            Some(Advice::Migrate(text)) => (true, text.lines().skip(1).map(str::to_owned).collect()),
            Some(Advice::Rewrite(text)) => (false, text.lines().skip(1).map(str::to_owned).collect()),
            None => panic!("no advice"),
        }
    }

    /// The rewrite's lines, and that each of them compiles where it is put.
    fn check_rewrite(text: &str, migrates: bool, expected: &[&str], mended: &str) {
        let tables = EnrichmentTables::none();
        let VrlDiagnostics(errors) = compile(text, ProgramKind::Transform, &tables, None).unwrap_err();
        let (is_migration, lines) = last_lines(advice(&errors[0], text));
        assert_eq!(is_migration, migrates, "{text}");
        for line in expected {
            assert!(lines.iter().any(|found| found == line), "{line} is not in {lines:#?}");
        }
        if let Err(errors) = compile(mended, ProgramKind::Transform, &tables, None) {
            panic!("{mended}: {errors}");
        }
    }

    #[test]
    fn what_can_no_longer_fail_loses_its_default() {
        let rewrite = r#"join(["a", "b"], "&")"#;
        check_rewrite(r#".x = join(["a", "b"], "&") ?? null"#, true, &[rewrite], &format!(".x = {rewrite}"));
        check_rewrite(
            ".x = string!(.a) ?? null",
            true,
            &["string!(.a)", "string(.a) ?? null"],
            ".x = string(.a) ?? null",
        );
        let rewrite = r#".x = join(["a"], "&")"#;
        check_rewrite(r#".x, err = join(["a"], "&")"#, true, &[rewrite], rewrite);
    }

    #[test]
    fn nanoseconds_can_fail() {
        let text = r#".x = to_unix_timestamp(now(), unit: "nanoseconds")"#;
        let rewrite = r#"to_unix_timestamp!(now(), unit: "nanoseconds")"#;
        check_rewrite(text, true, &[rewrite], &format!(".x = {rewrite}"));
    }

    #[test]
    fn only_objects_can_be_merged() {
        check_rewrite(". |= .json", true, &["object(.json) ?? {}"], ". |= object(.json) ?? {}");
        check_rewrite(".a |= {\"b\": 1}", true, &[".a = object(.a) ?? {}"], ".a = object(.a) ?? {}\n.a |= {\"b\": 1}");
    }

    #[test]
    fn a_target_of_set_keeps_its_type() {
        let text = "x = .json\nx, err = set(x, [\"a\"], 1)\nx.b = 2\n.y = x";
        let rewrite = "x = set!(x, [\"a\"], 1)";
        check_rewrite(text, true, &[rewrite], "x = .json\nx = set!(x, [\"a\"], 1)\nx.b = 2\n.y = x");
        let text = "x = .json\nx, err = set(x, [\"a\"], 1)\nx, err = set(x, [\"c\"], 1)\n.y = x";
        check_rewrite(text, true, &[rewrite], "x = .json\nx = set!(x, [\"a\"], 1)\nx = set!(x, [\"c\"], 1)\n.y = x");
        let text = "x = null\nx, err = set(x, [\"a\"], 1)\n.y = x";
        check_rewrite(text, true, &["x = object(x) ?? {}"], "x = {}\nx = set!(x, [\"a\"], 1)\n.y = x");
    }

    #[test]
    fn arithmetic_gets_defaults_and_is_migration_only_where_a_null_was_let_in() {
        let rewrite = "(to_float(.a) ?? 0.0) * 2";
        check_rewrite(".x = .a * 2", false, &[rewrite, "(.a * 2) ?? null"], &format!(".x = {rewrite}"));
        let rewrite = "(to_string(.a) ?? \"\") + \"!\"";
        check_rewrite(".x = .a + \"!\"", false, &[rewrite], &format!(".x = {rewrite}"));
        let text = ".a = int(.json.a) ?? null\n.x = .a * 1000";
        check_rewrite(text, true, &["(.a * 1000) ?? null"], ".a = int(.json.a) ?? null\n.x = (.a * 1000) ?? null");
    }

    #[test]
    fn what_can_fail_gets_both_ways_to_handle_it() {
        let expected = ["downcase!(.a)", "downcase(.a) ?? null"];
        check_rewrite(".x = downcase(.a)", false, &expected, ".x = downcase!(.a)\n.y = downcase(.a) ?? null");
        let expected = ["length!(.a) - 1", "(length(.a) - 1) ?? null"];
        check_rewrite(".x = length(.a) - 1", false, &expected, ".x = length!(.a) - 1\n.y = (length(.a) - 1) ?? null");
        check_rewrite(
            "if .a { .x = 1 }",
            false,
            &[".a != null", ".a == true"],
            "if .a != null || .a == true { .x = 1 }",
        );
    }

    #[test]
    fn other_errors_are_left_to_the_compiler_or_get_a_word() {
        check(".x = dwncase(.a)", None);
        check(".a = int(.b) ?? null\n.a.c = 1", None);
        check(".x = (.a", Some(Advice::Rewrite("a `(` before it is not closed".to_owned())));
    }
}
