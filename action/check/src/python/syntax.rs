//! Mistakes that Python's own compiler finds after parsing: `return` outside a function, a parameter named twice.
//!
//! The parser's checker knows the rules; here it is told which scope each node stands in.

use std::{cell::RefCell, collections::BTreeSet, mem};

use ruff_python_ast::{
    self as ast, Expr, Parameters, PythonVersion, Stmt,
    visitor::{self, Visitor},
};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
};
use ruff_text_size::TextRange;

use super::{OLDEST_PYTHON, Problem, in_our_words};

/// All such mistakes of a module, in no particular order.
pub(super) fn errors(text: &str, body: &[Stmt]) -> Vec<Problem> {
    let mut walk = Walk {
        checker: SemanticSyntaxChecker::new(),
        found: RefCell::default(),
        text,
        scopes: vec![Scope::Module { loops: 0 }],
    };
    walk.visit_body(body);
    let problem =
        |error: SemanticSyntaxError| Problem { message: in_our_words(&error.to_string()), range: error.range };
    walk.found.into_inner().into_iter().map(problem).collect()
}

enum Scope {
    Module { loops: usize },
    Class { loops: usize },
    Function { is_async: bool, parameters: BTreeSet<String>, loops: usize },
    Lambda { parameters: BTreeSet<String> },
    Comprehension { is_async: bool },
    Generator { is_async: bool },
}

struct Walk<'a> {
    checker: SemanticSyntaxChecker,
    found: RefCell<Vec<SemanticSyntaxError>>,
    text: &'a str,
    /// Innermost last; the module is always there.
    scopes: Vec<Scope>,
}

impl Walk<'_> {
    fn check(&mut self, check: impl FnOnce(&mut SemanticSyntaxChecker, &Self)) {
        let mut checker = mem::take(&mut self.checker);
        check(&mut checker, self);
        self.checker = checker;
    }

    fn within(&mut self, scope: Scope, walk: impl FnOnce(&mut Self)) {
        self.scopes.push(scope);
        walk(self);
        self.scopes.pop();
    }

    fn in_loop(&mut self, body: &[Stmt]) {
        self.add_loops(1);
        self.visit_body(body);
        self.add_loops(-1);
    }

    fn add_loops(&mut self, by: isize) {
        match self.scopes.last_mut() {
            Some(Scope::Module { loops } | Scope::Class { loops } | Scope::Function { loops, .. }) => {
                *loops = loops.saturating_add_signed(by);
            }
            // statements do not stand in these
            Some(Scope::Lambda { .. } | Scope::Comprehension { .. } | Scope::Generator { .. }) | None => (),
        }
    }

    fn function(&mut self, function: &ast::StmtFunctionDef) {
        for decorator in &function.decorator_list {
            self.visit_decorator(decorator);
        }
        let parameters = names(&function.parameters);
        self.within(Scope::Function { is_async: function.is_async, parameters, loops: 0 }, |walk| {
            if let Some(parameters) = &function.type_params {
                walk.visit_type_params(parameters);
            }
            walk.visit_parameters(&function.parameters);
            if let Some(returns) = &function.returns {
                walk.visit_annotation(returns);
            }
            walk.visit_body(&function.body);
        });
    }

    fn class(&mut self, class: &ast::StmtClassDef) {
        for decorator in &class.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(parameters) = &class.type_params {
            self.visit_type_params(parameters);
        }
        if let Some(arguments) = &class.arguments {
            self.visit_arguments(arguments);
        }
        self.within(Scope::Class { loops: 0 }, |walk| walk.visit_body(&class.body));
    }

    fn comprehension(&mut self, generators: &[ast::Comprehension], elements: &[&Expr], lazy: bool) {
        for generator in generators {
            self.visit_comprehension(generator);
        }
        let is_async = generators.iter().any(|generator| generator.is_async);
        let scope = if lazy { Scope::Generator { is_async } } else { Scope::Comprehension { is_async } };
        self.within(scope, |walk| elements.iter().for_each(|element| walk.visit_expr(element)));
    }
}

fn names(parameters: &Parameters) -> BTreeSet<String> {
    parameters.iter().map(|parameter| parameter.name().to_string()).collect()
}

