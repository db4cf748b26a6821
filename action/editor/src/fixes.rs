//! What mends a diagnostic, as code actions.

use std::collections::HashMap;

use lsp_types::{CodeAction, CodeActionKind, Range, TextEdit, Uri, WorkspaceEdit};
use project::diagnostic::{Edit, Fix, Safety};

use crate::{position::Lines, publish::Shown};

/// All safe fixes of a file at once; editors run it on save where they are told to.
const FIX_ALL: &str = "source.fixAll.matano";

/// The actions for a range of a file. `shown` are the file's diagnostics, `lines` its text as they saw it.
pub(crate) fn actions(
    shown: &[Shown<'_>],
    uri: &Uri,
    lines: &Lines<'_>,
    range: Range,
    only: Option<&[CodeActionKind]>,
) -> Vec<CodeAction> {
    let mut actions = Vec::new();
    if wanted(only, CodeActionKind::QUICKFIX.as_str()) {
        let touched = shown.iter().filter(|shown| touches(shown.lsp.range, range));
        actions.extend(touched.filter_map(|shown| {
            let fix = shown.diagnostic.fix.as_ref()?;
            Some(CodeAction {
                title: fix.title.clone(),
                kind: Some(CodeActionKind::QUICKFIX),
                diagnostics: Some(vec![shown.lsp.clone()]),
                edit: Some(workspace_edit(uri, edits(fix, lines))),
                is_preferred: Some(fix.safety == Safety::Safe),
                ..CodeAction::default()
            })
        }));
    }
    if wanted(only, FIX_ALL) {
        let edits = safe_edits(shown);
        if !edits.is_empty() {
            let edits = edits.into_iter().map(|edit| text_edit(edit, lines)).collect();
            actions.push(CodeAction {
                title: "apply all safe fixes of this file".to_owned(),
                kind: Some(CodeActionKind::new(FIX_ALL)),
                edit: Some(workspace_edit(uri, edits)),
                ..CodeAction::default()
            });
        }
    }
    actions
}

/// A client that names a kind wants its sub-kinds too.
fn wanted(only: Option<&[CodeActionKind]>, kind: &str) -> bool {
    let below = |asked: &str| kind.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    only.is_none_or(|kinds| kinds.iter().any(|asked| below(asked.as_str())))
}

fn touches(left: Range, right: Range) -> bool {
    left.start <= right.end && right.start <= left.end
}

fn edits(fix: &Fix, lines: &Lines<'_>) -> Vec<TextEdit> {
    fix.edits.iter().map(|edit| text_edit(edit, lines)).collect()
}

/// Edits of safe fixes that do not overlap; a fix whose edits would is left for the next time.
fn safe_edits<'a>(shown: &'a [Shown<'_>]) -> Vec<&'a Edit> {
    let mut out: Vec<&Edit> = Vec::new();
    let fixes = shown.iter().filter_map(|shown| shown.diagnostic.fix.as_ref());
    for fix in fixes.filter(|fix| fix.safety == Safety::Safe) {
        let apart = |edit: &Edit, other: &Edit| {
            let before = |left: &Edit, right: &Edit| left.span.end.offset <= right.span.start.offset;
            // two empty ones at one place would both be before the other
            edit.span != other.span && (before(edit, other) || before(other, edit))
        };
        if fix.edits.iter().all(|edit| out.iter().all(|other| apart(edit, other))) {
            out.extend(&fix.edits);
        }
    }
    out
}

fn text_edit(edit: &Edit, lines: &Lines<'_>) -> TextEdit {
    TextEdit { range: lines.range_of(edit.span), new_text: edit.text.clone() }
}

fn workspace_edit(uri: &Uri, edits: Vec<TextEdit>) -> WorkspaceEdit {
    WorkspaceEdit { changes: Some(HashMap::from([(uri.clone(), edits)])), ..WorkspaceEdit::default() }
}
