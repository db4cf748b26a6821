//! An embedded target in a directory: real files, a real ledger, a real lake, and a log source with two tables and rejects.

#![allow(dead_code)] // each test file uses some of it

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::array::AsArray as _;
use futures::TryStreamExt as _;
use lake::{Lake, LakeConfig, Warehouse};
use lake_writer::{Flush, LakeWriter};
use model::{
    name::{LogSourceName, TableName},
    object::{Position, RecordId},
    release::{Bundle, FORMAT, LogSource, ObjectMatch, Release, Storage, Table},
    system,
    time::Timestamp,
};
use store::{
    ledger::{Counts, Ledger},
    ledger_owner::Owner,
    ledger_sqlite::SqliteLedger,
    objects::Objects as _,
    objects_local::LocalObjects,
    staging::{Staging, StagingDirectory},
};
use transform::{EnrichmentTables, SourceTransform};
use transformer::{Fate, Request, Sources, Transformer};

/// Where rows go, by what their record says.
const SELECT: &str = r#"if .json.kind == "b" { "b" } else { "a" }"#;
const PROGRAM: &str = r#".ts = parse_timestamp!(.json.at, "%+")"#;

/// Stops or aborts at steps.
pub type Failpoint = Arc<dyn Fn(&'static str) -> bool + Send + Sync>;

pub struct World {
    pub root: PathBuf,
    pub transformer: Transformer,
    pub writer: LakeWriter,
    pub ledger: Arc<dyn Ledger>,
    pub lake: Lake,
    staging: StagingDirectory,
    failpoint: Option<Failpoint>,
    _owner: Owner,
}

fn source() -> LogSourceName {
    LogSourceName::parse("logs").unwrap()
}

pub fn table(name: &str) -> TableName {
    TableName::of_source(&source(), name).unwrap()
}

fn bundle() -> Bundle {
    let mut resources = BTreeMap::new();
    let select = Bundle::add(&mut resources, SELECT);
    let transform = Bundle::add(&mut resources, PROGRAM);
    let tables = ["a", "b"].map(|name| Table {
        name: table(name),
        log_source: source(),
        schema: system::row_columns(),
        transform,
        expand: None,
        csv_headers: vec![],
        storage: Storage::default(),
    });
    let log_source = LogSource {
        name: source(),
        managed: None,
        objects: ObjectMatch { key_prefix: "raw/".into(), ..ObjectMatch::default() },
        cloudwatch_envelope: false,
        select_table_from_metadata: None,
        select_table_from_record: Some(select),
        max_record_bytes: NonZeroU64::new(1 << 20).unwrap(),
        tables: ["a", "b"].map(|name| (name.to_owned(), table(name))).into(),
    };
    let release = Release {
        format: FORMAT,
        log_sources: [(source(), log_source)].into(),
        tables: tables.map(|table| (table.name.clone(), table)).into(),
        detections: BTreeMap::new(),
        enrichment: BTreeMap::new(),
        destinations: BTreeMap::new(),
    };
    Bundle { release, resources }
}

/// Raw files: each has records for both tables in two hours, and one record that is none.
pub fn write_raw(root: &Path, files: usize) {
    let raw = root.join("raw");
    fs::create_dir_all(&raw).unwrap();
    for file in 0..files {
        let lines: Vec<String> = (0..10)
            .map(|n| match n {
                7 => format!("{{\"broken\": {file}"),
                n => {
                    let kind = if n % 3 == 0 { "b" } else { "a" };
                    format!(r#"{{"kind":"{kind}","at":"2026-01-01T0{}:00:00.{file:03}Z"}}"#, n % 2)
                }
            })
            .collect();
        fs::write(raw.join(format!("{file}.json")), lines.join("\n") + "\n").unwrap();
    }
}

impl World {
    /// Opens what is there, as a process does when it starts: what dead processes held becomes free.
    pub async fn open(root: &Path, name: &str, failpoint: Option<Failpoint>) -> Self {
        let state = root.join("state");
        fs::create_dir_all(&state).unwrap();
        let owners = state.join("owners");
        let owner = Owner::register(&owners, name).unwrap();
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&state.join("state.db")).unwrap());
        let staging = StagingDirectory::open(&state.join("staging")).unwrap();
        for dead in Owner::ended(&owners).unwrap() {
            ledger.abandon(&dead).await.unwrap();
            staging.sweep(&dead).unwrap();
            Owner::bury(&owners, &dead).unwrap();
        }
        let config = LakeConfig {
            catalog: state.join("catalog.db"),
            warehouse: Warehouse::Directory(state.join("lake")),
            properties: BTreeMap::new(),
        };
        let mut lake = Lake::open(&config).await.unwrap();
        if let Some(failpoint) = &failpoint {
            lake = lake.with_failpoint(failpoint.clone());
        }
        let bundle = bundle();
        let mut ids = BTreeMap::new();
        let schemas = bundle.release.tables.values().map(|table| (table.name.clone(), table.schema.clone()));
        for (name, schema) in schemas.chain([(TableName::rejects(), system::rejects())]) {
            lake.ensure_table(&name, &schema, &Storage::default()).await.unwrap();
            let of_table = lake.field_ids(&name).await.unwrap();
            ids.insert(name, of_table);
        }
        let compile = |name: &_| SourceTransform::compile(&bundle, name, &ids, &EnrichmentTables::none());
        let sources = Arc::new(Sources::new(&bundle.release, compile).unwrap());
        let clock = Arc::new(Timestamp::now);
        let objects = Arc::new(LocalObjects::new(state.join("spool")));
        let staged: Arc<dyn Staging> = Arc::new(staging.clone());
        let mut transformer = Transformer::new(ledger.clone(), objects, staged.clone(), sources, name, clock.clone());
        transformer.failpoint = failpoint.clone();
        let mut writer = LakeWriter::new(ledger.clone(), staged, lake.clone(), name, clock);
        writer.failpoint = failpoint.clone();
        Self { root: root.to_owned(), transformer, writer, ledger, lake, staging, failpoint, _owner: owner }
    }

    /// Everything there is to do, once. The error is what stopped it.
    pub async fn work(&self) -> Result<(), String> {
        self.ingest().await?;
        let report = self.writer.flush(Flush::All).await.map_err(|error| error.to_string())?;
        match report.failures.into_iter().next() {
            Some((table, error)) => Err(format!("{table}: {error}")),
            None => Ok(()),
        }
    }

    /// The same up to the lake.
    pub async fn ingest(&self) -> Result<(), String> {
        let listed =
            LocalObjects::new(self.root.join("spool")).list(self.root.join("raw").to_str().unwrap()).await.unwrap();
        let requests = listed.into_iter().map(|one| Request { address: one.address, source: None }).collect();
        for (request, fate) in self.transformer.process_all(requests).await {
            match fate {
                Fate::Done { .. } => (),
                // another process is at it, or has just died over it
                Fate::Busy { .. } => (),
                Fate::Again(error) => return Err(error.to_string()),
                fate @ (Fate::NoSource(_) | Fate::Dead { .. }) => panic!("{request:?}: {fate:?}"),
            }
        }
        self.detect().await
    }

    /// Detections, as far as the ledger sees them.
    async fn detect(&self) -> Result<(), String> {
        let lease = store::ledger::Lease::new(&self.writer.owner, Timestamp::now(), 60);
        let files = self.ledger.take_unseen(&lease, Timestamp::now(), 100).await.map_err(|error| error.to_string())?;
        self.step("detect: taken")?;
        for file in &files {
            assert!(self.staging.fetch(&file.key).await.unwrap().exists());
        }
        let keys: Vec<String> = files.into_iter().map(|file| file.key).collect();
        self.ledger.seen(&keys).await.map_err(|error| error.to_string())?;
        self.step("detect: seen")
    }

    fn step(&self, name: &'static str) -> Result<(), String> {
        match &self.failpoint {
            Some(failpoint) if failpoint(name) => Err(name.to_owned()),
            Some(_) | None => Ok(()),
        }
    }

    /// Nothing lost, nothing twice, nothing left over.
    pub async fn check(&self, files: usize) {
        let (mut rows, mut rejects) = (BTreeSet::new(), BTreeSet::new());
        for file in 0..files {
            let path = self.root.join(format!("raw/{file}.json"));
            let head = LocalObjects::new(&self.root).head(path.to_str().unwrap()).await.unwrap();
            for n in 0..10 {
                let id = RecordId::of(head.object.id(), Position(n)).to_string();
                if n == 7 {
                    rejects.insert(id)
                } else {
                    rows.insert(id)
                };
            }
        }
        let mut found = self.ids(&table("a"), "matano.record_id").await;
        found.extend(self.ids(&table("b"), "matano.record_id").await);
        same(found, rows);
        same(self.ids(&TableName::rejects(), "record_id").await, rejects);
        let counts = self.ledger.counts().await.unwrap();
        assert_eq!(counts, Counts { done: files as u64, ..Counts::default() });
        assert_eq!(self.staging.list("").await.unwrap(), [], "staged files are deleted");
        let workspace = fs::read_dir(self.staging.workspace()).unwrap().count();
        assert_eq!(workspace, 0, "nothing is left of crashed attempts");
    }

    async fn ids(&self, table: &TableName, column: &str) -> Vec<String> {
        let ident = iceberg::TableIdent::from_strs([lake::NAMESPACE, table.as_str()]).unwrap();
        let loaded = self.lake.catalog().load_table(&ident).await.unwrap();
        if loaded.metadata().current_snapshot().is_none() {
            return Vec::new();
        }
        let root = column.split('.').next().unwrap();
        let scan = loaded.scan().select([root]).build().unwrap();
        let batches: Vec<_> = scan.to_arrow().await.unwrap().try_collect().await.unwrap();
        let mut out = Vec::new();
        for batch in batches {
            let mut array = batch.column(0).clone();
            for member in column.split('.').skip(1) {
                let next = array.as_struct().column_by_name(member).unwrap().clone();
                array = next;
            }
            out.extend(array.as_string::<i32>().iter().map(|id| id.unwrap().to_owned()));
        }
        out
    }
}

fn same(mut found: Vec<String>, expected: BTreeSet<String>) {
    found.sort();
    let expected: Vec<String> = expected.into_iter().collect();
    assert_eq!(found, expected, "each record once");
}
