use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Cursor,
    path::{Component, Path, PathBuf},
};

use columns::{FileOptions, FileWriter, arrow_schema, json_rows};
use model::{
    digest::Digest,
    name::EnrichmentName,
    release::{Bundle, Detection, EnrichmentTable, Trigger},
    worker::{LoadDetection, LoadEnrichment},
};
use tracing::warn;

use crate::error::HostError;

/// The module that a detection's functions stand in.
pub const MODULE: &str = "detect.py";

/// Words that can't name a package.
const KEYWORDS: &[&str] = &[
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except",
    "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise",
    "return", "try", "while", "with", "yield",
];

/// Lays out detections below a directory, one directory each, so that `detect.py` finds its siblings.
pub fn detections(bundle: &Bundle, root: &Path) -> Result<Vec<LoadDetection>, HostError> {
    let mut taken = BTreeSet::new();
    let mut site_packages = BTreeMap::new();
    let mut out = Vec::new();
    for detection in bundle.release.detections.values() {
        let package = package(detection.name.as_str(), &mut taken);
        let directory = root.join("detections").join(&package);
        make(&directory)?;
        for (path, digest) in &detection.files {
            let path = directory.join(relative(path)?);
            if let Some(parent) = path.parent() {
                make(parent)?;
            }
            fs::write(&path, resource(bundle, *digest)?).map_err(HostError::io("write", &path))?;
        }
        let site_packages = match detection.site_packages {
            None => None,
            Some(digest) => {
                let directory = root.join("site-packages").join(digest.short(16));
                if site_packages.insert(digest, ()).is_none() {
                    unzip(resource(bundle, digest)?, &directory, detection)?;
                }
                Some(text(&directory)?)
            }
        };
        let needs_detect = match detection.trigger {
            Trigger::Streaming => true,
            Trigger::Scheduled(_) => false,
        };
        let (name, directory) = (detection.name.to_string(), text(&directory)?);
        out.push(LoadDetection { name, package, directory, site_packages, needs_detect });
    }
    Ok(out)
}

/// Writes enrichment tables as Parquet files. Data given here takes the place of the release's own.
pub fn enrichment(
    bundle: &Bundle,
    data: &BTreeMap<EnrichmentName, Vec<u8>>,
    root: &Path,
) -> Result<Vec<LoadEnrichment>, HostError> {
    let directory = root.join("enrichment");
    make(&directory)?;
    let mut out = Vec::new();
    for table in bundle.release.enrichment.values() {
        let lines = match (data.get(&table.name), table.data) {
            (Some(lines), _) => lines.as_slice(),
            (None, Some(digest)) => resource(bundle, digest)?,
            (None, None) => &[],
        };
        let path = directory.join(format!("{}.parquet", table.name));
        write_table(table, lines, &path)?;
        let (name, lookup_keys) = (table.name.to_string(), table.lookup_keys.clone());
        out.push(LoadEnrichment { name, lookup_keys, file: text(&path)? });
    }
    Ok(out)
}

fn write_table(table: &EnrichmentTable, lines: &[u8], path: &Path) -> Result<(), HostError> {
    let failed =
        |error: &dyn ToString| HostError::Release(format!("enrichment table `{}`: {}", table.name, error.to_string()));
    let rows = serde_json::Deserializer::from_slice(lines).into_iter().collect::<Result<Vec<_>, _>>();
    let rows = rows.map_err(|error| failed(&error))?;
    let (batch, misfits) = json_rows(&table.schema, &rows).map_err(|error| failed(&error))?;
    if !misfits.is_empty() {
        warn!(table = %table.name, values = misfits.len(), "values of an enrichment table do not fit its columns");
    }
    let mut writer = FileWriter::create(path, arrow_schema(&table.schema, None), FileOptions::default());
    writer.write(batch).map_err(|error| failed(&error))?;
    writer.finish().map_err(|error| failed(&error)).map(drop)
}

/// A Python identifier for a detection: its name where that is one.
fn package(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut package: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if package.starts_with(|c: char| c.is_ascii_digit()) || KEYWORDS.contains(&package.as_str()) {
        package.insert(0, '_');
    }
    while !taken.insert(package.to_ascii_lowercase()) {
        package.push('_');
    }
    package
}

fn unzip(bytes: &[u8], directory: &Path, detection: &Detection) -> Result<(), HostError> {
    let failed = |error: zip::result::ZipError| {
        HostError::Release(format!("requirements of detection `{}`: {error}", detection.name))
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(failed)?;
    archive.extract(directory).map_err(failed)
}

fn resource(bundle: &Bundle, digest: Digest) -> Result<&[u8], HostError> {
    let bytes = bundle.resources.get(&digest);
    bytes.map(Vec::as_slice).ok_or_else(|| HostError::Release(format!("resource `{digest}` is missing")))
}

/// A path that stays below the directory it is joined to.
fn relative(path: &str) -> Result<&Path, HostError> {
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if path.is_empty() || !inside {
        return Err(HostError::Release(format!("`{path}` is no path within a detection's directory")));
    }
    Ok(Path::new(path))
}

fn make(directory: &Path) -> Result<(), HostError> {
    fs::create_dir_all(directory).map_err(HostError::io("make", directory))
}

/// Messages are JSON, whose strings are Unicode.
pub fn text(path: &Path) -> Result<String, HostError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| HostError::Worker(format!("the path `{}` is no Unicode text", PathBuf::from(path).display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_an_identifier_and_its_own() {
        let mut taken = BTreeSet::new();
        let names = ["root_login", "root login", "Root-Login", "import", "2fa"];
        let packages = names.map(|name| package(name, &mut taken));
        assert_eq!(packages, ["root_login", "root_login_", "Root_Login__", "_import", "_2fa"]);
    }

    #[test]
    fn a_path_that_leads_out_is_refused() {
        for path in ["", "/etc/passwd", "../x.py", "a/../../x.py", "./x.py"] {
            assert!(relative(path).is_err(), "{path}");
        }
        assert!(relative("lib/rules.py").is_ok());
    }
}
