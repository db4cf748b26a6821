//! A release: the compiled, immutable, content-addressed form of a project. What every function reads instead of YAML.
//!
//! The manifest names each program, source file and data file by its digest. A release of format N must be readable by
//! code that speaks N-1 and N+1: a new field is optional first.

use std::{
    collections::BTreeMap,
    fmt,
    num::{NonZeroU32, NonZeroU64},
};

use serde::{Deserialize, Serialize};

use crate::{
    alert::Severity,
    digest::Digest,
    name::{DEFAULT_TABLE, DestinationName, DetectionName, EnrichmentName, LogSourceName, TableName},
    schema::TableSchema,
};

/// The format this code writes.
pub const FORMAT: u32 = 1;

/// Digest of a release's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseId(pub Digest);

impl ReleaseId {
    /// The first twelve hex digits: what people see.
    pub fn short(&self) -> String {
        self.0.short(12)
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The format of this manifest, [`FORMAT`] where this code wrote it.
    pub format: u32,
    /// Where logs come from.
    pub log_sources: BTreeMap<LogSourceName, LogSource>,
    /// Every table of every log source, by resolved name. The tables of matano itself are not listed.
    pub tables: BTreeMap<TableName, Table>,
    /// What is looked for.
    pub detections: BTreeMap<DetectionName, Detection>,
    /// What rows and records are compared with.
    pub enrichment: BTreeMap<EnrichmentName, EnrichmentTable>,
    /// Where alerts go.
    pub destinations: BTreeMap<DestinationName, Destination>,
}

impl Release {
    /// The digest of the manifest: two projects that mean the same have the same release.
    pub fn id(&self) -> ReleaseId {
        ReleaseId(Digest::of(&self.to_json()))
    }

    /// The manifest as it is stored; maps are sorted, so the bytes are canonical.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest has string keys and no floats")
    }

    /// Everything that raw objects are read for: the log sources, and the uploads to enrichment tables under their names in
    /// the lake.
    pub fn sources(&self) -> BTreeMap<LogSourceName, LogSource> {
        let uploads = self.enrichment.values().filter_map(EnrichmentTable::uploads);
        self.log_sources.values().cloned().chain(uploads).map(|source| (source.name.clone(), source)).collect()
    }

    /// The enrichment table that a source's objects are uploads to.
    pub fn uploaded_table(&self, source: &LogSourceName) -> Option<&EnrichmentTable> {
        let table = self.enrichment.get(source.as_str().strip_prefix("enrich_")?)?;
        table.data.is_none().then_some(table)
    }

    /// Digests of all resources that the manifest names.
    pub fn resources(&self) -> Vec<Digest> {
        let mut out: Vec<Digest> = Vec::new();
        for source in self.log_sources.values() {
            out.extend(source.select_table_from_metadata);
            out.extend(source.select_table_from_record);
        }
        for table in self.tables.values() {
            out.push(table.transform);
            out.extend(table.expand);
        }
        for detection in self.detections.values() {
            out.extend(detection.files.values());
            out.extend(detection.site_packages);
            match &detection.trigger {
                Trigger::Streaming => (),
                Trigger::Scheduled(schedule) => out.push(schedule.query),
            }
        }
        for table in self.enrichment.values() {
            out.extend(table.data);
            out.extend(table.transform);
        }
        out.sort();
        out.dedup();
        out
    }
}

/// A manifest with the bytes of everything it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The manifest.
    pub release: Release,
    /// Every resource by the digest of its bytes.
    pub resources: BTreeMap<Digest, Vec<u8>>,
}

impl Bundle {
    /// Takes in a resource and returns its name.
    pub fn add(resources: &mut BTreeMap<Digest, Vec<u8>>, bytes: impl Into<Vec<u8>>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        resources.insert(digest, bytes);
        digest
    }

    /// A resource that is text: VRL, SQL, Python.
    pub fn text(&self, digest: Digest) -> Option<&str> {
        self.resources.get(&digest).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// Where logs come from and which table each record goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSource {
    /// Its name.
    pub name: LogSourceName,
    /// The managed source it is built on: `aws_cloudtrail`.
    pub managed: Option<String>,
    /// Which objects are its own.
    pub objects: ObjectMatch,
    /// Each record is a CloudWatch Logs subscription envelope whose `logEvents` are the records.
    pub cloudwatch_envelope: bool,
    /// VRL over `.__metadata`, once an object: which table.
    pub select_table_from_metadata: Option<Digest>,
    /// VRL over the record, once a record: which table.
    pub select_table_from_record: Option<Digest>,
    /// A record of more bytes than this is a reject.
    pub max_record_bytes: NonZeroU64,
    /// The tables by the names that selectors use; `default` is one of them where there is a single table.
    pub tables: BTreeMap<String, TableName>,
}

/// The longest record, in bytes, where a log source says nothing else.
pub const MAX_RECORD_BYTES: NonZeroU64 = NonZeroU64::new(16 * 1024 * 1024).expect("not zero");

/// Objects by bucket, prefix and pattern; all that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMatch {
    /// A bucket of the user's own; `None` is the ingestion bucket of the target.
    pub bucket: Option<String>,
    /// What the decoded key starts with.
    pub key_prefix: String,
    /// A regular expression found anywhere in the decoded key.
    pub key_pattern: Option<String>,
}

/// A table and how its rows are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The resolved name.
    pub name: TableName,
    /// The log source it belongs to.
    pub log_source: LogSourceName,
    /// Its columns, those that matano adds included (see [`crate::system`]).
    pub schema: TableSchema,
    /// VRL: one record to one row.
    pub transform: Digest,
    /// VRL: one object to its records.
    pub expand: Option<Digest>,
    /// Names of the columns of headerless CSV.
    pub csv_headers: Vec<String>,
    /// How rows lie in the lake.
    pub storage: Storage,
}

