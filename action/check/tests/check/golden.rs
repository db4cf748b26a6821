use std::{env, fs, path::Path};

use check::render::terminal::{self, Terminal};
use project::{Diagnostic, FileSet};

/// The folder of this crate's fixtures.
pub fn fixtures() -> &'static Path {
    Path::new("tests")
}

/// The folder, in that of a rule, with the files that differ where the rule is kept.
pub const MENDED: &str = "mended";

/// A rule's project with its mistakes mended. A file that has to go is an empty one there.
pub fn mended(folder: &Path) -> FileSet {
    let (broken, mended) = (read(folder), read(&folder.join(MENDED)));
    let kept = broken.iter().filter(|(path, _)| mended.get(path).is_none());
    kept.chain(mended.iter().filter(|(_, bytes)| !bytes.is_empty())).collect()
}

/// All files below a folder, without what is expected of them.
pub fn read(folder: &Path) -> FileSet {
    fn walk(root: &Path, folder: &Path, files: &mut FileSet) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                if name != "expected.txt" && !name.starts_with("mended/") {
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    let mut files = FileSet::new();
    walk(folder, folder, &mut files);
    files
}

/// Loads and checks.
pub fn check(files: &FileSet) -> Vec<Diagnostic> {
    let (project, found) = project::load(files);
    check::check(&project, found)
}

/// Compares with a file, or rewrites it where `UPDATE_GOLDEN` is set.
pub fn compare(path: &Path, found: &str) {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{} differs; UPDATE_GOLDEN=1 rewrites it", path.display());
}

/// Checks the project in a folder against its `expected.txt`.
pub fn check_folder(folder: &Path) -> Vec<Diagnostic> {
    let files = read(folder);
    let diagnostics = check(&files);
    compare(&folder.join("expected.txt"), &terminal::report(&diagnostics, &files, Terminal::default()));
    diagnostics
}
