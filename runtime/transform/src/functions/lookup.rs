use std::sync::Arc;

use vrl::{compiler::function::Error, prelude::*};

use crate::enrichment::{Current, EnrichmentTables, at_path};

/// `get_enrichment_table_record(table, condition, select?)`: the row of a table for which a condition holds, or null.
#[derive(Debug, Clone)]
pub(crate) struct GetEnrichmentTableRecord {
    pub tables: EnrichmentTables,
}

impl Function for GetEnrichmentTableRecord {
    fn identifier(&self) -> &'static str {
        "get_enrichment_table_record"
    }

    fn usage(&self) -> &'static str {
        "The row of an enrichment table whose columns equal those of `condition`, or null."
    }

    fn category(&self) -> &'static str {
        Category::Map.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("table", kind::BYTES, "The name of the table, literally."),
            Parameter::required(
                "condition",
                kind::ANY,
                "A value of the lookup key, or an object of columns and values.",
            ),
            Parameter::optional("select", kind::ARRAY, "The columns to return; all where it is missing."),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[]
    }

    fn compile(&self, state: &TypeState, _: &mut FunctionCompileContext, arguments: ArgumentList) -> Compiled {
        let name = arguments.required_literal("table", state)?;
        let Some(table) = name.to_str().and_then(|name| self.tables.get(name)) else {
            let variants = self.tables.names().map(|name| Value::from(name.as_str())).collect();
            return Err(Error::InvalidEnumVariant { keyword: "table", value: name, variants }.into());
        };
        Ok(LookupFn {
            table: table.clone(),
            condition: arguments.required("condition"),
            select: arguments.optional("select"),
        }
        .as_expr())
    }
}

#[derive(Debug, Clone)]
struct LookupFn {
    table: Arc<Current>,
    condition: Box<dyn Expression>,
    select: Option<Box<dyn Expression>>,
}

impl FunctionExpression for LookupFn {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let condition = self.condition.resolve(context)?;
        let table = self.table.table();
        let Some(row) = table.find(&condition)? else { return Ok(Value::Null) };
        let Some(select) = &self.select else { return Ok(row.clone()) };
        let select = select.resolve(context)?.try_array()?;
        let mut out = Value::Object(ObjectMap::new());
        for path in &select {
            let Some(path) = path.to_str() else {
                return Err(format!("expected names of columns in `select`, found {}", path.kind()).into());
            };
            if let Some(value) = at_path(row, path) {
                let segments: Vec<_> = path.split('.').map(vrl::path::OwnedSegment::field).collect();
                out.insert(&vrl::path::OwnedValuePath::from(segments), value.clone());
            }
        }
        Ok(out)
    }

    fn type_def(&self, _: &TypeState) -> TypeDef {
        TypeDef::object(Collection::any()).or_null().fallible()
    }
}
