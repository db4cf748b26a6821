//! The target of a project: opened, observed, and brought to what a plan says.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, Result, bail};
use embedded::{Embedded, IsolationPolicy, Options, Python};
use model::{
    name::DetectionName,
    release::{Bundle, Storage},
};
use plan::{Change, Observed, ObservedTable, Plan};
use project::{Project, project::Target};

use crate::{
    cli::{Global, Isolation, Output},
    exit::environment,
    judge::{self, Judged},
    requirements,
    terminal::Terminal,
    workspace,
};

/// The interpreter that detections run in.
pub fn interpreter() -> PathBuf {
    std::env::var_os("MATANO_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}

/// What detections run in, as the user says.
pub fn python(isolation: Isolation) -> Python {
    let isolation = match isolation {
        Isolation::Required => IsolationPolicy::Required,
        Isolation::Preferred => IsolationPolicy::Preferred,
        Isolation::Off => IsolationPolicy::Off,
    };
    let module = std::env::var_os("MATANO_DETECT_MODULE").map(PathBuf::from);
    Python { interpreter: interpreter(), module, isolation }
}

/// The embedded target's directory: where the machine says that it is, else where the project says.
pub fn directory(root: &Path, project: &Project) -> PathBuf {
    // a checkout is made anew for every job of a workflow: what is deployed must be able to stand elsewhere
    let elsewhere = std::env::var_os("MATANO_DIRECTORY").filter(|directory| !directory.is_empty());
    elsewhere.map_or_else(|| root.join(&project.config.directory), PathBuf::from)
}

/// As many as there are processors, unless a flag says otherwise.
pub fn jobs(flag: Option<usize>) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    flag.unwrap_or(processors).max(1)
}

/// Opens the target of a loaded project.
pub async fn open(root: &Path, project: &Project, global: &Global, jobs: usize) -> Result<Embedded> {
    if project.config.target == Target::Aws {
        return Err(environment("`target: aws` cannot be reached by this version: use `target: embedded`"));
    }
    let warehouse = project.config.warehouse.as_ref().map(|warehouse| match warehouse.contains("://") {
        true => warehouse.clone(),
        false => root.join(warehouse).display().to_string(),
    });
    let options = Options {
        directory: directory(root, project),
        warehouse,
        python: python(global.isolation),
        jobs,
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        stdout: match global.output {
            Output::Text => Arc::new(Mutex::new(Out)),
            // standard output is the one JSON document
            Output::Json => Arc::new(Mutex::new(io::stderr())),
        },
    };
    Embedded::open(options).await.context("open the target")
}

/// Standard output that does not mind a reader that has gone away.
struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stdout().lock().write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}

/// Opens the target of the project as it is on disk, whatever its mistakes: for commands that use what is deployed.
pub async fn open_deployed(global: &Global, jobs: usize) -> Result<Embedded> {
    let workspace = workspace::read(workspace::find(global.project.as_deref())?)?;
    let (project, _) = project::load(&workspace.files);
    open(&workspace.root, &project, global, jobs).await
}

/// A project ready to be planned or deployed.
pub struct Ready {
    /// The opened target.
    pub target: Embedded,
    /// What the project makes.
    pub bundle: Bundle,
    /// What would change.
    pub plan: Plan,
}

/// Loads, checks, lowers, observes and plans.
pub async fn plan_project(global: &Global, terminal: Terminal) -> Result<Ready> {
    let judged = judge::judge(global.project.as_deref()).await?;
    let (bundle, origin) = lower(judged, terminal)?;
    let target = open(&origin.root, &origin.project, global, jobs(None)).await?;
    let observed = observe(&target).await?;
    let plan = plan::plan(&bundle.release, &observed);
    Ok(Ready { target, bundle, plan })
}

/// Where a lowered project came from.
pub struct Origin {
    /// Its directory.
    pub root: PathBuf,
    /// The project.
    pub project: Project,
}

/// The release that a project makes, its requirements installed.
pub fn lower(judged: Judged, terminal: Terminal) -> Result<(Bundle, Origin)> {
    let cache = judged.target_directory().join("cache/requirements");
    let (workspace, mut project) = judged.require_releasable(terminal)?;
    // only rules look at them, and they are most of a large project
    project.docs.clear();
    let wanted: BTreeMap<DetectionName, String> = project
        .detections
        .values()
        .filter(|detection| detection.enabled)
        .filter_map(|detection| Some((detection.name.clone(), detection.requirements.clone()?)))
        .collect();
    let packages = requirements::install(&wanted, &interpreter(), &cache, terminal)?;
    Ok((project::lower(&project, &packages), Origin { root: workspace.root, project }))
}

/// What the target says it has.
pub async fn observe(target: &Embedded) -> Result<Observed> {
    let tables = target.tables().await.context("read the catalog")?;
    let tables = tables
        .into_iter()
        .map(|(name, table)| {
            (name, ObservedTable { schema: table.schema, partition: table.partition, rows: table.rows })
        })
        .collect();
    Ok(Observed { release: target.deployed().context("read the deployed release")?, tables })
}

/// Does what a plan says, and nothing else; `on` hears of every step. The release pointer is switched last.
pub async fn apply(ready: &Ready, mut on: impl FnMut(&str)) -> Result<()> {
    let Ready { target, bundle, plan } = ready;
    if observe(target).await?.fingerprint() != plan.base {
        bail!("the target has changed since the plan was made: plan again");
    }
    let id = target.save(bundle).context("save the release")?;
    on(&format!("release {} saved", id.short()));
    for change in &plan.changes {
        match change {
            Change::CreateTable { table, .. } | Change::EvolveTable { table, .. } => {
                let wanted = plan::wanted_tables(&bundle.release);
                let Some((_, schema, partition)) = wanted.into_iter().find(|(name, ..)| name == table) else {
                    continue;
                };
                let own = bundle.release.tables.get(table).map(|table| table.storage.clone());
                let storage = own.unwrap_or(Storage { partition, ..Storage::default() });
                target.ensure_table(table, &schema, &storage).await.with_context(|| format!("table {table}"))?;
                on(&format!("table {table} ready"));
            }
            Change::DetachTable { .. }
            | Change::Add { .. }
            | Change::Update { .. }
            | Change::Remove { .. }
            | Change::SwitchRelease { .. } => (),
        }
    }
    for table in bundle.release.enrichment.values() {
        let written = target.load_enrichment(bundle, table).await;
        if written.with_context(|| format!("enrichment table {}", table.name))? {
            on(&format!("enrichment table {} loaded", table.name));
        }
    }
    if plan.from != Some(plan.to) {
        target.switch(plan.from, plan.to).context("switch the release")?;
        on(&format!("release {} is live", plan.to.short()));
    }
    // read back: what is there is what was wanted
    let after = plan::plan(&bundle.release, &observe(target).await?);
    if !after.is_empty() {
        bail!("the deploy ended, but the target is not as planned:\n{}", plan::render(&after, plan::Style::Plain));
    }
    Ok(())
}
