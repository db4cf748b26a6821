//! A detection's Python as a tree: parsed, never run.

use ruff_python_ast::{ModModule, PythonVersion, Stmt, token::TokenKind};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};
use ruff_text_size::{Ranged as _, TextRange};

mod bindings; // what a module's names stand for after it was imported
mod enrichment; // which enrichment tables a module asks for
mod record; // where the record is read
mod signature; // whether a function can be called with the record
mod syntax; // mistakes that only the whole module shows: `return` outside a function

pub(crate) use bindings::{Bindings, Bound};
pub(crate) use enrichment::table_uses;
pub(crate) use record::accesses;
pub use record::{Read, RecordAccess, record_accesses};
pub(crate) use signature::{Fault, fault};

/// The oldest Python that runs detections.
pub(crate) const OLDEST_PYTHON: PythonVersion = PythonVersion::PY311;

/// What a detection may say with code, besides `detect`. Each is called with the record.
pub(crate) const FUNCTIONS: &[&str] =
    &["title", "dedupe", "severity", "description", "runbook", "reference", "alert_context", "destinations"];

/// One source file.
pub(crate) struct Module {
    parsed: Parsed<ModModule>,
    /// Why Python would refuse to import it, in order; one mistake of each top-level statement.
    pub(crate) errors: Vec<Problem>,
    /// What only a newer Python than [`OLDEST_PYTHON`] understands.
    pub(crate) too_new: Vec<Problem>,
}

/// Something wrong at a place, as byte offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) range: TextRange,
}

impl Module {
    pub(crate) fn parse(text: &str) -> Self {
        let options = ParseOptions::from(Mode::Module).with_target_version(OLDEST_PYTHON);
        let parsed = parse_unchecked(text, options).try_into_module().expect("a module was asked for");
        let mut errors: Vec<Problem> = parsed
            .errors()
            .iter()
            .map(|error| Problem { message: in_our_words(&error.error.to_string()), range: error.location })
            .collect();
        // a tree with holes would only give rise to more
        if errors.is_empty() {
            errors = syntax::errors(text, parsed.suite());
        }
        let errors = one_of_each_block(errors, text);
        let too_new = parsed
            .unsupported_syntax_errors()
            .iter()
            .map(|error| Problem { message: in_our_words(&error.to_string()), range: error.range() })
            .collect();
        Self { parsed, errors, too_new }
    }

    pub(crate) fn body(&self) -> &[Stmt] {
        self.parsed.suite()
    }

    /// Where comments stand.
    pub(crate) fn comments(&self) -> impl Iterator<Item = TextRange> {
        self.parsed.tokens().iter().filter(|token| token.kind() == TokenKind::Comment).map(|token| token.range())
    }
}

/// A mistake confuses the parser about what follows it, up to the next line that certainly begins something new.
fn one_of_each_block(mut errors: Vec<Problem>, text: &str) -> Vec<Problem> {
    errors.sort_by_key(|error| (error.range.start(), error.range.end()));
    let mut out: Vec<Problem> = Vec::new();
    for error in errors {
        let anew = match out.last() {
            None => true,
            Some(before) => {
                let between = text.get(before.range.start().to_usize()..error.range.start().to_usize()).unwrap_or("");
                let starts = ["def ", "async def ", "class ", "@", "import ", "from "];
                between.split(['\n', '\r']).skip(1).any(|line| starts.iter().any(|start| line.starts_with(start)))
            }
        };
        if anew {
            out.push(error);
        }
    }
    out
}

/// Messages are lower case and have no final full stop.
fn in_our_words(message: &str) -> String {
    let mut chars = message.trim_end_matches('.').chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(chars).collect(),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let module = Module::parse(text);
        let line = |problem: &Problem| text[..problem.range.start().to_usize()].matches('\n').count() + 1;
        let found: Vec<String> =
            module.errors.iter().map(|problem| format!("{}: {}", line(problem), problem.message)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn python_that_parses_has_no_errors() {
        check("", &[]);
        check("\u{feff}import re\n\ndef detect(r):\n    return [x for x in r if x]\n", &[]);
        check("def detect(r):\n    match r:\n        case {'a': 1}:\n            return True\n", &[]);
    }

    #[test]
    fn a_mistake_is_reported_where_it_is() {
        check("def detect(r)\n    return True\n", &["1: expected `:`, found newline"]);
    }

    #[test]
    fn each_function_has_its_own_mistake() {
        let text = "def detect(r):\n    return r.get('a'\n\n\ndef title(r)\n    return 'x'\n";
        assert_eq!(Module::parse(text).errors.len(), 2);
    }

    #[test]
    fn what_only_the_compiler_of_python_would_see_is_found() {
        check("return 1\n", &["1: `return` statement outside of a function"]);
        check("def detect(r):\n    continue\n", &["2: `continue` outside loop"]);
        check("def detect(r, r):\n    return r\n", &["1: duplicate parameter \"r\""]);
        check("def detect(r):\n    return await r\n", &["2: `await` outside of an asynchronous function"]);
    }

    #[test]
    fn newer_syntax_is_no_error() {
        let module = Module::parse("type X = int\n");
        assert!(module.errors.is_empty());
        let messages: Vec<&str> = module.too_new.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, ["cannot use `type` alias statement on Python 3.11 (syntax was added in Python 3.12)"]);
    }
}
