//! Evaluates the functions of a module until nothing changes: what each variable, parameter and result is to the record.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{
    self as ast, Arguments, CmpOp, Expr, ExprCall, Parameters, Pattern, Stmt,
    visitor::{self, Visitor},
};
use ruff_text_size::{Ranged as _, TextRange};

use super::{Read, RecordAccess, bytes, value::Value};
use crate::python::{Bindings, Bound, FUNCTIONS};

/// Functions that do not change what they are given.
const HARMLESS: &[&str] = &[
    "all",
    "any",
    "bool",
    "dict",
    "enumerate",
    "float",
    "frozenset",
    "hash",
    "int",
    "isinstance",
    "iter",
    "len",
    "list",
    "max",
    "min",
    "next",
    "print",
    "repr",
    "reversed",
    "set",
    "sorted",
    "str",
    "sum",
    "tuple",
    "type",
    "zip",
];

/// Methods of anything that do not change their arguments.
const HARMLESS_METHODS: &[&str] = &["dumps", "format", "join", "startswith", "endswith"];

/// Methods of a dictionary that put something into it.
const CHANGING: &[&str] = &["update", "setdefault", "__setitem__", "__ior__"];

pub(super) struct Flow<'a> {
    module: &'a [Stmt],
    functions: BTreeMap<&'a str, Function<'a>>,
    /// Scopes, the innermost last.
    frames: Vec<Frame<'a>>,
    /// The function that is evaluated; `None` for the module itself.
    current: Option<&'a str>,
    /// How many functions deep in it.
    nested: usize,
    /// By place, as last evaluated.
    found: BTreeMap<usize, RecordAccess>,
    changed: Changed,
    /// Whether something was learned since it was last asked.
    learned: bool,
}

/// A scope and what its variables are.
#[derive(Clone, PartialEq)]
struct Frame<'a> {
    names: BTreeMap<&'a str, Value>,
    scope: Scope,
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// A function, a class or the module.
    Whole,
    /// What `:=` binds in it is bound around it.
    Comprehension,
}

struct Function<'a> {
    parameters: Option<&'a Parameters>,
    body: Body<'a>,
    values: BTreeMap<&'a str, Value>,
    returns: Value,
    is_reached: bool,
}

