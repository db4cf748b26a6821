//! Values that VRL assigns and that no column of that type takes.

use model::schema::FieldType;
use project::{Diagnostic, Level};
use transform::NeverFits;

use crate::{
    context::{Context, is_managed},
    rule::{Rule, Standing},
    vrl::{Compiled, assignments},
};

/// What VRL assigns can be what the column holds.
pub const RULE: Rule = Rule {
    id: "vrl-type",
    level: Level::Warning,
    standing: Standing::Adjustable,
    summary: "what VRL assigns can be what the column holds",
    why: "A value is put into a column where nothing is lost: text `80` into a long, 1 into a boolean, a single value into a \
          list. Where the compiler knows that what is assigned is of a type that never fits, the column is null in every row \
          and `matano.errors` says so each time.",
    bad: "schema:\n  fields:\n    - {name: is_admin, type: boolean}\ntransform: |\n  .is_admin = {\"admin\": .json.admin}\n",
    good: "schema:\n  fields:\n    - {name: is_admin, type: boolean}\ntransform: |\n  .is_admin = .json.admin == true\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for program in &context.programs {
        let Ok(compiled) = &program.outcome else { continue };
        if compiled.never_fits().is_empty() || context.is_partly_declared(program) {
            continue;
        }
        out.extend(compiled.never_fits().iter().filter_map(|misfit| of_column(program, misfit)));
    }
    out.retain(|diagnostic| !is_managed(&diagnostic.file));
    out
}

fn of_column(program: &Compiled<'_>, misfit: &NeverFits) -> Option<Diagnostic> {
    let NeverFits { column, kind, found } = misfit;
    // the last one says what is left
    let below = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let assigned = assignments(&program.source.text);
    let (_, range) = assigned.into_iter().rfind(|(path, _)| below(path, column) || below(column, path))?;
    let (file, span) = program.source.span(range);
    let kind = match kind {
        FieldType::Struct(_) => "a struct".to_owned(),
        kind => format!("`{kind}`"),
    };
    let message = format!("the column `{column}` is {kind}, and what is assigned to it is `{found}`");
    let help = "it is null in every row: convert the value, or give the column another type";
    Some(RULE.diagnostic(&file, span, message).help(help))
}
