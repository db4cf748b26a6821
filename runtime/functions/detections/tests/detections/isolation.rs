use std::{
    collections::BTreeMap,
    fs,
    net::{TcpListener, UdpSocket},
    os::{
        fd::AsFd as _,
        linux::net::SocketAddrExt as _,
        unix::{
            fs::MetadataExt as _,
            net::{SocketAddr, UnixListener},
        },
    },
};

use detections::{DetectReport, HostError, IsolationPolicy};
use model::{isolation::RefusedAction, worker::FailureKind};
use serde_json::json;
use tempfile::TempDir;

use crate::case::{Case, actions, fired, only};

const HOSTILE: &str = include_str!("hostile.py");

/// What a hostile detection may find around it: a directory that is not its own, and services that answer.
struct Surroundings {
    out: TempDir,
    tcp: TcpListener,
    udp: UdpSocket,
    _abstract: UnixListener,
    _socket: UnixListener,
    name: String,
}

impl Surroundings {
    fn new() -> Self {
        let out = tempfile::tempdir().unwrap();
        for file in ["credentials", "truncated", "removed", "renamed"] {
            fs::write(out.path().join(file), "secret").unwrap();
        }
        let name = format!("matano-test-{}", out.path().file_name().unwrap().to_str().unwrap());
        Self {
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            _abstract: UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
            _socket: UnixListener::bind(out.path().join("socket")).unwrap(),
            name,
            out,
        }
    }

    fn case(&self, policy: IsolationPolicy) -> Case {
        let places = json!({
            "out": self.out.path(),
            "tcp": self.tcp.local_addr().unwrap().port(),
            "udp": self.udp.local_addr().unwrap().port(),
            "abstract": self.name,
        });
        let mut case = Case::new(&[("hostile", &HOSTILE.replace("%PLACES%", &places.to_string()))]);
        case.config.isolation = policy;
        case
    }
}

/// What each probe came back with.
fn probed(policy: IsolationPolicy) -> BTreeMap<String, bool> {
    let surroundings = Surroundings::new();
    let report = surroundings.case(policy).detect(&actions(&["all"]));
    assert_eq!(report.failures, [], "{policy:?}");
    serde_json::from_str(&report.matches[0].title).unwrap()
}

#[test]
fn a_hostile_detection_that_goes_around_python_gets_nothing() {
    let got: Vec<String> =
        probed(IsolationPolicy::Required).into_iter().filter(|(_, got)| *got).map(|(name, _)| name).collect();
    assert_eq!(got, [""; 0]);
}

#[test]
fn the_same_detection_gets_everything_without_walls() {
    let denied: Vec<String> =
        probed(IsolationPolicy::Off).into_iter().filter(|(_, got)| !*got).map(|(name, _)| name).collect();
    assert_eq!(denied, [""; 0]);
}

const DEADLY: [&str; 6] = ["fork", "shell", "spawn", "tracing", "memory of the parent", "user namespace"];

#[test]
fn a_system_call_that_leads_to_other_processes_ends_the_worker_and_is_told() {
    let surroundings = Surroundings::new();
    let case = surroundings.case(IsolationPolicy::Required);
    for probe in DEADLY {
        let report = case.detect(&actions(&[probe]));
        let failure = only(&report);
        assert_eq!(failure.kind, FailureKind::Refused, "{probe}: {failure:#?}");
        assert!(failure.message.contains("a system call that detections must not make"), "{probe}: {failure:#?}");
        assert_eq!(fired(&report), ["hostile@r0"], "{probe}");
    }
}

#[test]
fn the_same_system_calls_succeed_without_walls() {
    let surroundings = Surroundings::new();
    let case = surroundings.case(IsolationPolicy::Off);
    for probe in DEADLY {
        let report = case.detect(&actions(&[probe]));
        assert_eq!((report.failures.as_slice(), report.matches[0].title.as_str()), ([].as_slice(), "true"), "{probe}");
    }
}

#[test]
fn what_was_tried_is_told_even_where_the_detection_swallows_the_error() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let path = secret.path().canonicalize().unwrap();
    let code = format!(
        "import ctypes, os, socket, subprocess
def swallow(attempt, *arguments):
    try: attempt(*arguments)
    except OSError as error: return type(error).__name__
NAMES = [
    swallow(open, '{0}'),
    swallow(open, '{0}', 'w'),
    swallow(os.listdir, os.path.dirname('{0}')),
]
def detect(r):
    NAMES.append(swallow(socket.create_connection, ('192.0.2.1', 443)))
    NAMES.append(swallow(subprocess.run, ['curl', 'https://example.com']))
    NAMES.append(swallow(ctypes.CDLL, 'libc.so.6'))
    swallow(os.kill, 1, 9)
    swallow(open, '/nowhere/at/all')
    swallow(socket.socket().bind, ('127.0.0.1', 0))
    return set(NAMES) == {{'DetectionRefused'}}
",
        path.display()
    );
    for policy in [IsolationPolicy::Required, IsolationPolicy::Off] {
        let mut case = Case::new(&[("sly", &code)]);
        case.config.isolation = policy;
        told(&case.detect(&actions(&["x", "y"])), path.to_str().unwrap());
    }
}

