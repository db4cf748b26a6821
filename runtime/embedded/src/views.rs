//! `<table>_view`: every column of a table under one name, `source_ip` for `source.ip`, as queries written for Matano
//! expect it. Nothing is stored: a view is made when a query names it.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, Fields},
    catalog::TableProvider,
    error::DataFusionError,
    execution::context::SessionContext,
    functions::core::expr_ext::FieldAccessor as _,
    logical_expr::{Expr, ident},
};

const SUFFIX: &str = "_view";

/// The name of a table's view.
pub(crate) fn name(table: &str) -> String {
    format!("{table}{SUFFIX}")
}

/// The table that a view is of.
pub(crate) fn table(view: &str) -> Option<&str> {
    view.strip_suffix(SUFFIX)
}

/// The view of a table.
pub(crate) fn of(
    context: &SessionContext,
    table: Arc<dyn TableProvider>,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let schema = table.schema();
    let columns = leaves(schema.fields()).into_iter().map(|(path, name)| {
        let (first, rest) = path.split_first().expect("a leaf has a name");
        rest.iter().fold(ident(first), |column: Expr, member| column.field(member.as_str())).alias(name)
    });
    let columns: Vec<Expr> = columns.collect();
    Ok(context.read_table(table)?.select(columns)?.into_view())
}

/// Every column that is no struct, by path, and its name in the view. Where two paths make one name, the shorter path has
/// it, and the other keeps its dots.
fn leaves(fields: &Fields) -> Vec<(Vec<String>, String)> {
    let mut paths = Vec::new();
    collect(fields, &mut Vec::new(), &mut paths);
    let mut by_length: Vec<&Vec<String>> = paths.iter().collect();
    by_length.sort_by_key(|path| path.len());
    let mut taken = BTreeSet::new();
    let plain: BTreeSet<Vec<String>> =
        by_length.into_iter().filter(|path| taken.insert(path.join("_"))).cloned().collect();
    let named = |path: Vec<String>| {
        let name = if plain.contains(&path) { path.join("_") } else { path.join(".") };
        (path, name)
    };
    paths.into_iter().map(named).collect()
}

fn collect(fields: &Fields, above: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    for field in fields {
        above.push(field.name().clone());
        match field.data_type() {
            DataType::Struct(members) => collect(members, above, out),
            _ => out.push(above.clone()),
        }
        above.pop();
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn group(name: &str, members: Vec<Field>) -> Field {
        Field::new(name, DataType::Struct(members.into()), true)
    }

    #[test]
    fn leaves_have_one_name_each_and_the_shorter_path_wins() {
        let leaf = |name: &str| Field::new(name, DataType::Utf8, true);
        let list = Field::new("l", DataType::List(Arc::new(group("element", vec![leaf("x")]))), true);
        let fields = vec![leaf("ts"), group("a", vec![group("b", vec![leaf("c")]), leaf("b_c")]), leaf("a_b_d"), list];
        let names: Vec<String> = leaves(&fields.into()).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["ts", "a.b.c", "a_b_c", "a_b_d", "l"]);
    }
}
