//! Where a module reads the record that its functions are called with, followed through variables and through other
//! functions of the module as far as the text tells. What it does not tell is left out.

use std::ops::Range;

use ruff_python_ast::Stmt;
use ruff_text_size::TextRange;

use self::flow::Flow;
use super::{Bindings, Module};

mod flow; // evaluates functions until nothing changes
mod value; // what an expression is to the record

/// A place that reads the record, or a dictionary in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordAccess {
    /// The keys that lead to the dictionary that is read; none for the record itself.
    pub base: Vec<String>,
    /// The keys that are read from it: several where a dotted path is.
    pub keys: Vec<String>,
    /// The bytes of the key or path, between its quotes.
    pub range: Range<usize>,
    /// How it is read.
    pub kind: Read,
}

/// How a dictionary of the record is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// `r.deepget("user.name")`
    Path,
    /// `r.get("user")`; the bytes of `get`.
    Get(Range<usize>),
    /// `r["user"]`, `"user" in r`, and the items of `r.deepget(["user", "name"])`.
    Key,
}

impl RecordAccess {
    /// The dotted path from the record.
    pub fn path(&self) -> String {
        self.base.iter().chain(&self.keys).map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

/// Every place where the detection in a text, detect.py, reads the record; none where Python would not import it.
pub fn record_accesses(text: &str) -> Vec<RecordAccess> {
    let module = Module::parse(text);
    if module.errors.is_empty() { accesses(module.body()) } else { Vec::new() }
}

/// Every place where the functions that matano calls read the record, in the order of the text.
pub(crate) fn accesses(body: &[Stmt]) -> Vec<RecordAccess> {
    Flow::new(body, &Bindings::of(body)).run()
}

fn bytes(range: TextRange) -> Range<usize> {
    range.start().to_usize()..range.end().to_usize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths that a text reads, with what stands at their places.
    fn check(text: &str, expected: &[&str]) {
        let module = Module::parse(text);
        assert_eq!(module.errors, [], "{text}");
        let found = accesses(module.body());
        let paths: Vec<String> = found.iter().map(RecordAccess::path).collect();
        assert_eq!(paths, expected, "{text}");
        for access in found {
            assert_eq!(text[access.range.clone()], access.keys.join("."), "{text}");
        }
    }

    /// The same of the body of `detect`.
    fn check_body(body: &str, expected: &[&str]) {
        let lines: Vec<String> = body.lines().map(|line| format!("    {line}\n")).collect();
        check(&format!("def detect(r):\n{}", lines.concat()), expected);
    }

    #[test]
    fn every_way_to_read_the_record_is_seen() {
        check_body("return r.deepget('a.b')", &["a.b"]);
        check_body("return r.deepget('a.b', 'x') == r.deepget(['c', 'd'])", &["a.b", "c", "c.d"]);
        check_body("return r['a']['b']", &["a", "a.b"]);
        check_body("return r.get('a', {}).get('b')", &["a", "a.b"]);
        check_body("return (r.get('a') or {}).get('b')", &["a", "a.b"]);
        check_body("return r['a'].deepget('b.c')", &["a", "a.b.c"]);
        check_body("return 'a' in r or 'b' not in r['c']", &["a", "c.b", "c"]);
        check_body("return f\"{r['a']} {r.deepget('b.c')}\"", &["a", "b.c"]);
        check_body("return [x for x in r['a'] if r['b']]", &["a", "b"]);
        check_body("return any(map(lambda x: r['a'] == x, [1]))", &["a"]);
        check("detect = lambda event: event['a']", &["a"]);
        check("def title(record, /): return record['a']", &["a"]);
    }

    #[test]
    fn variables_are_followed() {
        check_body("user = r['user']\nreturn user['name']", &["user", "user.name"]);
        check_body("user = r.get('user') or {}\nreturn user.get('name')", &["user", "user.name"]);
        check_body(
            "user = r.get('user')\nif user is None:\n    user = {}\nreturn user.get('name')",
            &["user", "user.name"],
        );
        check_body("if (user := r.get('user')):\n    return user['name']", &["user", "user.name"]);
        check_body("user = r['a'] if r else {}\nreturn user['name']", &["a", "a.name"]);
        check_body("def inner():\n    return r['a']\nreturn inner()", &["a"]);
    }

    #[test]
    fn functions_of_the_module_are_followed() {
        check("def who(r): return r['a']\ndef detect(r): return who(r)", &["a"]);
        check("def who(user): return user['name']\ndef detect(r): return who(r['user'])", &["user.name", "user"]);
        check(
            "def who(*, user): return user['name']\ndef detect(r): return who(user=r['user'])",
            &["user.name", "user"],
        );
        check("def user(r): return r.get('user') or {}\ndef detect(r): return user(r)['name']", &["user", "user.name"]);
        check("def a(r): return b(r)\ndef b(r): return a(r) or r['x']\ndef detect(r): return a(r)", &["x"]);
    }

    #[test]
    fn what_the_text_does_not_tell_is_left_out() {
        check_body("r = clean(r)\nreturn r['a']", &[]);
        check_body("x = r['a']\nx = other()\nreturn x['b']", &["a"]);
        check_body("for r in rows():\n    r['a']", &[]);
        check_body("key = 'a'\nreturn r[key] or r.get(key) or r.deepget(key)", &[]);
        check_body("return [r['a'] for r in rows()]", &[]);
        check_body("return (lambda r: r['a'])(1)", &[]);
        check_body("def inner(r):\n    return r['a']\nreturn inner(1)", &[]);
        check_body("with x() as r:\n    return r['a']", &[]);
        check_body("match x():\n    case {'r': r}:\n        return r['a']", &[]);
        check_body("return r['a'][0]['b']", &["a"]);
        check_body("return r.get('a', other()).get('b')", &["a"]);
        check("def helper(x): return x['a']\ndef detect(r): return True", &[]);
        check("def helper(x): return x['a']\ndef detect(r): return helper(r) or helper(other)", &[]);
        check("def helper(x): return x['a']\ndef detect(r): return helper(r) or map(helper, y)", &[]);
        check("def helper(x): return x['a']\ndef detect(r): return helper(*r)", &[]);
        check("def helper(x, y): return x['a']\ndef detect(r): return helper(**r)", &[]);
        check("def other(x): return x['a']\ndef detect(r): return r['b']", &["b"]);
        check("@cached\ndef detect(r): return r['b']", &[]);
        check("def who(x): return x['a']\n@cached\ndef other(x): return who(x)\ndef detect(r): return who(r)", &[]);
        check(
            "def who(x): return x['a']\nclass A:\n    def f(self, x): return who(x)\ndef detect(r): return who(r)",
            &[],
        );
        check("def who(x): return x['a']\nRULES = [who]\ndef detect(r): return who(r)", &[]);
        check_body("x = r['a']\nfor i in y:\n    x.get('b')\n    x = i", &["a"]);
    }

    #[test]
    fn what_was_put_into_the_record_is_not_read_from_the_log() {
        check_body("r['x'] = 1\nreturn r['x'] or r['y']", &["y"]);
        check_body("r['x']['y'] = 1\nreturn r['x']['y'] or r['x']['z']", &["x", "x", "x", "x.z"]);
        check_body("r.update(x=1)\nreturn r['x']", &[]);
        check_body("r['a'].setdefault('x', 1)\nreturn r['a']['x']", &["a", "a"]);
        check_body("enrich(r)\nreturn r['x']", &[]);
        check_body("enrich(r['a'])\nreturn r['a']['x'] or r['b']", &["a", "a", "b"]);
        check_body("print(r, len(r), json.dumps(r))\nreturn r['x']", &["x"]);
        check("def enrich(x): x['new'] = 1\ndef detect(r):\n    enrich(r)\n    return r['new'] or r['b']", &["b"]);
    }
}
