//! Expand programs that say no more than "the records are the elements of this array": those objects can be read as a
//! stream, of any size, where running the program needs the whole object in memory.

use std::collections::HashMap;

use vrl::{
    parser::ast::{
        Assignment, AssignmentOp, AssignmentTarget, Container, Expr, FunctionCall, Node, Query, QueryTarget, RootExpr,
    },
    path::{OwnedSegment, OwnedValuePath, PathPrefix},
};

/// The key path of the array, where a program means one: `["Records"]` for `parse_json!(.__raw).Records`.
pub(crate) fn streamed_path(text: &str) -> Option<Vec<String>> {
    let program = vrl::parser::parse(text).ok()?;
    let mut known = Known::default();
    let mut last = None;
    for root in program.0 {
        let expression = match root.into_inner() {
            RootExpr::Expr(expression) => expression.into_inner(),
            RootExpr::Error(_) => return None,
        };
        // every expression must be understood, or the program does something else besides
        last = Some(known.evaluate(expression)?);
    }
    match last? {
        Meaning::Json(path) => Some(path),
        Meaning::Raw => None,
    }
}

/// What an expression stands for.
#[derive(Clone)]
enum Meaning {
    /// The object's text.
    Raw,
    /// What stands at this key path of the object, parsed.
    Json(Vec<String>),
}

/// Variables and paths of the event that were assigned something understood.
#[derive(Default)]
struct Known {
    variables: HashMap<String, Meaning>,
    event: HashMap<Vec<String>, Meaning>,
}

impl Known {
    fn evaluate(&mut self, expression: Expr) -> Option<Meaning> {
        match expression {
            Expr::Query(query) => self.query(query.into_inner()),
            Expr::FunctionCall(call) => self.call(call.into_inner()),
            Expr::Variable(name) => self.variables.get(&name.into_inner().into_inner()).cloned(),
            Expr::Assignment(assignment) => self.assign(assignment.into_inner()),
            Expr::Container(container) => match container.into_inner() {
                Container::Group(group) => self.evaluate(group.into_inner().into_inner().into_inner()),
                Container::Block(_) | Container::Array(_) | Container::Object(_) => None,
            },
            Expr::Literal(_)
            | Expr::IfStatement(_)
            | Expr::Op(_)
            | Expr::Unary(_)
            | Expr::Abort(_)
            | Expr::Return(_)
            | Expr::Break(_) => None,
        }
    }

    fn query(&mut self, query: Query) -> Option<Meaning> {
        let path = keys(query.path.inner())?;
        let meaning = match query.target.into_inner() {
            QueryTarget::Internal(name) => self.variables.get(&name.into_inner()).cloned()?,
            QueryTarget::FunctionCall(call) => self.call(call)?,
            QueryTarget::External(PathPrefix::Event) => return self.event(&path),
            QueryTarget::External(PathPrefix::Metadata) | QueryTarget::Container(_) => return None,
        };
        below(meaning, &path)
    }

    /// A path of the event: the longest part of it that was assigned, and the rest below that.
    fn event(&self, path: &[String]) -> Option<Meaning> {
        if path == ["__raw"] && !self.event.contains_key(path) && !self.event.contains_key(&[][..]) {
            return Some(Meaning::Raw);
        }
        let assigned = (0..=path.len()).rev().find(|&length| self.event.contains_key(&path[..length]))?;
        below(self.event.get(&path[..assigned]).cloned()?, &path[assigned..])
    }

    fn call(&mut self, call: FunctionCall) -> Option<Meaning> {
        if call.closure.is_some() || call.arguments.len() != 1 {
            return None;
        }
        let argument = call.arguments.into_iter().next()?.into_inner();
        let value = self.evaluate(argument.expr.into_inner())?;
        match (call.ident.into_inner().into_inner().as_str(), value) {
            ("parse_json", Meaning::Raw) => Some(Meaning::Json(Vec::new())),
            // assertions of a type: where it is another, the stream finds no array either
            ("string", Meaning::Raw) => Some(Meaning::Raw),
            ("object" | "array", Meaning::Json(path)) => Some(Meaning::Json(path)),
            _ => None,
        }
    }

