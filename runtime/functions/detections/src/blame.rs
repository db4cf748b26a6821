use std::os::unix::process::ExitStatusExt;

use model::worker::{Failure, FailureKind, Function, LoadDetection};

use crate::process::{End, Killed};

/// `SIGSYS` on every architecture of Linux that there are walls for.
const BAD_SYSTEM_CALL: i32 = 31;

/// What a worker died of, as a failure of the detection that it was calling.
pub fn failure(end: &End, detection: u32, function: Function, load: &LoadDetection) -> Failure {
    let (kind, message) = cause(end);
    let place = place(&end.stderr, load);
    let shown = format!("detections/{}", load.name);
    Failure {
        detection,
        row: (function != Function::Import).then_some(end.progress.row),
        function,
        kind,
        message: format!("`{}` {message}", function.as_str()),
        file: place.as_ref().map(|(file, _)| format!("{shown}/{file}")),
        line: place.map(|(_, line)| line),
        traceback: traceback(&end.stderr).replace(&load.directory, &shown),
    }
}

/// In words that follow the function's name.
fn cause(end: &End) -> (FailureKind, String) {
    match &end.killed {
        Some(Killed::Hung(limit)) => {
            let message = format!("did not come back within {:.1} seconds, its worker was killed", limit.as_secs_f64());
            return (FailureKind::Timeout, message);
        }
        Some(Killed::Nonsense(error)) => {
            return (FailureKind::Crash, format!("wrote into the pipe of its worker's host: {error}"));
        }
        Some(Killed::Closed) => return (FailureKind::Crash, "closed the pipe of its worker's host".to_owned()),
        None => (),
    }
    if end.stderr.contains("memory allocation of") || end.stderr.contains("MemoryError") {
        return (FailureKind::Memory, "used up the memory of its worker".to_owned());
    }
    let Some(status) = end.status else {
        return (FailureKind::Crash, "ended its worker".to_owned());
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => (FailureKind::Exit, format!("ended its process with status {code}")),
        (None, Some(9)) => {
            (FailureKind::Memory, "was killed by the system, which does that for want of memory".to_owned())
        }
        (None, Some(BAD_SYSTEM_CALL)) if cfg!(target_os = "linux") => {
            (FailureKind::Refused, "was killed for a system call that detections must not make".to_owned())
        }
        (None, Some(signal)) => (FailureKind::Crash, format!("crashed the interpreter with signal {signal}")),
        (None, None) => (FailureKind::Crash, "ended its worker".to_owned()),
    }
}

/// What `faulthandler` wrote.
fn traceback(stderr: &str) -> &str {
    stderr.find("Fatal Python error").map_or("", |start| stderr[start..].trim_end())
}

/// The innermost of the detection's own frames, which `faulthandler` writes first.
fn place(stderr: &str, load: &LoadDetection) -> Option<(String, u32)> {
    traceback(stderr).lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix("File \"")?.strip_prefix(load.directory.as_str())?;
        let (file, rest) = rest.strip_prefix('/')?.split_once("\", line ")?;
        let line = rest.split(' ').next()?.parse().ok()?;
        Some((file.to_owned(), line))
    })
}
