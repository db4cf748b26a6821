//! Measures how many pairs of record and detection a second the host judges, against a plain Python loop over dictionaries
//! that `orjson` (or, without it, `json`) parsed.
//!
//! `cargo build --release -p detect && cargo run --release -p detections --example pairs -- [rows] [detections]`
//!
//! Both sides run the same functions in the same interpreter, the best of three alternating repeats counts, and only the
//! ratios mean something. The host's side includes decoding the columns; the loop's side includes parsing.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a measurement reports to the terminal and has no one to recover for

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    process::Command,
    time::Instant,
};

use columns::{FileOptions, FileWriter, arrow_schema, json_rows};
use detections::{Host, HostConfig, locate_module};
use model::{
    alert::Severity,
    digest::Digest,
    name::{DetectionName, TableName},
    object::ObjectId,
    release::{AlertPolicy, Bundle, Detection, FORMAT, Release, ReleaseId, Trigger},
    schema::{FieldType, TableSchema},
    staged::StagedFile,
    system,
    time::Timestamp,
};
use serde_json::{Value, json};

/// Reads fields as rules do: mostly one comparison, sometimes two, and seldom a third. `{}` is a number.
const SHAPES: [&str; 4] = [
    "def detect(r):\n    return (r.get('event') or {}).get('action') == 'Action{n}'\n",
    "def detect(r):\n    event = r.get('event') or {}\n    return event.get('provider') == 'p{n}' and event.get('action') == 'Action1'\n",
    "def detect(r):\n    return (r.get('user') or {}).get('name') in ('user{n}', 'root{n}') and r['source']['ip'] is not None\n",
    "def detect(r):\n    return ((r.get('source') or {}).get('ip') or '').startswith('10.{n}.') and r['message'] == 'x'\n",
];

/// The other side: what a plain loop would do.
const LOOP: &str = "
import sys, time
try: from orjson import loads
except ImportError: from json import loads
functions = []
for code in loads(open(sys.argv[2]).read()):
    names = {}
    exec(code, names)
    functions.append(names['detect'])
start, hits = time.perf_counter(), 0
for line in open(sys.argv[1], 'rb'):
    r = loads(line)
    for detect in functions:
        if detect(r): hits += 1
print(time.perf_counter() - start, hits, loads.__module__)
";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(default, |number| number.parse::<usize>().unwrap());
    let (rows, count) = (number(50_000), number(100));
    let directory = tempfile::tempdir().unwrap();
    let events: Vec<Value> = (0..rows).map(event).collect();
    let file = write_rows(directory.path(), &events);
    let codes: Vec<String> = (0..count).map(|n| SHAPES[n % SHAPES.len()].replace("{n}", &n.to_string())).collect();
    let bundle = bundle(&codes);
    let hosts = [1, 2].map(|workers| {
        let mut config = HostConfig::new(locate_module(&std::env::current_exe().unwrap()).unwrap());
        config.workers = NonZeroUsize::new(workers).unwrap();
        let host = Host::start(config).unwrap();
        host.load(&bundle).unwrap();
        host.detect(std::slice::from_ref(&file)).unwrap();
        host
    });
    let pairs = (rows * count) as f64 / 1e6;
    let mut best = [f64::MAX; 3];
    for _ in 0..3 {
        for (place, host) in hosts.iter().enumerate() {
            let start = Instant::now();
            let report = host.detect(std::slice::from_ref(&file)).unwrap();
            assert!(report.failures.is_empty(), "{:?}", report.failures);
            best[place] = best[place].min(start.elapsed().as_secs_f64());
        }
        best[2] = best[2].min(plain_loop(directory.path(), &codes));
    }
    let [one, two, plain] = best.map(|seconds| pairs / seconds);
    println!("M pairs/s: one worker {one:.2}, two workers {two:.2}, plain loop {plain:.2}");
    println!("one worker / plain loop {:.2}, two workers / one worker {:.2}", one / plain, two / one);
}

