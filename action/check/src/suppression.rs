//! Comments that silence rules on a line: `# matano: ignore[untested-detection]`.

use std::collections::BTreeMap;

use project::{Diagnostic, Span, source::Source};

use crate::{
    rule::Rule,
    rules::{self, MANDATORY_RULE, UNUSED_SUPPRESSION},
};

/// A comment and what it silences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suppression {
    pub(crate) file: String,
    /// The line whose findings are silenced, counted from 1.
    line: usize,
    /// From `#` to the bracket that closes.
    span: Span,
    /// The ids, and where each stands.
    pub(crate) rules: Vec<(String, Span)>,
}

/// Those of a YAML file, those of the VRL in it included: a comment begins alike in both.
pub(crate) fn of_yaml(source: &Source) -> Vec<Suppression> {
    let text = source.text();
    let comments = text.match_indices('#').filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || c == '\u{feff}')
    });
    in_comments(source, comments.map(|(at, _)| at))
}

/// Those of the comments that begin at these offsets.
pub(crate) fn in_comments(source: &Source, starts: impl Iterator<Item = usize>) -> Vec<Suppression> {
    starts.filter_map(|start| suppression(source, start)).collect()
}

fn suppression(source: &Source, start: usize) -> Option<Suppression> {
    let text = source.text();
    let comment = text[start..].lines().next()?;
    let marked = comment.trim_start_matches('#').trim_start().strip_prefix("matano:")?.trim_start();
    let behind = marked.strip_prefix("ignore")?;
    // `ignored` is a word of its own
    if behind.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-') {
        return None;
    }
    let open = start + comment.len() - behind.len();
    let list = behind.strip_prefix('[').and_then(|list| list.split_once(']')).map(|(list, _)| list);
    let (mut rules, mut at) = (Vec::new(), open + 1);
    for item in list.into_iter().flat_map(|list| list.split(',')) {
        let id = item.trim();
        let from = at + item.len() - item.trim_start().len();
        if !id.is_empty() {
            rules.push((id.to_owned(), source.span(from, from + id.len())));
        }
        at += item.len() + 1;
    }
    let end = list.map_or(open, |list| open + list.len() + 2);
    let span = source.span(start, end);
    let line = if is_alone(text, start) { line_below(source, start) } else { span.start.line };
    Some(Suppression { file: source.file().to_owned(), line, span, rules })
}

/// Whether nothing but the comment is on its line.
fn is_alone(text: &str, start: usize) -> bool {
    let line = text[..start].rsplit('\n').next().unwrap_or_default();
    line.trim_start_matches('\u{feff}').trim().is_empty()
}

/// The next line that says something besides comments.
fn line_below(source: &Source, start: usize) -> usize {
    let own = source.pos(start).line;
    let lines = source.text()[start..].lines().skip(1);
    let above = lines.take_while(|line| line.trim().is_empty() || line.trim_start().starts_with('#')).count();
    own + 1 + above
}

/// An id in a comment, and what came of it.
struct Named<'a> {
    file: &'a str,
    span: Span,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing on the line breaks the rule.
    Unused,
    /// It silenced something.
    Used,
    /// What it would silence has to stay.
    Refused,
}

