//! Which paths lead to columns of tables.

use model::{
    ecs::ecs,
    name::TableName,
    schema::{Field, TableSchema},
};
use project::{Diagnostic, project::Table};

use crate::context::Context;

/// The columns of the tables that a detection reads.
pub struct Columns<'a> {
    tables: Vec<&'a Table>,
}

impl<'a> Columns<'a> {
    /// `None` where a table is not known in whole.
    pub fn of(context: &Context<'a>, names: &[TableName]) -> Option<Self> {
        let tables: Option<Vec<&Table>> = names.iter().map(|name| context.project.tables.get(name)).collect();
        let tables = tables?;
        let is_whole = |table: &&Table| {
            let source = context.project.log_sources.get(&table.log_source);
            let mut files = table.files.iter().chain(source.map(|source| &source.file));
            !files.any(|file| context.is_broken(file))
        };
        (!tables.is_empty() && tables.iter().all(is_whole)).then_some(Self { tables })
    }

    /// How many keys of a path lead to a column, and whether what follows them is missing; JSON text may hold anything.
    pub fn known(&self, path: &[String]) -> Known {
        let each = self.tables.iter().map(|table| known(&table.schema, path));
        each.max().unwrap_or(Known { keys: path.len(), end: End::Open })
    }

    /// What stands directly below a path.
    pub fn members(&self, path: &[String]) -> Vec<&'a str> {
        let fields = self.tables.iter().filter_map(|table| fields(&table.schema, path));
        fields.flatten().map(|field| field.name.as_str()).collect()
    }

    /// Every column and every struct, dotted.
    pub fn all(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for (leaf, _) in self.tables.iter().flat_map(|table| table.schema.leaves()) {
            out.extend(leaf.match_indices('.').map(|(at, _)| leaf[..at].to_owned()));
            out.push(leaf);
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// "`a`", "`a` or `b`", "`a`, `b` or `c`"
    pub fn names(&self) -> String {
        let names: Vec<String> = self.tables.iter().map(|table| format!("`{}`", table.name)).collect();
        match names.as_slice() {
            [] => String::new(),
            [only] => only.clone(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
        }
    }
}

/// How far a path leads. The better one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known {
    /// How it ends.
    pub end: End,
    /// How many keys are there.
    pub keys: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The next key is not there.
    Missing,
    /// All of it is there, or leads into something whose keys are not known.
    Open,
}

fn known(schema: &TableSchema, path: &[String]) -> Known {
    let mut fields = Some(&schema.fields);
    for (keys, key) in path.iter().enumerate() {
        // below a column that is no struct, nothing is known
        let Some(members) = fields else { return Known { keys, end: End::Open } };
        let Some(field) = members.iter().find(|field| field.name == *key) else {
            return Known { keys, end: End::Missing };
        };
        fields = field.kind.members();
    }
    Known { keys: path.len(), end: End::Open }
}

fn fields<'a>(schema: &'a TableSchema, path: &[String]) -> Option<&'a Vec<Field>> {
    path.iter().try_fold(&schema.fields, |fields, key| fields.iter().find(|field| field.name == *key)?.kind.members())
}

/// Says where the columns of a table come from.
pub fn elsewhere(diagnostic: Diagnostic, dotted: &str) -> Diagnostic {
    if ecs().field(dotted).is_some() || ecs().is_group(dotted) {
        let help =
            format!("`{dotted}` is part of ECS: add it to `schema.ecs_field_names` of the log source, and assign it");
        return diagnostic.help(help);
    }
    match ecs().alike(dotted) {
        Some(alike) => diagnostic.help(format!("did you mean `{}` of ECS?", alike.candidate)),
        None => diagnostic.help("the columns of a table are in its log source's `schema`"),
    }
}
