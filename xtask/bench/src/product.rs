//! Ours: the managed CloudTrail program, from the object to staged files.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result, bail};
use model::{
    name::{LogSourceName, TableName},
    object::SourceObject,
    release::{Bundle, Table},
    schema::TableSchema,
    time::Timestamp,
};
use project::FileSet;
use transform::{EnrichmentTables, ProgramKind, SourceTransform, TransformOutput, compile, runs_over_slots};

use crate::sample::{Object, Sample};

const SOURCE: &str = "aws_cloudtrail";

/// The managed CloudTrail source as a release has it.
pub struct Program {
    bundle: Bundle,
    pub text: String,
    pub schema: TableSchema,
}

/// What the program runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Slots: what is proven for this program.
    Slots,
    /// VRL's own tree of the whole event: what any program can have.
    WholeEvents,
}

impl Program {
    pub fn load() -> Result<Self> {
        let mut files = FileSet::default();
        files.insert("matano.config.yml", "target: embedded\n");
        files.insert(
            "log_sources/aws_cloudtrail/log_source.yml",
            "name: aws_cloudtrail\nmanaged:\n  type: aws_cloudtrail\n",
        );
        let (loaded, diagnostics) = project::load(&files);
        if let Some(error) = diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
            bail!("the managed source does not load: {}", error.message);
        }
        let bundle = project::lower(&loaded, &BTreeMap::new());
        let table = table(&bundle)?;
        let text = bundle.text(table.transform).context("the release has the transform")?.to_owned();
        Ok(Self { schema: table.schema.clone(), text, bundle })
    }
}

fn table(bundle: &Bundle) -> Result<&Table> {
    let source =
        bundle.release.log_sources.get(&LogSourceName::parse(SOURCE)?).context("the release has the source")?;
    let name = source.tables.get("default").context("the source has a default table")?;
    bundle.release.tables.get(name).context("the release has the table")
}

/// A transform, ready to run.
pub struct Product {
    transform: SourceTransform,
}

impl Product {
    pub fn new(program: &Program, target: Target) -> Result<Self> {
        let enrichment = EnrichmentTables::none();
        let mut bundle = program.bundle.clone();
        if target == Target::WholeEvents {
            // never done, but nothing can be proven about a program that may replace the event
            let text = format!("{}\nif false {{ . = {{}} }}\n", program.text);
            let name = table(&bundle)?.name.clone();
            let digest = Bundle::add(&mut bundle.resources, text);
            bundle.release.tables.get_mut(&name).context("the release has the table")?.transform = digest;
        }
        let text = bundle.text(table(&bundle)?.transform).context("the release has the transform")?;
        let compiled = compile(text, ProgramKind::Transform, &enrichment, None);
        let compiled = compiled.map_err(|errors| anyhow::anyhow!("the program does not compile: {errors:?}"))?;
        match (target, runs_over_slots(&compiled, &program.schema)) {
            (Target::Slots, Err(reason)) => bail!("the managed program does not run over slots: {reason}"),
            (Target::WholeEvents, Ok(())) => bail!("the program that was to run over whole events runs over slots"),
            (Target::Slots, Ok(())) | (Target::WholeEvents, Err(_)) => (),
        }
        let ids: BTreeMap<TableName, columns::FieldIds> = BTreeMap::new();
        let transform = SourceTransform::compile(&bundle, &LogSourceName::parse(SOURCE)?, &ids, &enrichment)?;
        transform.compile_all()?;
        Ok(Self { transform })
    }

    /// All objects on this thread; how many rows.
    pub fn run(&self, sample: &Sample) -> Result<u64> {
        let directory = tempfile::tempdir().context("make a temporary directory")?;
        sample.objects.iter().map(|object| self.object(object, directory.path())).sum()
    }

    /// All objects on so many threads.
    pub fn run_on(&self, sample: &Sample, threads: usize) -> Result<u64> {
        let directory = tempfile::tempdir().context("make a temporary directory")?;
        let next = AtomicUsize::new(0);
        let work = || -> Result<u64> {
            let mut rows = 0;
            while let Some(object) = sample.objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                rows += self.object(object, directory.path())?;
            }
            Ok(rows)
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?).sum()
        })
    }

    fn object(&self, object: &Object, directory: &Path) -> Result<u64> {
        Ok(self.stage(object, directory)?.report.rows)
    }

    /// The rows of one object as files below a directory.
    pub fn stage(&self, object: &Object, directory: &Path) -> Result<TransformOutput> {
        let source = SourceObject {
            bucket: "bench".to_owned(),
            key: object.key.clone(),
            version: "1".to_owned(),
            size: object.size(),
        };
        let output = self.transform.run(&source, object.reader(), &object.hints(), Timestamp::EPOCH, directory)?;
        if output.report.rows != output.report.records {
            bail!("expected every event to become a row, found {:?}", output.report);
        }
        Ok(output)
    }
}
