//! What a project means: names resolved, layers merged, defaults applied. Made by [`crate::load`].

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    ops::Range,
    sync::Arc,
};

use model::{
    alert::{Severity, Window},
    name::{DestinationName, DetectionName, EnrichmentName, LogSourceName, TableName},
    release::{AlertPolicy, Cadence, DestinationKind, ObjectMatch, Storage, WriteMode},
    schema::TableSchema,
    time::Timestamp,
    worker::{CacheValue, StandIn},
};
use serde_json::{Map, Value};

use crate::{
    diagnostic::{Level, Span},
    program::{Block, VrlProgram},
    yaml::Doc,
};

/// Everything that the files of a project say.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Settings.
    pub config: Config,
    /// Where logs come from.
    pub log_sources: BTreeMap<LogSourceName, LogSource>,
    /// The tables of all log sources, by their names in the lake.
    pub tables: BTreeMap<TableName, Table>,
    /// What is looked for, those that are switched off included.
    pub detections: BTreeMap<DetectionName, Detection>,
    /// What values are looked up in.
    pub enrichment: BTreeMap<EnrichmentName, Enrichment>,
    /// Where alerts go.
    pub destinations: BTreeMap<DestinationName, Destination>,
    /// Every YAML file that could be parsed, by path; those of managed sources by `managed:<type>/<path>`.
    pub docs: BTreeMap<String, Arc<Doc>>,
}

impl Project {
    /// Every VRL program.
    pub fn programs(&self) -> Vec<VrlProgram> {
        let sources = self
            .log_sources
            .values()
            .flat_map(|source| [source.select_table_from_metadata.as_ref(), source.select_table_from_record.as_ref()]);
        let tables = self.tables.values().flat_map(|table| [table.expand.as_ref(), Some(&table.transform)]);
        let enrichment = self.enrichment.values().map(|table| table.transform.as_ref());
        sources.chain(tables).chain(enrichment).flatten().cloned().collect()
    }

    /// A parsed file.
    pub fn doc(&self, file: &str) -> Option<&Doc> {
        self.docs.get(file).map(Arc::as_ref)
    }
}

/// Settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where releases run.
    pub target: Target,
    /// Where the embedded target keeps its state, relative to the project.
    pub directory: String,
    /// Where the lake's files lie: a directory relative to the project, or an `s3://` address. `None`: `lake` below
    /// `directory`.
    pub warehouse: Option<String>,
    /// The AWS account and region, where they are given.
    pub aws: Option<Aws>,
    /// Tells deployments in one account apart.
    pub project_label: Option<String>,
    /// What the project makes of rules, by their ids as written; `check` knows which there are.
    pub rules: BTreeMap<String, RuleSetting>,
}

/// What a project makes of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleSetting {
    /// Nothing: it is not told.
    Off,
    /// It has this level.
    Level(Level),
}

impl Config {
    /// Where it stands; what makes a directory a project.
    pub const FILE: &str = "matano.config.yml";
}

impl Default for Config {
    fn default() -> Self {
        Self {
            target: Target::Embedded,
            directory: ".matano".to_owned(),
            warehouse: None,
            aws: None,
            project_label: None,
            rules: BTreeMap::new(),
        }
    }
}

/// Where releases run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One process and one directory.
    Embedded,
    /// An AWS account.
    Aws,
}

/// An AWS account and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    /// Twelve digits.
    pub account: String,
    /// `eu-central-1`
    pub region: String,
    /// For every resource.
    pub tags: BTreeMap<String, String>,
    /// Whether buckets get a public access block.
    pub block_public_access: bool,
}

/// Where logs come from.
#[derive(Debug, Clone)]
pub struct LogSource {
    /// Its name.
    pub name: LogSourceName,
    /// Its log_source.yml.
    pub file: String,
    /// The directory of that file.
    pub directory: String,
    /// What it builds on.
    pub managed: Option<Managed>,
    /// Which objects are its own.
    pub objects: ObjectMatch,
    /// The role to read the bucket with.
    pub access_role_arn: Option<String>,
    /// Whether records are envelopes of CloudWatch Logs.
    pub cloudwatch_envelope: bool,
    /// The table of an object.
    pub select_table_from_metadata: Option<VrlProgram>,
    /// The table of a record.
    pub select_table_from_record: Option<VrlProgram>,
    /// A longer record is a reject.
    pub max_record_bytes: NonZeroU64,
    /// Its tables by the names that selectors use.
    pub tables: BTreeMap<String, TableName>,
    /// Its tests, those of the managed source first.
    pub tests: Vec<LogSourceTest>,
}

