//! The zip that an untrusted run left behind: looked up, downloaded and opened as if an enemy had made it.
//!
//! Nothing of it is written to disk, only the one file is read, and never more bytes of it than are allowed, whatever its
//! headers promise.

use std::io::{Cursor, Read as _};

use serde::Deserialize;
use zip::ZipArchive;

use crate::{
    client::{Client, escaped},
    error::GithubError,
};

/// The file that is read.
pub const FILE: &str = "report.json";

/// What an artifact may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArtifactLimits {
    /// Of the zip.
    pub zip_bytes: usize,
    /// How many files it may hold.
    pub entries: usize,
    /// Of the file, unpacked.
    pub file_bytes: usize,
}

impl Default for ArtifactLimits {
    fn default() -> Self {
        Self { zip_bytes: 32 * 1024 * 1024, entries: 32, file_bytes: 32 * 1024 * 1024 }
    }
}

/// Why an artifact is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// GitHub did not hand it out.
    #[error(transparent)]
    Github(#[from] GithubError),
    /// The run left none of this name.
    #[error("run {run} left no artifact `{name}`: its workflow must upload the report, also when a step failed")]
    Missing {
        /// The run.
        run: u64,
        /// What was looked for.
        name: String,
    },
    /// It is no zip with a report in it.
    #[error("the artifact is refused: {0}")]
    Refused(String),
}

/// Downloads the newest artifact of this name and unpacks the report in it.
pub async fn download(client: &Client, run: u64, name: &str, limits: ArtifactLimits) -> Result<Vec<u8>, ArtifactError> {
    let path = format!("/actions/runs/{run}/artifacts?name={}", escaped(name));
    let found: Vec<Wire> = client.pages(&path, |page: Page| page.artifacts).await?;
    let found = found.into_iter().filter(|artifact| artifact.name == name && !artifact.expired);
    let Some(artifact) = found.max_by_key(|artifact| artifact.id) else {
        return Err(ArtifactError::Missing { run, name: name.to_owned() });
    };
    if artifact.size_in_bytes > limits.zip_bytes as u64 {
        return Err(too_large("it", artifact.size_in_bytes, limits.zip_bytes));
    }
    let zip = client.download(&format!("/actions/artifacts/{}/zip", artifact.id), limits.zip_bytes).await?;
    unpack(&zip, limits)
}

/// The report's bytes in a zip.
pub fn unpack(zip: &[u8], limits: ArtifactLimits) -> Result<Vec<u8>, ArtifactError> {
    let refused = |problem: String| ArtifactError::Refused(problem);
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|error| refused(format!("no zip: {error}")))?;
    if archive.len() > limits.entries {
        return Err(refused(format!("it holds {} files, expected {} at most", archive.len(), limits.entries)));
    }
    let file = archive.by_name(FILE).map_err(|error| refused(format!("`{FILE}`: {error}")))?;
    if file.size() > limits.file_bytes as u64 {
        return Err(too_large(FILE, file.size(), limits.file_bytes));
    }
    // the size above is only what the zip says of itself
    let mut bytes = Vec::new();
    let read = file.take(limits.file_bytes as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| refused(format!("`{FILE}`: {error}")))?;
    if bytes.len() > limits.file_bytes {
        return Err(too_large(FILE, bytes.len() as u64, limits.file_bytes));
    }
    Ok(bytes)
}

fn too_large(what: &str, bytes: u64, limit: usize) -> ArtifactError {
    ArtifactError::Refused(format!("`{what}` has {bytes} bytes or more, expected {limit} at most"))
}

#[derive(Deserialize)]
struct Page {
    artifacts: Vec<Wire>,
}

#[derive(Deserialize)]
struct Wire {
    id: u64,
    name: String,
    size_in_bytes: u64,
    expired: bool,
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    const LIMITS: ArtifactLimits = ArtifactLimits { zip_bytes: 1 << 20, entries: 3, file_bytes: 1000 };

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn problem(zip: &[u8]) -> String {
        unpack(zip, LIMITS).unwrap_err().to_string()
    }

    #[test]
    fn only_the_report_is_read() {
        assert_eq!(unpack(&zip(&[("../../x", b"x"), (FILE, b"{}")]), LIMITS).unwrap(), b"{}");
        assert!(problem(&zip(&[("x/report.json", b"{}")])).contains("`report.json`"));
    }

    #[test]
    fn a_file_that_unpacks_to_too_much_is_refused() {
        let bomb = zip(&[(FILE, &[b' '; 100_000])]);
        assert!(bomb.len() < 1000);
        assert!(problem(&bomb).contains("expected 1000 at most"), "{}", problem(&bomb));
    }

    #[test]
    fn a_size_that_lies_is_not_believed() {
        let mut bomb = zip(&[(FILE, &[b' '; 100_000])]);
        let size = 100_000u32.to_le_bytes();
        for at in 0..bomb.len() - 4 {
            if bomb[at..at + 4] == size {
                bomb[at..at + 4].copy_from_slice(&10u32.to_le_bytes());
            }
        }
        let read = unpack(&bomb, LIMITS);
        assert!(read.as_ref().is_err() || read.as_ref().is_ok_and(|bytes| bytes.len() <= 1000), "{read:?}");
    }

    #[test]
    fn too_many_files_and_no_zip_at_all_are_refused() {
        assert!(problem(&zip(&[("a", b""), ("b", b""), ("c", b""), (FILE, b"{}")])).contains("it holds 4 files"));
        for bytes in [b"".as_slice(), b"not a zip", b"PK\x05\x06"] {
            assert!(problem(bytes).contains("no zip"), "{bytes:?}");
        }
    }
}
