//! What a module's names stand for after it was imported, as far as its text tells.

use std::collections::BTreeMap;

use ruff_python_ast::{ExceptHandler, Expr, ExprLambda, Stmt, StmtFunctionDef};
use ruff_text_size::{Ranged as _, TextRange};

/// What one name stands for.
#[derive(Clone, Copy)]
pub(crate) enum Bound<'a> {
    /// `def`
    Function(&'a StmtFunctionDef),
    /// `name = lambda ...`
    Lambda(&'a ExprLambda, TextRange),
    /// A value that cannot be called, in words: "a string".
    Value(&'static str, TextRange),
    /// Something that only running would tell: an import, the result of a call.
    Unknown,
}

/// The names of a module. The last binding of a name counts, also where it is in an `if` or a `try`.
pub(crate) struct Bindings<'a> {
    names: BTreeMap<&'a str, Bound<'a>>,
    /// `from x import *` binds names that its text does not tell.
    pub(crate) open: bool,
}

impl<'a> Bindings<'a> {
    pub(crate) fn of(body: &'a [Stmt]) -> Self {
        let mut bindings = Self { names: BTreeMap::new(), open: false };
        bindings.add(body);
        bindings
    }

    pub(crate) fn get(&self, name: &str) -> Option<Bound<'a>> {
        self.names.get(name).copied()
    }

    /// Names of functions, for suggestions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &'a StmtFunctionDef> {
        self.names.values().filter_map(|bound| match bound {
            Bound::Function(function) => Some(*function),
            Bound::Lambda(..) | Bound::Value(..) | Bound::Unknown => None,
        })
    }

    /// Everything that can be called, by name.
    pub(crate) fn callables(&self) -> impl Iterator<Item = (&'a str, Bound<'a>)> {
        let is_callable = |bound: &Bound<'_>| matches!(bound, Bound::Function(_) | Bound::Lambda(..));
        self.names.iter().filter(move |(_, bound)| is_callable(bound)).map(|(name, bound)| (*name, *bound))
    }

    fn add(&mut self, body: &'a [Stmt]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                let bound = if function.decorator_list.is_empty() { Bound::Function(function) } else { Bound::Unknown };
                self.names.insert(function.name.as_str(), bound);
            }
            Stmt::ClassDef(class) => {
                self.names.insert(class.name.as_str(), Bound::Unknown);
            }
            Stmt::Assign(assign) => assign.targets.iter().for_each(|target| self.assign(target, Some(&assign.value))),
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.assign(&assign.target, Some(value));
                }
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let first = alias.name.as_str().split('.').next().unwrap_or_default();
                    self.names.insert(alias.asname.as_ref().map_or(first, |name| name.as_str()), Bound::Unknown);
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    self.open |= alias.name.as_str() == "*";
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.names.insert(name.as_str(), Bound::Unknown);
                }
            }
            Stmt::Delete(delete) => {
                for target in &delete.targets {
                    if let Expr::Name(name) = target {
                        self.names.remove(name.id.as_str());
                    }
                }
            }
            Stmt::If(branch) => {
                self.add(&branch.body);
                branch.elif_else_clauses.iter().for_each(|clause| self.add(&clause.body));
            }
            Stmt::Try(attempt) => {
                self.add(&attempt.body);
                for ExceptHandler::ExceptHandler(handler) in &attempt.handlers {
                    self.add(&handler.body);
                }
                self.add(&attempt.orelse);
                self.add(&attempt.finalbody);
            }
            Stmt::With(with) => self.add(&with.body),
            Stmt::For(each) => {
                self.assign(&each.target, None);
                self.add(&each.body);
                self.add(&each.orelse);
            }
            Stmt::While(repeat) => {
                self.add(&repeat.body);
                self.add(&repeat.orelse);
            }
            Stmt::Match(choice) => choice.cases.iter().for_each(|case| self.add(&case.body)),
            Stmt::Return(_)
            | Stmt::TypeAlias(_)
            | Stmt::AugAssign(_)
            | Stmt::Raise(_)
            | Stmt::Assert(_)
            | Stmt::Global(_)
            | Stmt::Nonlocal(_)
            | Stmt::Expr(_)
            | Stmt::Pass(_)
            | Stmt::Break(_)
            | Stmt::Continue(_)
            | Stmt::IpyEscapeCommand(_) => (),
        }
    }

    fn assign(&mut self, target: &'a Expr, value: Option<&'a Expr>) {
        match target {
            Expr::Name(name) => {
                let bound = value.map_or(Bound::Unknown, |value| bound(value, name.range()));
                self.names.insert(name.id.as_str(), bound);
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| self.assign(target, None)),
            Expr::List(list) => list.elts.iter().for_each(|target| self.assign(target, None)),
            // attributes, items: no name of the module
            _ => (),
        }
    }
}

fn bound(value: &Expr, name: TextRange) -> Bound<'_> {
    let kind = match value {
        Expr::Lambda(lambda) => return Bound::Lambda(lambda, name),
        Expr::StringLiteral(_) | Expr::FString(_) | Expr::BytesLiteral(_) => "a string",
        Expr::NumberLiteral(_) => "a number",
        Expr::BooleanLiteral(_) => "a boolean",
        Expr::NoneLiteral(_) => "`None`",
        Expr::List(_) | Expr::ListComp(_) => "a list",
        Expr::Tuple(_) => "a tuple",
        Expr::Dict(_) | Expr::DictComp(_) => "a dict",
        Expr::Set(_) | Expr::SetComp(_) => "a set",
        // a call, another name, an attribute: any of them may be a function
        _ => return Bound::Unknown,
    };
    Bound::Value(kind, name)
}

#[cfg(test)]
mod tests {
    use super::{super::Module, *};

    fn check(text: &str, name: &str, expected: &str) {
        let module = Module::parse(text);
        let found = match Bindings::of(module.body()).get(name) {
            None => "none",
            Some(Bound::Function(_)) => "function",
            Some(Bound::Lambda(..)) => "lambda",
            Some(Bound::Value(kind, _)) => kind,
            Some(Bound::Unknown) => "unknown",
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_way_to_bind_a_name_is_seen() {
        check("def detect(r): ...", "detect", "function");
        check("detect = lambda r: True", "detect", "lambda");
        check("detect: bool = True", "detect", "a boolean");
        check("from shared import detect", "detect", "unknown");
        check("from shared import rule as detect", "detect", "unknown");
        check("import detect.rules", "detect", "unknown");
        check("detect = make()", "detect", "unknown");
        check("@cached\ndef detect(r): ...", "detect", "unknown");
        check("a, detect = make()", "detect", "unknown");
        check("if True:\n    def detect(r): ...\n", "detect", "function");
        check("try:\n    import x\nexcept ImportError:\n    detect = None\n", "detect", "`None`");
        check("class A:\n    def detect(r): ...\n", "detect", "none");
        check("def f():\n    def detect(r): ...\n", "detect", "none");
        check("def detect(r): ...\ndel detect\n", "detect", "none");
    }

    #[test]
    fn a_star_import_leaves_the_names_open() {
        assert!(Bindings::of(Module::parse("from shared import *").body()).open);
        assert!(!Bindings::of(Module::parse("from shared import a").body()).open);
    }
}
