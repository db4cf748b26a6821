//! The lake: Iceberg tables in a catalog, made and evolved from plain schemas, and the commit that brings staged Parquet
//! files into them exactly once.
//!
//! Start at [`Lake::open`]; [`Lake::ensure_table`] makes a table fit a schema, [`Lake::commit`] adds rows. The catalog is a
//! SQLite file that several processes may have open, the warehouse a directory or a bucket, and any Iceberg engine can read
//! both. Rows go only with [`Lake::drop_table`] and [`Data::Purge`], or where [`Lake::write`] is told to replace them.

mod error;

mod base; // what a transaction starts from
mod disk; // a directory as iceberg's storage, safe against power cuts
mod schema; // schemas as plain data and as Iceberg's

mod table; // create, evolve, observe, drop

mod commit; // staged files into a table, once
mod conform; // rows of a file as rows of its table
mod data_file; // a Parquet file as Iceberg lists it
mod merge; // staged files to data files

mod manifests; // what a snapshot lists, merged where it is many
mod overwrite; // a snapshot in which every row is new
mod pointer; // the catalog's word for where a table is
mod write; // staged files that replace rows

mod read; // rows of a table, whatever columns its files have

mod expire; // old snapshots
mod orphans; // files that nothing names

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use columns::FieldIds;
use iceberg::{
    Catalog, CatalogBuilder as _, ErrorKind, NamespaceIdent, TableIdent,
    io::{FileIO, FileIOBuilder, StorageFactory},
    table::Table,
};
use iceberg_catalog_sql::SqlCatalogBuilder;
use iceberg_storage_opendal::OpenDalStorageFactory;
use model::name::TableName;
use sqlx::{
    ConnectOptions as _, Connection as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::Mutex;

pub use commit::{CommitOutcome, LocalFile};
pub use error::LakeError;
pub use expire::{Expirable, Expiry};
pub use iceberg::table::Table as IcebergTable;
pub use read::{Files, Reading, arrow_schema, read};
pub use table::{Data, Ensured, ObservedTable};
pub use write::{Effect, Head};

/// The namespace of all tables.
pub const NAMESPACE: &str = "matano";

/// Where the rows lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warehouse {
    /// A directory, made if it is not there.
    Directory(PathBuf),
    /// `s3://bucket/prefix`, without a slash at the end.
    Bucket(String),
}

impl Warehouse {
    /// From what a project writes: a directory or `s3://bucket/prefix`.
    pub fn parse(text: &str) -> Result<Self, LakeError> {
        match text.strip_prefix("s3://") {
            Some(rest) if rest.starts_with('/') || rest.is_empty() => Err(LakeError::Warehouse(text.to_owned())),
            Some(rest) => Ok(Self::Bucket(format!("s3://{}", rest.trim_end_matches('/')))),
            None if text.is_empty() || text.contains("://") => Err(LakeError::Warehouse(text.to_owned())),
            None => Ok(Self::Directory(PathBuf::from(text))),
        }
    }
}

/// What [`Lake::open`] needs.
#[derive(Clone, PartialEq, Eq)]
pub struct LakeConfig {
    /// The SQLite file of the catalog, made if it is not there.
    pub catalog: PathBuf,
    /// Where the rows lie.
    pub warehouse: Warehouse,
    /// For a bucket: `s3.endpoint`, `s3.region`, `s3.access-key-id`, `s3.secret-access-key`, `s3.session-token`,
    /// `s3.path-style-access`, as iceberg names them. What is missing comes from the environment as AWS's tools have it.
    pub properties: BTreeMap<String, String>,
}

impl fmt::Debug for LakeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { catalog, warehouse, properties } = self;
        let names: Vec<&String> = properties.keys().collect();
        f.debug_struct("LakeConfig")
            .field("catalog", catalog)
            .field("warehouse", warehouse)
            .field("properties", &names)
            .finish()
    }
}

/// Called at each numbered step of a commit with the step's name; an answer of `true` stops there, as a crash would. For
/// tests.
pub type Failpoint = Arc<dyn Fn(&'static str) -> bool + Send + Sync>;

/// All tables, their catalog and their warehouse. Clones share everything.
#[derive(Clone)]
pub struct Lake {
    catalog: Arc<dyn Catalog>,
    pointer: pointer::Pointer,
    storage: FileIO,
    warehouse: String,
    properties: BTreeMap<String, String>,
    committers: Arc<Mutex<BTreeMap<TableName, Arc<Mutex<()>>>>>,
    failpoint: Option<Failpoint>,
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lake").field("catalog", &self.catalog).finish_non_exhaustive()
    }
}

