//! Releases in a directory: content-addressed files and one pointer.
//!
//! Everything is written under a temporary name, synced and renamed; the pointer is switched last, under a lock and only
//! if it still names what the plan was made from. A crash leaves the old release or the new one, never a mixture.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use model::{
    digest::Digest,
    release::{Bundle, FORMAT, Release, ReleaseId},
};
use serde::{Deserialize, Serialize};

/// Why a release could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The file system said no.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{} is damaged: {problem}; deploy again to write it anew", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The release was written by a matano that is more than one format ahead.
    #[error("release {id} has format {format}, this matano reads up to {}: use a newer matano", FORMAT + 1)]
    TooNew {
        /// Which release.
        id: ReleaseId,
        /// Its format.
        format: u32,
    },
    /// Someone else deployed in between.
    #[error("the deployed release is {found}, not the {expected} that the plan was made from: plan again")]
    Outdated {
        /// What the plan started from.
        expected: String,
        /// What is deployed.
        found: String,
    },
    /// Someone else is deploying at this moment.
    #[error("another deploy is running on {}: wait for it and plan again", .0.display())]
    Locked(PathBuf),
}

/// The pointer file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Pointer {
    format: u32,
    release: ReleaseId,
}

/// The releases of one target.
#[derive(Debug, Clone)]
pub struct Releases {
    directory: PathBuf,
}

impl Releases {
    /// In this directory, which need not exist yet.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The release that the pointer names.
    pub fn current(&self) -> Result<Option<ReleaseId>, ReleaseError> {
        let path = self.pointer();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ReleaseError::Io { action: "read", path, source }),
        };
        let pointer: Pointer = serde_json::from_slice(&bytes)
            .map_err(|error| ReleaseError::Damaged { path, problem: error.to_string() })?;
        Ok(Some(pointer.release))
    }

    /// The manifest of the current release, without its resources.
    pub fn manifest(&self) -> Result<Option<Release>, ReleaseError> {
        self.current()?.map(|id| self.read_manifest(id)).transpose()
    }

    /// The current release with all its resources, each checked against its digest.
    pub fn load(&self) -> Result<Option<Bundle>, ReleaseError> {
        let Some(release) = self.manifest()? else { return Ok(None) };
        let mut resources = BTreeMap::new();
        for digest in release.resources() {
            resources.insert(digest, self.read_checked(&self.resource(digest), digest)?);
        }
        Ok(Some(Bundle { release, resources }))
    }

    /// Writes manifest and resources; what is there already is left alone.
    pub fn save(&self, bundle: &Bundle) -> Result<ReleaseId, ReleaseError> {
        for (digest, bytes) in &bundle.resources {
            write_once(&self.resource(*digest), bytes)?;
        }
        let id = bundle.release.id();
        write_once(&self.manifest_path(id), &bundle.release.to_json())?;
        Ok(id)
    }

    /// Points to `to` if the pointer still names `from`.
    pub fn switch(&self, from: Option<ReleaseId>, to: ReleaseId) -> Result<(), ReleaseError> {
        let _lock = self.lock()?;
        let found = self.current()?;
        if found != from {
            let word = |id: Option<ReleaseId>| id.map_or_else(|| "(none)".to_owned(), |id| id.short());
            return Err(ReleaseError::Outdated { expected: word(from), found: word(found) });
        }
        let pointer = serde_json::to_vec(&Pointer { format: FORMAT, release: to }).expect("two plain fields");
        write_atomically(&self.pointer(), &pointer)
    }

    /// Takes the pointer away: nothing is deployed any more. Manifests and resources stay.
    pub fn clear(&self) -> Result<(), ReleaseError> {
        let _lock = self.lock()?;
        match fs::remove_file(self.pointer()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(ReleaseError::Io { action: "remove", path: self.pointer(), source }),
        }
    }

    fn lock(&self) -> Result<File, ReleaseError> {
        let path = self.directory.join("lock");
        let io = |action, source| ReleaseError::Io { action, path: path.clone(), source };
        fs::create_dir_all(&self.directory).map_err(|source| io("create", source))?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| io("open", source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(ReleaseError::Locked(self.directory.clone())),
            Err(TryLockError::Error(source)) => Err(io("lock", source)),
        }
    }

    fn read_manifest(&self, id: ReleaseId) -> Result<Release, ReleaseError> {
        let path = self.manifest_path(id);
        let bytes = self.read_checked(&path, id.0)?;
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let damaged =
            |error: serde_json::Error| ReleaseError::Damaged { path: path.clone(), problem: error.to_string() };
        let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if format > FORMAT + 1 {
            return Err(ReleaseError::TooNew { id, format });
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }

    fn read_checked(&self, path: &Path, digest: Digest) -> Result<Vec<u8>, ReleaseError> {
        let bytes =
            fs::read(path).map_err(|source| ReleaseError::Io { action: "read", path: path.to_path_buf(), source })?;
        if Digest::of(&bytes) == digest {
            return Ok(bytes);
        }
        Err(ReleaseError::Damaged {
            path: path.to_path_buf(),
            problem: "its content does not have the digest of its name".to_owned(),
        })
    }

    fn pointer(&self) -> PathBuf {
        self.directory.join("current")
    }

    fn manifest_path(&self, id: ReleaseId) -> PathBuf {
        self.directory.join("manifests").join(id.to_string())
    }

    fn resource(&self, digest: Digest) -> PathBuf {
        self.directory.join("resources").join(digest.to_string())
    }
}