impl Visitor<'_> for Walk<'_> {
    fn visit_stmt(&mut self, statement: &Stmt) {
        self.check(|checker, walk| checker.visit_stmt(statement, walk));
        match statement {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::For(each) => {
                self.visit_expr(&each.iter);
                self.visit_expr(&each.target);
                self.in_loop(&each.body);
                self.visit_body(&each.orelse);
            }
            Stmt::While(repeat) => {
                self.visit_expr(&repeat.test);
                self.in_loop(&repeat.body);
                self.visit_body(&repeat.orelse);
            }
            other => visitor::walk_stmt(self, other),
        }
    }

    fn visit_expr(&mut self, expression: &Expr) {
        self.check(|checker, walk| checker.visit_expr(expression, walk));
        match expression {
            Expr::Lambda(lambda) => {
                let parameters = lambda.parameters.as_deref().map(names).unwrap_or_default();
                self.within(Scope::Lambda { parameters }, |walk| visitor::walk_expr(walk, expression));
            }
            Expr::ListComp(list) => self.comprehension(&list.generators, &[&list.elt], false),
            Expr::SetComp(set) => self.comprehension(&set.generators, &[&set.elt], false),
            Expr::Generator(generator) => self.comprehension(&generator.generators, &[&generator.elt], true),
            Expr::DictComp(dict) => {
                let mut elements: Vec<&Expr> = dict.key.as_deref().into_iter().collect();
                elements.push(&dict.value);
                self.comprehension(&dict.generators, &elements, false);
            }
            other => visitor::walk_expr(self, other),
        }
    }
}

impl SemanticSyntaxContext for Walk<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        false
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        // `lazy import` is newer than every Python we run and is reported as such
        None
    }

    fn python_version(&self) -> PythonVersion {
        OLDEST_PYTHON
    }

    fn source(&self) -> &str {
        self.text
    }

    fn global(&self, _name: &str) -> Option<TextRange> {
        None
    }

    fn has_nonlocal_binding(&self, _name: &str) -> bool {
        true
    }

    fn in_async_context(&self) -> bool {
        for scope in self.scopes.iter().rev() {
            match scope {
                Scope::Function { is_async, .. } => return *is_async,
                Scope::Class { .. } | Scope::Lambda { .. } | Scope::Module { .. } => return false,
                Scope::Comprehension { .. } | Scope::Generator { .. } => (),
            }
        }
        false
    }

    fn in_await_allowed_context(&self) -> bool {
        for scope in self.scopes.iter().rev() {
            match scope {
                Scope::Function { .. } | Scope::Lambda { .. } => return true,
                Scope::Class { .. } | Scope::Module { .. } => return false,
                Scope::Comprehension { .. } | Scope::Generator { .. } => (),
            }
        }
        false
    }

    fn in_yield_allowed_context(&self) -> bool {
        matches!(self.scopes.last(), Some(Scope::Function { .. } | Scope::Lambda { .. }))
    }

    fn in_sync_comprehension(&self) -> bool {
        self.scopes.iter().any(|scope| {
            matches!(scope, Scope::Comprehension { is_async: false } | Scope::Generator { is_async: false })
        })
    }

    fn in_class_body_comprehension(&self) -> bool {
        for scope in self.scopes.iter().rev() {
            match scope {
                Scope::Comprehension { .. } | Scope::Generator { .. } => (),
                Scope::Class { .. } => return true,
                Scope::Module { .. } | Scope::Function { .. } | Scope::Lambda { .. } => return false,
            }
        }
        false
    }

    fn in_module_scope(&self) -> bool {
        self.scopes.len() == 1
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.scopes.last(), Some(Scope::Function { .. } | Scope::Lambda { .. }))
    }

    fn in_generator_context(&self) -> bool {
        matches!(self.scopes.last(), Some(Scope::Generator { .. }))
    }

    fn in_notebook(&self) -> bool {
        false
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        self.found.borrow_mut().push(error);
    }

    fn in_loop_context(&self) -> bool {
        match self.scopes.last() {
            Some(Scope::Module { loops } | Scope::Class { loops } | Scope::Function { loops, .. }) => *loops > 0,
            Some(Scope::Lambda { .. } | Scope::Comprehension { .. } | Scope::Generator { .. }) | None => false,
        }
    }

    fn is_bound_parameter(&self, name: &str) -> bool {
        match self.scopes.last() {
            Some(Scope::Function { parameters, .. } | Scope::Lambda { parameters }) => parameters.contains(name),
            Some(
                Scope::Module { .. } | Scope::Class { .. } | Scope::Comprehension { .. } | Scope::Generator { .. },
            )
            | None => false,
        }
    }
}
