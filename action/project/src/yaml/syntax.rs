//! The parser's complaints in plain words.

/// A message and what to do, for what the parser says is wrong.
pub fn explain(info: &str) -> (String, Option<&'static str>) {
    let known = |message: &str, help| (message.to_owned(), Some(help));
    if info.contains("tab") && !info.contains("stab") {
        return known("found a tab where YAML wants spaces", "indent with spaces");
    }
    match info {
        "mapping values are not allowed in this context" => known(
            "found `:` where no key can stand",
            "put text that contains `: ` in quotes, and line keys up with those above them",
        ),
        "while parsing a block mapping, did not find expected key" => {
            known("expected a key at this indentation", "line it up with the keys above it")
        }
        "while parsing a block collection, did not find expected '-' indicator" => {
            known("expected another list item `- …`", "line it up with the items above it")
        }
        "simple key expected" | "simple key expect ':'" => {
            known("expected `:` after this key", "write `key: value`, or put text of several lines after `key: |`")
        }
        "while parsing node, found unknown anchor" => {
            known("the anchor of this alias does not exist", "put text that begins with `*` in quotes")
        }
        "while scanning a quoted scalar, found unexpected end of stream" => {
            known("the quote that opens here is never closed", "close it, or use `|` for text of several lines")
        }
        "while parsing a quoted scalar, found unknown escape character" => {
            known("unknown escape in double quotes", r"use single quotes, or write `\\` for a backslash")
        }
        "wrongly indented line in block scalar" => {
            known("a line of this block stands further left than its first", "indent the block's lines alike")
        }
        "invalid indentation in quoted scalar" => {
            known("the text in quotes that begins here goes on further left", "close the quote, or indent what follows")
        }
        "invalid indentation" | "invalid indentation in flow construct" => {
            known("wrong indentation", "line it up with what it belongs to")
        }
        "invalid trailing content after double-quoted scalar" => {
            known("text after the closing quote", "put the whole value in quotes")
        }
        "while parsing a flow mapping, did not find expected ',' or '}'" => {
            known("expected `,` or `}`", "close the brace, or separate entries with commas")
        }
        "while parsing a flow sequence, expected ',' or ']'" => {
            known("expected `,` or `]`", "close the bracket, or separate items with commas")
        }
        "while parsing a node, did not find expected node content" => {
            known("expected a value", "write the value, or remove what announces it")
        }
        "recursion limit exceeded" => known("nested too deeply", "flatten it"),
        info if info.starts_with("unexpected character") => {
            known("a value cannot begin with this character", "put the value in quotes")
        }
        info => (info.replace('\'', "`").replace(['<', '>'], ""), None),
    }
}
