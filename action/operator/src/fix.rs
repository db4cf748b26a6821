//! Safe fixes, decided in memory until nothing is left to fix, then written file by file, each whole or not at all.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use check::fix;
use project::{Diagnostic, FileSet};
use similar::TextDiff;

use crate::{
    exit::environment,
    judge::{Judged, assess},
    workspace::Workspace,
};

/// Fixes that give rise to others end after a few rounds; these would not end.
const MOST_ROUNDS: usize = 10;

/// A project with its fixes in it, and what they are.
pub struct Fixed {
    /// As it would be checked after the fixes.
    pub judged: Judged,
    /// The files that changed, as they were.
    pub before: FileSet,
    /// What was found, and is mended.
    pub mended: Vec<Diagnostic>,
}

/// Fixes a project in memory.
pub async fn fix(judged: Judged) -> Result<Fixed> {
    let mut fixed = Fixed { judged, before: FileSet::new(), mended: Vec::new() };
    for _ in 0..MOST_ROUNDS {
        let Judged { workspace, diagnostics, .. } = &fixed.judged;
        let made = fix::apply(&workspace.files, diagnostics);
        if made.files.is_empty() {
            break;
        }
        fixed.mended.extend(made.diagnostics.into_iter().cloned());
        let mut files = workspace.files.clone();
        for (file, bytes) in made.files.iter() {
            if let Some(old) = files.get(file).filter(|_| fixed.before.get(file).is_none()) {
                fixed.before.insert(file, old.to_vec());
            }
            files.insert(file, bytes);
        }
        let root = workspace.root.clone();
        fixed.judged = assess(Workspace { root, files }).await?;
    }
    Ok(fixed)
}

impl Fixed {
    /// Writes the files that changed. What was changed by someone else meanwhile is not overwritten.
    pub fn write(&self) -> Result<()> {
        let Workspace { root, files } = &self.judged.workspace;
        for (file, old) in self.before.iter() {
            let new = files.get(file).unwrap_or_default();
            replace(&root.join(file), old, new).with_context(|| format!("fix {file}"))?;
        }
        Ok(())
    }

    /// What [`Self::write`] would change, as a unified diff.
    pub fn diff(&self) -> String {
        let mut out = String::new();
        for (file, old) in self.before.iter() {
            let new = self.judged.workspace.files.get(file).unwrap_or_default();
            let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
            let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
            out.push_str(&diff.unified_diff().header(&format!("a/{file}"), &format!("b/{file}")).to_string());
        }
        out
    }
}

/// Puts a new text in the place of an old one: whoever reads the file sees one or the other.
fn replace(path: &Path, old: &[u8], new: &[u8]) -> Result<()> {
    // a link stays a link
    let path = path.canonicalize()?;
    if fs::read(&path)? != old {
        return Err(environment("the file was changed while it was checked: run the command again"));
    }
    let directory = path.parent().context("a file has a directory")?;
    let mut file = tempfile::Builder::new().prefix(".matano-fix-").tempfile_in(directory)?;
    file.write_all(new)?;
    file.as_file().set_permissions(path.metadata()?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}
