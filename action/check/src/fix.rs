//! Applies fixes to the texts of a project: just their edits, so that comments and layout stay as they are.

use std::collections::BTreeMap;

use project::{
    Diagnostic, FileSet,
    diagnostic::{Edit, Fix, Safety},
};

/// Files with fixes in them.
#[derive(Debug, Default, PartialEq)]
pub struct Fixed<'a> {
    /// The files that changed.
    pub files: FileSet,
    /// Whose fixes they are, in the order of files and places.
    pub diagnostics: Vec<&'a Diagnostic>,
}

/// Applies every safe fix to the files of a project. Of fixes that touch the same stretch the first counts; the other one
/// is found again when the result is checked. Files that come with matano are not the project's to change.
pub fn apply<'a>(files: &FileSet, diagnostics: &'a [Diagnostic]) -> Fixed<'a> {
    let mut by_file: BTreeMap<&str, Vec<(&Diagnostic, &Fix)>> = BTreeMap::new();
    for diagnostic in diagnostics {
        if let Some(fix) = diagnostic.fix.as_ref().filter(|fix| fix.safety == Safety::Safe) {
            by_file.entry(&diagnostic.file).or_default().push((diagnostic, fix));
        }
    }
    let mut out = Fixed::default();
    for (file, fixes) in by_file {
        let Some(text) = files.get(file).and_then(|bytes| std::str::from_utf8(bytes).ok()) else { continue };
        let (mut edits, mut applied): (Vec<&Edit>, _) = (Vec::new(), Vec::new());
        for (diagnostic, fix) in fixes {
            let is_known = !fix.edits.is_empty() && fix.edits.iter().all(|edit| edits.contains(&edit));
            let is_free = fix.edits.iter().all(|edit| fits(edit, text) && !edits.iter().any(|one| touch(one, edit)));
            if !fix.edits.is_empty() && (is_known || is_free) {
                applied.push(diagnostic);
                edits.extend(fix.edits.iter().filter(|_| !is_known));
            }
        }
        if !edits.is_empty() {
            out.files.insert(file, edited(text, edits));
            out.diagnostics.extend(applied);
        }
    }
    out
}

/// Whether an edit is one of this text.
fn fits(edit: &Edit, text: &str) -> bool {
    text.get(edit.span.start.offset..edit.span.end.offset).is_some_and(|old| old != edit.text)
}

fn touch(left: &Edit, right: &Edit) -> bool {
    left.span.start.offset <= right.span.end.offset && right.span.start.offset <= left.span.end.offset
}

fn edited(text: &str, mut edits: Vec<&Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start.offset);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        out.push_str(&text[at..edit.span.start.offset]);
        out.push_str(&edit.text);
        at = edit.span.end.offset;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use project::{Level, source::Source};

    use super::*;

    const TEXT: &str = "\u{feff}a: one # é\r\nb: two\r\n";

    fn finding(file: &str, old: &str, new: &str, safety: Safety) -> Diagnostic {
        let source = Source::new(file, TEXT.to_owned());
        let start = TEXT.find(old).unwrap();
        let span = source.span(start, start + old.len());
        Diagnostic {
            rule: "r",
            severity: Level::Warning,
            file: file.to_owned(),
            span: Some(span),
            message: "m".to_owned(),
            help: None,
            related: Vec::new(),
            fix: Some(Fix::replacement(span, old, new, safety)),
        }
    }

    fn check(diagnostics: &[Diagnostic], expected: &str, applied: usize) {
        let files: FileSet = [("f", TEXT)].into_iter().collect();
        let fixed = apply(&files, diagnostics);
        let text = fixed.files.get("f").map_or(TEXT, |bytes| std::str::from_utf8(bytes).unwrap());
        assert_eq!((text, fixed.diagnostics.len()), (expected, applied));
    }

    #[test]
    fn edits_change_what_they_name_and_nothing_else() {
        let both = [finding("f", "two", "three", Safety::Safe), finding("f", "one", "1", Safety::Safe)];
        check(&both, "\u{feff}a: 1 # é\r\nb: three\r\n", 2);
        let after = [finding("f", "é", "e", Safety::Safe)];
        check(&after, "\u{feff}a: one # e\r\nb: two\r\n", 1);
    }

    #[test]
    fn the_same_edit_for_two_findings_is_made_once() {
        let twice = [finding("f", "two", "2", Safety::Safe), finding("f", "two", "2", Safety::Safe)];
        check(&twice, "\u{feff}a: one # é\r\nb: 2\r\n", 2);
    }

    #[test]
    fn of_fixes_that_touch_each_other_the_first_counts() {
        let both = [finding("f", "b: two", "c: two", Safety::Safe), finding("f", "two", "2", Safety::Safe)];
        check(&both, "\u{feff}a: one # é\r\nc: two\r\n", 1);
    }

    #[test]
    fn what_a_person_must_choose_and_files_of_others_are_left_alone() {
        check(&[finding("f", "two", "2", Safety::Suggested)], TEXT, 0);
        check(&[finding("managed:f", "two", "2", Safety::Safe)], TEXT, 0);
        check(&[finding("f", "two", "two", Safety::Safe)], TEXT, 0);
    }
}