/// A managed source that a log source builds on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// `aws_cloudtrail`
    pub kind: String,
    /// What it was given.
    pub properties: Map<String, Value>,
}

/// A table and how its rows are made.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name in the lake.
    pub name: TableName,
    /// Its log source.
    pub log_source: LogSourceName,
    /// The files it is made of, managed ones first, the one that wins last.
    pub files: Vec<String>,
    /// Its columns: those of matano, those of ECS, its own.
    pub schema: Arc<TableSchema>,
    /// One record to one row; empty text where there is none.
    pub transform: VrlProgram,
    /// One object to its records.
    pub expand: Option<VrlProgram>,
    /// Columns of headerless CSV.
    pub csv_headers: Vec<String>,
    /// How rows lie in the lake.
    pub storage: Storage,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Detection {
    /// Its name.
    pub name: DetectionName,
    /// Its detection.yml.
    pub file: String,
    /// Where its name stands.
    pub span: Span,
    /// The directory of that file.
    pub directory: String,
    /// Whether it runs.
    pub enabled: bool,
    /// What sets it off.
    pub trigger: Trigger,
    /// The tables whose rows it sees.
    pub tables: Vec<TableName>,
    /// Python sources by path relative to the directory; `detect.py` is the module that is called.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The text of requirements.txt.
    pub requirements: Option<String>,
    /// What people call it.
    pub display_name: Option<String>,
    /// What it finds.
    pub description: Option<String>,
    /// What to do about it.
    pub runbook: Option<String>,
    /// Where to read more.
    pub references: Vec<String>,
    /// What else looks like it.
    pub false_positives: Vec<String>,
    /// ATT&CK ids and free words.
    pub tags: Vec<String>,
    /// How matches become alerts.
    pub alert: AlertPolicy,
    /// Its tests.
    pub tests: Vec<DetectionTest>,
}

/// The time of a test's events that have none: the same in every run.
pub const FIXED_TIME: &str = "2026-01-01T00:00:00Z";

/// Where the snapshots of a detection's tests lie, in its directory.
pub const SNAPSHOTS: &str = "snapshots.json";

impl Detection {
    /// The path within the project of one of its Python files.
    pub fn path_of(&self, python_file: &str) -> String {
        format!("{}/{python_file}", self.directory)
    }
}

/// What sets a detection off.
#[derive(Debug, Clone)]
pub enum Trigger {
    /// Every row of its tables.
    Streaming,
    /// The clock.
    Scheduled(Schedule),
}

/// When a query runs and over which rows.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// When.
    pub cadence: Cadence,
    /// SQL with `:start` and `:end`.
    pub query: Block,
    /// How long after a window's end it runs.
    pub lateness_seconds: u64,
}

/// A table to look values up in.
#[derive(Debug, Clone)]
pub struct Enrichment {
    /// Its name, without `enrich_`.
    pub name: EnrichmentName,
    /// Its enrichment.yml.
    pub file: String,
    /// The directory of that file.
    pub directory: String,
    /// Its columns.
    pub schema: TableSchema,
    /// Columns by which a row can be looked up.
    pub lookup_keys: Vec<String>,
    /// What new data does to old.
    pub write_mode: WriteMode,
    /// The columns that a merge compares.
    pub primary_key: Vec<String>,
    /// JSON lines that come with the project.
    pub data: Option<Vec<u8>>,
    /// One uploaded record to one row.
    pub transform: Option<VrlProgram>,
}

/// Where alerts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name.
    pub name: DestinationName,
    /// Its file.
    pub file: String,
    /// What is spoken there.
    pub kind: DestinationKind,
}

/// Raw records and the rows they must become.
#[derive(Debug, Clone)]
pub struct LogSourceTest {
    /// What is tested, as a sentence.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// The pointer of the test in that file: `/tests/0`.
    pub pointer: String,
    /// Where its name stands.
    pub span: Span,
    /// The object's key, for the choice of the table.
    pub key: Option<String>,
    /// The object's content.
    pub raw: Raw,
    /// The table of `rows`; `None` where the log source has one table only, or there are no rows.
    pub table: Option<TableName>,
    /// The rows, in order; only the columns that are named are compared. `None`: any rows.
    pub rows: Option<Vec<Value>>,
    /// How many records must become no row.
    pub rejects: u64,
}

