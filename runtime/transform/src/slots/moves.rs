//! Statements that only move a value of the record to a column, `.user.id = .json.userId`: most of what a normalization does.
//! They need no interpreter: the column takes the value from where the record was read to.
//!
//! A statement is one of them if it stands at the top of the program, where it always runs when the program comes to its
//! end, and if nothing else in the program touches its column. What it reads is written by nobody: that is proven for every
//! program over slots.

use vrl::{
    parser::ast::{Assignment, AssignmentOp, AssignmentTarget, Expr, Query, QueryTarget, RootExpr},
    path::{OwnedTargetPath, PathPrefix},
};

use super::is_json;

/// Words of programs in which a statement at the top may not run, or may not find what the record had.
const UNLESS: &[&str] = &["return", "del(", "remove("];

/// One statement.
pub(super) struct Move {
    pub from: OwnedTargetPath,
    pub to: OwnedTargetPath,
    /// Where it stands in the text.
    span: std::ops::Range<usize>,
}

/// The statements of a program that only move values.
pub(super) fn moves(text: &str) -> Vec<Move> {
    if UNLESS.iter().any(|word| text.contains(word)) {
        return Vec::new();
    }
    let Ok(parsed) = vrl::parser::parse(text) else { return Vec::new() };
    let statements = parsed.0.iter().filter_map(|root| {
        let RootExpr::Expr(expression) = root.inner() else { return None };
        let Expr::Assignment(assignment) = expression.inner() else { return None };
        let Assignment::Single { target, op: AssignmentOp::Assign, expr } = assignment.inner() else { return None };
        let AssignmentTarget::Query(to) = target.inner() else { return None };
        let Expr::Query(from) = expr.inner() else { return None };
        let (from, to) = (path(from.inner())?, path(to)?);
        let span = expression.span();
        is_json(&from).then(|| Move { from, to, span: span.start()..span.end() })
    });
    statements.collect()
}

fn path(query: &Query) -> Option<OwnedTargetPath> {
    match query.target.inner() {
        QueryTarget::External(PathPrefix::Event) => Some(OwnedTargetPath::event(query.path.inner().clone())),
        _ => None, // VRL's other targets are no part of the event
    }
}

/// The program without some statements, everything else where it was: errors name places in the text.
pub(super) fn without<'a>(text: &str, moves: impl Iterator<Item = &'a Move>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for one in moves {
        if let Some(statement) = bytes.get_mut(one.span.clone()) {
            statement.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
    }
    // spans of the parser lie between characters; if one did not, the program stays as it is
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
