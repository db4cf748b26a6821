use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::error::HostError;

/// File names of the module: as it is released, and as cargo builds it on Linux and macOS.
const MODULES: [&str; 3] = ["matano_detect.so", "libdetect.so", "libdetect.dylib"];

/// Finds the extension module that belongs to a program: beside it, in its parent directory (tests run in `target/*/deps`),
/// in `deps` below it, or in `../lib/matano`.
pub fn locate_module(exe: &Path) -> Result<PathBuf, HostError> {
    let beside = exe.parent().unwrap_or(Path::new("."));
    let mut directories = vec![beside.to_owned()];
    directories.extend(beside.parent().map(Path::to_owned));
    directories.extend([beside.join("deps"), beside.join("../lib/matano")]);
    let candidates = || directories.iter().flat_map(|directory| MODULES.iter().map(|module| directory.join(module)));
    match candidates().find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => Err(HostError::NoModule { looked: directories }),
    }
}

/// What the interpreter says about itself. On the stable ABI the module needs CPython with a global lock.
const ASK: &str = "import sys, sysconfig
print(sys.executable)
print(sys.implementation.name)
print('%d.%d' % sys.version_info[:2])
print(sysconfig.get_config_var('Py_GIL_DISABLED') or 0)";

/// The interpreter behind a command, which may be a wrapper that does not work without its environment.
pub fn find_interpreter(python: &Path) -> Result<PathBuf, HostError> {
    let failed = |reason: String| HostError::Python { python: python.to_owned(), reason };
    let output = Command::new(python)
        .args(["-I", "-B", "-c", ASK])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("it ended with {}: {}", output.status, said.trim())));
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let [executable, implementation, version, unlocked] = said.lines().collect::<Vec<_>>()[..] else {
        return Err(failed("it does not answer like a Python".to_owned()));
    };
    if implementation != "cpython" || unlocked != "0" {
        return Err(failed("expected the ordinary build of CPython".to_owned()));
    }
    let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    if parts < vec![3, 11] {
        return Err(failed(format!("expected version 3.11 or newer, found {version}")));
    }
    Ok(PathBuf::from(executable))
}
