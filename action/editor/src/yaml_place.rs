//! What a place in a YAML file is: its path of keys, and whether a key, a value or a line of a program is written there.
//!
//! While someone types, a file is rarely YAML. So this looks at lines and their indentation and needs no whole file.

/// A place in a YAML file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlPlace {
    /// The keys that lead to it; items of lists are `0`, whichever they are.
    pub(crate) path: Vec<String>,
    /// What is written there.
    pub(crate) role: Role,
}

/// What is written at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A key of the mapping at the path, or the value at the path where that is no mapping: nobody knows yet.
    Begin,
    /// The value at the path.
    Value,
    /// Text of the block scalar at the path.
    Block,
    /// A comment.
    Comment,
}

/// What stands on one line: `- - key: rest`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Structure<'a> {
    dashes: Vec<usize>,
    key: Option<(usize, &'a str)>,
    /// The column where what follows the dashes and the key begins.
    rest_at: usize,
    rest: &'a str,
}

/// The place at a byte offset.
pub(crate) fn at(text: &str, offset: usize) -> YamlPlace {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let before: Vec<&str> = text[..offset].split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let (above, current) = before.split_at(before.len() - 1);
    let current = current.first().copied().unwrap_or_default();

    // lines above that are structure, without the text of block scalars
    let mut lines: Vec<Structure<'_>> = Vec::new();
    let mut block: Option<usize> = None;
    for line in above.iter().copied() {
        let blank = line.trim().is_empty();
        if block.is_some_and(|edge| blank || indent(line) > edge) {
            continue;
        }
        block = None;
        if blank || line.trim_start().starts_with('#') {
            continue;
        }
        let structure = structure(line);
        if is_block_header(structure.rest) {
            block = Some(structure.edge());
        }
        lines.push(structure);
    }
    if block.is_some_and(|edge| indent(current) > edge)
        && let Some(header) = lines.pop()
    {
        let mut path = ancestors(&lines, header.outermost());
        path.extend(header.own_path());
        return YamlPlace { path, role: Role::Block };
    }
    let here = structure(current);
    let mut path = ancestors(&lines, here.outermost());
    path.extend(here.own_path());
    if is_comment(current) {
        return YamlPlace { path, role: Role::Comment };
    }
    let (inner, mut role) = flow(here.rest);
    path.extend(inner);
    if role == Role::Begin && here.key.is_some() && !here.rest.trim_start().starts_with('{') {
        role = Role::Value;
    }
    YamlPlace { path, role }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

impl Structure<'_> {
    /// The column that what belongs to it must be right of.
    fn edge(&self) -> usize {
        self.key.map(|(column, _)| column).or(self.dashes.last().copied()).unwrap_or(self.rest_at)
    }

    /// The column of the first thing on the line, and whether that is an item.
    fn outermost(&self) -> (usize, bool) {
        match self.dashes.first() {
            Some(column) => (*column, true),
            None => (self.key.map_or(self.rest_at, |(column, _)| column), false),
        }
    }

    fn own_path(&self) -> impl Iterator<Item = String> {
        let items = self.dashes.iter().map(|_| "0".to_owned());
        items.chain(self.key.map(|(_, key)| key.to_owned()))
    }
}

fn structure(line: &str) -> Structure<'_> {
    let mut at = indent(line);
    let mut dashes = Vec::new();
    while line[at..].starts_with("- ") || &line[at..] == "-" {
        dashes.push(at);
        at += 1;
        at += indent(&line[at..]);
    }
    let rest = &line[at..];
    match key_length(rest) {
        Some(length) => {
            let rest_at = (at + length + 1).min(line.len());
            let key = rest[..length].trim_matches(['"', '\'']);
            Structure { dashes, key: Some((at, key)), rest_at, rest: &line[rest_at..] }
        }
        None => Structure { dashes, key: None, rest_at: at, rest },
    }
}

/// The bytes of a key before its colon; a colon within a word ends no key.
fn key_length(text: &str) -> Option<usize> {
    if text.starts_with(['{', '[', '#', '|', '>', '&', '*', '!']) {
        return None;
    }
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let end = text[1..].find(quote)? + 2;
        return text[end..].starts_with(':').then_some(end);
    }
    let (at, _) = text.match_indices(':').find(|(at, _)| matches!(text.as_bytes().get(at + 1), None | Some(b' ')))?;
    Some(at)
}

fn is_block_header(rest: &str) -> bool {
    let rest = rest.split(" #").next().unwrap_or_default().trim();
    let mut characters = rest.chars();
    matches!(characters.next(), Some('|' | '>')) && characters.all(|c| matches!(c, '+' | '-' | '0'..='9'))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#') || line.contains(" #") && !line.contains(['"', '\''])
}

