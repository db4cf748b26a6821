//! Running other programs, one visible step at a time.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// Writes to standard output; a closed pipe is no error.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A headline, so that a long log can be read.
pub fn headline(text: &str) {
    say(&format!("\n== {text}"));
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    // as cargo says now: a target directory may be shared by checkouts, and this program built in another one
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = package.and_then(|package| package.parent().map(Path::to_path_buf));
    root.unwrap_or_else(|| PathBuf::from("."))
}

/// Where cargo builds to.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A cargo command in the workspace, with the toolchain that built this program.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command, its output passed through; fails when it fails.
pub fn run(name: &str, command: &mut Command) -> Result<()> {
    headline(name);
    let started = Instant::now();
    let status = command.status().with_context(|| format!("start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    say(&format!("   ({name}: {:.0} s)", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Runs a command and returns what it wrote to standard output; its errors are passed through.
pub fn capture(name: &str, command: &mut Command) -> Result<String> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stdout));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{name} wrote no UTF-8"))
}

/// Python 3.11 or newer.
pub fn python() -> Result<PathBuf> {
    for name in ["python3", "python3.14", "python3.13", "python3.12", "python3.11"] {
        let check = "import sys; sys.exit(sys.version_info < (3, 11))";
        if Command::new(name).args(["-c", check]).output().is_ok_and(|output| output.status.success()) {
            return Ok(name.into());
        }
    }
    bail!("Python 3.11 or newer is needed: install it, so that `python3 --version` says so")
}

/// A Python environment of its own under the target directory, made again when its requirements change.
pub fn environment(name: &str) -> Result<PathBuf> {
    let requirements = root().join("xtask/requirements").join(format!("{name}.txt"));
    let wanted = fs::read_to_string(&requirements).with_context(|| format!("read {}", requirements.display()))?;
    let directory = target().join("python").join(name);
    let (stamp, interpreter) = (directory.join("installed.txt"), directory.join("bin/python"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("remove {}", directory.display()))?;
    }
    run(&format!("python environment {name}"), Command::new(python()?).args(["-m", "venv"]).arg(&directory))?;
    let mut pip = Command::new(&interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
    run(&format!("install {name}"), &mut pip)?;
    fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))?;
    Ok(interpreter)
}

/// The `node_modules` of a folder of requirements, under the target directory, made again when its lock file changes.
pub fn node_modules(name: &str) -> Result<PathBuf> {
    let requirements = root().join("xtask/requirements").join(name);
    let lock = requirements.join("package-lock.json");
    let wanted = fs::read_to_string(&lock).with_context(|| format!("read {}", lock.display()))?;
    let directory = target().join("node").join(name);
    let (stamp, modules) = (directory.join("installed.json"), directory.join("node_modules"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(modules);
    }
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    for file in ["package.json", "package-lock.json"] {
        let from = requirements.join(file);
        fs::copy(&from, directory.join(file)).with_context(|| format!("copy {}", from.display()))?;
    }
    let mut npm = Command::new("npm");
    // nothing of a package is run while it is installed
    npm.args(["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&directory);
    run(&format!("install {name}"), &mut npm)?;
    fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))?;
    Ok(modules)
}
