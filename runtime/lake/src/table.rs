//! Tables: made, evolved, looked at, detached.

use std::collections::{BTreeMap, HashMap};

use iceberg::{
    TableCreation,
    spec::DEFAULT_SCHEMA_NAME_MAPPING,
    table::Table,
    transaction::{AddColumn, ApplyTransactionAction, Transaction},
};
use model::{
    name::TableName,
    release::{Partition, Storage},
    schema::{FieldType, SchemaChange, TableSchema},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::{
    Lake, LakeError,
    base::{Base, Rule},
    ident, namespace, schema,
};

/// What [`Lake::ensure_table`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensured {
    /// The table is new and empty.
    Created,
    /// The table had been detached; it is back with its rows, and these changes were made.
    Attached(Vec<SchemaChange>),
    /// The table was there, and these changes were made.
    Evolved(Vec<SchemaChange>),
    /// The table was there and had every column.
    Unchanged,
}

/// What a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedTable {
    /// Its columns.
    pub schema: TableSchema,
    /// How its rows lie.
    pub partition: Partition,
    /// How many rows.
    pub rows: u64,
    /// How many data files.
    pub files: u64,
    /// Bytes of its data files.
    pub bytes: u64,
    /// How many snapshots can be read.
    pub snapshots: usize,
    /// When rows were last added.
    pub last_commit: Option<Timestamp>,
    /// Where it lies.
    pub location: String,
}

/// What happens to the data files of a table that leaves the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// They stay, and [`Lake::ensure_table`] brings the table back with them.
    Keep,
    /// They are deleted.
    Purge,
}

/// Written beside a detached table's data.
#[derive(Debug, Serialize, Deserialize)]
struct Detached {
    metadata_location: String,
}

/// How often a change is tried again when another process changed the same table.
const ATTEMPTS: usize = 5;

impl Lake {
    /// Makes sure that rows of `wanted` fit into the table: creates it, brings it back, adds columns, widens numbers.
    /// Columns that only the table has stay. Anything else is an error that names the column, and nothing is changed.
    pub async fn ensure_table(
        &self,
        name: &TableName,
        wanted: &TableSchema,
        storage: &Storage,
    ) -> Result<Ensured, LakeError> {
        if storage.partition != Partition::None && !schema::has_ts(wanted) {
            return Err(LakeError::NoTimestamp(name.clone()));
        }
        let lock = self.lock(name).await;
        let _changing = lock.lock().await;
        let attached = match self.load(name).await {
            Ok(_) => false,
            Err(LakeError::UnknownTable(_)) if self.attach(name).await? => true,
            Err(LakeError::UnknownTable(_)) => match self.create(name, wanted, storage).await? {
                Creation::Made => return Ok(Ensured::Created),
                Creation::Lost => false,
            },
            Err(error) => return Err(error),
        };
        let changes = self.evolve(name, wanted, storage).await?;
        Ok(match (attached, changes.is_empty()) {
            (true, _) => Ensured::Attached(changes),
            (false, true) => Ensured::Unchanged,
            (false, false) => Ensured::Evolved(changes),
        })
    }

    /// The names of every table of the lake.
    pub async fn table_names(&self) -> Result<Vec<TableName>, LakeError> {
        let listed = self.catalog.list_tables(&namespace()).await.map_err(LakeError::iceberg("list the tables"))?;
        // a table that somebody else put there may have a name that we would not give
        Ok(listed.iter().filter_map(|ident| TableName::parse(ident.name()).ok()).collect())
    }

