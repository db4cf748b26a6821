//! The checkout as data: who reads the disk, and who follows symbolic links or not, is the caller.

use std::collections::BTreeMap;

/// Files by path relative to the project's root, with `/` between directories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSet {
    files: BTreeMap<String, Vec<u8>>,
}

impl FileSet {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }

    /// The bytes of a file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// All files, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Paths below a directory, relative to it, sorted. `directory` is without a final `/`.
    pub fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let prefix = format!("{directory}/");
        self.files
            .range(prefix.clone()..)
            .map_while(move |(path, bytes)| Some((path.strip_prefix(&prefix)?, bytes.as_slice())))
    }

    /// Names of the directories directly below a directory, sorted.
    pub fn directories<'a>(&'a self, directory: &str) -> Vec<&'a str> {
        let mut out: Vec<&str> = self.below(directory).filter_map(|(path, _)| Some(path.split_once('/')?.0)).collect();
        out.dedup();
        out
    }

    /// How many files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl<P: Into<String>, B: Into<Vec<u8>>> FromIterator<(P, B)> for FileSet {
    fn from_iter<I: IntoIterator<Item = (P, B)>>(files: I) -> Self {
        Self { files: files.into_iter().map(|(path, bytes)| (path.into(), bytes.into())).collect() }
    }
}

/// A path that does not stay inside the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutsideProject;

/// What a path written in a file of `directory` means: relative to that directory, without `.` and `..`.
pub fn resolve(directory: &str, path: &str) -> Result<String, OutsideProject> {
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.starts_with('/') || path.contains('\\') || drive {
        return Err(OutsideProject);
    }
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => (),
            ".." => {
                parts.pop().ok_or(OutsideProject)?;
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_listed_once_and_files_below_are_relative() {
        let files: FileSet = [("d/a/x.yml", ""), ("d/a/y.yml", ""), ("d/b/x.yml", ""), ("d/z.yml", ""), ("da/x", "")]
            .into_iter()
            .collect();
        assert_eq!(files.directories("d"), ["a", "b"]);
        assert_eq!(files.below("d/a").map(|(path, _)| path).collect::<Vec<_>>(), ["x.yml", "y.yml"]);
    }

    #[test]
    fn paths_may_wander_but_not_leave() {
        assert_eq!(resolve("detections/a", "fixtures/./x.json").unwrap(), "detections/a/fixtures/x.json");
        assert_eq!(resolve("detections/a", "../b/x.json").unwrap(), "detections/b/x.json");
        for path in ["../../../etc/passwd", "/etc/passwd", "C:/x", "..\\x", "../../../detections/a/x"] {
            assert_eq!(resolve("detections/a", path), Err(OutsideProject), "{path}");
        }
    }
}