impl Lake {
    /// Opens the catalog and the warehouse, making both where they are missing. Must be called inside a Tokio runtime.
    pub async fn open(config: &LakeConfig) -> Result<Self, LakeError> {
        let (location, storage): (String, Arc<dyn StorageFactory>) = match &config.warehouse {
            Warehouse::Directory(directory) => {
                let made = std::fs::create_dir_all(directory).and_then(|()| directory.canonicalize());
                let directory = made.map_err(LakeError::file("create", directory))?;
                (format!("file://{}", directory.display()), Arc::new(disk::DiskFactory))
            }
            Warehouse::Bucket(location) => {
                (location.clone(), Arc::new(OpenDalStorageFactory::S3 { customized_credential_load: None }))
            }
        };
        let (url, options) = prepare(&config.catalog).await?;
        let mut properties: HashMap<String, String> = config.properties.clone().into_iter().collect();
        let io = FileIOBuilder::new(storage.clone()).with_props(properties.clone()).build();
        properties.insert("uri".to_owned(), url);
        properties.insert("warehouse".to_owned(), location.clone());
        let builder = SqlCatalogBuilder::default().with_storage_factory(storage);
        let catalog = builder.load(NAMESPACE, properties).await.map_err(LakeError::iceberg("open the catalog"))?;
        let lake = Self {
            catalog: Arc::new(catalog),
            pointer: pointer::Pointer::new(options),
            storage: io,
            warehouse: location,
            properties: config.properties.clone(),
            committers: Arc::default(),
            failpoint: None,
        };
        lake.ensure_namespace().await?;
        Ok(lake)
    }

    /// The same lake with a failpoint, for tests.
    pub fn with_failpoint(self, failpoint: Failpoint) -> Self {
        Self { failpoint: Some(failpoint), ..self }
    }

    /// The catalog, for query engines.
    pub fn catalog(&self) -> Arc<dyn Catalog> {
        self.catalog.clone()
    }

    /// The ids that data files of a table carry.
    pub async fn field_ids(&self, table: &TableName) -> Result<FieldIds, LakeError> {
        Ok(schema::field_ids(self.load(table).await?.metadata().current_schema()))
    }

    async fn ensure_namespace(&self) -> Result<(), LakeError> {
        let (namespace, failed) = (namespace(), || LakeError::iceberg("create the namespace of the lake"));
        if self.catalog.namespace_exists(&namespace).await.map_err(failed())? {
            return Ok(());
        }
        match self.catalog.create_namespace(&namespace, HashMap::new()).await {
            Ok(_) => Ok(()),
            // another process may have been first
            Err(error) => match self.catalog.namespace_exists(&namespace).await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(failed()(error)),
            },
        }
    }

    /// The table as the catalog has it now, for query engines.
    pub async fn load(&self, table: &TableName) -> Result<Table, LakeError> {
        self.catalog.load_table(&ident(table)).await.map_err(|error| match error.kind() {
            ErrorKind::TableNotFound => LakeError::UnknownTable(table.clone()),
            _ => LakeError::iceberg(format!("load table `{table}`"))(error),
        })
    }

    /// One committer a table; tables do not wait for each other.
    pub(crate) async fn lock(&self, table: &TableName) -> Arc<Mutex<()>> {
        self.committers.lock().await.entry(table.clone()).or_default().clone()
    }

    pub(crate) fn step(&self, name: &'static str) -> Result<(), LakeError> {
        match &self.failpoint {
            Some(failpoint) if failpoint(name) => Err(LakeError::Failpoint(name)),
            Some(_) | None => Ok(()),
        }
    }
}

pub(crate) fn namespace() -> NamespaceIdent {
    NamespaceIdent::new(NAMESPACE.to_owned())
}

pub(crate) fn ident(table: &TableName) -> TableIdent {
    TableIdent::new(namespace(), table.to_string())
}

/// Makes the catalog's database, readable while it is written, and returns its address and how it is opened.
async fn prepare(path: &std::path::Path) -> Result<(String, SqliteConnectOptions), LakeError> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    if let Some(directory) = directory {
        std::fs::create_dir_all(directory).map_err(LakeError::file("create", directory))?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(30))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut attempts = 0;
    loop {
        let opened = match options.connect().await {
            Ok(connection) => connection.close().await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(()) => break,
            // two processes that make a database at the same moment do not wait for each other's change of the journal
            Err(error) if attempts < 50 && is_busy(&error) => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(source) => return Err(LakeError::Catalog { path: path.to_owned(), source }),
        }
    }
    let absolute = path.canonicalize().map_err(LakeError::file("open", path))?;
    Ok((format!("sqlite://{}?mode=rwc", escaped(&absolute.to_string_lossy())), options.filename(absolute)))
}

fn is_busy(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.message().contains("locked"))
}

/// A path as the part of a URL that it becomes.
fn escaped(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