    /// Every table of the lake.
    pub async fn tables(&self) -> Result<BTreeMap<TableName, ObservedTable>, LakeError> {
        let mut out = BTreeMap::new();
        for name in self.table_names().await? {
            match self.load(&name).await {
                Ok(table) => {
                    let observed = observe(&name, &table)?;
                    out.insert(name, observed);
                }
                // dropped since it was listed
                Err(LakeError::UnknownTable(_)) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    /// Takes a table out of the catalog. Returns whether it was there.
    pub async fn drop_table(&self, name: &TableName, data: Data) -> Result<bool, LakeError> {
        let lock = self.lock(name).await;
        let _changing = lock.lock().await;
        let table = match self.load(name).await {
            Ok(table) => table,
            Err(LakeError::UnknownTable(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let failed = || LakeError::iceberg(format!("drop table `{name}`"));
        match data {
            Data::Keep => {
                let metadata_location = table.metadata_location_result().map_err(failed())?.to_owned();
                let note = serde_json::to_vec(&Detached { metadata_location }).expect("one string is JSON");
                let output = table.file_io().new_output(note_path(table.metadata().location())).map_err(failed())?;
                output.write(note.into()).await.map_err(failed())?;
                self.catalog.drop_table(&ident(name)).await.map_err(failed())?;
            }
            Data::Purge => {
                let location = table.metadata().location().to_owned();
                self.catalog.purge_table(&ident(name)).await.map_err(failed())?;
                // what no snapshot listed: files of attempts that never came to a commit
                table.file_io().delete_prefix(format!("{location}/")).await.map_err(failed())?;
            }
        }
        info!(table = %name, ?data, "table dropped");
        Ok(true)
    }

    async fn create(&self, name: &TableName, wanted: &TableSchema, storage: &Storage) -> Result<Creation, LakeError> {
        let failed = || LakeError::iceberg(format!("create table `{name}`"));
        let schema = schema::to_iceberg(wanted).map_err(failed())?;
        let spec = schema::partition_spec(storage.partition, &schema).map_err(failed())?;
        let order = if schema::has_ts(wanted) { schema::sort_order(&schema) } else { Ok(Default::default()) };
        let creation = TableCreation::builder()
            .name(name.to_string())
            .schema(schema)
            .partition_spec(spec)
            .sort_order(order.map_err(failed())?)
            .properties(properties(storage))
            .build();
        match self.catalog.create_table(&namespace(), creation).await {
            Ok(_) => (),
            // another process may have been first
            Err(error) => {
                return match self.load(name).await {
                    Ok(_) => Ok(Creation::Lost),
                    Err(_) => Err(failed()(error)),
                };
            }
        }
        let table = self.load(name).await?;
        self.set_name_mapping(name, &table).await?;
        info!(table = %name, "table created");
        Ok(Creation::Made)
    }

    /// Brings a detached table back. Returns whether there was one.
    async fn attach(&self, name: &TableName) -> Result<bool, LakeError> {
        let failed = || LakeError::iceberg(format!("bring back table `{name}`"));
        let io = &self.storage;
        let path = note_path(&format!("{}/{}/{name}", self.warehouse, crate::NAMESPACE));
        if !io.exists(&path).await.map_err(failed())? {
            return Ok(false);
        }
        let note = io.new_input(&path).map_err(failed())?.read().await.map_err(failed())?;
        let problem = |error: serde_json::Error| format!("cannot read `{path}`, where it was left: {error}");
        let note: Detached = serde_json::from_slice(&note)
            .map_err(|error| LakeError::Foreign { table: name.clone(), problem: problem(error) })?;
        match self.catalog.register_table(&ident(name), note.metadata_location).await {
            Ok(_) => (),
            Err(error) => {
                // another process may have been first
                self.load(name).await.map_err(|_| failed()(error))?;
            }
        }
        info!(table = %name, "table brought back");
        Ok(true)
    }

    async fn evolve(
        &self,
        name: &TableName,
        wanted: &TableSchema,
        storage: &Storage,
    ) -> Result<Vec<SchemaChange>, LakeError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let table = self.load(name).await?;
            check_partition(name, &table, storage.partition)?;
            let changes = needed(name, &columns_of(&table)?, wanted)?;
            if changes.is_empty() {
                return Ok(changes);
            }
            match self.apply(name, &table, &changes).await {
                Ok(()) => {
                    let table = self.load(name).await?;
                    self.set_name_mapping(name, &table).await?;
                    info!(table = %name, changes = changes.len(), "table evolved");
                    return Ok(changes);
                }
                // the columns may be there now, made by another process
                Err(_) if attempt < ATTEMPTS && self.schema_moved(name, &table).await? => (),
                Err(error) => return Err(error),
            }
        }
    }

    async fn schema_moved(&self, name: &TableName, before: &Table) -> Result<bool, LakeError> {
        Ok(self.load(name).await?.metadata().current_schema_id() != before.metadata().current_schema_id())
    }

    async fn apply(&self, name: &TableName, table: &Table, changes: &[SchemaChange]) -> Result<(), LakeError> {
        let failed = || LakeError::iceberg(format!("change the columns of table `{name}`"));
        let transaction = Transaction::new(table);
        let (mut update, mut widen) = (transaction.update_schema(), Vec::new());
        for change in changes {
            match change {
                SchemaChange::Add { path, kind } => update = update.add_column(added(path, kind)),
                SchemaChange::Widen { path, to, .. } => {
                    let id = table.metadata().current_schema().field_id_by_name(&iceberg_path(path));
                    let word = if *to == FieldType::Long { "long" } else { "double" };
                    widen.extend(id.map(|id| (id, word)));
                }
                SchemaChange::Retain { .. } | SchemaChange::Incompatible { .. } => (),
            }
        }
        let base = Base::new(self.catalog(), Rule::Widen(widen));
        let transaction = update.apply(transaction).map_err(failed())?;
        transaction.commit(&base).await.map_err(failed())?;
        Ok(())
    }

    async fn set_name_mapping(&self, name: &TableName, table: &Table) -> Result<(), LakeError> {
        let mapping = schema::name_mapping(table.metadata().current_schema());
        let mapping = serde_json::to_string(&mapping).expect("names and numbers are JSON");
        let failed = || LakeError::iceberg(format!("set the properties of table `{name}`"));
        let transaction = Transaction::new(table);
        let update = transaction.update_table_properties().set(DEFAULT_SCHEMA_NAME_MAPPING.to_owned(), mapping);
        let transaction = update.apply(transaction).map_err(failed())?;
        let now = transaction.commit(self.catalog.as_ref()).await.map_err(failed())?;
        self.clean(table, &now).await;
        Ok(())
    }
}

enum Creation {
    Made,
    /// Another process made it first.
    Lost,
}

fn note_path(location: &str) -> String {
    format!("{location}/detached.json")
}

/// The properties of a new table.
fn properties(storage: &Storage) -> HashMap<String, String> {
    let target = storage.target_file_bytes.to_string();
    [
        ("write.format.default", "parquet"),
        ("write.parquet.compression-codec", "zstd"),
        ("write.avro.compression-codec", "zstd"),
        ("write.delete.parquet.compression-codec", "zstd"),
        ("write.target-file-size-bytes", target.as_str()),
        ("write.metadata.delete-after-commit.enabled", "true"),
        ("write.metadata.previous-versions-max", "10"),
        // several processes may write one table; each attempt takes milliseconds
        ("commit.retry.num-retries", "30"),
        ("commit.retry.min-wait-ms", "10"),
        ("commit.retry.max-wait-ms", "1000"),
        ("commit.retry.total-timeout-ms", "120000"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

fn check_partition(name: &TableName, table: &Table, want: Partition) -> Result<(), LakeError> {
    let have = partition_of(name, table)?;
    if have == want { Ok(()) } else { Err(LakeError::Partitioned { table: name.clone(), have, want }) }
}

fn partition_of(name: &TableName, table: &Table) -> Result<Partition, LakeError> {
    let metadata = table.metadata();
    let foreign = || LakeError::Foreign {
        table: name.clone(),
        problem: "expected partitions by hour, day or month of `ts` or none, found others".to_owned(),
    };
    schema::partition_of(metadata.default_partition_spec(), metadata.current_schema()).ok_or_else(foreign)
}

/// The changes to make, in order.
fn needed(name: &TableName, have: &TableSchema, wanted: &TableSchema) -> Result<Vec<SchemaChange>, LakeError> {
    let mut out = Vec::new();
    for change in have.changes_to(wanted) {
        match change {
            SchemaChange::Add { .. } | SchemaChange::Widen { .. } => out.push(change),
            SchemaChange::Retain { .. } => (),
            SchemaChange::Incompatible { path, from, to } => {
                return Err(LakeError::Incompatible { table: name.clone(), path, from, to });
            }
        }
    }
    Ok(out)
}

/// `a[].b` as Iceberg writes it: `a.element.b`.
fn iceberg_path(path: &str) -> String {
    path.replace("[]", ".element")
}

fn added(path: &str, kind: &FieldType) -> AddColumn {
    let path = iceberg_path(path);
    let kind = schema::kind(kind, &mut 0);
    match path.rsplit_once('.') {
        Some((parent, name)) => AddColumn::builder().name(name).field_type(kind).parent(parent).build(),
        None => AddColumn::optional(path, kind),
    }
}

pub(crate) fn columns_of(table: &Table) -> Result<TableSchema, LakeError> {
    schema::from_iceberg(table.metadata().current_schema()).map_err(|(path, kind)| LakeError::Foreign {
        table: TableName::parse(table.identifier().name()).unwrap_or_else(|_| TableName::rejects()),
        problem: format!("column `{path}` has type `{kind}`, which no project can declare"),
    })
}

fn observe(name: &TableName, table: &Table) -> Result<ObservedTable, LakeError> {
    let metadata = table.metadata();
    let current = metadata.current_snapshot();
    let total = |key: &str| {
        let found = current.and_then(|snapshot| snapshot.summary().additional_properties.get(key));
        found.and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    Ok(ObservedTable {
        schema: columns_of(table)?,
        partition: partition_of(name, table)?,
        rows: total("total-records"),
        files: total("total-data-files"),
        bytes: total("total-files-size"),
        snapshots: metadata.snapshots().len(),
        last_commit: current.and_then(|snapshot| Timestamp::from_micros(snapshot.timestamp_ms() * 1000)),
        location: metadata.location().to_owned(),
    })
}
