//! log_sources/<dir>/log_source.yml

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    quantity::SizeSpec,
    table::{SchemaSpec, StorageSpec},
    test::LogSourceTestSpec,
};
use crate::managed;

/// Where logs come from, and how they become rows.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "log_source.yml")]
pub struct LogSourceSpec {
    /// The log source's name: lower-case letters, digits and `_`. The table `default` is called like it.
    #[schemars(required, example = &"aws_cloudtrail")]
    pub name: Option<String>,
    /// Builds on a log source that comes with matano. What you write yourself wins over it.
    pub managed: Option<ManagedSpec>,
    /// The columns of all tables.
    pub schema: Option<SchemaSpec>,
    /// VRL: turns one record (`.json`, or `.message` where it is text) into one row.
    pub transform: Option<String>,
    /// Where objects come from and how they become records.
    pub ingest: Option<IngestSpec>,
    /// How rows lie in the lake.
    pub storage: Option<StorageSpec>,
    /// Raw records and the rows they must become. `matano test` runs them.
    #[serde(default)]
    pub tests: Vec<LogSourceTestSpec>,
    /// Words for people. Not used.
    pub meta: Option<Value>,
}

/// A log source that comes with matano.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Managed")]
pub struct ManagedSpec {
    /// Which one.
    #[serde(rename = "type")]
    #[schemars(required, schema_with = "kind")]
    pub kind: Option<String>,
    /// What it needs to know, different from type to type.
    pub properties: Option<Map<String, Value>>,
}

/// What comes with matano, as completions; other types are refused with a better message than a schema has.
fn kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "enum": managed::shipped_sources() }, { "type": "string" }] })
}

/// Where objects come from and how they become records.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ingest")]
pub struct IngestSpec {
    /// Which objects in S3 belong to this log source. Without it: those of the ingestion bucket below `<name>/`.
    pub s3_source: Option<S3SourceSpec>,
    /// VRL over `.__metadata.s3` (`bucket`, `key`, `size`): which table an object's records go to.
    pub select_table_from_payload_metadata: Option<String>,
    /// VRL over the record: which table it goes to.
    pub select_table_from_payload: Option<String>,
    /// VRL: turns a whole object, given as text in `.__raw`, into a list of records.
    pub expand_records_from_payload: Option<String>,
    /// Names of the columns of CSV files without a header line.
    pub csv_headers: Option<Vec<String>>,
    /// A longer record is set aside as a reject.
    #[schemars(extend("default" = "16 MB"))]
    pub max_record_size: Option<SizeSpec>,
}

/// Which objects in S3 belong to a log source; all that is given must hold.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "S3Source")]
pub struct S3SourceSpec {
    /// A bucket of your own. Without it, the ingestion bucket.
    pub bucket_name: Option<String>,
    /// What keys begin with.
    #[schemars(example = &"AWSLogs/")]
    pub key_prefix: Option<String>,
    /// A regular expression that is found somewhere in keys.
    pub key_pattern: Option<String>,
    /// The role to read the bucket with.
    #[schemars(example = &"arn:aws:iam::123456789012:role/logs-reader")]
    pub access_role_arn: Option<String>,
    /// Whether each record is an envelope of a CloudWatch Logs subscription, whose `logEvents` are the records.
    #[schemars(extend("default" = false))]
    pub is_from_cloudwatch_log_subscription: Option<bool>,
}
