//! [`Objects`] on this machine: files, directories, standard input.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use model::object::SourceObject;
use sha2::{Digest as _, Sha256};

use crate::{
    error::StoreError,
    objects::{Body, FILE_BUCKET, Head, Listed, Objects, STDIN_BUCKET},
};

/// The address of standard input.
pub const STDIN: &str = "-";

/// Files and directories. Directories are walked to the bottom in the order of names; hidden entries are left out, because
/// programs that copy files name unfinished ones so, and so are symbolic links, because they may lead anywhere. A link that
/// is itself the address is followed.
///
/// The version of a file is the digest of its bytes: a copy under the same path is the same object, a changed file another.
#[derive(Debug, Clone)]
pub struct LocalObjects {
    spool: PathBuf,
}

impl LocalObjects {
    /// Standard input is kept in `spool` until [`LocalObjects::forget`].
    pub fn new(spool: impl Into<PathBuf>) -> Self {
        Self { spool: spool.into() }
    }

    /// Deletes what was kept of standard input. Other objects are not touched.
    pub fn forget(&self, object: &SourceObject) -> Result<(), StoreError> {
        if object.bucket != STDIN_BUCKET {
            return Ok(());
        }
        let path = self.spooled(&object.version);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("delete", &path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn spooled(&self, version: &str) -> PathBuf {
        // a digest, or something that nobody spooled
        self.spool.join(format!("stdin-{}", version.replace(['/', '\\'], "_")))
    }

    fn head_of_file(path: &Path) -> Result<Head, StoreError> {
        let path = path.canonicalize().map_err(cannot("open", path))?;
        let mut file = regular(&path)?;
        let (version, size) = digest(&mut file, io::sink()).map_err(cannot("read", &path))?;
        Ok(plain(SourceObject { bucket: FILE_BUCKET.to_owned(), key: name(&path)?, version, size }))
    }

    fn head_of_stdin(&self, mut input: impl Read) -> Result<Head, StoreError> {
        fs::create_dir_all(&self.spool).map_err(cannot("create", &self.spool))?;
        let temporary = self.spool.join(format!(".stdin-{}", std::process::id()));
        let mut file = fs::File::create(&temporary).map_err(cannot("create", &temporary))?;
        let (version, size) = digest(&mut input, &mut file).map_err(cannot("write", &temporary))?;
        file.sync_all().map_err(cannot("write", &temporary))?;
        let path = self.spooled(&version);
        fs::rename(&temporary, &path).map_err(cannot("write", &path))?;
        Ok(plain(SourceObject { bucket: STDIN_BUCKET.to_owned(), key: STDIN.to_owned(), version, size }))
    }
}

#[async_trait]
impl Objects for LocalObjects {
    async fn list(&self, address: &str) -> Result<Vec<Listed>, StoreError> {
        if address == STDIN {
            return Ok(vec![Listed { address: STDIN.to_owned(), size: 0 }]);
        }
        let path = PathBuf::from(address);
        blocking(move || list(&path)).await
    }

    async fn head(&self, address: &str) -> Result<Head, StoreError> {
        let (this, address) = (self.clone(), address.to_owned());
        let work = move || match address.as_str() {
            STDIN => this.head_of_stdin(io::stdin().lock()),
            path => Self::head_of_file(Path::new(path)),
        };
        blocking(work).await
    }

    async fn open(&self, object: &SourceObject) -> Result<Body, StoreError> {
        let path = match object.bucket.as_str() {
            STDIN_BUCKET => self.spooled(&object.version),
            _ => PathBuf::from(&object.key),
        };
        let object = object.clone();
        blocking(move || {
            let size = regular(&path)?.metadata().map_err(cannot("open", &path))?.len();
            // Reading it a second time only to compare digests would double the work. A file that grew or shrank is what happens; one
            // that was rewritten at the same length between two calls is not noticed.
            if size == object.size {
                return Ok(Body::Local(path));
            }
            let problem =
                format!("expected {} bytes as it was when it was listed, found {size}: read it again", object.size);
            Err(StoreError::Address { address: object.key, problem })
        })
        .await
    }
}

fn list(path: &Path) -> Result<Vec<Listed>, StoreError> {
    let root = path.canonicalize().map_err(cannot("open", path))?;
    if !root.is_dir() {
        let size = regular(&root)?.metadata().map_err(cannot("open", &root))?.len();
        return Ok(vec![Listed { address: name(&root)?, size }]);
    }
    let (mut out, mut waiting) = (Vec::new(), vec![root]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).map_err(cannot("list", &directory))? {
            let entry = entry.map_err(cannot("list", &directory))?;
            let path = entry.path();
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // gone since it was listed
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(cannot("open", &path)(error)),
            };
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // of a symbolic link this is neither
            if metadata.is_dir() {
                waiting.push(path);
            } else if metadata.is_file() {
                out.push(Listed { address: name(&path)?, size: metadata.len() });
            }
        }
    }
    out.sort_by(|left, right| left.address.cmp(&right.address));
    Ok(out)
}

/// Opens a file, and nothing that could block or has no end.
fn regular(path: &Path) -> Result<fs::File, StoreError> {
    let metadata = fs::metadata(path).map_err(cannot("open", path))?;
    if !metadata.is_file() {
        let problem = "expected a file or a directory, found neither".to_owned();
        return Err(StoreError::Address { address: path.display().to_string(), problem });
    }
    fs::File::open(path).map_err(cannot("open", path))
}

fn digest(input: &mut impl Read, mut copy: impl Write) -> io::Result<(String, u64)> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => return Ok((hex::encode(hash.finalize()), size)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..read]);
        copy.write_all(&buffer[..read])?;
        size += read as u64;
    }
}

fn plain(object: SourceObject) -> Head {
    Head { object, content_encoding: None, content_type: None }
}

fn name(path: &Path) -> Result<String, StoreError> {
    path.to_str().map(str::to_owned).ok_or_else(|| StoreError::Address {
        address: path.display().to_string(),
        problem: "expected a path of UTF-8 text: rename the file".to_owned(),
    })
}

pub(crate) fn cannot(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::File { action, path, source }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Stopped(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_is_kept_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let objects = LocalObjects::new(directory.path());
        let head = objects.head_of_stdin(&b"one line\n"[..]).unwrap();
        assert_eq!((head.object.bucket.as_str(), head.object.size), ("stdin", 9));
        let again = objects.head_of_stdin(&b"one line\n"[..]).unwrap();
        assert_eq!(again.object.id(), head.object.id());
        let path = objects.spooled(&head.object.version);
        assert_eq!(fs::read(&path).unwrap(), b"one line\n");
        objects.forget(&head.object).unwrap();
        objects.forget(&head.object).unwrap();
        assert!(!path.exists());
    }
}