#[derive(Clone, Copy)]
enum Body<'a> {
    Statements(&'a [Stmt]),
    Expression(&'a Expr),
}

/// What code changed in the record: what is there then does not come from the log.
#[derive(Default)]
struct Changed {
    /// Keys that were assigned.
    keys: BTreeSet<Vec<String>>,
    /// Dictionaries of which any key may have been.
    dictionaries: BTreeSet<Vec<String>>,
}

impl Changed {
    fn covers(&self, path: &[String]) -> bool {
        let below = |keys: &Vec<String>| path.starts_with(keys) && path.len() > keys.len();
        self.keys.iter().any(|keys| path.starts_with(keys)) || self.dictionaries.iter().any(below)
    }
}

impl<'a> Flow<'a> {
    pub(super) fn new(module: &'a [Stmt], bindings: &Bindings<'a>) -> Self {
        let functions = bindings.callables().map(|(name, bound)| {
            let (parameters, body) = match bound {
                Bound::Function(function) => (Some(&*function.parameters), Body::Statements(&function.body)),
                Bound::Lambda(lambda, _) => (lambda.parameters.as_deref(), Body::Expression(&lambda.body)),
                Bound::Value(..) | Bound::Unknown => (None, Body::Statements(&[])),
            };
            let is_reached = name == "detect" || FUNCTIONS.contains(&name);
            let mut values = BTreeMap::new();
            if is_reached && let Some(parameters) = parameters {
                // the record, and what has a default
                values.extend(parameters.iter().map(|parameter| (parameter.name().as_str(), Value::Unknown)));
                let first = parameters.posonlyargs.iter().chain(&parameters.args).next();
                values.extend(first.map(|first| (first.name().as_str(), Value::At(Vec::new()))));
            }
            (name, Function { parameters, body, values, returns: Value::Unseen, is_reached })
        });
        Self {
            module,
            functions: functions.collect(),
            frames: Vec::new(),
            current: None,
            nested: 0,
            found: BTreeMap::new(),
            changed: Changed::default(),
            learned: false,
        }
    }

    pub(super) fn run(mut self) -> Vec<RecordAccess> {
        let names: Vec<&str> = self.functions.keys().copied().collect();
        loop {
            self.learned = false;
            self.current = None;
            let module = self.module;
            self.in_frame(BTreeMap::new(), Scope::Whole, |flow| flow.visit_body(module));
            for name in &names {
                self.evaluate(name);
            }
            if self.learned {
                continue;
            }
            // what nobody here calls may be called from elsewhere, with anything
            let unreached = self.functions.values().position(|function| !function.is_reached);
            match unreached {
                Some(index) => self.reach_with_anything(names[index]),
                None => break,
            }
        }
        let changed = self.changed;
        let is_read = |access: &RecordAccess| {
            let path: Vec<String> = access.base.iter().chain(&access.keys).cloned().collect();
            !changed.covers(&path)
        };
        self.found.into_values().filter(is_read).collect()
    }

    fn reach_with_anything(&mut self, name: &str) {
        let Some(function) = self.functions.get_mut(name) else { return };
        let parameters = function.parameters;
        for parameter in parameters.into_iter().flat_map(|parameters| parameters.iter()) {
            self.learned |= learn(&mut function.values, parameter.name().as_str(), Value::Unknown);
        }
        self.learned |= !function.is_reached;
        function.is_reached = true;
    }

    fn evaluate(&mut self, name: &'a str) {
        let Some(function) = self.functions.get(name).filter(|function| function.is_reached) else { return };
        let (body, mut frame) = (function.body, function.values.clone());
        let parameters = function.parameters;
        // `*args` and `**kwargs` hold whatever they hold
        for rest in parameters.iter().flat_map(|all| all.vararg.iter().chain(&all.kwarg)) {
            frame.insert(rest.name.as_str(), Value::Unknown);
        }
        self.current = Some(name);
        match body {
            Body::Statements(statements) => self.in_frame(frame, Scope::Whole, |flow| flow.visit_body(statements)),
            Body::Expression(expression) => self.in_frame(frame, Scope::Whole, |flow| {
                let value = flow.value(expression);
                flow.returns(value);
            }),
        }
    }

    /// Walks a scope until what its variables are stays the same.
    fn in_frame(&mut self, names: BTreeMap<&'a str, Value>, scope: Scope, mut walk: impl FnMut(&mut Self)) {
        self.frames.push(Frame { names, scope });
        loop {
            let before = self.frames.last().cloned();
            walk(self);
            if self.frames.last() == before.as_ref() {
                break;
            }
        }
        self.frames.pop();
    }

    fn returns(&mut self, value: Value) {
        if self.nested > 0 {
            return;
        }
        if let Some(function) = self.current.and_then(|name| self.functions.get_mut(name)) {
            let returns = function.returns.clone().or(value);
            self.learned |= returns != function.returns;
            function.returns = returns;
        }
    }

    /// A scope inside the function: what it binds itself is its own, and its parameters may be anything.
    fn inside(&mut self, parameters: Option<&'a Parameters>, walk: impl FnMut(&mut Self)) {
        let mut frame = BTreeMap::new();
        for parameter in parameters.into_iter().flat_map(|parameters| parameters.iter()) {
            if let Some(default) = parameter.default() {
                self.value(default);
            }
            frame.insert(parameter.name().as_str(), Value::Unknown);
        }
        self.nested += 1;
        self.in_frame(frame, Scope::Whole, walk);
        self.nested -= 1;
    }

    fn bind(&mut self, target: &'a Expr, value: Value) {
        match target {
            Expr::Name(name) => self.bind_name(name.id.as_str(), value),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| self.bind(target, Value::Unknown)),
            Expr::List(list) => list.elts.iter().for_each(|target| self.bind(target, Value::Unknown)),
            Expr::Starred(starred) => self.bind(&starred.value, Value::Unknown),
            Expr::Subscript(item) => {
                let base = self.value(&item.value);
                self.value(&item.slice);
                if let Value::At(mut path) = base {
                    match literal(&item.slice) {
                        Some((key, _)) => {
                            path.push(key);
                            self.changed.keys.insert(path);
                        }
                        None => drop(self.changed.dictionaries.insert(path)),
                    }
                }
            }
            other => visitor::walk_expr(self, other),
        }
    }

    fn bind_name(&mut self, name: &'a str, value: Value) {
        // the functions of the module are looked up by name
        if self.is_of_module(name) {
            return;
        }
        if let Some(frame) = self.frames.last_mut() {
            learn(&mut frame.names, name, value);
        }
    }

    /// Whether a name that is bound here is that of a function which is evaluated on its own.
    fn is_of_module(&self, name: &str) -> bool {
        self.current.is_none() && self.nested == 0 && self.functions.contains_key(name)
    }

    fn is_local(&self, name: &str) -> bool {
        self.frames.iter().any(|frame| frame.names.contains_key(name))
    }

    /// What a name stands for; a function that is not called here may be called with anything.
    fn name(&mut self, name: &'a str) -> Value {
        if let Some(value) = self.frames.iter().rev().find_map(|frame| frame.names.get(name)) {
            return value.clone();
        }
        self.reach_with_anything(name);
        Value::Unknown
    }

    /// What an expression is. Everything in it is evaluated on the way.
    fn value(&mut self, expression: &'a Expr) -> Value {
        match expression {
            Expr::Name(name) => self.name(name.id.as_str()),
            Expr::Named(named) => {
                let value = self.value(&named.value);
                if let Expr::Name(name) = &*named.target {
                    for frame in self.frames.iter_mut().rev() {
                        learn(&mut frame.names, name.id.as_str(), value.clone());
                        if frame.scope == Scope::Whole {
                            break;
                        }
                    }
                }
                value
            }
            Expr::BoolOp(operation) => {
                let values: Vec<Value> = operation.values.iter().map(|value| self.value(value)).collect();
                values.into_iter().fold(Value::Unseen, Value::or)
            }
            Expr::If(choice) => {
                self.value(&choice.test);
                let body = self.value(&choice.body);
                body.or(self.value(&choice.orelse))
            }
            Expr::Subscript(item) => self.subscript(item),
            Expr::Call(call) => self.call(call),
            Expr::Compare(compare) => {
                self.compare(compare);
                Value::Empty
            }
            Expr::Lambda(lambda) => {
                self.inside(lambda.parameters.as_deref(), |flow| drop(flow.value(&lambda.body)));
                Value::Unknown
            }
            Expr::ListComp(all) => self.comprehension(&all.generators, &[&all.elt]),
            Expr::SetComp(all) => self.comprehension(&all.generators, &[&all.elt]),
            Expr::Generator(all) => self.comprehension(&all.generators, &[&all.elt]),
            Expr::DictComp(all) => {
                let elements: Vec<&Expr> = all.key.as_deref().into_iter().chain([&*all.value]).collect();
                self.comprehension(&all.generators, &elements)
            }
            Expr::StringLiteral(_)
            | Expr::BytesLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::BooleanLiteral(_)
            | Expr::NoneLiteral(_) => Value::Empty,
            Expr::Dict(dict) if dict.items.is_empty() => Value::Empty,
            Expr::List(list) if list.elts.is_empty() => Value::Empty,
            Expr::Tuple(tuple) if tuple.elts.is_empty() => Value::Empty,
            other => {
                visitor::walk_expr(self, other);
                Value::Unknown
            }
        }
    }

    fn subscript(&mut self, item: &'a ast::ExprSubscript) -> Value {
        let base = self.value(&item.value);
        self.value(&item.slice);
        match literal(&item.slice) {
            Some((key, range)) => self.read(base, vec![key], range, Read::Key),
            None => Value::Unknown,
        }
    }

    /// `"a" in r`
    fn compare(&mut self, compare: &'a ast::ExprCompare) {
        let mut left = &*compare.left;
        self.value(left);
        for (operator, right) in compare.ops.iter().zip(&compare.comparators) {
            let value = self.value(right);
            if matches!(operator, CmpOp::In | CmpOp::NotIn)
                && let Some((key, range)) = literal(left)
            {
                self.read(value, vec![key], range, Read::Key);
            }
            left = right;
        }
    }

    fn comprehension(&mut self, generators: &'a [ast::Comprehension], elements: &[&'a Expr]) -> Value {
        if let Some(first) = generators.first() {
            self.value(&first.iter);
        }
        self.in_frame(BTreeMap::new(), Scope::Comprehension, |flow| {
            for (index, generator) in generators.iter().enumerate() {
                flow.bind(&generator.target, Value::Unknown);
                if index > 0 {
                    flow.value(&generator.iter);
                }
                generator.ifs.iter().for_each(|condition| drop(flow.value(condition)));
            }
            elements.iter().for_each(|element| drop(flow.value(element)));
        });
        Value::Unknown
    }

    fn call(&mut self, call: &'a ExprCall) -> Value {
        match &*call.func {
            Expr::Name(name) if !self.is_local(name.id.as_str()) => {
                let name = name.id.as_str();
                if self.functions.contains_key(name) {
                    return self.call_function(name, &call.arguments);
                }
                self.pass(&call.arguments, HARMLESS.contains(&name));
                Value::Unknown
            }
            Expr::Attribute(method) => {
                let object = self.value(&method.value);
                self.call_method(object, method, &call.arguments)
            }
            function => {
                self.value(function);
                self.pass(&call.arguments, false);
                Value::Unknown
            }
        }
    }

    /// Arguments of a call of something that is not in this module.
    fn pass(&mut self, arguments: &'a Arguments, is_harmless: bool) {
        for argument in arguments.args.iter().chain(arguments.keywords.iter().map(|keyword| &keyword.value)) {
            let inner = if let Expr::Starred(starred) = argument { &*starred.value } else { argument };
            if let Value::At(path) = self.value(inner)
                && !is_harmless
            {
                self.changed.dictionaries.insert(path);
            }
        }
    }

    fn call_method(&mut self, object: Value, method: &'a ast::ExprAttribute, arguments: &'a Arguments) -> Value {
        let name = method.attr.as_str();
        if matches!(name, "get" | "deepget") {
            return self.get(object, method, arguments);
        }
        match object {
            Value::At(path) => {
                self.pass(arguments, true);
                if CHANGING.contains(&name) {
                    self.changed.dictionaries.insert(path);
                }
            }
            Value::Unseen | Value::Empty | Value::Unknown => self.pass(arguments, HARMLESS_METHODS.contains(&name)),
        }
        Value::Unknown
    }

    /// `object.get(key, default)` or `object.deepget(path, default)`
    fn get(&mut self, object: Value, method: &'a ast::ExprAttribute, arguments: &'a Arguments) -> Value {
        let mut values: Vec<Value> = arguments.args.iter().map(|argument| self.value(argument)).collect();
        values.extend(arguments.keywords.iter().map(|keyword| self.value(&keyword.value)));
        let default = values.into_iter().skip(1).fold(Value::Unseen, Value::or);
        let Some(first) = arguments.args.first() else { return Value::Unknown };
        let is_path = method.attr.as_str() == "deepget";
        let read = match first {
            Expr::List(ast::ExprList { elts, .. }) | Expr::Tuple(ast::ExprTuple { elts, .. }) if is_path => {
                elts.iter().fold(object, |value, item| match literal(item) {
                    Some((key, range)) => self.read(value, vec![key], range, Read::Key),
                    None => Value::Unknown,
                })
            }
            first => match literal(first) {
                Some((path, range)) if is_path => {
                    let keys = path.split('.').map(str::to_owned).collect();
                    self.read(object, keys, range, Read::Path)
                }
                Some((key, range)) => self.read(object, vec![key], range, Read::Get(bytes(method.attr.range()))),
                None => Value::Unknown,
            },
        };
        read.or(default)
    }

    /// A call of a function of this module: its parameters are what they are called with.
    fn call_function(&mut self, name: &'a str, arguments: &'a Arguments) -> Value {
        let values: Vec<Value> = arguments.args.iter().map(|argument| self.value(argument)).collect();
        let named: Vec<Value> = arguments.keywords.iter().map(|keyword| self.value(&keyword.value)).collect();
        let unpacks = arguments.args.iter().any(Expr::is_starred_expr)
            || arguments.keywords.iter().any(|keyword| keyword.arg.is_none());
        if unpacks {
            self.reach_with_anything(name);
            return Value::Unknown;
        }
        let Some(function) = self.functions.get_mut(name) else { return Value::Unknown };
        self.learned |= !function.is_reached;
        function.is_reached = true;
        let Some(parameters) = function.parameters else { return function.returns.clone() };
        let positional: Vec<&str> =
            parameters.posonlyargs.iter().chain(&parameters.args).map(|one| one.name().as_str()).collect();
        let mut given: Vec<(&str, Value)> = positional.iter().copied().zip(values).collect();
        for (keyword, value) in arguments.keywords.iter().zip(named) {
            given.extend(keyword.arg.as_ref().map(|name| (name.as_str(), value)));
        }
        for parameter in parameters.iter_non_variadic_params() {
            let name = parameter.name().as_str();
            let value = given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.clone());
            let value = value.unwrap_or_else(|| match parameter.default() {
                Some(
                    Expr::NoneLiteral(_) | Expr::StringLiteral(_) | Expr::NumberLiteral(_) | Expr::BooleanLiteral(_),
                ) => Value::Empty,
                Some(_) | None => Value::Unknown,
            });
            self.learned |= learn(&mut function.values, name, value);
        }
        function.returns.clone()
    }

    /// Notes that keys of a dictionary are read, where it is one of the record.
    fn read(&mut self, base: Value, keys: Vec<String>, range: TextRange, kind: Read) -> Value {
        let place = range.start().to_usize();
        match base {
            Value::At(base) => {
                let path = base.iter().chain(&keys).cloned().collect();
                self.found.insert(place, RecordAccess { base, keys, range: bytes(range), kind });
                Value::At(path)
            }
            // what was thought before is not so
            other => {
                self.found.remove(&place);
                other
            }
        }
    }
}

