//! Parquet files between transform and commit.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use async_trait::async_trait;

use crate::{
    error::StoreError,
    objects_local::{blocking, cannot},
};

/// A file in the staging area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedEntry {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
}

/// Files by key. A key is a relative path with `/`.
#[async_trait]
pub trait Staging: std::fmt::Debug + Send + Sync {
    /// Moves a finished local file in. The key shows the whole file or none; what stood there is replaced.
    async fn put(&self, key: &str, from: &Path) -> Result<(), StoreError>;

    /// A local path with the bytes of a key, to be read and not changed.
    async fn fetch(&self, key: &str) -> Result<PathBuf, StoreError>;

    /// Deletes a key. One that is not there is fine.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Every key that starts with `prefix`, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<StagedEntry>, StoreError>;

    /// A local directory to write files in before they are put, each process below a name that starts with its owner's. It
    /// exists, and is not listed.
    fn workspace(&self) -> &Path;
}

/// A staging area in a directory of this machine.
#[derive(Debug, Clone)]
pub struct StagingDirectory {
    root: PathBuf,
    workspace: PathBuf,
}

impl StagingDirectory {
    /// Opens the directory, or makes it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let workspace = root.join(".work");
        fs::create_dir_all(&workspace).map_err(cannot("create", &workspace))?;
        let root = root.canonicalize().map_err(cannot("open", root))?;
        Ok(Self { workspace: root.join(".work"), root })
    }

    /// Deletes what a process that has ended left in the workspace, and directories that it emptied and had no time to
    /// delete.
    pub fn sweep(&self, owner: &str) -> Result<(), StoreError> {
        let prefix = format!("{owner}-");
        for entry in fs::read_dir(&self.workspace).map_err(cannot("list", &self.workspace))? {
            let entry = entry.map_err(cannot("list", &self.workspace))?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                fs::remove_dir_all(entry.path()).map_err(cannot("delete", &entry.path()))?;
            }
        }
        sweep_empty(&self.root)
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        let plain = |part| matches!(part, Component::Normal(name) if !name.as_encoded_bytes().starts_with(b"."));
        let path = Path::new(key);
        if key.is_empty() || !path.components().all(plain) {
            let problem = "expected a relative path without hidden parts".to_owned();
            return Err(StoreError::Address { address: key.to_owned(), problem });
        }
        Ok(self.root.join(path))
    }
}

#[async_trait]
impl Staging for StagingDirectory {
    async fn put(&self, key: &str, from: &Path) -> Result<(), StoreError> {
        let (to, from) = (self.path(key)?, from.to_owned());
        let temporary = self.workspace.join(format!("put-{}-{}", std::process::id(), key.replace('/', "-")));
        blocking(move || put(&from, &to, &temporary)).await
    }

    async fn fetch(&self, key: &str) -> Result<PathBuf, StoreError> {
        let path = self.path(key)?;
        blocking(move || fs::metadata(&path).map_err(cannot("open", &path)).map(|_| path)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let (root, path) = (self.root.clone(), self.path(key)?);
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("delete", &path)(error)),
            Ok(()) | Err(_) => {
                // directories that are empty now; the first that is not ends it
                let parents = path.ancestors().skip(1).take_while(|parent| *parent != root);
                for parent in parents {
                    if fs::remove_dir(parent).is_err() {
                        break;
                    }
                }
                Ok(())
            }
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StagedEntry>, StoreError> {
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        blocking(move || list(&root, &prefix)).await
    }

    fn workspace(&self) -> &Path {
        &self.workspace
    }
}

fn put(from: &Path, to: &Path, temporary: &Path) -> Result<(), StoreError> {
    let directory = to.parent().unwrap_or(Path::new("/"));
    // another process may delete the directory because it is empty, between these two calls
    let mut attempts = 0;
    loop {
        fs::create_dir_all(directory).map_err(cannot("create", directory))?;
        match fs::rename(from, to) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                fs::copy(from, temporary).map_err(cannot("write", temporary))?;
                sync(temporary)?;
                fs::rename(temporary, to).map_err(cannot("write", to))?;
                fs::remove_file(from).map_err(cannot("delete", from))?;
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < 10 && from.exists() => attempts += 1,
            Err(error) => return Err(cannot("write", to)(error)),
        }
    }
    sync(to)?;
    sync(directory)
}

/// Deletes empty directories below one. Whoever is about to put a file into one makes it again.
fn sweep_empty(directory: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(directory) {
        // another process was faster
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(cannot("list", directory))?,
    };
    for entry in entries {
        let entry = entry.map_err(cannot("list", directory))?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep_empty(&entry.path())?;
            // one that is not empty stays
            fs::remove_dir(entry.path()).ok();
        }
    }
    Ok(())
}

fn sync(path: &Path) -> Result<(), StoreError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(cannot("sync", path))
}

fn list(root: &Path, prefix: &str) -> Result<Vec<StagedEntry>, StoreError> {
    let (mut out, mut waiting) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = waiting.pop() {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(cannot("list", &directory))?,
        };
        for entry in entries {
            let entry = entry.map_err(cannot("list", &directory))?;
            let path = entry.path();
            let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str) else { continue };
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata.map_err(cannot("open", &path))?,
            };
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if metadata.is_dir() {
                waiting.push(path);
            } else if key.starts_with(prefix) {
                out.push(StagedEntry { key: key.to_owned(), bytes: metadata.len() });
            }
        }
    }
    out.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(out)
}
