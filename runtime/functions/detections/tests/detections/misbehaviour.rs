use model::worker::FailureKind;
use serde_json::{Value, json};

use detections::Outcome;

use crate::case::{Case, actions, failures, fired, only};

const GOOD: &str = "def detect(r):\n    return True\n";

/// A detection that misbehaves on the second of three rows, between two good ones.
fn check(code: &str, kind: FailureKind, message: &str) -> detections::DetectReport {
    check_in(Case::new(&[]).impatient(), code, kind, message)
}

fn check_in(mut case: Case, code: &str, kind: FailureKind, message: &str) -> detections::DetectReport {
    case.add("a_good", &[("detect.py", GOOD)]);
    case.add("bad", &[("detect.py", code)]);
    case.add("c_good", &[("detect.py", GOOD)]);
    let report = case.detect(&actions(&["x", "bad", "x"]));
    let failure = only(&report);
    assert_eq!((failure.detection.as_str(), failure.kind), ("bad", kind), "{failure:#?}");
    assert!(failure.message.contains(message), "{failure:#?}");
    assert_eq!((failure.record_id.as_deref(), failure.count), (Some("r1"), 1), "{failure:#?}");
    let all = ["a_good@r0", "bad@r0", "c_good@r0", "a_good@r1", "c_good@r1", "a_good@r2", "bad@r2", "c_good@r2"];
    assert_eq!(fired(&report), all);
    assert_eq!(report.files[0].outcome, Outcome::Incomplete);
    report
}

fn on_bad(statement: &str) -> String {
    format!("import os\ndef detect(r):\n    if r['event']['action'] == 'bad':\n        {statement}\n    return True\n")
}

#[test]
fn an_exception_is_reported_with_its_place() {
    let report = check(&on_bad("return r['nope']"), FailureKind::Raised, "KeyError: 'nope'");
    let failure = only(&report);
    assert_eq!(failure.place(), "detections/bad/detect.py:4");
    assert!(
        failure.traceback.contains("File \"detections/bad/detect.py\", line 4, in detect"),
        "{}",
        failure.traceback
    );
    assert!(!failure.traceback.contains("matano"), "{}", failure.traceback);
}

#[test]
fn a_mistake_in_a_user_type_is_reported() {
    let report =
        check(&on_bad("return r['user'].name"), FailureKind::Raised, "AttributeError: 'NoneType' object has no");
    assert_eq!(only(&report).place(), "detections/bad/detect.py:4");
}

#[test]
fn truthiness_that_raises_is_reported() {
    let class = "type('Odd', (), {'__bool__': lambda self: 1 / 0})()";
    check(&on_bad(&format!("return {class}")), FailureKind::Raised, "ZeroDivisionError");
}

#[test]
fn a_loop_is_interrupted_with_its_place() {
    let report = check(&on_bad("while True: pass"), FailureKind::Timeout, "took longer than 0.2 seconds");
    assert_eq!(only(&report).place(), "detections/bad/detect.py:4");
}

/// Catches whatever is raised in it, three times over, so that nothing gets out between two attempts.
const STUBBORN: &str = "
def spin():
    while True:
        try:
            for _ in range(10 ** 9): pass
        except BaseException: pass
def spin_on():
    while True:
        try: spin()
        except BaseException: pass
def spin_forever():
    while True:
        try: spin_on()
        except BaseException: pass
";

#[test]
fn a_loop_that_swallows_its_interruption_is_killed_with_its_worker() {
    let code = format!("{STUBBORN}{}", on_bad("spin_forever()"));
    let report = check(&code, FailureKind::Timeout, "its worker was killed");
    assert!(only(&report).line.is_some_and(|line| (3..=6).contains(&line)), "{:?}", only(&report));
}

#[test]
fn a_loop_inside_of_native_code_is_killed_with_its_worker() {
    let report = check(&on_bad("return sum(range(10 ** 14))"), FailureKind::Timeout, "its worker was killed");
    assert_eq!(only(&report).place(), "detections/bad/detect.py:4");
}

#[test]
fn sleeping_is_interrupted() {
    check(&on_bad("import time; time.sleep(3600)"), FailureKind::Timeout, "took longer");
}

#[test]
fn exiting_is_an_exception_like_others() {
    check(&on_bad("import sys; sys.exit(3)"), FailureKind::Exit, "SystemExit: 3");
}

#[test]
fn ending_the_process_costs_the_worker_and_nothing_else() {
    check(&on_bad("os._exit(3)"), FailureKind::Exit, "ended its process with status 3");
}

#[test]
fn a_crash_of_the_interpreter_is_reported_with_its_place() {
    let statement = "import faulthandler; faulthandler._sigsegv()";
    let report = check(&on_bad(statement), FailureKind::Crash, "crashed the interpreter with signal 11");
    assert_eq!(only(&report).place(), "detections/bad/detect.py:4");
}