impl<'a> Visitor<'a> for Flow<'a> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        self.value(expression);
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Assign(assign) => {
                let mut names = assign.targets.iter().filter_map(Expr::as_name_expr);
                if assign.value.is_lambda_expr() && names.any(|name| self.is_of_module(name.id.as_str())) {
                    return;
                }
                let value = self.value(&assign.value);
                assign.targets.iter().for_each(|target| self.bind(target, value.clone()));
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    let value = self.value(value);
                    self.bind(&assign.target, value);
                }
            }
            Stmt::AugAssign(assign) => {
                self.value(&assign.value);
                // `r |= ...` changes what the name stands for
                if let Value::At(path) = self.value(&assign.target) {
                    self.changed.dictionaries.insert(path);
                }
                self.bind(&assign.target, Value::Unknown);
            }
            Stmt::Return(returned) => {
                let value = returned.value.as_deref().map_or(Value::Empty, |value| self.value(value));
                self.returns(value);
            }
            Stmt::For(each) => {
                self.value(&each.iter);
                self.bind(&each.target, Value::Unknown);
                self.visit_body(&each.body);
                self.visit_body(&each.orelse);
            }
            Stmt::FunctionDef(function) if self.is_of_module(function.name.as_str()) => {
                for default in function.parameters.iter().filter_map(|parameter| parameter.default()) {
                    self.value(default);
                }
            }
            Stmt::FunctionDef(function) => {
                self.bind_name(function.name.as_str(), Value::Unknown);
                function.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                self.inside(Some(&function.parameters), |flow| flow.visit_body(&function.body));
            }
            Stmt::ClassDef(class) => {
                self.bind_name(class.name.as_str(), Value::Unknown);
                self.inside(None, |flow| flow.visit_body(&class.body));
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let first = alias.name.as_str().split('.').next().unwrap_or_default();
                    self.bind_name(alias.asname.as_ref().map_or(first, |name| name.as_str()), Value::Unknown);
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    self.bind_name(alias.asname.as_ref().unwrap_or(&alias.name).as_str(), Value::Unknown);
                }
            }
            Stmt::Global(ast::StmtGlobal { names, .. }) | Stmt::Nonlocal(ast::StmtNonlocal { names, .. }) => {
                for name in names {
                    self.frames.iter_mut().for_each(|frame| _ = learn(&mut frame.names, name.as_str(), Value::Unknown));
                }
            }
            other => visitor::walk_stmt(self, other),
        }
    }

    fn visit_with_item(&mut self, item: &'a ast::WithItem) {
        self.value(&item.context_expr);
        if let Some(target) = &item.optional_vars {
            self.bind(target, Value::Unknown);
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.bind_name(name.as_str(), Value::Unknown);
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(bound) => bound.name.as_ref(),
            Pattern::MatchStar(bound) => bound.name.as_ref(),
            Pattern::MatchMapping(mapping) => mapping.rest.as_ref(),
            Pattern::MatchValue(_)
            | Pattern::MatchSingleton(_)
            | Pattern::MatchSequence(_)
            | Pattern::MatchClass(_)
            | Pattern::MatchOr(_) => None,
        };
        if let Some(name) = name {
            self.bind_name(name.as_str(), Value::Unknown);
        }
        visitor::walk_pattern(self, pattern);
    }
}

/// Adds what a name may be; whether that is news.
fn learn<'a>(names: &mut BTreeMap<&'a str, Value>, name: &'a str, value: Value) -> bool {
    let before = names.get(name).cloned().unwrap_or(Value::Unseen);
    let after = before.clone().or(value);
    let news = after != before || !names.contains_key(name);
    names.insert(name, after);
    news
}

/// A string that stands in the text as it is, and where it stands between its quotes.
fn literal(expression: &Expr) -> Option<(String, TextRange)> {
    let Expr::StringLiteral(string) = expression else { return None };
    let part = string.as_single_part_string()?;
    let range = part.content_range();
    // with an escape in it the places of its keys are not those of its text
    (range.len().to_usize() == part.value.len()).then(|| (part.value.to_string(), range))
}
