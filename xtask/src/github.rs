//! Our client and our GitHub held against GitHub's own description: a validating proxy stands between them, and the flow
//! tests run through it. A request of ours that is not valid is refused, and so is an answer of our server's.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use github_server::{PORT, PROXY, Server, World, world::sha};
use serde_json::Value;

use crate::{
    description,
    step::{cargo, headline, node_modules, run, say, target},
};

/// How long the proxy may take to listen.
const START: Duration = Duration::from_secs(60);

/// The flows of the client. The proxy reads every body as text, so that zips do not come through it whole: their requests are
/// held by [`refuses_what_is_wrong`], and the tests that read them run without it.
const FLOWS: &[&str] = &["--skip", "the_newest_artifact"];

/// The jobs of the Action, but for those that read a zip.
const JOBS: &[&str] =
    &["action", "--skip", "stranger::an_artifact", "--skip", "stranger::the_trusted", "--skip", "stranger::words_of"];

/// Runs the flow tests through the proxy, after it has refused what is wrong.
pub fn run_github() -> Result<()> {
    let modules = node_modules("github")?;
    let description = cut(&modules)?;
    let (upstream, own) = (free_port()?, free_port()?);
    let _proxy = Proxy::start(&modules, &description, upstream, own)?;
    refuses_what_is_wrong(upstream, own)?;
    for (name, test, arguments) in [("the client", "flows", FLOWS), ("the jobs", "cli", JOBS)] {
        // of the workspace: one package alone would be built with other features
        let mut tests = cargo(&["test", "--quiet", "--workspace", "--test", test, "--"]);
        tests.args(arguments);
        tests.env(PROXY, format!("http://127.0.0.1:{own}")).env(PORT, upstream.to_string());
        run(&format!("{name} by GitHub's description"), &mut tests)?;
    }
    Ok(())
}

/// GitHub's description, cut to what is used here; the whole of it takes the proxy a minute to read.
fn cut(modules: &Path) -> Result<PathBuf> {
    let whole = modules.join("@octokit/openapi/generated/api.github.com.json");
    let text = fs::read(&whole).with_context(|| format!("read {}", whole.display()))?;
    let whole: Value = serde_json::from_slice(&text).context("read GitHub's description")?;
    let path = target().join("github/description.json");
    let directory = path.parent().context("the description has a directory")?;
    fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
    fs::write(&path, description::cut(&whole)?.to_string()).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// The validating proxy, until it is dropped.
struct Proxy(Child);

impl Proxy {
    fn start(modules: &Path, description: &Path, upstream: u16, own: u16) -> Result<Self> {
        headline("the proxy that knows GitHub's description");
        let child = Command::new("node")
            .arg(modules.join("@stoplight/prism-cli/dist/index.js"))
            .args(["proxy", "--errors", "--host", "127.0.0.1", "--port", &own.to_string(), "--verboseLevel", "error"])
            .arg(description)
            .arg(format!("http://127.0.0.1:{upstream}"))
            .stdout(Stdio::null())
            .spawn()
            .context("start node")?;
        let mut proxy = Self(child);
        let started = Instant::now();
        while TcpStream::connect(local(own)).is_err() {
            if let Some(status) = proxy.0.try_wait().context("ask for the proxy")? {
                bail!("the proxy ended: {status}");
            }
            if started.elapsed() > START {
                bail!("the proxy does not listen after {} s", START.as_secs());
            }
            thread::sleep(Duration::from_millis(100));
        }
        say(&format!("   listens after {:.1} s", started.elapsed().as_secs_f64()));
        Ok(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A wrong request is refused with 422, a wrong answer with 500, and what is right goes through.
fn refuses_what_is_wrong(upstream: u16, own: u16) -> Result<()> {
    let repository = "acme/detections";
    let mut world = World::with_repository(repository);
    let number = world.open_pull(repository, repository, "change", &sha(2));
    let artifact = world.upload(repository, 7, "matano-report", b"PK".to_vec());
    let server = Server::start_on(world, upstream)?;
    let runs = format!("/repos/{repository}/check-runs");
    let good = format!(r#"{{"name":"check","head_sha":"{}"}}"#, sha(2));
    expect(ask(own, "POST", &runs, &good)?, 201, "a good request")?;
    expect(ask(own, "POST", &runs, r#"{"name":"check"}"#)?, 422, "a request without a commit")?;
    let wrong = good.replace('}', r#","status":"finished"}"#);
    expect(ask(own, "POST", &runs, &wrong)?, 422, "a request with an unknown status")?;
    for run in server.world().repository(repository).check_runs.values_mut() {
        run.status = "finished".to_owned();
    }
    let listed = format!("/repos/{repository}/commits/{}/check-runs", sha(2));
    expect(ask(own, "GET", &listed, "")?, 500, "an answer with an unknown status")?;
    expect(ask(own, "GET", &format!("/repos/{repository}/pulls/{number}"), "")?, 200, "a good answer")?;
    expect(ask(own, "GET", &format!("/repos/{repository}/actions/artifacts/{artifact}/zip"), "")?, 200, "an artifact")?;
    say("   wrong requests and wrong answers are refused");
    Ok(())
}

fn expect(found: u16, expected: u16, what: &str) -> Result<()> {
    if found != expected {
        bail!("{what}: expected {expected}, found {found}");
    }
    Ok(())
}

/// One request, without a client that could make it right; the status of the answer.
fn ask(port: u16, method: &str, path: &str, body: &str) -> Result<u16> {
    let mut stream = TcpStream::connect(local(port)).context("reach the proxy")?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer write-token\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).context("ask the proxy")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("hear the proxy")?;
    let line = String::from_utf8_lossy(&answer);
    let status = line.split_ascii_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.with_context(|| format!("the proxy answered `{}`", line.lines().next().unwrap_or_default()))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(local(0)).context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}