/// Drops what comments silence, and tells of the comments that silence nothing or what they cannot.
pub(crate) fn silence(diagnostics: Vec<Diagnostic>, suppressions: &[Suppression]) -> Vec<Diagnostic> {
    if suppressions.is_empty() {
        return diagnostics;
    }
    let mut named: BTreeMap<(String, usize, String), Named<'_>> = BTreeMap::new();
    let mut repeated = Vec::new();
    for Suppression { file, line, span: _, rules } in suppressions {
        for (id, span) in rules {
            let fresh = Named { file, span: *span, outcome: Outcome::Unused };
            if let Some(earlier) = named.insert((file.clone(), *line, id.clone()), fresh) {
                repeated.push(earlier);
            }
        }
    }
    let mut kept = Vec::new();
    for diagnostic in diagnostics {
        let line = diagnostic.span.map_or(0, |span| span.start.line);
        match named.get_mut(&(diagnostic.file.clone(), line, diagnostic.rule.to_owned())) {
            Some(named) if rules::of(diagnostic.rule).is_some_and(|rule| rule.requires(&diagnostic)) => {
                named.outcome = Outcome::Refused;
                kept.push(diagnostic);
            }
            Some(named) => named.outcome = Outcome::Used,
            None => kept.push(diagnostic),
        }
    }
    // where something could not be read, what it would have broken is not known
    let is_whole = !kept.iter().any(|one| rules::of(one.rule).is_none_or(|rule| rule.requires(one)));
    for ((_, _, id), named) in &named {
        kept.extend(told(id, named, is_whole));
    }
    if is_whole {
        kept.extend(repeated.iter().map(|named| unused(named.file, named.span, "it is silenced on this line already")));
        kept.extend(suppressions.iter().filter(|one| one.rules.is_empty()).map(names_nothing));
    }
    kept
}

fn told(id: &str, named: &Named<'_>, is_whole: bool) -> Option<Diagnostic> {
    let Named { file, span, outcome } = named;
    match outcome {
        Outcome::Used => None,
        Outcome::Refused => {
            let message = format!("what breaks `{id}` cannot be silenced: nothing can be released with it");
            Some(MANDATORY_RULE.diagnostic(file, Some(*span), message).help("mend it, and remove the comment"))
        }
        // another rule tells of ids that are none
        Outcome::Unused if !is_whole || rules::of(id).is_none() => None,
        Outcome::Unused => {
            let message = format!("nothing on the line breaks `{id}`");
            Some(unused(file, *span, message).help("remove it from the comment"))
        }
    }
}

fn names_nothing(suppression: &Suppression) -> Diagnostic {
    let message = "expected the rules to silence, found none";
    unused(&suppression.file, suppression.span, message).help("name them, as in `# matano: ignore[untested-detection]`")
}

fn unused(file: &str, span: Span, message: impl Into<String>) -> Diagnostic {
    const RULE: &Rule = &UNUSED_SUPPRESSION;
    RULE.diagnostic(file, Some(span), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, &[&str])]) {
        let source = Source::new("f", text.to_owned());
        let found = of_yaml(&source);
        let shown: Vec<(usize, Vec<&str>)> =
            found.iter().map(|one| (one.line, one.rules.iter().map(|(id, _)| id.as_str()).collect())).collect();
        let expected: Vec<(usize, Vec<&str>)> = expected.iter().map(|(line, ids)| (*line, ids.to_vec())).collect();
        assert_eq!(shown, expected, "{text}");
        for (id, span) in found.iter().flat_map(|one| &one.rules) {
            assert_eq!(&text[span.start.offset..span.end.offset], id);
        }
    }

    #[test]
    fn a_comment_silences_its_own_line_or_the_one_below() {
        check("a: b # matano: ignore[x-y]\n", &[(1, &["x-y"])]);
        check("# matano: ignore[x]\na: b\n", &[(2, &["x"])]);
        check("  # matano: ignore[x]\n\n  # why\n  a: b\n", &[(4, &["x"])]);
        check("\u{feff}# matano: ignore[x]\r\na: b\r\n", &[(2, &["x"])]);
    }

    #[test]
    fn several_rules_and_a_reason_fit_into_one_comment() {
        check("a: b #matano:ignore[x, y ,z] because of that\n", &[(1, &["x", "y", "z"])]);
        check("a: b # matano: ignore[]\n", &[(1, &[])]);
        check("a: b # matano: ignore\n", &[(1, &[])]);
        check("a: b # matano: ignore[x\n", &[(1, &[])]);
    }

    #[test]
    fn other_comments_and_texts_are_none() {
        check("a: b # ignore[x]\n# matano ignore[x]\n", &[]);
        check("a: b#matano: ignore[x]\n", &[]);
        check("a: b # matano: ignored[x]\n", &[]);
    }
}