/// Raw records of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// The fixture, where they are in a file of their own.
    pub file: Option<String>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Events, raw records or tables, and what must come of them.
#[derive(Debug, Clone)]
pub struct DetectionTest {
    /// What is tested, as a sentence.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// The pointer of the test in that file: `/tests/0`.
    pub pointer: String,
    /// Where its name stands.
    pub span: Span,
    /// What goes in.
    pub input: TestInput,
    /// Whether it must fire.
    pub fires: bool,
    /// On how many rows it must fire.
    pub matches: Option<u64>,
    /// How many alerts must come of it.
    pub alerts: Option<u64>,
    /// What must hold on the way, in the order of the events.
    pub steps: Vec<Step>,
    /// What stands in for what the detection uses.
    pub mocks: Mocks,
    /// Other detections that are meant to fire on the same events.
    pub also_fires: BTreeSet<String>,
    /// What the alert must say.
    pub expect: Expectation,
}

/// What must hold after some events of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it stands.
    pub span: Span,
    /// Which events.
    pub events: Range<usize>,
    /// Whether the detection must fire on each of them.
    pub fires: Option<bool>,
    /// How many alerts there must be after the last of them.
    pub alerts: Option<u64>,
}

/// What stands in for what a detection uses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mocks {
    /// The rows of enrichment tables.
    pub enrichment: BTreeMap<EnrichmentName, Vec<Value>>,
    /// What `remotecache` holds at the first event, by namespace and key.
    pub remembered: BTreeMap<String, BTreeMap<String, CacheValue>>,
    /// By dotted path; `detect` is the detection's own module.
    pub attributes: BTreeMap<String, StandIn>,
}

impl Mocks {
    /// Whether nothing stands in for anything.
    pub fn is_empty(&self) -> bool {
        self.enrichment.is_empty() && self.remembered.is_empty() && self.attributes.is_empty()
    }
}

/// What an alert must say.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// Part by part.
    Parts(Box<Expect>),
    /// All that it said when the snapshot was taken.
    Snapshot,
}

/// What goes into a detection under test.
#[derive(Debug, Clone, PartialEq)]
pub enum TestInput {
    /// Rows of one table: JSON objects with nested or dotted columns.
    Events {
        /// The table.
        table: TableName,
        /// The rows.
        events: Vec<Value>,
    },
    /// Raw records, which go through the log source of the table first.
    Raw {
        /// The table.
        table: TableName,
        /// The object's key.
        key: Option<String>,
        /// The records.
        raw: Raw,
    },
    /// Tables that a query reads.
    Tables {
        /// The rows of each.
        rows: BTreeMap<TableName, Vec<Value>>,
        /// `:start`
        start: Timestamp,
        /// `:end`
        end: Timestamp,
    },
}

impl TestInput {
    /// The window of a scheduled detection's test, where it is one that [`Window`] can hold.
    pub fn window(&self) -> Option<Window> {
        match self {
            Self::Events { .. } | Self::Raw { .. } => None,
            Self::Tables { start, end, .. } => {
                let seconds = u32::try_from(end.seconds_since(*start)).ok()?;
                Some(Window { start: *start, seconds: std::num::NonZeroU32::new(seconds)? })
            }
        }
    }
}

/// What an alert must say; `None` is not compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// Its title.
    pub title: Option<String>,
    /// Its severity.
    pub severity: Option<Severity>,
    /// Its dedupe key.
    pub dedupe: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its runbook.
    pub runbook: Option<String>,
    /// Its references.
    pub references: Option<Vec<String>>,
    /// Where it goes.
    pub destinations: Option<Vec<DestinationName>>,
    /// What `alert_context` returns.
    pub context: Option<Value>,
    /// Its false positives.
    pub false_positives: Option<Vec<String>>,
    /// What destinations hear: texts that must occur, or parts of the message; null where one hears nothing.
    pub messages: Option<BTreeMap<DestinationName, Value>>,
}