/// As many fields as an audit event has, in as many groups.
fn event(row: usize) -> Value {
    let mut event = json!({
        "ts": "2024-01-01T00:00:00Z",
        "event": {"action": format!("Action{}", row % 9973), "provider": format!("s{}", row % 50)},
        "user": {"name": format!("user{}", row % 9967)},
        "source": {"ip": format!("192.168.{}.{}", row / 256 % 256, row % 256)},
        "matano": {"record_id": format!("r{row}")},
    });
    for path in filler() {
        let (group, field) = path.split_once('.').unwrap();
        event[group][field] = format!("{field} of {}", row % (path.len() * 7)).into();
    }
    event
}

/// Fields that no detection looks at.
fn filler() -> Vec<String> {
    (0..80).map(|n| format!("group{}.field{n}", n / 8)).collect()
}

fn write_rows(directory: &Path, events: &[Value]) -> (StagedFile, std::path::PathBuf) {
    let mut schema = system::row_columns();
    let read = ["event.action", "event.provider", "user.name", "source.ip"].map(str::to_owned);
    for path in read.into_iter().chain(filler()) {
        schema = schema.union(&column(&path)).unwrap();
    }
    let path = directory.join("rows.parquet");
    let (batch, _) = json_rows(&schema, events).unwrap();
    let mut writer = FileWriter::create(&path, arrow_schema(&schema, None), FileOptions::default());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    let lines = events.iter().fold(String::new(), |mut lines, event| {
        let mut event = event.clone();
        // a row of the lake has every column
        event["message"] = Value::Null;
        writeln!(lines, "{event}").unwrap();
        lines
    });
    fs::write(directory.join("rows.json"), lines).unwrap();
    let digest = Digest::of(b"rows");
    let staged = StagedFile {
        table: table(),
        key: "rows.parquet".to_owned(),
        rows: events.len() as u64,
        bytes: 0,
        ts_range: (Timestamp::EPOCH, Timestamp::EPOCH),
        object: ObjectId(digest),
        release: ReleaseId(digest),
    };
    (staged, path)
}

fn column(path: &str) -> TableSchema {
    let mut schema = TableSchema::default();
    schema.insert(path, FieldType::String).unwrap();
    schema
}

fn table() -> TableName {
    TableName::parse("logs").unwrap()
}

fn bundle(codes: &[String]) -> Bundle {
    let mut bundle = Bundle {
        release: Release {
            format: FORMAT,
            log_sources: BTreeMap::new(),
            tables: BTreeMap::new(),
            detections: BTreeMap::new(),
            enrichment: BTreeMap::new(),
            destinations: BTreeMap::new(),
        },
        resources: BTreeMap::new(),
    };
    for (n, code) in codes.iter().enumerate() {
        let name = DetectionName::parse(&format!("detection_{n}")).unwrap();
        let detection = Detection {
            name: name.clone(),
            trigger: Trigger::Streaming,
            tables: vec![table()],
            files: BTreeMap::from([("detect.py".to_owned(), Bundle::add(&mut bundle.resources, code.as_str()))]),
            site_packages: None,
            display_name: None,
            description: None,
            runbook: None,
            references: vec![],
            false_positives: vec![],
            tags: vec![],
            alert: AlertPolicy {
                severity: Severity::Low,
                threshold: NonZeroU32::MIN,
                window_seconds: NonZeroU32::new(3600).unwrap(),
                destinations: vec![],
            },
        };
        bundle.release.detections.insert(name, detection);
    }
    bundle
}

fn plain_loop(directory: &Path, codes: &[String]) -> f64 {
    let path = directory.join("codes.json");
    fs::write(&path, serde_json::to_string(codes).unwrap()).unwrap();
    let output =
        Command::new("python3").args(["-c", LOOP]).arg(directory.join("rows.json")).arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    said.split(' ').next().unwrap().parse().unwrap()
}