/// How a table's rows lie in the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// Partitioning by time.
    pub partition: Partition,
    /// Whether `event.original` keeps the raw record.
    pub keep_original: bool,
    /// Small staged files are merged up to this size before they are committed, in bytes.
    pub target_file_bytes: NonZeroU64,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            partition: Partition::Hour,
            keep_original: true,
            target_file_bytes: NonZeroU64::new(128 * 1024 * 1024).expect("not zero"),
        }
    }
}

/// Iceberg's transforms of `ts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// `hour(ts)`
    Hour,
    /// `day(ts)`
    Day,
    /// `month(ts)`
    Month,
    /// Not partitioned.
    None,
}

/// What is looked for, and what happens when it is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// Its name.
    pub name: DetectionName,
    /// What sets it off.
    pub trigger: Trigger,
    /// The tables whose rows it sees.
    pub tables: Vec<TableName>,
    /// Python sources by path relative to the detection's directory; `detect.py` is the module that is called.
    pub files: BTreeMap<String, Digest>,
    /// A zip of installed requirements, put on `sys.path`.
    pub site_packages: Option<Digest>,
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
}

/// What sets a detection off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Every row of its tables, as it comes in.
    Streaming,
    /// The clock.
    Scheduled(Schedule),
}

/// When a query runs and over which rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// When.
    pub cadence: Cadence,
    /// SQL over the lake with the parameters `:start` and `:end`.
    pub query: Digest,
    /// How long after a window's end it runs, so that late rows are in.
    pub lateness_seconds: u64,
}

/// When a schedule comes due. Windows reach from one due time to the next, so every row is in exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cadence {
    /// Every so many seconds, counted from the Unix epoch.
    Every(NonZeroU64),
    /// Five cron fields, in UTC.
    Cron(String),
}

/// How matches become alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertPolicy {
    /// Where the detection's code says none.
    pub severity: Severity,
    /// How many matches with one dedupe key in one window make an alert.
    pub threshold: NonZeroU32,
    /// The fixed window, in seconds, aligned to the Unix epoch.
    pub window_seconds: NonZeroU32,
    /// Where alerts go where the detection's code says nothing.
    pub destinations: Vec<DestinationName>,
}

/// A table to look values up in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrichmentTable {
    /// Its name, without `enrich_`.
    pub name: EnrichmentName,
    /// Its columns.
    pub schema: TableSchema,
    /// Dotted columns by which a row can be looked up.
    pub lookup_keys: Vec<String>,
    /// What new data does to old.
    pub write_mode: WriteMode,
    /// The column of [`WriteMode::Merge`].
    pub primary_key: Vec<String>,
    /// JSON lines that come with the project; `None` where data is uploaded.
    pub data: Option<Digest>,
    /// VRL: one uploaded record to one row.
    pub transform: Option<Digest>,
}

impl EnrichmentTable {
    /// The uploads to the table, as a log source: objects below `enrich_name/`. `None` where the rows come with the project.
    pub fn uploads(&self) -> Option<LogSource> {
        if self.data.is_some() {
            return None;
        }
        let name = LogSourceName::of_enrichment(&self.name);
        Some(LogSource {
            managed: None,
            objects: ObjectMatch { key_prefix: format!("{name}/"), ..ObjectMatch::default() },
            cloudwatch_envelope: false,
            select_table_from_metadata: None,
            select_table_from_record: None,
            max_record_bytes: MAX_RECORD_BYTES,
            tables: BTreeMap::from([(DEFAULT_TABLE.to_owned(), TableName::of_enrichment(&self.name))]),
            name,
        })
    }
}

/// What new data does to old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteMode {
    /// Replace everything.
    Overwrite,
    /// Add rows.
    Append,
    /// Replace rows with the same primary key, add the others.
    Merge,
}

/// Where alerts go. Secrets are never here: they are looked up by the destination's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Its name.
    pub name: DestinationName,
    /// What is spoken there.
    pub kind: DestinationKind,
}

/// What is spoken at a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum DestinationKind {
    /// Slack: with the secret `bot_user_oauth_token` through the Web API (updates edit the message and thread the new
    /// context), with `webhook_url` through an incoming webhook.
    Slack {
        /// Channel id or name; needed with a bot token.
        channel: Option<String>,
    },
    /// JSON over HTTPS, signed with the secret `signing_secret`.
    Webhook {
        /// Where; `None` takes the secret `url`.
        url: Option<String>,
    },
    /// Lines on standard output, for a laptop.
    Stdout,
    /// Mail through Amazon SES. Only on AWS.
    Ses {
        /// The verified sender.
        from: String,
        /// The readers.
        to: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_that_of_the_canonical_manifest() {
        let release = Release {
            format: FORMAT,
            log_sources: BTreeMap::new(),
            tables: BTreeMap::new(),
            detections: BTreeMap::new(),
            enrichment: BTreeMap::new(),
            destinations: BTreeMap::from([(
                DestinationName::parse("ops").unwrap(),
                Destination { name: DestinationName::parse("ops").unwrap(), kind: DestinationKind::Stdout },
            )]),
        };
        let again: Release = serde_json::from_slice(&release.to_json()).unwrap();
        assert_eq!(again, release);
        assert_eq!(again.id(), release.id());
        let other = Release { destinations: BTreeMap::new(), ..release.clone() };
        assert_ne!(other.id(), release.id());
    }
}
