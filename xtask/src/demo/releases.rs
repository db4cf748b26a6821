//! The releases page that the Action installs from: the program that was just built, packed as the release workflow packs it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use anyhow::{Context, Result, anyhow};

use crate::step::{capture, root, run};

/// Serves files on a free port of the loopback interface.
pub struct Releases {
    server: Arc<tiny_http::Server>,
    directory: PathBuf,
}

impl Releases {
    /// Packs the program and the Python module beside it, and serves them.
    pub fn start(directory: &Path, binary: &Path) -> Result<Self> {
        pack(directory, binary)?;
        let server = tiny_http::Server::http("127.0.0.1:0").map_err(|error| anyhow!("listen on 127.0.0.1: {error}"))?;
        let server = Arc::new(server);
        let (listener, files) = (Arc::clone(&server), directory.join("files"));
        thread::spawn(move || {
            for request in listener.incoming_requests() {
                let name = request.url().rsplit('/').next().unwrap_or_default().to_owned();
                let _ = match File::open(files.join(&name)) {
                    Ok(file) if !name.is_empty() => request.respond(tiny_http::Response::from_file(file)),
                    Ok(_) | Err(_) => request.respond(tiny_http::Response::empty(404)),
                };
            }
        });
        Ok(Self { server, directory: directory.to_path_buf() })
    }

    /// What the runner takes for GitHub's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.server_addr())
    }

    /// Programs that a hosted runner has. Where and from what a file was built, only Sigstore can say, which is not on this
    /// machine: its `gh` takes every attestation for good and leaves the checksum to `install.sh`.
    pub fn tools(&self) -> PathBuf {
        self.directory.join("tools")
    }
}

impl Drop for Releases {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

fn pack(directory: &Path, binary: &Path) -> Result<()> {
    let (files, tools) = (directory.join("files"), directory.join("tools"));
    for made in [&files, &tools] {
        fs::create_dir_all(made).with_context(|| format!("create {}", made.display()))?;
    }
    let name = format!("matano-{}-{}", version()?, triple()?);
    let content = directory.join(&name);
    fs::create_dir_all(&content).with_context(|| format!("create {}", content.display()))?;
    let beside = binary.parent().context("a program stands in a directory")?;
    let module =
        ["libdetect.so", "libdetect.dylib"].map(|name| beside.join(name)).into_iter().find(|path| path.exists());
    let module = module.context("the Python module stands beside the program")?;
    for (from, to) in [(binary, "matano"), (module.as_path(), "matano_detect.so")] {
        fs::copy(from, content.join(to)).with_context(|| format!("copy {}", from.display()))?;
    }
    let archive = files.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    // as fast as can be: a build for development is large
    tar.args(["--use-compress-program", "gzip -1", "-C"]).arg(directory).arg("-cf").arg(&archive).arg(&name);
    run("pack a release", &mut tar)?;
    let sums = capture("sha256sum", Command::new("sha256sum").arg(format!("{name}.tar.gz")).current_dir(&files))?;
    fs::write(files.join("SHA256SUMS"), sums).context("write SHA256SUMS")?;
    let gh = tools.join("gh");
    fs::write(&gh, "#!/bin/sh\n[ \"$1 $2\" = \"attestation verify\" ] && [ -f \"$3\" ]\n").context("write gh")?;
    run("make gh a program", Command::new("chmod").arg("+x").arg(&gh))
}

fn version() -> Result<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).context("read Cargo.toml")?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    line.map(str::to_owned).context("Cargo.toml has a version")
}

/// As `action/install.sh` names this machine.
fn triple() -> Result<String> {
    let words = capture("rustc", Command::new("rustc").arg("-vV"))?;
    let host = words.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc names its host")
}
