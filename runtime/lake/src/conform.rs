//! Rows of a file as rows of its table: columns in the table's order, missing ones null, narrow numbers widened.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, RecordBatchOptions, StructArray, new_null_array},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Fields, SchemaRef},
    error::ArrowError,
};

/// One batch under another schema. Columns that `schema` lacks are an error: their values would be lost.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let from = batch.schema();
    let columns = members(from.fields(), batch.columns(), schema.fields(), batch.num_rows())?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

fn members(have: &Fields, arrays: &[ArrayRef], want: &Fields, rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
    if let Some(extra) = have.iter().find(|field| want.find(field.name()).is_none()) {
        return Err(ArrowError::SchemaError(format!("the table has no column `{}`", extra.name())));
    }
    let one = |field: &FieldRef| match have.find(field.name()) {
        Some((index, _)) => column(&arrays[index], field),
        None => Ok(new_null_array(field.data_type(), rows)),
    };
    want.iter().map(one).collect()
}

fn column(array: &ArrayRef, want: &Field) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), want.data_type()) {
        (have, kind) if have == kind => Ok(array.clone()),
        (DataType::Struct(have), DataType::Struct(fields)) => {
            let array = array.as_struct();
            let columns = members(have, array.columns(), fields, array.len())?;
            let nulls = array.nulls().cloned();
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?))
        }
        (DataType::List(_), DataType::List(element)) => {
            let array: &ListArray = array.as_list();
            let values = column(array.values(), element)?;
            Ok(Arc::new(ListArray::try_new(element.clone(), array.offsets().clone(), values, array.nulls().cloned())?))
        }
        (DataType::Int32, DataType::Int64)
        | (DataType::Float32, DataType::Float64)
        | (DataType::LargeUtf8 | DataType::Utf8View, DataType::Utf8) => cast(array, want.data_type()),
        (have, kind) => {
            Err(ArrowError::SchemaError(format!("column `{}`: expected {kind}, found {have}", want.name())))
        }
    }
}

/// Whether a file can stand in the table as it is: each of its columns has the id and the type, or a narrower one, of the
/// column of that name.
pub(crate) fn fits(have: &Fields, want: &Fields) -> bool {
    have.iter().all(|field| want.find(field.name()).is_some_and(|(_, column)| field_fits(field, column)))
}

fn field_fits(have: &Field, want: &Field) -> bool {
    let id = |field: &Field| field.metadata().get("PARQUET:field_id").cloned();
    id(have).is_some()
        && id(have) == id(want)
        && match (have.data_type(), want.data_type()) {
            (DataType::Struct(have), DataType::Struct(want)) => fits(have, want),
            (DataType::List(have), DataType::List(want)) => field_fits(have, want),
            (DataType::Int32, DataType::Int64) | (DataType::Float32, DataType::Float64) => true,
            (have, want) => have == want,
        }
}

#[cfg(test)]
mod tests {
    use arrow::{array::Int64Array, datatypes::Schema};
    use model::schema::TableSchema;

    use super::*;

    fn schema(json: &str) -> TableSchema {
        serde_json::from_str(&format!("{{\"fields\":{json}}}")).unwrap()
    }

    fn rows(schema: &TableSchema, rows: serde_json::Value) -> RecordBatch {
        let rows: Vec<serde_json::Value> = serde_json::from_value(rows).unwrap();
        columns::json_rows(schema, &rows).unwrap().0
    }

    #[test]
    fn missing_columns_are_null_and_numbers_grow_at_any_depth() {
        let old = schema(
            r#"[{"name":"a","type":{"type":"list","element":{"type":"struct","fields":[{"name":"n","type":"int"}]}}}]"#,
        );
        let new = schema(
            r#"[{"name":"z","type":"string"},{"name":"a","type":{"type":"list","element":{"type":"struct","fields":[
               {"name":"m","type":"string"},{"name":"n","type":"long"}]}}}]"#,
        );
        let batch = rows(&old, serde_json::json!([{"a": [{"n": 7}, {"n": 8}]}, {}]));
        let batch = conform(&batch, &columns::arrow_schema(&new, None)).unwrap();
        let list: &ListArray = batch.column_by_name("a").unwrap().as_list();
        let numbers = list.values().as_struct().column_by_name("n").unwrap().clone();
        assert_eq!(numbers.as_any().downcast_ref::<Int64Array>().unwrap().values(), &[7, 8]);
        assert_eq!(batch.column_by_name("z").unwrap().null_count(), 2);
        assert!(list.is_null(1));
    }

    #[test]
    fn a_column_that_the_table_lacks_is_not_dropped_in_silence() {
        let batch = rows(&schema(r#"[{"name":"a","type":"int"}]"#), serde_json::json!([{"a": 1}]));
        let error = conform(&batch, &Arc::new(Schema::empty())).unwrap_err().to_string();
        assert!(error.contains("no column `a`"), "{error}");
    }

    #[test]
    fn a_file_without_ids_does_not_fit() {
        let schema = schema(r#"[{"name":"a","type":"int"}]"#);
        let ids: columns::FieldIds = [("a".to_owned(), 1)].into_iter().collect();
        let with = columns::arrow_schema(&schema, Some(&ids));
        let without = columns::arrow_schema(&schema, None);
        assert!(fits(with.fields(), with.fields()));
        assert!(!fits(without.fields(), with.fields()));
    }
}
