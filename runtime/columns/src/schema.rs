use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use model::schema::{Field as ModelField, FieldType, TableSchema};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use crate::{ColumnsError, FieldIds};

/// The name of a list's element in Arrow and Parquet, as Iceberg expects it.
pub(crate) const ELEMENT: &str = "element";

/// A table's columns as an Arrow schema. With `ids`, fields, list elements and struct members carry `PARQUET:field_id`.
pub fn arrow_schema(schema: &TableSchema, ids: Option<&FieldIds>) -> SchemaRef {
    Arc::new(Schema::new(fields(&schema.fields, "", ids)))
}

fn fields(fields: &[ModelField], prefix: &str, ids: Option<&FieldIds>) -> Fields {
    fields.iter().map(|f| field(&f.name, &f.kind, &join(prefix, &f.name), ids)).collect()
}

fn field(name: &str, kind: &FieldType, path: &str, ids: Option<&FieldIds>) -> Field {
    let id = ids.and_then(|ids| ids.get(path));
    let metadata = id.map(|id| HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]));
    Field::new(name, data_type(kind, path, ids), true).with_metadata(metadata.unwrap_or_default())
}

fn data_type(kind: &FieldType, path: &str, ids: Option<&FieldIds>) -> DataType {
    match kind {
        FieldType::Boolean => DataType::Boolean,
        FieldType::Int => DataType::Int32,
        FieldType::Long => DataType::Int64,
        FieldType::Float => DataType::Float32,
        FieldType::Double => DataType::Float64,
        FieldType::String => DataType::Utf8,
        FieldType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        FieldType::Date => DataType::Date32,
        FieldType::Struct(members) => DataType::Struct(fields(members, path, ids)),
        FieldType::List(element) => DataType::List(Arc::new(field(ELEMENT, element, &join(path, ELEMENT), ids))),
    }
}

/// The other way round: a file's or a query's Arrow schema as a table's columns.
pub fn table_schema(schema: &Schema) -> Result<TableSchema, ColumnsError> {
    Ok(TableSchema { fields: model_fields(schema.fields(), "")? })
}

fn model_fields(fields: &Fields, prefix: &str) -> Result<Vec<ModelField>, ColumnsError> {
    let one = |field: &Arc<Field>| {
        let kind = field_type(field.data_type(), &join(prefix, field.name()))?;
        Ok(ModelField { name: field.name().clone(), kind })
    };
    fields.iter().map(one).collect()
}

fn field_type(data_type: &DataType, path: &str) -> Result<FieldType, ColumnsError> {
    Ok(match data_type {
        DataType::Boolean => FieldType::Boolean,
        DataType::Int32 => FieldType::Int,
        DataType::Int64 => FieldType::Long,
        DataType::Float32 => FieldType::Float,
        DataType::Float64 => FieldType::Double,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => FieldType::String,
        DataType::Timestamp(TimeUnit::Microsecond, _) => FieldType::Timestamp,
        DataType::Date32 => FieldType::Date,
        DataType::Struct(members) => FieldType::Struct(model_fields(members, path)?),
        DataType::List(element) => FieldType::List(Box::new(field_type(element.data_type(), path)?)),
        // other types of Arrow: nothing of ours writes them
        other => return Err(ColumnsError::UnknownType { path: path.to_owned(), found: other.to_string() }),
    })
}

pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_ids_reach_list_elements_and_their_members() {
        let schema: TableSchema = serde_json::from_value(serde_json::json!({"fields": [
            {"name": "a", "type": {"type": "list", "element": {"type": "struct", "fields": [
                {"name": "b", "type": "long"}]}}}]}))
        .unwrap();
        let paths = ["a", "a.element", "a.element.b"];
        let ids: FieldIds = paths.iter().zip(1..).map(|(path, id)| (path.to_string(), id)).collect();
        let arrow = arrow_schema(&schema, Some(&ids));
        let id = |field: &Field| field.metadata().get(PARQUET_FIELD_ID_META_KEY).cloned().unwrap();
        let list = arrow.field(0);
        let DataType::List(element) = list.data_type() else { panic!("{list}") };
        let DataType::Struct(members) = element.data_type() else { panic!("{element}") };
        assert_eq!(element.name(), "element");
        assert_eq!([id(list), id(element), id(&members[0])], ["1", "2", "3"]);
        assert_eq!(table_schema(&arrow).unwrap(), schema);
    }

    #[test]
    fn timestamps_have_no_zone_and_every_column_is_nullable() {
        let arrow = arrow_schema(&model::system::row_columns(), None);
        assert_eq!(arrow.field(0).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
        assert!(arrow.fields().iter().all(|field| field.is_nullable() && field.metadata().is_empty()));
    }
}
