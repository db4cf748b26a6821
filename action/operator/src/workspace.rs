//! The detections repo on disk: finding it, and reading it without leaving it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result};
use project::FileSet;

use crate::exit::{environment, input};

/// What makes a directory a project.
pub const CONFIG: &str = project::project::Config::FILE;

/// The folders and files that belong to a project; nothing else is read.
const ROOMS: [&str; 5] = ["log_sources", "detections", "enrichment", "integrations", "fixtures"];

/// A file larger than this is a mistake: a log or a dump that was committed.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The directory of a project and what stands in it.
pub struct Workspace {
    /// The directory with matano.config.yml.
    pub root: PathBuf,
    /// Its files by relative path.
    pub files: FileSet,
}

/// Whether a directory is a project.
pub fn is_project(directory: &Path) -> bool {
    directory.join(CONFIG).is_file()
}

/// The project's directory: the one given, else the nearest of this directory and its parents that is one.
pub fn find(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(directory) = given {
        if !is_project(directory) {
            return Err(environment(format!(
                "`{}` holds no {CONFIG}: give the detections repo with --project",
                directory.display()
            )));
        }
        return directory.canonicalize().with_context(|| format!("read {}", directory.display()));
    }
    let here = std::env::current_dir().context("read the current directory")?;
    here.ancestors().find(|directory| is_project(directory)).map(Path::to_path_buf).ok_or_else(|| {
        environment(format!(
            "no {CONFIG} in `{}` or above it: run `matano init` to make a detections repo, or give one with --project",
            here.display()
        ))
    })
}

/// Where a project stands in its git repository, with `/` between directories; empty where it is the repository, or
/// there is none.
pub fn directory_in_repository(root: &Path) -> String {
    let repository = root.ancestors().find(|directory| directory.join(".git").exists()).unwrap_or(root);
    root.strip_prefix(repository).unwrap_or(Path::new("")).to_string_lossy().replace('\\', "/")
}

/// Reads a project's files.
pub fn read(root: PathBuf) -> Result<Workspace> {
    let mut files = FileSet::default();
    add(&root, &root.join(CONFIG), &mut files)?;
    for room in ROOMS {
        let directory = root.join(room);
        if directory.is_dir() {
            walk(&root, &directory, &mut files)?;
        }
    }
    Ok(Workspace { root, files })
}

/// Size and time of change of the files that belong to a project. What cannot be looked at is left out: reading it tells.
pub fn stamps(root: &Path) -> BTreeMap<String, (u64, Option<SystemTime>)> {
    let mut out = BTreeMap::new();
    let mut todo: Vec<PathBuf> = ROOMS.iter().map(|room| root.join(room)).chain([root.join(CONFIG)]).collect();
    while let Some(path) = todo.pop() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        if metadata.is_dir() {
            todo.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else if let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            out.insert(relative.to_owned(), (metadata.len(), metadata.modified().ok()));
        }
    }
    out
}

fn walk(root: &Path, directory: &Path, files: &mut FileSet) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        let kind = path.symlink_metadata().with_context(|| format!("read {}", path.display()))?.file_type();
        if kind.is_symlink() {
            stays_inside(root, &path)?;
        }
        if path.is_dir() {
            // a link to a directory could go round in circles
            if !kind.is_symlink() {
                walk(root, &path, files)?;
            }
        } else {
            add(root, &path, files)?;
        }
    }
    Ok(())
}

/// A link that leaves the project would bring a file of this machine into a release.
fn stays_inside(root: &Path, path: &Path) -> Result<()> {
    let target = path.canonicalize().with_context(|| format!("follow {}", path.display()))?;
    if target.starts_with(root) {
        return Ok(());
    }
    Err(input(format!(
        "`{}` is a link to `{}`, which is outside the project: copy the file in",
        path.strip_prefix(root).unwrap_or(path).display(),
        target.display()
    )))
}

fn add(root: &Path, path: &Path, files: &mut FileSet) -> Result<()> {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let Some(name) = relative.to_str() else {
        return Err(input(format!("the file name `{}` is not UTF-8: rename it", relative.display())));
    };
    let size = path.metadata().with_context(|| format!("read {}", path.display()))?.len();
    if size > MAX_FILE_BYTES {
        return Err(input(format!(
            "`{name}` has {size} bytes, more than the {MAX_FILE_BYTES} of a project's largest file"
        )));
    }
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    files.insert(name.replace('\\', "/"), bytes);
    Ok(())
}
