//! enrichment/<dir>/enrichment.yml

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    log_source::ManagedSpec,
    table::{FieldSpec, ecs_names},
};

/// A table to look values up in. In the lake it is called `enrich_<name>`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "enrichment.yml")]
pub struct EnrichmentSpec {
    /// The table's name, without `enrich_`.
    #[schemars(required, example = &"tor_exits")]
    pub name: Option<String>,
    /// Where rows come from.
    #[schemars(extend("default" = "static"))]
    pub enrichment_type: Option<EnrichmentType>,
    /// What new data does to old. Only for dynamic tables.
    #[schemars(extend("default" = "overwrite"))]
    pub write_mode: Option<WriteModeSpec>,
    /// Columns by which a row can be looked up, dotted.
    #[schemars(extend("examples" = [["source.ip"]]))]
    pub lookup_keys: Option<Vec<String>>,
    /// The columns.
    pub schema: Option<EnrichmentSchemaSpec>,
    /// VRL: turns one uploaded record into one row.
    pub transform: Option<String>,
    /// Builds on an enrichment table that comes with matano.
    pub managed: Option<ManagedSpec>,
}

/// Where the rows of an enrichment table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnrichmentType {
    /// From data.json next to this file: one JSON object a line.
    Static,
    /// From uploads.
    Dynamic,
}

/// What new data does to old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "WriteMode")]
pub enum WriteModeSpec {
    /// Replaces everything.
    Overwrite,
    /// Adds rows.
    Append,
    /// Replaces rows with the same primary key, and adds the others.
    Merge,
}

/// The columns of an enrichment table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EnrichmentSchema")]
pub struct EnrichmentSchemaSpec {
    /// Fields of the Elastic Common Schema, single ones or whole groups.
    #[serde(default)]
    #[schemars(schema_with = "ecs_names")]
    pub ecs_field_names: Option<Vec<String>>,
    /// Columns of your own, in the types of Iceberg.
    pub fields: Option<Vec<FieldSpec>>,
    /// The column that `write_mode: merge` compares: one, or several.
    #[serde(default)]
    #[schemars(schema_with = "primary_key")]
    pub primary_key: Option<PrimaryKey>,
}

/// One column or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PrimaryKey {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

fn primary_key(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "array"], "items": { "type": "string" }, "minItems": 1 })
}
