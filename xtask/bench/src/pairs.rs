//! Pairs of row and detection a second: our workers against a plain loop over records that orjson parsed.
//!
//! Both have the same rows, which are those that the managed source makes of the sample, the same hundred detections,
//! and the same interpreter. Ours includes decoding columns and everything around: deadlines, reports, the host. The
//! loop's includes parsing. All are measured in processor time; of two workers that of the busier one counts, which is what
//! the clock says where each has a processor to itself.
//!
//! Detections come in two styles, see [`rules::Style`].

use std::{
    collections::BTreeMap,
    fs,
    io::{BufWriter, Write as _},
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use columns::{FileReader, Projection, row_json};
use detections::{Host, HostConfig, locate_module};
use model::{
    alert::Severity,
    name::{DetectionName, TableName},
    release::{AlertPolicy, Bundle, Detection, FORMAT, Release, Trigger},
    staged::StagedFile,
};
use serde_json::Value;

use crate::{
    product::Product,
    rules::{self, Style},
    sample::Sample,
    stopwatch::{Best, Span},
};

const DETECTIONS: usize = 100;
/// Objects of the sample whose rows are looked at: more would measure the same for longer.
const OBJECTS: usize = 4;

/// What was measured, of one style.
#[derive(Debug, Clone, Copy)]
pub struct Pairs {
    /// The style.
    pub style: Style,
    /// Millions of pairs.
    pub millions: f64,
    /// Processor time of the plain loop.
    pub plain: Duration,
    /// Of the busier of two that run at once, each with all of the work: what sharing a machine costs.
    pub beside: Duration,
    /// Processor time of one worker and its host.
    pub worker: Duration,
    /// Processor time of one worker alone.
    pub one: Duration,
    /// Of the busier of two that share the work.
    pub two: Duration,
}

/// Rows, detections, and workers that know them.
struct Bench {
    directory: tempfile::TempDir,
    python: PathBuf,
    files: Vec<(StagedFile, PathBuf)>,
    hosts: [Host; 2],
    style: Style,
}

/// Measures so many rounds. `python` is an interpreter that has orjson.
pub fn measure(sample: &Sample, product: &Product, python: &Path, style: Style, rounds: usize) -> Result<Pairs> {
    let bench = Bench::new(sample, product, python, style)?;
    let rows: u64 = bench.files.iter().map(|(file, _)| file.rows).sum();
    let mut best = Best::default();
    let (mut plain, mut beside) = (Duration::MAX, Duration::MAX);
    for _ in 0..rounds {
        let (took, hits) = bench.plain_loop()?;
        plain = plain.min(took);
        let both =
            std::thread::scope(|scope| [(); 2].map(|()| scope.spawn(|| bench.plain_loop())).map(|one| one.join()));
        let mut busier = Duration::ZERO;
        for one in both {
            busier = busier.max(one.map_err(|_| anyhow::anyhow!("a thread panicked"))??.0);
        }
        beside = beside.min(busier);
        let found = [
            best.run("worker", Span::Processes, || bench.detect(0))?,
            best.run("one worker", Span::BusiestChild, || bench.detect(0))?,
            best.run("two workers", Span::BusiestChild, || bench.detect(1))?,
        ];
        if found.iter().any(|found| *found != hits) {
            bail!("expected `{hits}` matches as in the plain loop, found {found:?}");
        }
    }
    Ok(Pairs {
        style,
        millions: (rows * DETECTIONS as u64) as f64 / 1e6,
        plain,
        beside,
        worker: best.of("worker"),
        one: best.of("one worker"),
        two: best.of("two workers"),
    })
}

impl Bench {
    fn new(sample: &Sample, product: &Product, python: &Path, style: Style) -> Result<Self> {
        let directory = tempfile::tempdir().context("make a temporary directory")?;
        let mut files = Vec::new();
        for object in sample.objects.iter().take(OBJECTS) {
            for file in product.stage(object, directory.path())?.files {
                let path = directory.path().join(&file.key);
                files.push((file, path));
            }
        }
        let texts = rules::detections(style, DETECTIONS);
        write_rows(&directory.path().join("rows.json"), &files)?;
        fs::write(directory.path().join("detections.json"), serde_json::to_string(&texts)?)?;
        let table = files.first().context("the sample has rows")?.0.table.clone();
        let bundle = bundle(&texts, &table)?;
        let host = |workers| -> Result<Host> {
            let mut config = HostConfig::new(locate_module(&std::env::current_exe()?)?);
            config.python = python.to_owned();
            config.rows = vec![directory.path().to_owned()];
            config.workers = NonZeroUsize::new(workers).context("there are workers")?;
            let host = Host::start(config)?;
            host.load(&bundle)?;
            // imports are not measured
            host.detect(&files)?;
            Ok(host)
        };
        Ok(Self { hosts: [host(1)?, host(2)?], directory, python: python.to_owned(), files, style })
    }

    /// How many matches a host finds.
    fn detect(&self, host: usize) -> Result<u64> {
        let report = self.hosts[host].detect(&self.files)?;
        if let Some(failure) = report.failures.first() {
            bail!("a detection failed: {failure:?}");
        }
        Ok(report.matches.len() as u64)
    }

    /// The processor time, and how many matches.
    fn plain_loop(&self) -> Result<(Duration, u64)> {
        let mut command = Command::new(&self.python);
        command.args(["-I", "-c", include_str!("plain_loop.py")]);
        command.args(["rows.json", "detections.json"].map(|name| self.directory.path().join(name)));
        command.arg(self.style.as_str());
        let output = command.output().context("start Python")?;
        if !output.status.success() {
            bail!("the plain loop failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let said: Value = serde_json::from_slice(&output.stdout).context("the plain loop says JSON")?;
        let seconds = said["seconds"].as_f64().context("the plain loop says how long it took")?;
        let hits = said["hits"].as_u64().context("the plain loop says how much it found")?;
        Ok((Duration::from_secs_f64(seconds), hits))
    }
}

/// The rows of all files as JSON lines, without nulls.
fn write_rows(path: &Path, files: &[(StagedFile, PathBuf)]) -> Result<()> {
    let mut out = BufWriter::new(fs::File::create(path)?);
    for (_, file) in files {
        for batch in FileReader::open(file)?.batches(Projection::All, 1024)? {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                serde_json::to_writer(&mut out, &row_json(&batch, row))?;
                out.write_all(b"\n")?;
            }
        }
    }
    Ok(out.flush()?)
}

fn bundle(texts: &[String], table: &TableName) -> Result<Bundle> {
    let (detections, tables) = (BTreeMap::new(), BTreeMap::new());
    let (log_sources, enrichment, destinations) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let release = Release { format: FORMAT, log_sources, tables, detections, enrichment, destinations };
    let mut bundle = Bundle { release, resources: BTreeMap::new() };
    for (number, text) in texts.iter().enumerate() {
        let name = DetectionName::parse(&format!("detection_{number}"))?;
        let files = BTreeMap::from([("detect.py".to_owned(), Bundle::add(&mut bundle.resources, text.as_str()))]);
        let alert = AlertPolicy {
            severity: Severity::Low,
            threshold: NonZeroU32::MIN,
            window_seconds: NonZeroU32::new(3600).context("an hour has seconds")?,
            destinations: vec![],
        };
        let detection = Detection {
            name: name.clone(),
            trigger: Trigger::Streaming,
            tables: vec![table.clone()],
            files,
            site_packages: None,
            display_name: None,
            description: None,
            runbook: None,
            references: vec![],
            false_positives: vec![],
            tags: vec![],
            alert,
        };
        bundle.release.detections.insert(name, detection);
    }
    Ok(bundle)
}