    fn assign(&mut self, assignment: Assignment) -> Option<Meaning> {
        let (target, value) = match assignment {
            Assignment::Single { target, op: AssignmentOp::Assign, expr } => {
                (target, self.evaluate(expr.into_inner())?)
            }
            // an error that is caught is an expansion that does not fail
            Assignment::Single { op: AssignmentOp::Merge, .. } | Assignment::Infallible { .. } => return None,
        };
        self.put(target, value.clone())?;
        Some(value)
    }

    fn put(&mut self, target: Node<AssignmentTarget>, value: Meaning) -> Option<()> {
        match target.into_inner() {
            AssignmentTarget::Internal(name, path) if path.as_ref().is_none_or(OwnedValuePath::is_root) => {
                self.variables.insert(name.into_inner(), value);
            }
            AssignmentTarget::External(path) => {
                let path = match path {
                    Some(path) if path.prefix == PathPrefix::Event => keys(&path.path)?,
                    Some(_) => return None,
                    None => Vec::new(),
                };
                if path.is_empty() {
                    self.event.clear();
                }
                self.event.insert(path, value);
            }
            AssignmentTarget::Query(query) => {
                let path = keys(query.path.inner())?;
                match query.target.into_inner() {
                    QueryTarget::External(PathPrefix::Event) => self.event.insert(path, value),
                    QueryTarget::Internal(name) if path.is_empty() => self.variables.insert(name.into_inner(), value),
                    QueryTarget::External(PathPrefix::Metadata)
                    | QueryTarget::Internal(_)
                    | QueryTarget::FunctionCall(_)
                    | QueryTarget::Container(_) => return None,
                };
            }
            AssignmentTarget::Internal(..) | AssignmentTarget::Noop => return None,
        }
        Some(())
    }
}

fn below(meaning: Meaning, path: &[String]) -> Option<Meaning> {
    match meaning {
        meaning if path.is_empty() => Some(meaning),
        Meaning::Json(mut at) => {
            at.extend_from_slice(path);
            Some(Meaning::Json(at))
        }
        Meaning::Raw => None,
    }
}

fn keys(path: &OwnedValuePath) -> Option<Vec<String>> {
    path.segments
        .iter()
        .map(|segment| match segment {
            OwnedSegment::Field(name) => Some(name.to_string()),
            OwnedSegment::Index(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[&str]>) {
        let found = streamed_path(text);
        let found: Option<Vec<&str>> = found.as_ref().map(|path| path.iter().map(String::as_str).collect());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn an_array_at_a_path_is_recognised_however_it_is_spelled() {
        for text in [
            "parse_json!(.__raw).Records",
            "parse_json!(.__raw).\"Records\"",
            "(array!(parse_json!(.__raw).Records))",
            "array!(parse_json!(.__raw).Records)",
            "file = parse_json!(string!(.__raw))\nfile.Records",
            "file = object!(parse_json!(.__raw))\nrecords = array!(file.Records)\nrecords",
            ". = parse_json!(.__raw)\n.Records",
            ".all = parse_json!(.__raw)\n# the rest is about the delivery\n.all.Records",
            "parse_json!(value: .__raw).Records",
        ] {
            check(text, Some(&["Records"]));
        }
        check("parse_json!(.__raw).a.b", Some(&["a", "b"]));
        check("parse_json!(.__raw)", Some(&[]));
    }

    #[test]
    fn programs_that_do_more_are_run() {
        for text in [
            "",
            ".__raw",
            "split!(.__raw, \"\\n\")",
            "parse_json!(.other).Records",
            "parse_json!(.__raw).Records[0]",
            "parse_json!(.__raw, max_depth: 2).Records",
            "parse_json(.__raw).Records ?? []",
            "x, err = parse_json(.__raw)\nx.Records",
            "x = parse_json!(.__raw)\nif x.a == 1 { abort }\nx.Records",
            "x = parse_json!(.__raw)\nlog(x)\nx.Records",
            ".__raw = parse_json!(.__raw)\nparse_json!(.__raw).Records",
            "map_values(parse_json!(.__raw).Records) -> |v| { v }",
        ] {
            check(text, None);
        }
    }
}
