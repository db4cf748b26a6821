//! `requirements.txt` of detections, installed once and packed for the release.
//!
//! Only wheels are taken: building a source distribution would run its code on the machine that deploys. The zip has
//! sorted names and fixed times, so the same wheels make the same release; it is kept by the digest of the requirements
//! and the Python version.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use model::{digest::Digest, name::DetectionName};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::{exit::environment, terminal::Terminal};

/// The packed requirements of every detection that has any.
pub fn install(
    wanted: &BTreeMap<DetectionName, String>,
    python: &Path,
    cache: &Path,
    terminal: Terminal,
) -> Result<BTreeMap<DetectionName, Vec<u8>>> {
    let mut packed = BTreeMap::new();
    for (detection, requirements) in wanted {
        if let Some(line) = unwanted(requirements) {
            return Err(environment(format!(
                "requirements of detection `{detection}`: expected names of packages with versions, found `{line}`; options, \
                 paths and addresses are not taken, because installing those runs code or reads files of this machine"
            )));
        }
        if !names_a_package(requirements) {
            continue;
        }
        let bytes = pack_cached(requirements, python, cache, terminal).map_err(|error| {
            environment(format!("requirements of detection `{detection}` cannot be installed: {error:#}"))
        })?;
        packed.insert(detection.clone(), bytes);
    }
    Ok(packed)
}

/// Whether anything but comments and blank lines is there.
fn names_a_package(requirements: &str) -> bool {
    requirements.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The first line that is more than the name of a package, its extras, versions, markers and digests.
fn unwanted(requirements: &str) -> Option<String> {
    // a backslash joins a line with the next
    let joined = requirements.replace("\r\n", "\n").replace("\\\n", " ");
    joined.lines().find(|line| !is_plain(line)).map(|line| line.trim().to_owned())
}

fn is_plain(line: &str) -> bool {
    let line = if line.starts_with('#') { "" } else { line.split(" #").next().unwrap_or_default() };
    let is_digest = |word: &&str| word.starts_with("--hash=");
    let words: Vec<&str> = line.split_whitespace().collect();
    let digests = words.iter().rev().take_while(|word| is_digest(word)).count();
    let words = &words[..words.len() - digests];
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-[],<>=!~*+()".contains(c);
    // what stands behind a semicolon says on which machines
    let name: Vec<&str> = words.iter().copied().take_while(|word| !word.starts_with(';')).collect();
    let name = name.join(" ");
    let mut name = name.split(';').next().unwrap_or_default().split(' ');
    let starts_well = name.clone().next().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_alphanumeric()));
    (words.is_empty() && digests == 0)
        || (starts_well
            && name.all(|word| !word.starts_with('-') && word.chars().all(allowed))
            && !words.iter().any(|word| word.starts_with('-')))
}

fn pack_cached(requirements: &str, python: &Path, cache: &Path, terminal: Terminal) -> Result<Vec<u8>> {
    let version = python_version(python)?;
    let name = Digest::of_parts([requirements.as_bytes(), version.as_bytes()]);
    let path = cache.join(format!("{name}.zip"));
    if let Ok(bytes) = fs::read(&path) {
        return Ok(bytes);
    }
    let progress = terminal.progress("installing requirements");
    let bytes = pack(requirements, python, cache)?;
    progress.finish_and_clear();
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&temporary, &bytes).with_context(|| format!("write {}", temporary.display()))?;
    fs::rename(&temporary, &path).with_context(|| format!("rename to {}", path.display()))?;
    Ok(bytes)
}

fn python_version(python: &Path) -> Result<String> {
    let program = "import sys; print(sys.version_info[:2], sys.platform)";
    let output = Command::new(python)
        .args(["-I", "-c", program])
        .output()
        .with_context(|| format!("start {}", python.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn pack(requirements: &str, python: &Path, cache: &Path) -> Result<Vec<u8>> {
    fs::create_dir_all(cache).with_context(|| format!("create {}", cache.display()))?;
    let work = tempfile::tempdir_in(cache).context("create a directory to install into")?;
    let (list, site) = (work.path().join("requirements.txt"), work.path().join("site-packages"));
    fs::write(&list, requirements).context("write requirements.txt")?;
    let output = Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"])
        .args(["--only-binary", ":all:", "--target"])
        .arg(&site)
        .arg("-r")
        .arg(&list)
        .output()
        .with_context(|| format!("start {} -m pip", python.display()))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("pip: {}", words.trim());
    }
    zip_directory(&site)
}

fn zip_directory(site: &Path) -> Result<Vec<u8>> {
    let mut files = Vec::new();
    list_files(site, &mut files)?;
    files.sort();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for path in files {
        let name = path.strip_prefix(site).unwrap_or(&path).to_str().context("a package's file name is not UTF-8")?;
        // RECORD and INSTALLER say how pip was called here, not what was installed
        if name.ends_with(".dist-info/RECORD") || name.ends_with(".dist-info/INSTALLER") || name.starts_with("bin/") {
            continue;
        }
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(if name.ends_with(".so") { 0o755 } else { 0o644 });
        zip.start_file(name, options).context("pack requirements")?;
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        zip.write_all(&bytes).context("pack requirements")?;
    }
    Ok(zip.finish().context("pack requirements")?.into_inner())
}

fn list_files(directory: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "__pycache__") {
                list_files(&path, out)?;
            }
        } else {
            out.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_need_no_installation() {
        assert!(!names_a_package("# nothing\n\n"));
        assert!(names_a_package("# ip helpers\nnetaddr==1.3.0\n"));
    }

    #[test]
    fn only_names_of_packages_are_installed() {
        for fine in [
            "netaddr",
            "netaddr==1.3.0  # addresses",
            "requests[socks]>=2,<3; python_version < '3.13'",
            "netaddr==1.3.0 \\\n    --hash=sha256:00ff \\\n    --hash=sha256:ff00\n\n# a word\nidna (>=3)",
        ] {
            assert_eq!(unwanted(fine), None, "{fine}");
        }
        for line in [
            "./package",
            "/tmp/package",
            "package/",
            "-e .",
            "-r other.txt",
            "--index-url https://example.com",
            "--no-binary :all:",
            "netaddr --no-binary=netaddr",
            "netaddr @ https://example.com/netaddr.whl",
            "git+https://example.com/netaddr",
            "netaddr==1.3.0 --hash=sha256:00 -r other.txt",
        ] {
            assert_eq!(unwanted(&format!("idna\n{line}\n")).as_deref(), Some(line));
        }
        assert_eq!(unwanted("netaddr \\\n  -r other.txt").as_deref(), Some("netaddr    -r other.txt"));
    }

    #[test]
    fn the_same_files_make_the_same_zip() {
        let pack = |order: [&str; 2]| {
            let site = tempfile::tempdir().unwrap();
            for name in order {
                fs::create_dir_all(site.path().join(name)).unwrap();
                fs::write(site.path().join(name).join("__init__.py"), name).unwrap();
            }
            zip_directory(site.path()).unwrap()
        };
        assert_eq!(pack(["a", "b"]), pack(["b", "a"]));
    }
}
