//! The rows of a table, under its current columns.
//!
//! iceberg 0.10 fails on a file that was written before a struct got another member, or before the table got a list. So a file
//! is read under the columns that it has, as its manifest says, and its rows are filled up here.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{FieldRef, SchemaRef as ArrowSchemaRef},
    error::ArrowError,
};
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use iceberg::{
    Error, ErrorKind, Result,
    arrow::schema_to_arrow_schema,
    expr::Predicate,
    scan::FileScanTask,
    spec::{ListType, NestedField, NestedFieldRef, Schema, StructType, TableMetadata, Type},
    table::Table,
};

use crate::{LakeError, conform::conform, manifests};

/// What is read.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Columns by name; all where none are given.
    pub columns: Option<Vec<String>>,
    /// Files and row groups that have no such row are left out; other rows may still come.
    pub filter: Option<Predicate>,
    /// How files are read.
    pub files: Files,
}

/// How files are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Files {
    /// Several at a time, in no order.
    #[default]
    AtOnce,
    /// One after the other, those that were committed last at the end.
    InOrder,
}

/// A table's rows.
pub type Rows = BoxStream<'static, std::result::Result<RecordBatch, LakeError>>;

/// Reads the snapshot that a table is at.
pub async fn read(table: &Table, reading: Reading) -> std::result::Result<Rows, LakeError> {
    let action = format!("read table `{}`", table.identifier().name());
    let rows = open(table, reading).await.map_err(LakeError::iceberg(&action))?;
    Ok(rows.map_err(move |error| LakeError::iceberg(&action)(error)).boxed())
}

/// A table's columns as [`read`] gives them.
pub fn arrow_schema(table: &Table) -> std::result::Result<ArrowSchemaRef, LakeError> {
    projected(table, None).map_err(LakeError::iceberg(format!("read table `{}`", table.identifier().name())))
}

async fn open(table: &Table, reading: Reading) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let Reading { columns, filter, files } = reading;
    let want = projected(table, columns.as_deref())?;
    let mut scan = match columns {
        Some(columns) => table.scan().select(columns),
        None => table.scan().select_all(),
    };
    if let Some(filter) = filter {
        scan = scan.with_filter(filter);
    }
    let mut reader = table.reader_builder();
    match files {
        Files::AtOnce => (),
        Files::InOrder => {
            scan = scan.with_concurrency_limit(1);
            reader = reader.with_data_file_concurrency_limit(1);
        }
    }
    let mut tasks = scan.build()?.plan_files().await?;
    if has_grown(table.metadata()) {
        let ids = ids_by_file(table).await?;
        tasks = tasks.map(move |task| narrowed_task(task?, &ids)).boxed();
    }
    let batches = reader.with_row_group_filtering_enabled(true).build().read(tasks)?.stream();
    Ok(batches.map(move |batch| filled(&batch?, &want)).boxed())
}

/// Rows of one file, with all columns that are wanted and no others.
fn filled(batch: &RecordBatch, want: &ArrowSchemaRef) -> Result<RecordBatch> {
    let invalid = |error: ArrowError| Error::new(ErrorKind::DataInvalid, error.to_string());
    let schema = batch.schema();
    let wanted = |(place, field): (usize, &FieldRef)| want.index_of(field.name()).is_ok().then_some(place);
    let places: Vec<usize> = schema.fields().iter().enumerate().filter_map(wanted).collect();
    conform(&batch.project(&places).map_err(invalid)?, want).map_err(invalid)
}

/// The columns that reading gives, in the order in which they are asked for.
fn projected(table: &Table, columns: Option<&[String]>) -> Result<ArrowSchemaRef> {
    let all = schema_to_arrow_schema(table.metadata().current_schema())?;
    let Some(columns) = columns else { return Ok(Arc::new(all)) };
    let places = columns.iter().map(|name| all.index_of(name)).collect::<std::result::Result<Vec<usize>, _>>();
    let projected = places.and_then(|places| all.project(&places));
    projected.map(Arc::new).map_err(|error| Error::new(ErrorKind::DataInvalid, error.to_string()))
}

/// Whether files may have been written when there were fewer columns than now, or fewer members in one.
fn has_grown(metadata: &TableMetadata) -> bool {
    let of = |schema: &Schema| {
        let fields = schema.as_struct().fields();
        fields.iter().flat_map(leaves).collect::<HashSet<i32>>()
    };
    let current = of(metadata.current_schema());
    metadata.schemas_iter().any(|before| !current.is_subset(&of(before)))
}

/// The ids of what has values in a file.
fn leaves(field: &NestedFieldRef) -> Vec<i32> {
    match field.field_type.as_ref() {
        Type::Struct(members) => members.fields().iter().flat_map(leaves).collect(),
        Type::List(list) => leaves(&list.element_field),
        Type::Primitive(_) | Type::Map(_) => vec![field.id],
    }
}

/// The ids of the columns of each file. A file of which nothing is known is left out.
async fn ids_by_file(table: &Table) -> Result<HashMap<String, HashSet<i32>>> {
    let mut out = HashMap::new();
    for manifest in manifests::present(table).await? {
        for entry in manifests::alive(table, &manifest).await? {
            let ids: HashSet<i32> = entry.data_file.value_counts().keys().copied().collect();
            if !ids.is_empty() {
                out.insert(entry.data_file.file_path().to_owned(), ids);
            }
        }
    }
    Ok(out)
}

/// Reads what is there of the columns that are wanted.
fn narrowed_task(mut task: FileScanTask, ids: &HashMap<String, HashSet<i32>>) -> Result<FileScanTask> {
    let Some(ids) = ids.get(task.data_file_path()) else { return Ok(task) };
    let fields = task.schema.as_struct().fields().iter();
    let fields: Vec<NestedFieldRef> = fields.filter_map(|field| present(field, ids)).collect();
    let wanted = task.project_field_ids.iter().copied().filter(|id| fields.iter().any(|field| field.id == *id));
    let mut wanted: Vec<i32> = wanted.collect();
    if wanted.is_empty() {
        // a column that says how many rows there are
        let narrow = fields.iter().find(|field| field.field_type.is_primitive()).or(fields.first());
        wanted.extend(narrow.map(|field| field.id));
    }
    task.project_field_ids = wanted;
    let schema = Schema::builder().with_schema_id(task.schema.schema_id()).with_fields(fields);
    task.schema = Arc::new(schema.build()?);
    Ok(task)
}

/// A member with what is there of it; `None` where nothing is.
fn present(field: &NestedFieldRef, ids: &HashSet<i32>) -> Option<NestedFieldRef> {
    let with = |kind: Type| NestedField { field_type: Box::new(kind), ..field.as_ref().clone() };
    match field.field_type.as_ref() {
        Type::Primitive(_) => ids.contains(&field.id).then(|| field.clone()),
        Type::Struct(members) => {
            let members: Vec<NestedFieldRef> =
                members.fields().iter().filter_map(|member| present(member, ids)).collect();
            (!members.is_empty()).then(|| Arc::new(with(Type::Struct(StructType::new(members)))))
        }
        Type::List(list) => {
            let element_field = present(&list.element_field, ids)?;
            Some(Arc::new(with(Type::List(ListType { element_field }))))
        }
        Type::Map(_) => Some(field.clone()),
    }
}
