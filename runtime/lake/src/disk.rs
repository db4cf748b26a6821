//! A directory as iceberg's storage. What it says is written survives a power cut, and a reader never sees half a file:
//! each file is written under another name, synced, renamed, and its directory synced.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use iceberg::{
    Error, ErrorKind, Result,
    io::{
        FileMetadata, FileRead, FileWrite, InputFile, LocalFsStorage, OutputFile, Storage, StorageConfig,
        StorageFactory,
    },
};
use serde::{Deserialize, Serialize};

/// Makes [`Disk`]s.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct DiskFactory;

#[typetag::serde(name = "MatanoDiskFactory")]
impl StorageFactory for DiskFactory {
    fn build(&self, _config: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(Disk::default()))
    }
}

/// Iceberg's own local storage for reading, ours for writing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Disk {
    reading: LocalFsStorage,
}

/// The path behind a location of a directory warehouse; `None` for a bucket.
pub(crate) fn local_path(location: &str) -> Option<PathBuf> {
    location.strip_prefix("file://").map(PathBuf::from)
}

#[typetag::serde(name = "MatanoDisk")]
#[async_trait]
impl Storage for Disk {
    async fn exists(&self, path: &str) -> Result<bool> {
        self.reading.exists(path).await
    }

    async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        self.reading.metadata(path).await
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        self.reading.read(path).await
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn FileRead>> {
        self.reading.reader(path).await
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<()> {
        let mut file = self.writer(path).await?;
        file.write(bytes).await?;
        file.close().await
    }

    async fn writer(&self, path: &str) -> Result<Box<dyn FileWrite>> {
        let path = local_path(path).unwrap_or_else(|| PathBuf::from(path));
        let file = DiskFile::create(path.clone()).map_err(cannot("create", &path))?;
        Ok(Box::new(file))
    }

    async fn delete(&self, path: &str) -> Result<()> {
        self.reading.delete(path).await
    }

    async fn delete_prefix(&self, path: &str) -> Result<()> {
        self.reading.delete_prefix(path).await
    }

    async fn delete_stream(&self, paths: BoxStream<'static, String>) -> Result<()> {
        self.reading.delete_stream(paths).await
    }

    fn new_input(&self, path: &str) -> Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

/// A file that appears when it is closed.
#[derive(Debug)]
struct DiskFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
}

impl DiskFile {
    fn create(path: PathBuf) -> io::Result<Self> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)?;
        let temporary = temporary_for(&path);
        let file = Some(File::create(&temporary)?);
        Ok(Self { path, temporary, file })
    }
}

#[async_trait]
impl FileWrite for DiskFile {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let file = self.file.as_mut().ok_or_else(|| closed(&self.path))?;
        file.write_all(&bytes).map_err(cannot("write", &self.path))
    }

    async fn close(&mut self) -> Result<()> {
        let file = self.file.take().ok_or_else(|| closed(&self.path))?;
        let finish = || {
            file.sync_all()?;
            fs::rename(&self.temporary, &self.path)?;
            sync_directory(&self.path)
        };
        finish().map_err(cannot("write", &self.path))
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        // after a failure; after a success the name is gone
        if self.file.take().is_some() {
            fs::remove_file(&self.temporary).ok();
        }
    }
}

/// A name beside `path` that no other writer takes.
pub(crate) fn temporary_for(path: &Path) -> PathBuf {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}-{count}.tmp", std::process::id()))
}

/// Makes the name of `path` survive a power cut.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn closed(path: &Path) -> Error {
    Error::new(ErrorKind::DataInvalid, format!("`{}` is already closed", path.display()))
}

fn cannot(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let message = format!("cannot {action} `{}`", path.display());
    move |source| Error::new(ErrorKind::Unexpected, message).with_source(source)
}
