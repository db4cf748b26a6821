use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A detections repo in a temporary directory.
pub struct Repo {
    directory: TempDir,
}

/// How a command ended.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Of a command that is run to its end.
    pub fn of(command: &mut Command, input: &[u8]) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its standard output, which is one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// JSON lines with a number that the transform needs; a detection on one of them.
const NUMBERS: &[(&str, &str)] = &[
    ("matano.config.yml", "target: embedded\n"),
    (
        "log_sources/web/log_source.yml",
        "name: web\nschema:\n  ecs_field_names: [user.name]\n  fields:\n    - {name: n, type: long}\ntransform: |\n  .n = to_int!(.json.n)\n  .user.name = .json.user\n",
    ),
    (
        "detections/big/detection.yml",
        "name: big\ntables: [web]\nalert: {severity: high}\ntests:\n  - name: big\n    event: {n: 100}\n    fires: true\n",
    ),
    ("detections/big/detect.py", "def detect(r):\n    return (r.get(\"n\") or 0) >= 100\n"),
];

impl Repo {
    /// With these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repo = Self { directory: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            repo.write(name, text.as_bytes());
        }
        repo
    }

    /// One log source of JSON lines with a column `n`, deployed.
    pub fn numbers() -> Self {
        let repo = Self::with(NUMBERS);
        repo.fine(&["deploy", "--yes"]);
        repo
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_matano"));
        let module = std::env::current_exe().unwrap().parent().unwrap().join("libdetect.so");
        command
            .arg("--project")
            .arg(self.path())
            .args(arguments)
            .env("MATANO_DETECT_MODULE", module)
            .env_remove("NO_COLOR");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, b"")
    }

    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        Ended::of(&mut self.command(arguments), input)
    }

    /// Runs a command that must end with 0.
    pub fn fine(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}\n{}\n{}", ended.out, ended.err);
        ended
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The rows of a query.
    pub fn rows(&self, sql: &str) -> Vec<Value> {
        let ended = self.fine(&["query", "--format", "json", sql]);
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The single number of a query.
    pub fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql);
        rows[0].as_object().unwrap().values().next().unwrap().as_i64().unwrap()
    }

    /// Ingests, whatever the exit code; the report.
    pub fn ingest(&self, path: &Path) -> Value {
        self.run(&["--output", "json", "ingest", "--source", "web", path.to_str().unwrap()]).json()
    }
}

/// Bytes as one gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `count` JSON lines `{"n": from}`, `{"n": from + 1}`, ...
pub fn lines(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|n| format!("{{\"n\": {n}, \"user\": \"u{n}\"}}\n")).collect::<String>().into_bytes()
}