#[test]
fn endless_recursion_is_reported() {
    check(&on_bad("return detect(r)"), FailureKind::Recursion, "RecursionError");
}

#[test]
fn memory_beyond_the_limit_is_refused() {
    let mut case = Case::new(&[]);
    case.config.memory_bytes = 128 * 1024 * 1024;
    check_in(case, &on_bad("return bytearray(1 << 30)"), FailureKind::Memory, "MemoryError");
}

#[test]
fn memory_eaten_bit_by_bit_is_refused() {
    let mut case = Case::new(&[]);
    case.config.memory_bytes = 128 * 1024 * 1024;
    let statement = "
        eaten = []
        while True: eaten.append('x' * 1000 + str(len(eaten)))";
    check_in(case, &on_bad(statement), FailureKind::Memory, "");
}

#[test]
fn what_detections_must_not_do_is_refused_by_name() {
    for (statement, event) in [
        ("os.fork()", "os.fork"),
        ("os.system('true')", "os.system"),
        ("os.execv('/bin/true', ['true'])", "os.exec"),
        ("os.posix_spawn('/bin/true', ['true'], {})", "os.posix_spawn"),
        ("os.kill(os.getppid(), 9)", "os.kill"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "socket.getaddrinfo"),
        ("import socket; socket.socket().connect(('127.0.0.1', 9))", "socket.connect"),
        ("import ctypes; ctypes.CDLL('libc.so.6')", "ctypes.dlopen"),
        ("import ctypes; ctypes.string_at(0)", "ctypes.string_at"),
    ] {
        let report = check(&on_bad(statement), FailureKind::Refused, &format!("`{event}` is refused"));
        assert_eq!(only(&report).line, Some(4), "{statement}");
    }
}

#[test]
fn prints_are_kept_up_to_a_limit_and_disturb_nobody() {
    let code = "
import os, sys
print('hello from import')
def detect(r):
    print('seen', r['event']['action'])
    print('x' * 1_000_000, file=sys.stderr)
    os.write(1, b'loose')
    sys.__stdout__.write('more')
    return True
";
    let mut case = Case::new(&[("chatty", code)]);
    case.config.output_bytes = 1000;
    let report = case.detect(&actions(&["a", "b"]));
    assert_eq!((fired(&report), report.failures), (vec!["chatty@r0".to_owned(), "chatty@r1".to_owned()], vec![]));
    let [printed] = report.printed.as_slice() else { panic!("{:?}", report.printed) };
    assert!(printed.text.starts_with("hello from import\nseen a\nxxxx"), "{}", printed.text);
    assert!(printed.text.len() <= 2000 && printed.dropped > 1_900_000, "{}", printed.dropped);
}

#[test]
fn input_is_at_its_end() {
    check(&on_bad("input()"), FailureKind::Raised, "EOFError");
}

#[test]
fn noise_in_the_pipe_disturbs_nobody() {
    let code = "
import fcntl, os, stat
def detect(r):
    for fd in range(3, 64):
        try: writable = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY and stat.S_ISFIFO(os.fstat(fd).st_mode)
        except OSError: continue
        if writable: WRITTEN.append(os.write(fd, b'garbage'))
    return True
WRITTEN = []
def title(r): return str(WRITTEN)
";
    let case = Case::new(&[("a_good", GOOD), ("bad", code), ("c_good", GOOD)]);
    let report = case.detect(&actions(&["x"]));
    assert_eq!((fired(&report).len(), report.failures.as_slice()), (3, [].as_slice()));
    assert!(report.matches[1].title.contains('7'), "{}", report.matches[1].title);
}

#[test]
fn a_detection_that_closes_the_pipe_costs_the_worker_and_nothing_else() {
    let statement = "os.closerange(3, 64)";
    let mut case = Case::new(&[("a_good", GOOD), ("c_good", GOOD)]);
    case.add("bad", &[("detect.py", &on_bad(statement))]);
    let report = case.detect(&actions(&["x", "bad", "x"]));
    let good = fired(&report).into_iter().filter(|fired| fired.contains("good")).count();
    assert_eq!(good, 6);
    assert_eq!(only(&report).detection.as_str(), "bad");
}