/// The path to what begins at a column; `item` where that is an item of a list, which may stand right below its key.
fn ancestors(lines: &[Structure<'_>], (mut limit, mut item): (usize, bool)) -> Vec<String> {
    let mut path = Vec::new();
    for line in lines.iter().rev() {
        if limit == 0 && !item {
            break;
        }
        if let Some((column, key)) = line.key
            && (column < limit || item && column == limit && line.dashes.last().is_none_or(|dash| *dash < column))
        {
            path.push(key.to_owned());
            (limit, item) = (column, false);
        }
        for dash in line.dashes.iter().rev() {
            if *dash < limit {
                path.push("0".to_owned());
                (limit, item) = (*dash, true);
            }
        }
    }
    path.reverse();
    path
}

/// What `{a: {b: [c, ` leads to: keys and items, and what comes next.
fn flow(text: &str) -> (Vec<String>, Role) {
    enum Open<'a> {
        List,
        Mapping(Option<&'a str>),
    }
    let mut open: Vec<Open<'_>> = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => (),
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => (open.push(Open::List), start = at + 1).0,
            (None, '{') => (open.push(Open::Mapping(None)), start = at + 1).0,
            (None, ']' | '}') => {
                open.pop();
            }
            (None, ',') => {
                start = at + 1;
                if let Some(Open::Mapping(key)) = open.last_mut() {
                    *key = None;
                }
            }
            (None, ':') => {
                if let Some(Open::Mapping(key)) = open.last_mut() {
                    *key = Some(text[start..at].trim().trim_matches(['"', '\'']));
                    start = at + 1;
                }
            }
            (None, _) => (),
        }
    }
    let role = match open.last() {
        Some(Open::List | Open::Mapping(Some(_))) => Role::Value,
        Some(Open::Mapping(None)) | None => Role::Begin,
    };
    let path = open.into_iter().filter_map(|open| match open {
        Open::List => Some("0".to_owned()),
        Open::Mapping(key) => key.map(str::to_owned),
    });
    (path.collect(), role)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `‸` is the place.
    fn check(text: &str, path: &str, role: Role) {
        let offset = text.find('‸').unwrap();
        let place = at(&text.replace('‸', ""), offset);
        assert_eq!((place.path.join("/").as_str(), place.role), (path, role), "{text}");
    }

    #[test]
    fn keys_and_values_have_their_paths() {
        check("na‸", "", Role::Begin);
        check("name: ‸", "name", Role::Value);
        check("alert:\n  sev‸", "alert", Role::Begin);
        check("alert:\n  severity: hi‸", "alert/severity", Role::Value);
        check("alert:\n  severity: high\n  ‸", "alert", Role::Begin);
        check("alert:\n  severity: high\n‸", "", Role::Begin);
    }

    #[test]
    fn items_may_be_indented_or_not() {
        check("tables:\n  - we‸", "tables/0", Role::Begin);
        check("tables:\n- a\n- we‸", "tables/0", Role::Begin);
        check("tables: [a, we‸", "tables/0", Role::Value);
        check("tests:\n  - name: x\n    event: {event.act‸", "tests/0/event", Role::Begin);
        check("tests:\n  - name: x\n    event: {event.action: ‸", "tests/0/event/event.action", Role::Value);
        check("tests:\n  - name: x\n    fir‸", "tests/0", Role::Begin);
        check("tests:\n- name: x\n  event:\n    source:\n      i‸", "tests/0/event/source", Role::Begin);
        check("schema:\n  fields:\n    - {name: n, type: lo‸", "schema/fields/0/type", Role::Value);
    }

    #[test]
    fn text_of_a_block_is_no_structure() {
        check("transform: |\n  .a = ‸", "transform", Role::Block);
        check("transform: |\n  foo: 1\n  - bar: 2\n\n  .b‸", "transform", Role::Block);
        check(
            "ingest:\n  select_table_from_payload: |-\n    if x {\n      .a‸",
            "ingest/select_table_from_payload",
            Role::Block,
        );
        check("transform: |\n  foo: 1\nname: ‸", "name", Role::Value);
        check("tests:\n  - raw: |\n      {\"a\": 1}\n    fir‸", "tests/0", Role::Begin);
    }

    #[test]
    fn comments_and_windows_line_ends_are_seen() {
        check("# na‸", "", Role::Comment);
        check("alert:\r\n  severity: ‸\r\n", "alert/severity", Role::Value);
    }

    #[test]
    fn any_prefix_of_any_text_has_a_place() {
        let text = "a:\n  - - b: {c: [d, \"e\n é: |\n  x\n-\n - ]}: ,\n\"q: 'r'\n:: - :\n";
        for (offset, _) in text.char_indices() {
            let _ = at(text, offset);
        }
    }
}
