//! Whether a function can be called with the record, as every function of a detection is.

use ruff_python_ast::{
    Expr, Parameters, Stmt, StmtFunctionDef,
    visitor::{self, Visitor},
};
use ruff_text_size::{Ranged as _, TextRange};

use super::Bound;

/// Why a call with the record would not do what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not a function at all; what it is.
    NotAFunction(&'static str),
    /// `async def`: its call gives a coroutine.
    Async,
    /// It has a `yield`: its call gives a generator.
    Generator,
    /// It takes no argument.
    TakesNothing,
    /// It needs more than the record; the names of what it needs.
    NeedsMore(Vec<String>),
}

/// What is wrong with a binding as a function of the record, and where.
pub(crate) fn fault(bound: Bound<'_>) -> Option<(Fault, TextRange)> {
    match bound {
        Bound::Unknown => None,
        Bound::Value(kind, range) => Some((Fault::NotAFunction(kind), range)),
        Bound::Lambda(lambda, range) => match &lambda.parameters {
            None => Some((Fault::TakesNothing, range)),
            Some(parameters) => call(parameters).map(|fault| (fault, parameters.range())),
        },
        Bound::Function(function) => of_function(function),
    }
}

fn of_function(function: &StmtFunctionDef) -> Option<(Fault, TextRange)> {
    if function.is_async {
        return Some((Fault::Async, TextRange::new(function.range().start(), function.name.range().end())));
    }
    if let Some(fault) = call(&function.parameters) {
        return Some((fault, function.parameters.range()));
    }
    let mut yields = Yields { first: None };
    yields.visit_body(&function.body);
    yields.first.map(|range| (Fault::Generator, range))
}

/// What happens when a function with these parameters is called with one argument by position.
fn call(parameters: &Parameters) -> Option<Fault> {
    let Parameters { range: _, node_index: _, posonlyargs, args, vararg, kwonlyargs, kwarg: _ } = parameters;
    let mut positional = posonlyargs.iter().chain(args);
    if positional.next().is_none() && vararg.is_none() {
        return Some(Fault::TakesNothing);
    }
    let missing: Vec<String> = positional
        .chain(kwonlyargs)
        .filter(|parameter| parameter.default.is_none())
        .map(|parameter| parameter.parameter.name.to_string())
        .collect();
    if missing.is_empty() { None } else { Some(Fault::NeedsMore(missing)) }
}

/// Finds the first `yield` of a function's own body.
struct Yields {
    first: Option<TextRange>,
}

impl Visitor<'_> for Yields {
    fn visit_stmt(&mut self, statement: &Stmt) {
        // a function or a class inside has its own
        if !matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
            visitor::walk_stmt(self, statement);
        }
    }

    fn visit_expr(&mut self, expression: &Expr) {
        match expression {
            Expr::Yield(_) | Expr::YieldFrom(_) => {
                self.first.get_or_insert(expression.range());
            }
            Expr::Lambda(_) => (),
            other => visitor::walk_expr(self, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Bindings, Module},
        *,
    };

    fn check(text: &str, expected: Option<Fault>) {
        let module = Module::parse(text);
        let bound = Bindings::of(module.body()).get("detect").unwrap();
        assert_eq!(fault(bound).map(|(fault, _)| fault), expected, "{text}");
    }

    #[test]
    fn what_one_argument_can_call_is_accepted() {
        check("def detect(r): ...", None);
        check("def detect(r, /): ...", None);
        check("def detect(*records): ...", None);
        check("def detect(r, limit=3, *, quiet=False, **rest): ...", None);
        check("detect = lambda r: True", None);
        check("detect = lambda *r: True", None);
        check("def detect(r):\n    def inner():\n        yield 1\n    return any(inner())\n", None);
    }

    #[test]
    fn what_one_argument_cannot_call_is_a_fault() {
        check("def detect(): ...", Some(Fault::TakesNothing));
        check("def detect(*, r): ...", Some(Fault::TakesNothing));
        check("def detect(**rest): ...", Some(Fault::TakesNothing));
        check("detect = lambda: True", Some(Fault::TakesNothing));
        check("def detect(r, table): ...", Some(Fault::NeedsMore(vec!["table".to_owned()])));
        check("def detect(r, *, table): ...", Some(Fault::NeedsMore(vec!["table".to_owned()])));
        check("detect = True", Some(Fault::NotAFunction("a boolean")));
    }

    #[test]
    fn coroutines_and_generators_are_always_true() {
        check("async def detect(r): ...", Some(Fault::Async));
        check("def detect(r):\n    if r:\n        yield True\n", Some(Fault::Generator));
    }
}
