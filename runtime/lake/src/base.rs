//! What a transaction starts from. iceberg loads the table afresh for each attempt of a commit; looking at it there, and not
//! before, is what makes a decision hold when another writer got in between.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use iceberg::{
    Catalog, Error, ErrorKind, Namespace, NamespaceIdent, Result, Runtime, TableCommit, TableCreation, TableIdent,
    spec::TableMetadata, table::Table,
};
use model::staged::BatchId;
use serde_json::Value;

use crate::manifests;

/// The batches that stand in a table's snapshots.
pub(crate) fn has_batch(metadata: &TableMetadata, batch: BatchId) -> bool {
    let word = batch.0.to_string();
    metadata.snapshots().any(|snapshot| snapshot.summary().additional_properties.get(BatchId::PROPERTY) == Some(&word))
}

/// The catalog for one transaction.
#[derive(Debug)]
pub(crate) struct Base {
    catalog: Arc<dyn Catalog>,
    rule: Rule,
    refused: AtomicBool,
    /// Lists that were written to be shown once.
    lists: Mutex<Vec<String>>,
}

/// What happens to the table when it is loaded.
#[derive(Debug)]
pub(crate) enum Rule {
    /// Refuse if this batch is in it; else show its manifests merged where they are many.
    Once(BatchId),
    /// Show these fields, by id, with these wider types. iceberg's schema update adds and deletes columns but does not widen
    /// them; it takes over whatever else it sees, and the requirement it writes holds for the real table.
    Widen(Vec<(i32, &'static str)>),
}

impl Base {
    pub(crate) fn new(catalog: Arc<dyn Catalog>, rule: Rule) -> Self {
        Self { catalog, rule, refused: AtomicBool::new(false), lists: Mutex::default() }
    }

    /// Files that nothing needs once the transaction has ended.
    pub(crate) fn leftovers(self) -> Vec<String> {
        self.lists.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a load found the batch.
    pub(crate) fn refused(&self) -> bool {
        self.refused.load(Ordering::SeqCst)
    }
}

fn widened(table: &Table, fields: &[(i32, &'static str)]) -> Result<Table> {
    let current = table.metadata().current_schema_id();
    changed(table, |metadata| {
        let schemas = metadata.get_mut("schemas").and_then(Value::as_array_mut).into_iter().flatten();
        for schema in schemas.filter(|schema| schema["schema-id"] == current) {
            widen(schema, fields);
        }
    })
}

/// The table with another list of the current snapshot's manifests: what iceberg commits on top of it lists them.
fn listing(table: &Table, list: &str) -> Result<Table> {
    let current = table.metadata().current_snapshot_id();
    changed(table, |metadata| {
        let snapshots = metadata.get_mut("snapshots").and_then(Value::as_array_mut).into_iter().flatten();
        for snapshot in snapshots.filter(|snapshot| snapshot["snapshot-id"].as_i64() == current) {
            snapshot["manifest-list"] = Value::from(list);
        }
    })
}

/// The table with other metadata than it has.
fn changed(table: &Table, change: impl FnOnce(&mut Value)) -> Result<Table> {
    let mut metadata = serde_json::to_value(table.metadata())?;
    change(&mut metadata);
    let metadata: TableMetadata = serde_json::from_value(metadata)?;
    let table = Table::builder()
        .identifier(table.identifier().clone())
        .file_io(table.file_io().clone())
        .metadata_location(table.metadata_location_result()?)
        .metadata(metadata)
        .runtime(Runtime::try_current()?);
    table.build()
}

fn widen(node: &mut Value, fields: &[(i32, &'static str)]) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(|item| widen(item, fields)),
        Value::Object(members) => {
            for (id, kind) in fields {
                if members.get("id") == Some(&Value::from(*id)) {
                    members.insert("type".to_owned(), Value::from(*kind));
                }
                if members.get("element-id") == Some(&Value::from(*id)) {
                    members.insert("element".to_owned(), Value::from(*kind));
                }
            }
            members.values_mut().for_each(|member| widen(member, fields));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

#[async_trait]
impl Catalog for Base {
    async fn load_table(&self, ident: &TableIdent) -> Result<Table> {
        let table = self.catalog.load_table(ident).await?;
        match &self.rule {
            Rule::Once(batch) if has_batch(table.metadata(), *batch) => {
                self.refused.store(true, Ordering::SeqCst);
                Err(Error::new(ErrorKind::PreconditionFailed, "the batch is already committed"))
            }
            Rule::Once(_) => match manifests::merged(&table).await? {
                None => Ok(table),
                Some(list) => {
                    let shown = listing(&table, &list);
                    self.lists.lock().unwrap_or_else(PoisonError::into_inner).push(list);
                    shown
                }
            },
            Rule::Widen(fields) => widened(&table, fields),
        }
    }

    async fn update_table(&self, commit: TableCommit) -> Result<Table> {
        self.catalog.update_table(commit).await
    }

    async fn list_namespaces(&self, parent: Option<&NamespaceIdent>) -> Result<Vec<NamespaceIdent>> {
        self.catalog.list_namespaces(parent).await
    }

    async fn create_namespace(&self, name: &NamespaceIdent, properties: HashMap<String, String>) -> Result<Namespace> {
        self.catalog.create_namespace(name, properties).await
    }

    async fn get_namespace(&self, name: &NamespaceIdent) -> Result<Namespace> {
        self.catalog.get_namespace(name).await
    }

    async fn namespace_exists(&self, name: &NamespaceIdent) -> Result<bool> {
        self.catalog.namespace_exists(name).await
    }

    async fn update_namespace(&self, name: &NamespaceIdent, properties: HashMap<String, String>) -> Result<()> {
        self.catalog.update_namespace(name, properties).await
    }

    async fn drop_namespace(&self, name: &NamespaceIdent) -> Result<()> {
        self.catalog.drop_namespace(name).await
    }

    async fn list_tables(&self, namespace: &NamespaceIdent) -> Result<Vec<TableIdent>> {
        self.catalog.list_tables(namespace).await
    }

    async fn create_table(&self, namespace: &NamespaceIdent, creation: TableCreation) -> Result<Table> {
        self.catalog.create_table(namespace, creation).await
    }

    async fn drop_table(&self, table: &TableIdent) -> Result<()> {
        self.catalog.drop_table(table).await
    }

    async fn purge_table(&self, table: &TableIdent) -> Result<()> {
        self.catalog.purge_table(table).await
    }

    async fn table_exists(&self, table: &TableIdent) -> Result<bool> {
        self.catalog.table_exists(table).await
    }

    async fn rename_table(&self, from: &TableIdent, to: &TableIdent) -> Result<()> {
        self.catalog.rename_table(from, to).await
    }

    async fn register_table(&self, table: &TableIdent, metadata_location: String) -> Result<Table> {
        self.catalog.register_table(table, metadata_location).await
    }
}
