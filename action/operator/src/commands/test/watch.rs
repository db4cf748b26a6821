//! Runs tests again as files change, until Ctrl-C.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use tokio::{signal, time};

use crate::workspace;

/// Between looks at the project's files.
const LOOK: Duration = Duration::from_millis(500);

/// What the files of a project look like: size and time of change by path.
pub struct Looked {
    root: PathBuf,
    files: BTreeMap<String, (u64, Option<SystemTime>)>,
}

impl Looked {
    /// As they are now.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), files: workspace::stamps(root) }
    }

    /// Waits until some files are new, gone or different, and says which; `None` after Ctrl-C.
    pub async fn changes(&mut self) -> Result<Option<BTreeSet<String>>> {
        let mut stop = std::pin::pin!(signal::ctrl_c());
        loop {
            tokio::select! {
                stopped = &mut stop => {
                    stopped.context("listen for Ctrl-C")?;
                    return Ok(None);
                }
                () = time::sleep(LOOK) => (),
            }
            let now = workspace::stamps(&self.root);
            let changed = different(&self.files, &now);
            if !changed.is_empty() {
                self.files = now;
                return Ok(Some(changed));
            }
        }
    }
}

fn different<T: PartialEq>(before: &BTreeMap<String, T>, now: &BTreeMap<String, T>) -> BTreeSet<String> {
    before.keys().chain(now.keys()).filter(|path| before.get(*path) != now.get(*path)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_gone_and_changed_files_are_told_and_others_are_not() {
        let map = |files: &[(&str, u64)]| files.iter().map(|(path, stamp)| ((*path).to_owned(), *stamp)).collect();
        let changed =
            different(&map(&[("same", 1), ("gone", 1), ("other", 1)]), &map(&[("same", 1), ("new", 1), ("other", 2)]));
        assert_eq!(changed.iter().map(String::as_str).collect::<Vec<_>>(), ["gone", "new", "other"]);
    }
}
