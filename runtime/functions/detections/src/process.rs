use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::{fs::FileExt, process::CommandExt},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use model::{
    isolation::{Confinement, Isolation, Walls},
    worker::{FRAME_START, Function, MAX_FRAME, Order, Progress, Report, frame, unframe},
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use tracing::warn;

use crate::{
    error::HostError,
    host::{HostConfig, IsolationPolicy},
    python::{self, Interpreter, LIBRARY_PATHS},
    unpack::text,
};

/// Loads the module by path, under its own name.
const BOOTSTRAP: &str = "import importlib.machinery, importlib.util, sys
path = sys.argv[1]
loader = importlib.machinery.ExtensionFileLoader('matano_detect', path)
module = importlib.util.module_from_spec(importlib.util.spec_from_file_location('matano_detect', path, loader=loader))
loader.exec_module(module)
sys.modules['matano_detect'] = module
module.main()";

/// How often the host looks at a worker that says nothing.
const LOOK: Duration = Duration::from_millis(50);
/// How long a worker may be silent outside of detections' code: starting, decoding, writing.
const SILENCE: Duration = Duration::from_secs(120);
/// How long a worker may take to die of a signal that it can explain.
const LAST_WORDS: Duration = Duration::from_millis(1000);
/// Bytes of a worker's standard error that are kept: the end of it.
const STDERR_BYTES: usize = 64 * 1024;

/// A Python process with the module in it.
pub struct Worker {
    child: Child,
    orders: Option<ChildStdin>,
    reports: Receiver<Result<Report, String>>,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    stderr_closed: Receiver<()>,
    progress: File,
    call_limit: Duration,
    import_limit: Duration,
    /// What holds it.
    pub isolation: Isolation,
    _directory: TempDir,
}

/// What a worker does next.
pub enum Event {
    /// It says something.
    Report(Report),
    /// It is no more.
    End(End),
}

/// Why the host ended a worker.
#[derive(Debug, Clone)]
pub enum Killed {
    /// A call did not come back, and the worker could not stop it itself.
    Hung(Duration),
    /// It wrote what is no message.
    Nonsense(String),
    /// It closed its end of the pipe and lived on.
    Closed,
}

/// How a worker ended.
#[derive(Debug)]
pub struct End {
    /// What it was doing.
    pub progress: Progress,
    /// Why the host ended it, if it did.
    pub killed: Option<Killed>,
    /// As the operating system reports it.
    pub status: Option<ExitStatus>,
    /// The last of what it wrote to standard error.
    pub stderr: String,
}

impl Worker {
    /// Starts a process.
    pub fn start(config: &HostConfig, interpreter: &Interpreter, release: &Path) -> Result<Self, HostError> {
        let directory = tempfile::Builder::new().prefix("matano-worker-").tempdir();
        let directory = directory.map_err(HostError::io("make", Path::new("a temporary directory")))?;
        let progress_path = directory.path().join("progress");
        fs::write(&progress_path, [0; Progress::BYTES]).map_err(HostError::io("write", &progress_path))?;
        let progress = File::open(&progress_path).map_err(HostError::io("open", &progress_path))?;
        let home = directory.path().join("work");
        fs::create_dir(&home).map_err(HostError::io("make", &home))?;
        let module = fs::canonicalize(&config.module).map_err(HostError::io("find", &config.module))?;
        let confinement = confinement(config, interpreter, release, &home)?;
        let mut command = Command::new(&interpreter.executable);
        command
            .args(["-I", "-B", "-X", "utf8", "-c", BOOTSTRAP])
            .args([text(&module)?, text(&progress_path)?, config.memory_bytes.to_string(), confinement])
            .env_clear()
            .env("TMPDIR", &home)
            .env("TZ", "UTC")
            // one arena, so that address space is a measure of memory
            .env("MALLOC_ARENA_MAX", "1")
            .current_dir(&home)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in LIBRARY_PATHS {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let mut child = command.spawn().map_err(HostError::io("start", &interpreter.executable))?;
        let (orders, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(HostError::Worker("it was started without pipes".to_owned()));
        };
        let (sender, reports) = channel();
        thread::spawn(move || pass_on(stdout, &sender));
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let (closed, stderr_closed) = channel();
        let keep = kept.clone();
        thread::spawn(move || keep_the_end(stderr, &keep, &closed));
        let mut worker = Self {
            child,
            orders,
            reports,
            stderr: kept,
            stderr_closed,
            progress,
            call_limit: hard(config.call_deadline),
            import_limit: hard(config.import_deadline),
            isolation: Isolation::none("it has not started"),
            _directory: directory,
        };
        match worker.next() {
            Event::Report(Report::Ready(isolation)) => {
                admit(config.isolation, &isolation)?;
                worker.isolation = isolation;
                Ok(worker)
            }
            Event::Report(report) => Err(HostError::Worker(format!("it began with {report:?}"))),
            Event::End(end) => Err(HostError::Worker(format!("it did not start: {}", end.stderr.trim()))),
        }
    }

    /// Gives an order. A worker that is gone is noticed at the next [`Worker::next`].
    pub fn order(&mut self, order: &Order) {
        if let Some(orders) = &mut self.orders
            && orders.write_all(&frame(order)).is_err()
        {
            self.orders = None;
        }
    }

    /// Waits for the worker to say something, to end, or to have to be ended.
    pub fn next(&mut self) -> Event {
        let (mut watched, mut since) = (self.progress(), Instant::now());
        loop {
            match self.reports.recv_timeout(LOOK) {
                Ok(Ok(report)) => return Event::Report(report),
                Ok(Err(nonsense)) => return Event::End(self.end(Some(Killed::Nonsense(nonsense)))),
                Err(RecvTimeoutError::Disconnected) => return Event::End(self.end(None)),
                Err(RecvTimeoutError::Timeout) => (),
            }
            let progress = self.progress();
            if progress != watched {
                (watched, since) = (progress, Instant::now());
                continue;
            }
            let limit = match progress.call.filter(|_| progress.busy) {
                None => SILENCE,
                Some((_, Function::Import)) => self.import_limit,
                Some(_) => self.call_limit,
            };
            if since.elapsed() >= limit {
                self.ask_for_last_words();
                return Event::End(self.end(Some(Killed::Hung(limit))));
            }
        }
    }

    /// The call that is going on, or went on last.
    pub fn progress(&self) -> Progress {
        let mut bytes = [0; Progress::BYTES];
        match self.progress.read_exact_at(&mut bytes, 0) {
            Ok(()) => Progress::decode(&bytes),
            Err(_) => Progress { sequence: 0, row: 0, call: None, busy: false },
        }
    }

    /// Ends it with a signal that it answers with a traceback. Once: a second one would cut off the answer.
    fn ask_for_last_words(&self) {
        if let Some(process) = Pid::from_raw(self.child.id().cast_signed()) {
            // it may be gone already
            let _gone = kill_process(process, Signal::ABORT);
        }
    }

    fn kill(&self) {
        if let Some(process) = Pid::from_raw(self.child.id().cast_signed()) {
            // it may be gone already, or may have left its group
            let _gone = kill_process_group(process, Signal::KILL);
            let _gone = kill_process(process, Signal::KILL);
        }
    }

    /// Collects what is left of it.
    fn end(&mut self, mut killed: Option<Killed>) -> End {
        self.orders = None;
        let deadline = Instant::now() + LAST_WORDS;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match self.child.try_wait() {
                Ok(None) => self.wait_for_stderr(left.min(LOOK)),
                Ok(Some(_)) | Err(_) => break,
            }
        }
        if killed.is_none() && matches!(self.child.try_wait(), Ok(None)) {
            killed = Some(Killed::Closed);
        }
        self.kill();
        let status = self.child.wait().ok();
        self.wait_for_stderr(LAST_WORDS);
        let stderr: Vec<u8> = lock(&self.stderr).iter().copied().collect();
        End { progress: self.progress(), killed, status, stderr: String::from_utf8_lossy(&stderr).into_owned() }
    }
}

impl Worker {
    /// Until it is closed, at most so long.
    fn wait_for_stderr(&self, limit: Duration) {
        match self.stderr_closed.recv_timeout(limit) {
            Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => (),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // the whole group, and then the zombie
        self.kill();
        drop(self.child.wait());
    }
}

/// What a worker is told it may touch.
fn confinement(
    config: &HostConfig,
    interpreter: &Interpreter,
    release: &Path,
    home: &Path,
) -> Result<String, HostError> {
    let rows = python::real(config.rows.iter().cloned().chain([release.to_owned()]));
    let readable = interpreter.readable.iter().chain(&rows).map(|path| text(path)).collect::<Result<_, _>>()?;
    let writable = text(&fs::canonicalize(home).map_err(HostError::io("find", home))?)?;
    let walls = match config.isolation {
        IsolationPolicy::Required | IsolationPolicy::Preferred => Walls::Raised,
        IsolationPolicy::Off => Walls::Down,
    };
    let confinement = Confinement { walls, readable, writable };
    serde_json::to_string(&confinement).map_err(|error| HostError::Worker(error.to_string()))
}

/// Whether detections may run behind these walls.
fn admit(policy: IsolationPolicy, isolation: &Isolation) -> Result<(), HostError> {
    match (policy, isolation.missing()) {
        (IsolationPolicy::Required, Some(missing)) => Err(HostError::Isolation { missing }),
        (IsolationPolicy::Required, None) | (IsolationPolicy::Preferred | IsolationPolicy::Off, _) => Ok(()),
    }
}

/// The host ends a call only where the worker should have ended it itself.
fn hard(limit: Duration) -> Duration {
    limit * 2 + Duration::from_secs(1)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass_on(mut stdout: impl Read, reports: &Sender<Result<Report, String>>) {
    loop {
        let report = match read_frame(&mut stdout) {
            Ok(None) => return,
            Ok(Some(body)) => unframe(&body),
            Err(error) => Err(error.to_string()),
        };
        let broken = report.is_err();
        if reports.send(report).is_err() || broken {
            return;
        }
    }
}

fn read_frame(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut header = [0; FRAME_START.len() + 4];
    if !fill(input, &mut header)? {
        return Ok(None);
    }
    // a detection that writes into every descriptor it finds must not cost the others their worker
    let mut noise = 0;
    while header[..FRAME_START.len()] != FRAME_START {
        header.copy_within(1.., 0);
        if !fill(input, &mut header[FRAME_START.len() + 3..])? {
            return Ok(None);
        }
        noise += 1;
    }
    if noise > 0 {
        warn!(bytes = noise, "a detection wrote into the pipe of its worker's host");
    }
    let length = header[FRAME_START.len()..].try_into().map_or(0, u32::from_le_bytes);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    let mut body = vec![0; length];
    Ok(fill(input, &mut body)?.then_some(body))
}

/// Whether there was enough: a worker can die in the middle of a sentence.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    }
}

fn keep_the_end(mut stderr: impl Read, kept: &Mutex<VecDeque<u8>>, closed: &Sender<()>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut buffer) {
        let mut kept = lock(kept);
        kept.extend(&buffer[..read]);
        let excess = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..excess);
    }
    // nobody may be waiting
    let _unheard = closed.send(());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_after_bytes_that_are_none() {
        for noise in [&b""[..], b"x", b"garbage \xffmatano garbage", b"\xffmatano\xff"] {
            let bytes = [noise, &frame(&Report::Refused(String::new()))].concat();
            let body = read_frame(&mut bytes.as_slice()).unwrap().unwrap();
            assert_eq!(unframe::<Report>(&body), Ok(Report::Refused(String::new())), "{noise:?}");
        }
    }

    #[test]
    fn required_walls_that_are_missing_keep_detections_from_running() {
        let none = Isolation::none("the kernel has none");
        let error = admit(IsolationPolicy::Required, &none).unwrap_err().to_string();
        assert!(error.contains("files: the kernel has none; network: the kernel has none"), "{error}");
        assert!(admit(IsolationPolicy::Preferred, &none).is_ok());
    }

    #[test]
    fn a_frame_that_is_cut_off_is_the_end() {
        let bytes = frame(&Report::Refused(String::new()));
        for length in 0..bytes.len() {
            assert_eq!(read_frame(&mut &bytes[..length]).unwrap(), None, "{length}");
        }
    }
}
