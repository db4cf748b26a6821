//! The embedded target: one directory, opened by one or more processes.

use std::{
    collections::BTreeMap,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use columns::Misfit;
use lake::{Data, Effect, Ensured, Lake, LakeConfig, LocalFile, ObservedTable, Warehouse};
use model::{
    digest::Digest,
    name::TableName,
    object::ObjectId,
    release::{Bundle, EnrichmentTable, Release, ReleaseId, Storage},
    schema::TableSchema,
    staged::{BatchId, StagedFile},
    time::Timestamp,
};
use store::{
    alerts::{AlertFilter, AlertStore as _, DeadLetter, Redrive, StoredAlert},
    alerts_sqlite::SqliteAlerts,
    cache_sqlite::SqliteCache,
    ledger::{Counts, Ledger as _},
    ledger_owner::Owner,
    ledger_sqlite::SqliteLedger,
    objects_any::AnyObjects,
    objects_local::LocalObjects,
    objects_s3::{S3Objects, S3Options},
    schedule::SqliteWindows,
    secrets::LocalSecrets,
    staging::{Staging as _, StagingDirectory},
};

use crate::{
    error::EmbeddedError,
    layout::Layout,
    releases::Releases,
    trial::{self, Python},
};

/// Rows that were made here rather than by a transformer.
pub(crate) struct MadeRows<'a> {
    /// Their columns.
    pub schema: &'a TableSchema,
    /// As nested JSON.
    pub rows: &'a [serde_json::Value],
    /// Names their content.
    pub batch: BatchId,
    /// What made them.
    pub release: ReleaseId,
}

/// Where a target is and what it may use of this machine.
pub struct Options {
    /// The target's directory, made if it is not there.
    pub directory: PathBuf,
    /// Another place for the lake's files: a directory or `s3://bucket/prefix`.
    pub warehouse: Option<String>,
    /// What detections run in.
    pub python: Python,
    /// How many objects and Python workers at a time.
    pub jobs: usize,
    /// The process's environment, for secrets and for S3 (`AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, ...).
    pub environment: BTreeMap<String, String>,
    /// Where destinations of type stdout write.
    pub stdout: Arc<Mutex<dyn Write + Send>>,
}

/// An open target.
pub struct Embedded {
    pub(crate) options: Options,
    pub(crate) layout: Layout,
    pub(crate) releases: Releases,
    pub(crate) lake: Lake,
    pub(crate) ledger: Arc<SqliteLedger>,
    pub(crate) staging: Arc<StagingDirectory>,
    pub(crate) alerts: Arc<SqliteAlerts>,
    pub(crate) cache: Arc<SqliteCache>,
    pub(crate) objects: AnyObjects,
    pub(crate) windows: Arc<SqliteWindows>,
    pub(crate) secrets: Arc<LocalSecrets>,
}