#[test]
fn an_import_that_fails_is_reported_once_and_the_others_run() {
    let mut case = Case::new(&[("broken", "import nope\n"), ("good", GOOD), ("syntax", "def detect(r)\n    pass")]);
    case.add("empty", &[("detect.py", "x = 1\n")]);
    case.add("nofile", &[("rules.py", "x = 1\n")]);
    let files = [case.stage("a.parquet", &actions(&["x", "y"])), case.stage("b.parquet", &actions(&["z"]))];
    let host = case.host();
    let report = host.detect(&files).unwrap();
    assert_eq!(fired(&report), ["good@r0", "good@r1", "good@r0"]);
    let told: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "detections/broken/detect.py:1: ModuleNotFoundError: No module named 'nope'",
            "detections/empty: AttributeError: detect.py has no function `detect`; write `def detect(record):`",
            "detections/nofile: ModuleNotFoundError: No module named 'detections.nofile.detect'",
            "detections/syntax/detect.py:1: SyntaxError: expected ':'",
        ]
    );
    assert!(report.failures.iter().all(|failure| failure.kind == FailureKind::Import && failure.count == 1));
    assert_eq!(host.imports().unwrap().len(), 4);
}

#[test]
fn an_import_that_hangs_or_exits_is_reported_once_and_the_others_run() {
    let hang = &format!("{STUBBORN}spin_forever()");
    let case = Case::new(&[
        ("exits", "import os\nos._exit(1)"),
        ("good", GOOD),
        ("hangs", hang),
        ("slow", "while True: pass"),
    ]);
    let case = case.impatient();
    let host = case.host();
    let files = [case.stage("a.parquet", &actions(&["x"])), case.stage("b.parquet", &actions(&["x"]))];
    let report = host.detect(&files).unwrap();
    assert_eq!(fired(&report), ["good@r0", "good@r0"]);
    assert_eq!(failures(&report, "exits"), ["exit detections/exits"]);
    assert_eq!(report.failures[1].kind, FailureKind::Timeout);
    assert_eq!(failures(&report, "slow"), ["timeout detections/slow/detect.py:1"]);
}

#[test]
fn a_detection_stopped_twice_is_left_out_for_the_rest_of_the_file() {
    let statement = "while True: pass";
    for statement in [statement, "os._exit(1)"] {
        let mut case = Case::new(&[("bad", &on_bad(statement)), ("good", GOOD)]).impatient();
        case.config.call_deadline = std::time::Duration::from_millis(100);
        let files = [
            case.stage("a.parquet", &actions(&["x", "bad", "bad", "x", "x"])),
            case.stage("b.parquet", &actions(&["x"])),
        ];
        let report = case.host().detect(&files).unwrap();
        let bad: Vec<String> = fired(&report).into_iter().filter(|fired| fired.starts_with("bad")).collect();
        assert_eq!(bad, ["bad@r0", "bad@r0"], "{statement}");
        assert_eq!(fired(&report).len(), 2 + 6);
        let skipped = report.failures.iter().find(|failure| failure.kind == FailureKind::Skipped).unwrap();
        assert_eq!((skipped.count, skipped.input.as_deref()), (2, Some("a.parquet")));
        assert!(skipped.message.contains("2 rows of `a.parquet` were not judged"), "{}", skipped.message);
        assert_eq!(report.files[0].outcome, Outcome::Incomplete);
        assert_eq!(report.files[1].outcome, Outcome::Complete);
    }
}

#[test]
fn a_title_that_ends_the_worker_does_not_lose_the_match() {
    for statement in ["os._exit(1)", "while True: pass"] {
        let code = format!(
            "import os\ndef detect(r): return True\ndef title(r):\n    {statement}\ndef dedupe(r): return 'key'\n"
        );
        let case = Case::new(&[("bad", &code), ("good", GOOD)]).impatient();
        let report = case.detect(&actions(&["x"]));
        assert_eq!(fired(&report), ["bad@r0", "good@r0"], "{statement}");
        assert_eq!((report.matches[0].title.as_str(), report.matches[0].dedupe.as_str()), ("bad", "key"));
        assert_eq!(report.failures.len(), 1);
    }
}

#[test]
fn the_slowest_detection_is_left_out_of_a_file_that_takes_too_long() {
    let slow = "import time\ndef detect(r):\n    time.sleep(0.05)\n    return True";
    let mut case = Case::new(&[("good", GOOD), ("slow", slow)]);
    case.config.file_deadline = std::time::Duration::from_millis(200);
    let rows: Vec<Value> = (0..200).map(|count| json!({"count": count})).collect();
    let report = case.detect(&rows);
    assert_eq!(fired(&report).iter().filter(|fired| fired.starts_with("good")).count(), 200);
    let failure = only(&report);
    assert_eq!((failure.detection.as_str(), failure.kind), ("slow", FailureKind::Skipped));
    let judged = fired(&report).iter().filter(|fired| fired.starts_with("slow")).count() as u64;
    assert_eq!(judged + failure.count, 200);
}

#[test]
fn a_failure_on_every_row_is_told_once_with_its_count() {
    let rows: Vec<Value> = (0..5000).map(|count| json!({"count": count})).collect();
    let report = Case::new(&[("bad", "def detect(r): return 1 / 0")]).detect(&rows);
    assert_eq!((only(&report).count, only(&report).record_id.as_deref()), (5000, Some("r0")));
}
