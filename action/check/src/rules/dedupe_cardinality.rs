//! Dedupe keys that are another one for every row.

use model::schema::FieldType;
use project::{Diagnostic, Level};
use ruff_python_ast::{
    self as ast, Expr, InterpolatedStringElement, Operator, Stmt,
    visitor::{self, Visitor},
};
use ruff_text_size::{Ranged as _, TextRange};

use crate::{
    context::{Code, Context, Python},
    python::{Bindings, Bound, RecordAccess, accesses},
    rule::{Rule, Standing},
};

/// A dedupe key is shared by rows.
pub const RULE: Rule = Rule {
    id: "dedupe-cardinality",
    level: Level::Warning,
    standing: Standing::Adjustable,
    summary: "a dedupe key is not another one for every row",
    why: "Matches with one dedupe key in one window are one alert. With the id of the event, of the request or a time in the \
          key no two matches share it: every one is an alert of its own, and a threshold is never reached. Take who did it, \
          where, or to what.",
    bad: "def dedupe(r):\n    return r.deepget(\"event.id\")\n",
    good: "def dedupe(r):\n    return r.deepget(\"user.name\")\n",
    check: Some(check),
};

/// Columns, or members at the end of a path, that are unique.
const UNIQUE: &[&str] = &[
    "event.id",
    "event.hash",
    "event.sequence",
    "event.original",
    "http.request.id",
    "trace.id",
    "span.id",
    "transaction.id",
    "log.offset",
    "ts",
    "record_id",
    "event_id",
    "request_id",
    "trace_id",
    "span_id",
    "correlation_id",
    "uuid",
    "timestamp",
];

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    context.detections.iter().flat_map(|code| of_detection(context, code)).collect()
}

fn of_detection(context: &Context<'_>, code: &Code<'_>) -> Vec<Diagnostic> {
    let Some(file) = code.main().filter(|file| file.module.errors.is_empty()) else { return Vec::new() };
    let body = file.module.body();
    let mut parts = Parts { found: Vec::new() };
    match Bindings::of(body).get("dedupe") {
        Some(Bound::Function(function)) => parts.visit_body(&function.body),
        Some(Bound::Lambda(lambda, _)) => parts.value(&lambda.body),
        Some(Bound::Value(..) | Bound::Unknown) | None => return Vec::new(),
    }
    let read = accesses(body);
    // the last read in an expression that is nothing but reads is what the expression is
    let last = |part: &TextRange| {
        let within = |access: &&RecordAccess| {
            part.start().to_usize() <= access.range.start && access.range.end <= part.end().to_usize()
        };
        read.iter().rfind(within)
    };
    let unique = parts.found.iter().filter_map(last).filter(|access| is_unique(context, code, &access.path()));
    unique.map(|access| finding(file, access)).collect()
}

fn finding(file: &Python, access: &RecordAccess) -> Diagnostic {
    let message = format!("`{}` is another one for every row, so no two matches share an alert", access.path());
    let span = file.source().span(access.range.start, access.range.end);
    RULE.diagnostic(file.path(), Some(span), message)
        .help("return what the alert is about: a user, an address, an account; for one alert a row, silence this line")
}

fn is_unique(context: &Context<'_>, code: &Code<'_>, path: &str) -> bool {
    let named = UNIQUE
        .iter()
        .any(|unique| path == *unique || path.strip_suffix(unique).is_some_and(|rest| rest.ends_with('.')));
    let tables = code.detection.tables.iter().filter_map(|name| context.project.tables.get(name));
    let mut kinds = tables.filter_map(|table| table.schema.get(path));
    named || kinds.any(|kind| *kind == FieldType::Timestamp)
}

/// Collects the expressions whose values are in what a function returns, unchanged or as text.
struct Parts {
    found: Vec<TextRange>,
}

impl Parts {
    fn value(&mut self, expression: &Expr) {
        match expression {
            Expr::FString(text) => {
                for part in text.value.elements() {
                    if let InterpolatedStringElement::Interpolation(part) = part {
                        // `{time:%Y-%m-%d}` is less than the whole time
                        if part.format_spec.is_none() {
                            self.value(&part.expression);
                        }
                    }
                }
            }
            Expr::BinOp(ast::ExprBinOp { left, op: Operator::Add, right, .. }) => {
                self.value(left);
                self.value(right);
            }
            Expr::BoolOp(operation) => operation.values.iter().for_each(|value| self.value(value)),
            Expr::If(choice) => {
                self.value(&choice.body);
                self.value(&choice.orelse);
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|value| self.value(value)),
            Expr::List(list) => list.elts.iter().for_each(|value| self.value(value)),
            Expr::Call(call) => self.call(call),
            Expr::Subscript(item) if is_read(&item.value) && item.slice.is_string_literal_expr() => {
                self.found.push(expression.range());
            }
            // a comparison, a slice, a result of something else: fewer values than it was made of
            _ => (),
        }
    }

    fn call(&mut self, call: &ast::ExprCall) {
        match &*call.func {
            Expr::Name(name) if matches!(name.id.as_str(), "str" | "repr") => {
                call.arguments.args.iter().for_each(|value| self.value(value));
            }
            Expr::Attribute(method) => match method.attr.as_str() {
                "get" | "deepget" if is_read(&method.value) => self.found.push(call.range()),
                "join" | "format" => call.arguments.args.iter().for_each(|value| self.value(value)),
                "isoformat" | "strip" | "lower" | "upper" => self.value(&method.value),
                _ => (),
            },
            _ => (),
        }
    }
}

/// A name, or reads of it.
fn is_read(expression: &Expr) -> bool {
    match expression {
        Expr::Name(_) => true,
        Expr::Subscript(item) => is_read(&item.value),
        Expr::Call(call) => matches!(&*call.func, Expr::Attribute(method) if is_read(&method.value)),
        Expr::BoolOp(operation) => operation.values.first().is_some_and(is_read),
        _ => false,
    }
}

impl Visitor<'_> for Parts {
    fn visit_stmt(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Return(returned) => returned.value.iter().for_each(|value| self.value(value)),
            // a function inside returns to this one
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => (),
            other => visitor::walk_stmt(self, other),
        }
    }

    fn visit_expr(&mut self, _: &Expr) {}
}
