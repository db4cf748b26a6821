//! Which enrichment tables a module asks for: `from detection.enrichment import tor_exits`.

use std::collections::BTreeSet;

use ruff_python_ast::{
    Expr, Stmt,
    visitor::{self, Visitor},
};
use ruff_text_size::{Ranged as _, TextRange};

/// The name of a table where Python names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableUse {
    pub(crate) name: String,
    pub(crate) range: TextRange,
}

/// Every table that is imported from `detection.enrichment`, or taken from it as an attribute.
pub(crate) fn table_uses(body: &[Stmt]) -> Vec<TableUse> {
    let mut uses = Uses { found: Vec::new(), modules: BTreeSet::new() };
    uses.visit_body(body);
    uses.found
}

struct Uses {
    found: Vec<TableUse>,
    /// Dotted names that stand for the module.
    modules: BTreeSet<String>,
}

impl Uses {
    fn add(&mut self, name: &str, range: TextRange) {
        // `__doc__` and the like are the module's own
        if name != "*" && !name.starts_with('_') {
            self.found.push(TableUse { name: name.to_owned(), range });
        }
    }
}

impl Visitor<'_> for Uses {
    fn visit_stmt(&mut self, statement: &Stmt) {
        match statement {
            Stmt::ImportFrom(import) if import.level == 0 => match import.module.as_deref() {
                Some("detection.enrichment") => {
                    for alias in &import.names {
                        self.add(alias.name.as_str(), alias.name.range());
                    }
                }
                Some("detection") => {
                    for alias in import.names.iter().filter(|alias| alias.name.as_str() == "enrichment") {
                        self.modules.insert(alias.asname.as_ref().unwrap_or(&alias.name).to_string());
                    }
                }
                Some(_) | None => (),
            },
            Stmt::Import(import) => {
                for alias in import.names.iter().filter(|alias| alias.name.as_str() == "detection.enrichment") {
                    self.modules.insert(alias.asname.as_ref().unwrap_or(&alias.name).to_string());
                }
            }
            other => visitor::walk_stmt(self, other),
        }
    }

    fn visit_expr(&mut self, expression: &Expr) {
        if let Expr::Attribute(attribute) = expression
            && dotted(&attribute.value).is_some_and(|module| self.modules.contains(&module))
        {
            self.add(attribute.attr.as_str(), attribute.attr.range());
            return;
        }
        visitor::walk_expr(self, expression);
    }
}

/// `a.b.c` as text, where an expression is just that.
fn dotted(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => Some(format!("{}.{}", dotted(&attribute.value)?, attribute.attr)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Module, *};

    fn check(text: &str, expected: &[&str]) {
        let module = Module::parse(text);
        let uses = table_uses(module.body());
        let names: Vec<&str> = uses.iter().map(|used| used.name.as_str()).collect();
        assert_eq!(names, expected, "{text}");
        for used in &uses {
            assert_eq!(&text[used.range.start().to_usize()..used.range.end().to_usize()], used.name);
        }
    }

    #[test]
    fn every_way_to_import_a_table_is_seen() {
        check("from detection.enrichment import tor_exits, users as u", &["tor_exits", "users"]);
        check("from detection import enrichment\nenrichment.tor_exits.get('a')", &["tor_exits"]);
        check("from detection import enrichment as e\ndef detect(r):\n    return e.tor.get('a')\n", &["tor"]);
        check("import detection.enrichment\ndetection.enrichment.tor.get('a')", &["tor"]);
        check("import detection.enrichment as e\ne.tor.get('a')", &["tor"]);
    }

    #[test]
    fn other_modules_are_left_alone() {
        check("from detection import remotecache\nfrom other.enrichment import x\nenrichment.x", &[]);
        check("from detection.enrichment import *", &[]);
        check("from detection import enrichment\nenrichment.__doc__", &[]);
    }
}
