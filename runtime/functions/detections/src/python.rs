use std::{
    collections::BTreeSet,
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

/// What the interpreter says about itself: what it is, and where it and its packages lie. On the stable ABI the module
/// needs CPython with a global lock.
const ASK: &str = "import os, sys, sysconfig
print(sys.executable)
print(sys.implementation.name)
print('%d.%d' % sys.version_info[:2])
print(sysconfig.get_config_var('Py_GIL_DISABLED') or 0)
for name in 'stdlib', 'platstdlib', 'purelib', 'platlib':
    print(sysconfig.get_path(name))
for prefix in sys.base_prefix, sys.base_exec_prefix, sys.prefix:
    for directory in 'lib', 'lib64', 'ssl/openssl.cnf':
        print(os.path.join(prefix, directory))";

/// What every Python reads sooner or later besides its own files: shared libraries, what their loader knows, time zones,
/// and a few settings that are nobody's secret.
const SYSTEM: [&str; 19] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/mime.types",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/openssl.cnf",
    "/etc/crypto-policies",
    "/dev/urandom",
    "/dev/random",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
];

/// An interpreter and the files that it cannot do without.
#[derive(Debug)]
pub struct Interpreter {
    /// What to start.
    pub executable: PathBuf,
    /// Real paths of files and directories.
    pub readable: Vec<PathBuf>,
}

/// The interpreter behind a command, which may be a wrapper that does not work without its environment.
pub fn find_interpreter(python: &Path) -> Result<Interpreter, HostError> {
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
    let [executable, implementation, version, unlocked, ref places @ ..] = said.lines().collect::<Vec<_>>()[..] else {
        return Err(failed("it does not answer like a Python".to_owned()));
    };
    if implementation != "cpython" || unlocked != "0" {
        return Err(failed("expected the ordinary build of CPython".to_owned()));
    }
    let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    if parts < vec![3, 11] {
        return Err(failed(format!("expected version 3.11 or newer, found {version}")));
    }
    let libraries = LIBRARY_PATHS.into_iter().filter_map(std::env::var_os);
    let libraries: Vec<PathBuf> =
        libraries.flat_map(|paths| std::env::split_paths(&paths).collect::<Vec<_>>()).collect();
    let readable = places.iter().map(PathBuf::from).chain(SYSTEM.map(PathBuf::from)).chain(libraries);
    Ok(Interpreter { executable: PathBuf::from(executable), readable: real(readable) })
}

/// Where an interpreter finds its own library, as with the builds on GitHub's runners.
pub const LIBRARY_PATHS: [&str; 2] = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// The real paths of those that are there, each once. A relative path would mean another place in the worker.
pub fn real(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let absolute = paths.filter(|path| path.is_absolute());
    let real: BTreeSet<PathBuf> = absolute.filter_map(|path| path.canonicalize().ok()).collect();
    // all of them would be the root directory
    real.into_iter().filter(|path| path.parent().is_some()).collect()
}
