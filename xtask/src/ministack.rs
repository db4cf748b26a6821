//! AWS on this machine, for tests that need a real S3: ministack, on a free port of the loopback interface.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::step::{environment, headline, say, target};

/// The buckets that tests write to.
const BUCKETS: [&str; 2] = ["lake", "raw"];

/// How long it may take to start on a busy machine; it takes half a second on an idle one.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; it ends with this value.
pub struct Ministack {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Ministack {
    /// Installs it where it is missing, starts it and makes the buckets.
    pub fn start() -> Result<Self> {
        let python = environment("ministack")?;
        headline("ministack");
        let directory = target().join("ministack");
        fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
        let log = directory.join("log.txt");
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        // free now; somebody else would have to take it within the second
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = address.context("find a free port")?;
        let process = Command::new(python.with_file_name("ministack"))
            .env("GATEWAY_PORT", address.port().to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", "eu-central-1")
            .env("MINISTACK_ACCOUNT_ID", "111122223333")
            .env("AWS_ENDPOINT_URL", format!("http://{address}"))
            .env("TMPDIR", &directory)
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("share the log")?)
            .stderr(output)
            .spawn()
            .context("start ministack")?;
        let mut server = Self { process, address, log };
        server.wait()?;
        for bucket in BUCKETS {
            let status = server.put(bucket).with_context(|| format!("make bucket {bucket}"))?;
            if status != 200 {
                bail!("make bucket {bucket}: ministack answered {status}, see {}", server.log.display());
            }
        }
        say(&format!("   listening on {address}"));
        Ok(server)
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn wait(&mut self) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.process.try_wait().context("look at ministack")? {
                bail!("ministack ended at once ({status}), see {}", self.log.display());
            }
            if started.elapsed() > PATIENCE {
                bail!("ministack does not listen on {}, see {}", self.address, self.log.display());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The status of a PUT without a body.
    fn put(&self, path: &str) -> Result<u16> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request =
            format!("PUT /{path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status
            .with_context(|| format!("expected an HTTP answer, found `{}`", answer.lines().next().unwrap_or_default()))
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
