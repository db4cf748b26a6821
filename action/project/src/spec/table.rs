//! log_sources/<dir>/tables/<table>.yml, and the keys that a log source and its tables share.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::quantity::SizeSpec;
use model::schema::{FieldType, PRIMITIVES};

/// One table of a log source. What stands here wins over log_source.yml.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "tables/<table>.yml")]
pub struct TableSpec {
    /// The table's name: `default` is called like its log source in the lake, any other `<log source>_<name>`.
    #[schemars(example = &"default")]
    pub name: Option<String>,
    /// The columns.
    pub schema: Option<SchemaSpec>,
    /// VRL: turns one record into one row. Runs after the transform of log_source.yml.
    pub transform: Option<String>,
    /// How objects become records.
    pub ingest: Option<TableIngestSpec>,
    /// How rows lie in the lake.
    pub storage: Option<StorageSpec>,
    /// Words for people. Not used.
    pub meta: Option<Value>,
}

/// How objects become records of one table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TableIngest")]
pub struct TableIngestSpec {
    /// VRL: turns a whole object, given as text in `.__raw`, into a list of records.
    pub expand_records_from_payload: Option<String>,
    /// Names of the columns of CSV files without a header line.
    pub csv_headers: Option<Vec<String>>,
}

/// The columns of a table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Schema")]
pub struct SchemaSpec {
    /// Fields of the Elastic Common Schema, single ones (`source.ip`) or whole groups (`source.geo`).
    #[serde(default)]
    #[schemars(schema_with = "ecs_names")]
    pub ecs_field_names: Option<Vec<String>>,
    /// Columns of your own, in the types of Iceberg.
    pub fields: Option<Vec<FieldSpec>>,
}

/// One column, or one member of a struct.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Field")]
pub struct FieldSpec {
    /// A single name: letters, digits and `_`. Dots are written as structs.
    pub name: String,
    /// A primitive type, `{type: struct, fields: […]}` or `{type: list, element: …}`.
    #[serde(rename = "type")]
    #[schemars(schema_with = "field_type")]
    pub kind: FieldType,
    /// Not used: field ids are given by the lake.
    pub id: Option<Value>,
    /// Not used: every column may be null.
    pub required: Option<bool>,
    /// Words for people. Not used.
    pub doc: Option<String>,
}

/// How rows lie in the lake.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Storage")]
pub struct StorageSpec {
    /// Partitions by the time of the event, `ts`.
    #[schemars(extend("default" = "hour"))]
    pub partition: Option<PartitionSpec>,
    /// Whether `event.original` keeps the raw record.
    #[schemars(extend("default" = true))]
    pub keep_original: Option<bool>,
    /// Small files are merged up to this size before they are committed.
    #[schemars(extend("default" = "128 MB"))]
    pub target_file_size: Option<SizeSpec>,
}

/// Partitions by the time of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Partition")]
pub enum PartitionSpec {
    /// One an hour.
    Hour,
    /// One a day: for tables with few rows.
    Day,
    /// One a month: for tables with very few rows.
    Month,
    /// None.
    None,
}

/// Names of ECS as completions; anything else is caught with a better message than a schema has.
pub(super) fn ecs_names(_: &mut SchemaGenerator) -> Schema {
    let fields = model::ecs::ecs().fields();
    let mut names: Vec<&str> = Vec::new();
    for field in fields {
        for (at, _) in field.path.match_indices('.') {
            names.push(&field.path[..at]);
        }
        // deep fields double the size of the schema, and are mostly chosen as groups
        if field.path.matches('.').count() < 3 && field.path != "@timestamp" {
            names.push(field.path);
        }
    }
    names.sort_unstable();
    names.dedup();
    json_schema!({
        "type": "array",
        "items": { "anyOf": [{ "enum": names }, { "type": "string" }] }
    })
}

/// The types of columns, as a schema that refers to itself for structs and lists.
fn field_type(generator: &mut SchemaGenerator) -> Schema {
    let field = generator.subschema_for::<FieldSpec>();
    let definitions = generator.definitions_mut();
    definitions.insert(
        "FieldType".to_owned(),
        json!({
            "description": "A primitive type, a struct or a list.",
            "anyOf": [
                { "enum": PRIMITIVES },
                {
                    "type": "object",
                    "properties": {
                        "type": { "enum": ["struct", "list"] },
                        "fields": { "type": "array", "items": field, "minItems": 1 },
                        "element": { "$ref": "#/definitions/FieldType" },
                        "element-id": true,
                        "element-required": true
                    },
                    "required": ["type"],
                    "additionalProperties": false,
                    "if": { "properties": { "type": { "const": "struct" } } },
                    "then": { "required": ["fields"] },
                    "else": { "required": ["element"] }
                }
            ]
        }),
    );
    json_schema!({ "$ref": "#/definitions/FieldType" })
}