/// What the detection above tried.
fn told(report: &DetectReport, path: &str) {
    assert_eq!((fired(report).len(), report.failures.as_slice()), (2, [].as_slice()));
    let told: Vec<(RefusedAction, String, String)> =
        report.refused.iter().map(|one| (one.action, one.target.clone(), one.place.clone())).collect();
    let at = |action, target: &str, line| (action, target.to_owned(), format!("detections/sly/detect.py:{line}"));
    let directory = path.rsplit_once('/').unwrap().0;
    assert_eq!(
        told,
        [
            at(RefusedAction::Read, "/nowhere/at/all", 3),
            at(RefusedAction::Read, directory, 3),
            at(RefusedAction::Read, path, 3),
            at(RefusedAction::Write, path, 3),
            at(RefusedAction::Network, "192.0.2.1 443", 3),
            at(RefusedAction::Process, "curl https://example.com", 3),
            at(RefusedAction::Signal, "1 9", 3),
            at(RefusedAction::Native, "libc.so.6", 3),
        ]
    );
}

#[test]
fn reading_what_is_not_ones_own_is_refused_by_name() {
    let code = "def detect(r):\n    return open('/etc/passwd').read()";
    for policy in [IsolationPolicy::Required, IsolationPolicy::Off] {
        let mut case = Case::new(&[("curious", code)]);
        case.config.isolation = policy;
        let report = case.detect(&actions(&["x"]));
        let failure = only(&report);
        assert_eq!((failure.kind, failure.line), (FailureKind::Refused, Some(2)));
        assert_eq!(failure.message, "DetectionRefused: detections must not read `/etc/passwd`");
    }
}

#[test]
fn what_detections_need_is_open_to_them() {
    let code = "
import asyncio, datetime, hashlib, mimetypes, os, socket, sqlite3, ssl, tempfile, threading, urllib.request, uuid
from zoneinfo import ZoneInfo
def detect(r):
    with tempfile.TemporaryDirectory() as scratch:
        with open(os.path.join(scratch, 'x'), 'w') as file: file.write('x')
        os.rename(os.path.join(scratch, 'x'), os.path.join(scratch, 'y'))
        assert os.listdir(scratch) == ['y']
    assert open(os.path.join(os.path.dirname(__file__), 'names.txt')).read() == 'alice'
    done = []
    thread = threading.Thread(target=lambda: done.append(1))
    thread.start(); thread.join()
    assert done and len(os.urandom(8)) == 8 and open(os.devnull).read() == ''
    assert hashlib.sha256(b'x').hexdigest() and uuid.uuid4() and mimetypes.guess_type('a.txt')
    assert datetime.datetime.now(ZoneInfo('Europe/Berlin')).tzinfo
    ours, theirs = socket.socketpair()
    ours.sendall(b'x')
    assert theirs.recv(1) == b'x' and asyncio.run(asyncio.sleep(0, 'done')) == 'done'
    return True
";
    let mut case = Case::new(&[]);
    case.add("modest", &[("detect.py", code), ("names.txt", "alice")]);
    case.config.isolation = IsolationPolicy::Required;
    let report = case.detect(&actions(&["x"]));
    assert_eq!((report.failures.as_slice(), report.refused.as_slice()), ([].as_slice(), [].as_slice()));
    assert_eq!(fired(&report), ["modest@r0"]);
}

#[test]
fn files_that_the_host_was_given_stay_behind() {
    let file = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(file.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    let code = format!(
        "import os
def held(fd):
    try: return os.fstat(fd).st_ino
    except OSError: return None
def detect(r): return {} in [held(fd) for fd in range(256)]",
        file.metadata().unwrap().ino()
    );
    let report = Case::new(&[("nosy", &code)]).detect(&actions(&["x"]));
    assert_eq!((fired(&report), report.failures), (vec![], vec![]));
}

#[test]
fn rows_outside_of_the_directories_for_rows_are_not_read() {
    let mut case = Case::new(&[("all", "def detect(r): return True")]);
    let file = case.stage("a.parquet", &actions(&["x"]));
    case.config.isolation = IsolationPolicy::Required;
    case.config.rows.clear();
    let report = case.host().detect(&[file]).unwrap();
    assert_eq!(fired(&report), [""; 0]);
    assert!(format!("{:?}", report.files[0].outcome).contains("ermission denied"), "{:?}", report.files);
}

#[test]
fn a_host_says_what_holds_its_workers() {
    let mut case = Case::new(&[("all", "def detect(r): return True")]);
    let host = case.host();
    assert_eq!(host.isolation(), None);
    host.imports().unwrap();
    let isolation = host.isolation().unwrap();
    assert_eq!(isolation.missing(), None, "this machine has not what detections are held by");
    assert!(isolation.to_string().contains("files held by Landlock"), "{isolation}");
    case.config.isolation = IsolationPolicy::Off;
    let host = case.host();
    host.imports().unwrap();
    assert_eq!(
        host.isolation().unwrap().missing().as_deref(),
        Some("files: switched off; network: switched off; processes: switched off")
    );
    let error = HostError::Isolation { missing: "files: the kernel has no Landlock".to_owned() };
    assert!(!error.is_retryable());
}