/// Writes a content-addressed file unless it is there whole.
fn write_once(path: &Path, bytes: &[u8]) -> Result<(), ReleaseError> {
    if fs::read(path).is_ok_and(|have| have == bytes) {
        return Ok(());
    }
    write_atomically(path, bytes)
}

fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ReleaseError> {
    let io = |action| move |source| ReleaseError::Io { action, path: path.to_path_buf(), source };
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(io("create the directory of"))?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = File::create(&temporary).map_err(io("write"))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("write"))?;
    fs::rename(&temporary, path).map_err(io("rename to"))?;
    // the rename itself must survive a power cut
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io("sync the directory of"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        name::DestinationName,
        release::{Destination, DestinationKind},
    };

    fn bundle(destination: &str) -> Bundle {
        let name = DestinationName::parse(destination).unwrap();
        Bundle {
            release: Release {
                format: FORMAT,
                log_sources: BTreeMap::new(),
                tables: BTreeMap::new(),
                detections: BTreeMap::new(),
                enrichment: BTreeMap::new(),
                destinations: BTreeMap::from([(name.clone(), Destination { name, kind: DestinationKind::Stdout })]),
            },
            resources: BTreeMap::new(),
        }
    }

    fn releases() -> (tempfile::TempDir, Releases) {
        let directory = tempfile::tempdir().unwrap();
        let releases = Releases::new(directory.path().join("release"));
        (directory, releases)
    }

    #[test]
    fn what_was_switched_to_is_what_is_loaded() {
        let (_directory, releases) = releases();
        assert_eq!(releases.load().unwrap(), None);
        let id = releases.save(&bundle("a")).unwrap();
        assert_eq!(releases.current().unwrap(), None);
        releases.switch(None, id).unwrap();
        assert_eq!(releases.load().unwrap(), Some(bundle("a")));
    }

    #[test]
    fn a_switch_from_an_outdated_release_is_refused() {
        let (_directory, releases) = releases();
        let (a, b) = (releases.save(&bundle("a")).unwrap(), releases.save(&bundle("b")).unwrap());
        releases.switch(None, a).unwrap();
        let error = releases.switch(None, b).unwrap_err();
        assert!(matches!(error, ReleaseError::Outdated { .. }), "{error}");
        assert_eq!(releases.current().unwrap(), Some(a));
        releases.switch(Some(a), b).unwrap();
        releases.switch(Some(b), a).unwrap();
        assert_eq!(releases.current().unwrap(), Some(a));
    }

    #[test]
    fn a_damaged_manifest_is_noticed() {
        let (_directory, releases) = releases();
        let id = releases.save(&bundle("a")).unwrap();
        releases.switch(None, id).unwrap();
        fs::write(releases.manifest_path(id), b"{}").unwrap();
        assert!(matches!(releases.load().unwrap_err(), ReleaseError::Damaged { .. }));
        // deploying again mends it
        releases.save(&bundle("a")).unwrap();
        assert_eq!(releases.load().unwrap(), Some(bundle("a")));
    }

    #[test]
    fn two_deploys_at_once_exclude_each_other() {
        let (_directory, releases) = releases();
        let id = releases.save(&bundle("a")).unwrap();
        let lock = releases.lock().unwrap();
        assert!(matches!(releases.switch(None, id).unwrap_err(), ReleaseError::Locked(_)));
        drop(lock);
        releases.switch(None, id).unwrap();
    }
}
