//! Values that a transform assigns and no column takes.

use std::collections::BTreeMap;

use model::{
    ecs::{Alike, alike, ecs},
    schema::TableSchema,
};
use project::{Diagnostic, Level, Span, rules};

use crate::{
    context::{Context, is_managed},
    rule::{Rule, Standing},
    vrl::assignments,
};

/// Columns that are named exist.
pub const RULE: Rule = Rule {
    id: rules::UNKNOWN_COLUMN.id,
    level: rules::UNKNOWN_COLUMN.level,
    standing: Standing::ErrorsRequired,
    summary: rules::UNKNOWN_COLUMN.about,
    why: "A value that VRL assigns to a path without a column is dropped from every row; that is a warning, because old \
          transforms do it without harm. A key that names a column that does not exist is an error. Columns \
          are those that matano adds, the entries of `schema.ecs_field_names` and those of `schema.fields`.",
    bad: "schema:\n  ecs_field_names: [source.ip]\ntransform: |\n  .source.adress = .json.ip\n",
    good: "schema:\n  ecs_field_names: [source.ip]\ntransform: |\n  .source.ip = .json.ip\n",
    check: Some(check),
};

/// One assignment in the text of a file, which may be part of the programs of several tables.
#[derive(Default)]
struct Assignment<'a> {
    programs: usize,
    lost_in: usize,
    /// Whether its path stands nowhere else in a program: then it can be mended alone.
    is_only: bool,
    schema: Option<&'a TableSchema>,
}

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut assigned: BTreeMap<(String, Option<Span>, String), Assignment<'_>> = BTreeMap::new();
    for program in &context.programs {
        let (Ok(compiled), Some(schema)) = (&program.outcome, program.schema) else { continue };
        if context.is_partly_declared(program) {
            continue;
        }
        for (path, range) in assignments(&program.source.text) {
            let written = program.source.text[range.clone()].to_owned();
            let (file, span) = program.source.span(range);
            let lost = compiled.not_columns().contains(&path);
            let is_only = written == format!(".{path}") && program.source.text.matches(&written).count() == 1;
            let assignment = assigned.entry((file, span, path)).or_default();
            assignment.is_only = is_only;
            assignment.programs += 1;
            assignment.lost_in += usize::from(lost);
            assignment.schema = Some(schema);
        }
    }
    // the transform of a log source serves all its tables, and what one of them takes is not lost
    let lost = assigned.into_iter().filter(|(_, assignment)| assignment.lost_in == assignment.programs);
    let lost = lost.filter(|((file, ..), _)| !is_managed(file));
    lost.map(|((file, span, path), assignment)| {
        let message = format!("no column `{path}`: what is assigned to it is in no row");
        let mut diagnostic = mended(RULE.diagnostic(&file, span, message), &path, &assignment);
        diagnostic.severity = Level::Warning;
        diagnostic
    })
    .collect()
}

fn mended(diagnostic: Diagnostic, path: &str, assignment: &Assignment<'_>) -> Diagnostic {
    let columns = assignment.schema.map(TableSchema::leaves).unwrap_or_default();
    let Some(found) = alike(path, columns.iter().map(|(path, _)| path.as_str())) else {
        return diagnostic.help(help(path));
    };
    let Alike { candidate, certain } = found;
    // as it is written in a program
    let (written, meant) = (format!(".{path}"), format!(".{candidate}"));
    let certain = certain && assignment.is_only;
    diagnostic.meant(&written, Alike { candidate: &meant, certain }).help(format!("did you mean `{candidate}`?"))
}

fn help(path: &str) -> String {
    if ecs().field(path).is_some() || ecs().is_group(path) {
        return format!("add `{path}` to `schema.ecs_field_names`");
    }
    if let Some(alike) = ecs().suggest(path) {
        return format!("did you mean `{alike}`? then add it to `schema.ecs_field_names` too");
    }
    format!("add `{path}` to `schema.fields`, or use a variable: `{} = ...`", path.rsplit('.').next().unwrap_or(path))
}