impl Embedded {
    /// Opens the directory, making what is missing.
    pub async fn open(options: Options) -> Result<Self, EmbeddedError> {
        let layout = Layout::new(&options.directory);
        std::fs::create_dir_all(layout.root())
            .map_err(|source| EmbeddedError::Directory { path: layout.root().to_path_buf(), source })?;
        let warehouse = match &options.warehouse {
            Some(given) => Warehouse::parse(given)?,
            None => Warehouse::Directory(layout.lake()),
        };
        let config =
            LakeConfig { catalog: layout.catalog(), warehouse, properties: s3_properties(&options.environment) };
        let state = layout.state();
        let secrets = LocalSecrets::new(options.environment.clone(), Some(layout.secrets()));
        Ok(Self {
            lake: Lake::open(&config).await?,
            releases: Releases::new(layout.releases()),
            ledger: Arc::new(SqliteLedger::open(&state)?),
            staging: Arc::new(StagingDirectory::open(&layout.staging())?),
            alerts: Arc::new(SqliteAlerts::open(&state)?),
            cache: Arc::new(SqliteCache::open(&state)?),
            objects: AnyObjects {
                local: LocalObjects::new(layout.staging().join(".stdin")),
                s3: S3Objects::new(s3_options(&options.environment)),
            },
            windows: Arc::new(SqliteWindows::open(&state)?),
            secrets: Arc::new(secrets),
            layout,
            options,
        })
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The lake, for queries.
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The manifest of the deployed release.
    pub fn deployed(&self) -> Result<Option<Release>, EmbeddedError> {
        Ok(self.releases.manifest()?)
    }

    /// The deployed release with its resources; an error where nothing is deployed.
    pub fn bundle(&self) -> Result<Bundle, EmbeddedError> {
        self.releases.load()?.ok_or(EmbeddedError::NothingDeployed)
    }

    /// Every table of the catalog.
    pub async fn tables(&self) -> Result<BTreeMap<TableName, ObservedTable>, EmbeddedError> {
        Ok(self.lake.tables().await?)
    }

    /// Writes a release's manifest and resources. Nothing uses them before [`Embedded::switch`].
    pub fn save(&self, bundle: &Bundle) -> Result<ReleaseId, EmbeddedError> {
        Ok(self.releases.save(bundle)?)
    }

    /// Creates or evolves one table.
    pub async fn ensure_table(
        &self,
        name: &TableName,
        schema: &TableSchema,
        storage: &Storage,
    ) -> Result<Ensured, EmbeddedError> {
        Ok(self.lake.ensure_table(name, schema, storage).await?)
    }

    /// Makes the rows of an enrichment table those that come with the project. Returns whether anything was written.
    pub async fn load_enrichment(&self, bundle: &Bundle, table: &EnrichmentTable) -> Result<bool, EmbeddedError> {
        let Some(data) = table.data else { return Ok(false) };
        let name = TableName::of_enrichment(&table.name);
        let schema = serde_json::to_vec(&table.schema).expect("a schema has string keys and no floats");
        let content = Digest::of_parts([name.as_str().as_bytes(), data.as_bytes(), &schema]);
        let Some(batch) = self.batch_of_content(&name, content).await? else { return Ok(false) };
        let (rows, release) = (transform::static_rows(bundle, table)?, bundle.release.id());
        let owner = format!("{}-{}", std::process::id(), batch.0.short(12));
        let owner = Owner::register(&self.layout.owners(), &owner)?;
        let made = MadeRows { schema: &table.schema, rows: &rows, batch, release };
        for Misfit { row, column, error, .. } in self.commit_rows(&name, made, &Effect::Overwrite, &owner).await? {
            tracing::warn!(table = %name, row, column, error, "a value of the project's data is null in the table");
        }
        Ok(true)
    }

    /// The batch that brings some content into a table, for content that may come back after other; `None` where it is the
    /// last that came.
    pub(crate) async fn batch_of_content(
        &self,
        name: &TableName,
        content: Digest,
    ) -> Result<Option<BatchId>, EmbeddedError> {
        // named by what it follows, too
        let batch = |before: Option<i64>| {
            let before = before.map_or_else(Vec::new, |snapshot| snapshot.to_le_bytes().to_vec());
            BatchId(Digest::of_parts([content.as_bytes().as_slice(), &before]))
        };
        let head = self.lake.head(name).await?;
        let is_last = head.is_some_and(|head| head.batch == Some(batch(head.parent)));
        Ok((!is_last).then(|| batch(head.map(|head| head.snapshot))))
    }

    /// Commits rows, unless their batch is there. Returns what did not fit its column and is null now.
    pub(crate) async fn commit_rows(
        &self,
        name: &TableName,
        made: MadeRows<'_>,
        effect: &Effect,
        owner: &Owner,
    ) -> Result<Vec<Misfit>, EmbeddedError> {
        let MadeRows { schema, rows, batch, release } = made;
        let changes_nothing = rows.is_empty() && *effect != Effect::Overwrite;
        if changes_nothing || self.lake.has_batch(name, batch).await? {
            return Ok(Vec::new());
        }
        let directory = self.scratch(owner)?;
        let path = directory.path().join("rows.parquet");
        let (columns, misfits) = columns::json_rows(schema, rows)?;
        let stats = trial::write_file(&path, columns)?;
        let staged = StagedFile {
            table: name.clone(),
            key: format!("rows/{}.parquet", batch.0),
            rows: stats.rows,
            bytes: stats.bytes,
            ts_range: stats.ts_range.unwrap_or((Timestamp::EPOCH, Timestamp::EPOCH)),
            object: ObjectId(batch.0),
            release,
        };
        let files = [LocalFile { path, staged }];
        self.lake.write(name, &files, batch, Storage::default().target_file_bytes, effect).await?;
        Ok(misfits)
    }

    /// A directory for files on their way; named so that it is swept when its owner is killed.
    pub(crate) fn scratch(&self, owner: &Owner) -> Result<tempfile::TempDir, EmbeddedError> {
        let directory =
            tempfile::Builder::new().prefix(&format!("{}-", owner.name())).tempdir_in(self.staging.workspace());
        directory.map_err(|source| EmbeddedError::Directory { path: self.layout.staging(), source })
    }

    /// Points everything to a release, if the one deployed is still `from`.
    pub fn switch(&self, from: Option<ReleaseId>, to: ReleaseId) -> Result<(), EmbeddedError> {
        Ok(self.releases.switch(from, to)?)
    }

    /// Alerts, latest change first.
    pub async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<StoredAlert>, EmbeddedError> {
        Ok(self.alerts.alerts(filter).await?)
    }

    /// Deliveries that were given up, oldest first.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, EmbeddedError> {
        Ok(self.alerts.dead_letters().await?)
    }

