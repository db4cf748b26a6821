//! A table's schema as plain data, in Iceberg's types, and back.

use std::sync::Arc;

use columns::FieldIds;
use iceberg::spec::{
    ListType, MappedField, NameMapping, NestedField, NestedFieldRef, NullOrder, PrimitiveType, Schema, SortDirection,
    SortField, SortOrder, StructType, Transform, Type, UnboundPartitionSpec,
};
use model::{
    release::Partition,
    schema::{Field, FieldType, TableSchema},
};

/// The column that tables are partitioned and sorted by.
pub(crate) const TS: &str = "ts";

/// For a new table. The ids are in order of appearance; the catalog gives out its own.
pub(crate) fn to_iceberg(schema: &TableSchema) -> iceberg::Result<Schema> {
    let mut next = 0;
    Schema::builder().with_fields(fields(&schema.fields, &mut next)).build()
}

fn fields(fields: &[Field], next: &mut i32) -> Vec<NestedFieldRef> {
    let ids: Vec<i32> = fields.iter().map(|_| id(next)).collect();
    fields
        .iter()
        .zip(ids)
        .map(|(field, id)| Arc::new(NestedField::optional(id, &field.name, kind(&field.kind, next))))
        .collect()
}

fn id(next: &mut i32) -> i32 {
    *next += 1;
    *next
}

/// One type. `next` is the last id given out.
pub(crate) fn kind(kind: &FieldType, next: &mut i32) -> Type {
    let primitive = match kind {
        FieldType::Struct(members) => return Type::Struct(StructType::new(fields(members, next))),
        FieldType::List(element) => {
            let id = id(next);
            let element_field = Arc::new(NestedField::list_element(id, self::kind(element, next), false));
            return Type::List(ListType { element_field });
        }
        FieldType::Boolean => PrimitiveType::Boolean,
        FieldType::Int => PrimitiveType::Int,
        FieldType::Long => PrimitiveType::Long,
        FieldType::Float => PrimitiveType::Float,
        FieldType::Double => PrimitiveType::Double,
        FieldType::String => PrimitiveType::String,
        FieldType::Timestamp => PrimitiveType::Timestamp,
        FieldType::Date => PrimitiveType::Date,
    };
    Type::Primitive(primitive)
}

/// Back again. The error is the dotted path of a column whose type matano does not have, and that type.
pub(crate) fn from_iceberg(schema: &Schema) -> Result<TableSchema, (String, String)> {
    Ok(TableSchema { fields: model_fields(schema.as_struct().fields(), "")? })
}

fn model_fields(fields: &[NestedFieldRef], prefix: &str) -> Result<Vec<Field>, (String, String)> {
    let one = |field: &NestedFieldRef| {
        let path = if prefix.is_empty() { field.name.clone() } else { format!("{prefix}.{}", field.name) };
        Ok(Field { name: field.name.clone(), kind: model_kind(&field.field_type, &path)? })
    };
    fields.iter().map(one).collect()
}

fn model_kind(kind: &Type, path: &str) -> Result<FieldType, (String, String)> {
    Ok(match kind {
        Type::Struct(members) => FieldType::Struct(model_fields(members.fields(), path)?),
        Type::List(list) => FieldType::List(Box::new(model_kind(&list.element_field.field_type, path)?)),
        Type::Primitive(PrimitiveType::Boolean) => FieldType::Boolean,
        Type::Primitive(PrimitiveType::Int) => FieldType::Int,
        Type::Primitive(PrimitiveType::Long) => FieldType::Long,
        Type::Primitive(PrimitiveType::Float) => FieldType::Float,
        Type::Primitive(PrimitiveType::Double) => FieldType::Double,
        Type::Primitive(PrimitiveType::String) => FieldType::String,
        Type::Primitive(PrimitiveType::Timestamp) => FieldType::Timestamp,
        Type::Primitive(PrimitiveType::Date) => FieldType::Date,
        other => return Err((path.to_owned(), other.to_string())),
    })
}

/// The ids that data files carry. Iceberg's dotted names are the ones `columns` uses.
pub(crate) fn field_ids(schema: &Schema) -> FieldIds {
    schema.field_id_to_name_map().iter().map(|(id, path)| (path.clone(), *id)).collect()
}

/// `schema.name-mapping.default`, for readers of files without ids.
pub(crate) fn name_mapping(schema: &Schema) -> NameMapping {
    NameMapping::new(mapped(schema.as_struct().fields()))
}

fn mapped(fields: &[NestedFieldRef]) -> Vec<MappedField> {
    let one = |field: &NestedFieldRef| {
        let below = match field.field_type.as_ref() {
            Type::Struct(members) => mapped(members.fields()),
            Type::List(list) => mapped(std::slice::from_ref(&list.element_field)),
            Type::Primitive(_) | Type::Map(_) => Vec::new(),
        };
        MappedField::new(Some(field.id), vec![field.name.clone()], below)
    };
    fields.iter().map(one).collect()
}

/// Whether rows of `schema` have a time to partition and sort by.
pub(crate) fn has_ts(schema: &TableSchema) -> bool {
    schema.fields.iter().any(|field| field.name == TS && field.kind == FieldType::Timestamp)
}

/// The partition spec of a new table.
pub(crate) fn partition_spec(partition: Partition, schema: &Schema) -> iceberg::Result<UnboundPartitionSpec> {
    let (name, transform) = match partition {
        Partition::Hour => ("ts_hour", Transform::Hour),
        Partition::Day => ("ts_day", Transform::Day),
        Partition::Month => ("ts_month", Transform::Month),
        Partition::None => return Ok(UnboundPartitionSpec::builder().build()),
    };
    // the caller has checked that there is a `ts`
    let source = schema.field_id_by_name(TS).unwrap_or_default();
    Ok(UnboundPartitionSpec::builder().add_partition_field(source, name, transform)?.build())
}

/// How a table is partitioned, `None` where matano would not have done it.
pub(crate) fn partition_of(spec: &iceberg::spec::PartitionSpec, schema: &Schema) -> Option<Partition> {
    let ts = schema.field_id_by_name(TS);
    match spec.fields() {
        [] => Some(Partition::None),
        [field] if Some(field.source_id) == ts => match field.transform {
            Transform::Hour => Some(Partition::Hour),
            Transform::Day => Some(Partition::Day),
            Transform::Month => Some(Partition::Month),
            _ => None,
        },
        _ => None,
    }
}

/// By `ts`, earliest first.
pub(crate) fn sort_order(schema: &Schema) -> iceberg::Result<SortOrder> {
    let Some(source) = schema.field_id_by_name(TS) else { return Ok(SortOrder::unsorted_order()) };
    let field = SortField::builder()
        .source_id(source)
        .transform(Transform::Identity)
        .direction(SortDirection::Ascending)
        .null_order(NullOrder::First)
        .build();
    SortOrder::builder().with_order_id(1).with_sort_field(field).build(schema)
}
