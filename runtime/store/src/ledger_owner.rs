//! Which processes of this machine are alive: so that what a killed one held is free at once, and not when its leases end.
//!
//! Each process holds a lock on a file of its own. The kernel lets go of the lock however the process ends.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use crate::{error::StoreError, objects_local::cannot};

/// This process, as the ledger knows it. Dropped, it counts as ended, and what it holds is for the next process to free.
#[derive(Debug)]
pub struct Owner {
    name: String,
    lock: File,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that another thread forks at this moment has the lock, too, until it
        // becomes another program, and so long what this owner holds would be busy. Unlocking ends it for both; where that
        // fails, the lock ends with the last of them.
        self.lock.unlock().ok();
    }
}

impl Owner {
    /// Makes this process known under a name that no other has: `name` is best random.
    pub fn register(directory: &Path, name: &str) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(cannot("create", directory))?;
        // locked before it can be seen, so nobody takes it for one that has ended
        let (hidden, path) = (directory.join(format!(".{name}")), directory.join(name));
        let lock = File::create_new(&hidden).map_err(cannot("create", &hidden))?;
        lock.lock().map_err(cannot("lock", &hidden))?;
        fs::rename(&hidden, &path).map_err(cannot("create", &path))?;
        Ok(Self { name: name.to_owned(), lock })
    }

    /// For leases.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Processes that ended without saying so. After [`crate::ledger::Ledger::abandon`] for each, [`Owner::bury`] them.
    pub fn ended(directory: &Path) -> Result<Vec<String>, StoreError> {
        let mut out = Vec::new();
        for entry in fs::read_dir(directory).map_err(cannot("list", directory))? {
            let path = entry.map_err(cannot("list", directory))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'))
            else {
                continue;
            };
            let Ok(file) = File::open(&path) else { continue };
            match file.try_lock_shared() {
                Ok(()) => out.push(name.to_owned()),
                Err(TryLockError::WouldBlock) => (),
                Err(TryLockError::Error(error)) => return Err(cannot("lock", &path)(error)),
            }
        }
        out.sort();
        Ok(out)
    }

    /// Forgets a process that has ended.
    pub fn bury(directory: &Path, name: &str) -> Result<(), StoreError> {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(cannot("delete", &path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_dropped_owner_has_ended_even_where_a_child_has_its_lock() {
        let directory = tempfile::tempdir().unwrap();
        let owner = Owner::register(directory.path(), "forked").unwrap();
        // what a fork makes of every file for a moment, held on purpose
        let mut child = Command::new("sleep").arg("1000").stdin(owner.lock.try_clone().unwrap()).spawn().unwrap();
        assert_eq!(Owner::ended(directory.path()).unwrap(), [""; 0]);
        drop(owner);
        let ended = Owner::ended(directory.path()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(ended, ["forked"]);
    }

    #[test]
    fn a_process_that_lives_is_not_found_as_ended() {
        let directory = tempfile::tempdir().unwrap();
        let alive = Owner::register(directory.path(), "alive").unwrap();
        // what a killed process leaves: its file without the lock
        File::create(directory.path().join("killed")).unwrap();
        assert_eq!(Owner::ended(directory.path()).unwrap(), ["killed"]);
        Owner::bury(directory.path(), "killed").unwrap();
        Owner::bury(directory.path(), "killed").unwrap();
        assert!(Owner::ended(directory.path()).unwrap().is_empty());
        drop(alive);
        assert_eq!(Owner::ended(directory.path()).unwrap(), ["alive"]);
    }
}
