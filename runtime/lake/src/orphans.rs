//! Files in a table's location that the table does not need any more: what a crash left, what was replaced, what only expired
//! snapshots had.
//!
//! No name is used twice, so a file that nothing names, and that is older than any commit may take, will never be named.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use futures::TryStreamExt as _;
use iceberg::{spec::TableMetadata, table::Table};
use model::{name::TableName, time::Timestamp};
use opendal::{EntryMode, Operator, services::S3};
use tracing::info;

use crate::{Lake, LakeError, disk::local_path, manifests};

/// Where a table keeps its files, below its location.
const DIRECTORIES: [&str; 2] = ["data", "metadata"];

/// Something below a table's location.
#[derive(Debug)]
struct Found {
    location: String,
    written: Timestamp,
}

impl Lake {
    /// Deletes the files of a table that none of its snapshots names and that were last written before `older_than`, which
    /// must lie further back than any commit takes. Returns how many went.
    ///
    /// Only `data` and `metadata` below the table's location are looked at. Where a listing lacks a file that the current
    /// snapshot names, nothing is deleted: either the listing is wrong, or the table is.
    pub async fn remove_orphans(&self, name: &TableName, older_than: Timestamp) -> Result<usize, LakeError> {
        let failed = || LakeError::iceberg(format!("look for unused files of table `{name}`"));
        // the listing first: what is named between the two is younger than the bound
        let location = self.load(name).await?.metadata().location().to_owned();
        let found = self.list(&location).await?;
        let table = self.load(name).await?;
        let Named { all, data } = named(&table).await.map_err(failed())?;
        let listed: BTreeSet<&str> = found.iter().map(|found| found.location.as_str()).collect();
        let mut here = data.iter().filter(|file| file.starts_with(&location));
        if let Some(missing) = here.find(|file| !listed.contains(file.as_str())) {
            // a commit after the listing brings files that it does not have
            return match self.storage.exists(missing).await.map_err(failed())? {
                true => Ok(0),
                false => Err(LakeError::Missing { table: name.clone(), file: missing.clone() }),
            };
        }
        let mut removed = 0;
        for Found { location, written } in &found {
            if *written < older_than && !all.contains(location) {
                self.remove(location).await?;
                removed += 1;
            }
        }
        if removed > 0 {
            info!(table = %name, removed, "unused files deleted");
        }
        Ok(removed)
    }

    async fn list(&self, location: &str) -> Result<Vec<Found>, LakeError> {
        match local_path(location) {
            Some(directory) => {
                let listed = tokio::task::spawn_blocking(move || list_directory(&directory)).await;
                listed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
            }
            None => self
                .list_bucket(location)
                .await
                .map_err(|source| LakeError::Listing { location: location.to_owned(), source: Box::new(source) }),
        }
    }

    async fn list_bucket(&self, location: &str) -> opendal::Result<Vec<Found>> {
        let (bucket, key) = location.trim_start_matches("s3://").split_once('/').unwrap_or((location, ""));
        let operator = self.bucket(bucket)?;
        let mut out = Vec::new();
        for directory in DIRECTORIES {
            let mut entries = operator.lister_with(&format!("{key}/{directory}/")).recursive(true).await?;
            while let Some(entry) = entries.try_next().await? {
                let written = entry.metadata().last_modified().and_then(|time| time.to_string().parse().ok());
                // one without a time is not touched
                if let (EntryMode::FILE, Some(written)) = (entry.metadata().mode(), written) {
                    out.push(Found { location: format!("s3://{bucket}/{}", entry.path()), written });
                }
            }
        }
        Ok(out)
    }

    /// The bucket as iceberg reaches it; iceberg's own storage cannot list.
    fn bucket(&self, name: &str) -> opendal::Result<Operator> {
        let property = |key: &str| self.properties.get(key);
        let mut builder = S3::default().bucket(name);
        if let Some(endpoint) = property("s3.endpoint") {
            builder = builder.endpoint(endpoint);
        }
        if let Some(region) = property("s3.region") {
            builder = builder.region(region);
        }
        if let Some(id) = property("s3.access-key-id") {
            builder = builder.access_key_id(id);
        }
        if let Some(secret) = property("s3.secret-access-key") {
            builder = builder.secret_access_key(secret);
        }
        if let Some(token) = property("s3.session-token") {
            builder = builder.session_token(token);
        }
        if property("s3.path-style-access").is_none_or(|word| word != "true") {
            builder = builder.enable_virtual_host_style();
        }
        Ok(Operator::new(builder)?.finish())
    }

    async fn remove(&self, location: &str) -> Result<(), LakeError> {
        match local_path(location) {
            Some(path) if path.is_dir() => fs::remove_dir_all(&path).map_err(LakeError::file("delete", path)),
            _ => self.storage.delete(location).await.map_err(LakeError::iceberg(format!("delete `{location}`"))),
        }
    }
}

/// Files, and hidden entries whole: those are files on their way, and directories of such files.
fn list_directory(root: &Path) -> Result<Vec<Found>, LakeError> {
    let mut out = Vec::new();
    let mut waiting: Vec<PathBuf> = DIRECTORIES.iter().map(|directory| root.join(directory)).collect();
    while let Some(directory) = waiting.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(LakeError::file("list", directory)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(LakeError::file("list", &directory))?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // gone since it was listed
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(LakeError::file("open", entry.path())(error)),
            };
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if metadata.is_dir() && !is_hidden {
                waiting.push(entry.path());
                continue;
            }
            // when its inode changed, which a link does too: what was staged long ago may have come here just now
            let changed = metadata.ctime().saturating_mul(1_000_000).saturating_add(metadata.ctime_nsec() / 1000);
            if let Some(written) = Timestamp::from_micros(changed) {
                out.push(Found { location: format!("file://{}", entry.path().display()), written });
            }
        }
    }
    Ok(out)
}

/// What a table names.
struct Named {
    /// Everything: data files, manifests, manifest lists, metadata, statistics.
    all: BTreeSet<String>,
    /// Data files of the current snapshot.
    data: BTreeSet<String>,
}

async fn named(table: &Table) -> iceberg::Result<Named> {
    let metadata = table.metadata();
    let mut all = of_metadata(metadata);
    all.insert(table.metadata_location_result()?.to_owned());
    let (mut data, mut read) = (BTreeSet::new(), BTreeSet::new());
    for snapshot in metadata.snapshots() {
        let is_current = Some(snapshot.snapshot_id()) == metadata.current_snapshot_id();
        let list = table.manifest_list_reader(snapshot).load().await?;
        for manifest in list.entries() {
            // most are in many snapshots
            if !read.insert(manifest.manifest_path.clone()) && !is_current {
                continue;
            }
            // a file that a snapshot took away is named by the snapshots before it, where they are still there
            for entry in manifests::alive(table, manifest).await? {
                let file = entry.data_file().file_path();
                if is_current {
                    data.insert(file.to_owned());
                }
                all.insert(file.to_owned());
            }
        }
    }
    all.extend(read);
    Ok(Named { all, data })
}

fn of_metadata(metadata: &TableMetadata) -> BTreeSet<String> {
    let lists = metadata.snapshots().map(|snapshot| snapshot.manifest_list().to_owned());
    let log = metadata.metadata_log().iter().map(|log| log.metadata_file.clone());
    let statistics = metadata.statistics_iter().map(|file| file.statistics_path.clone());
    let partitions = metadata.partition_statistics_iter().map(|file| file.statistics_path.clone());
    lists.chain(log).chain(statistics).chain(partitions).collect()
}
