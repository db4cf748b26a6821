//! Lists the files of schemas/managed, so that the managed sources are part of the crate.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let crate_root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let managed = crate_root.join("../../schemas/managed");
    println!("cargo::rerun-if-changed={}", managed.display());
    let mut files = Vec::new();
    if managed.is_dir() {
        collect(&managed, &managed, &mut files)?;
    }
    files.sort();
    let mut code = String::from("&[\n");
    for (name, path) in &files {
        println!("cargo::rerun-if-changed={}", path.display());
        code.push_str(&format!("    ({name:?}, include_bytes!({:?}).as_slice()),\n", path.display().to_string()));
    }
    code.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("managed_files.rs"), code)
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", directory.display());
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(relative) = path.strip_prefix(root) {
            let name = relative.to_string_lossy().replace('\\', "/");
            // editors' and systems' own files do not belong to a source
            if !name.split('/').any(|part| part.starts_with('.') || part.ends_with('~')) {
                files.push((name, path));
            }
        }
    }
    Ok(())
}