    /// Lets all dead letters be tried again; returns how many.
    pub async fn redrive(&self, now: Timestamp) -> Result<u64, EmbeddedError> {
        Ok(self.alerts.redrive(&Redrive::All, now).await?)
    }

    /// How many objects and files are where on their way.
    pub async fn counts(&self) -> Result<Counts, EmbeddedError> {
        Ok(self.ledger.counts().await?)
    }

    /// Where a table's current metadata file is: what other engines open.
    pub async fn metadata_location(&self, name: &TableName) -> Result<Option<String>, EmbeddedError> {
        Ok(self.lake.load(name).await?.metadata_location().map(str::to_owned))
    }

    /// Takes the deployed release away. Tables and their rows stay.
    pub fn undeploy(&self) -> Result<(), EmbeddedError> {
        Ok(self.releases.clear()?)
    }

    /// Deletes a table and its rows, for good. Returns whether it was there.
    pub async fn delete_table(&self, name: &TableName) -> Result<bool, EmbeddedError> {
        Ok(self.lake.drop_table(name, Data::Purge).await?)
    }
}

/// The variables of AWS's own tools.
fn s3_options(environment: &BTreeMap<String, String>) -> S3Options {
    let get = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    S3Options {
        endpoint: get("AWS_ENDPOINT_URL_S3").or_else(|| get("AWS_ENDPOINT_URL")),
        region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
        access_key_id: get("AWS_ACCESS_KEY_ID"),
        secret_access_key: get("AWS_SECRET_ACCESS_KEY"),
        session_token: get("AWS_SESSION_TOKEN"),
        anonymous: false,
    }
}

/// The same as iceberg names them.
fn s3_properties(environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let S3Options { endpoint, region, access_key_id, secret_access_key, session_token, anonymous: _ } =
        s3_options(environment);
    let path_style = endpoint.as_ref().map(|_| "true".to_owned());
    let named = [
        ("s3.endpoint", endpoint),
        ("s3.region", region),
        ("s3.access-key-id", access_key_id),
        ("s3.secret-access-key", secret_access_key),
        ("s3.session-token", session_token),
        ("s3.path-style-access", path_style),
    ];
    named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
