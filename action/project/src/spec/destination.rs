//! integrations/destinations/<name>.yml

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// Where alerts go. Secrets are not written here: they are looked up by the destination's name.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "integrations/destinations/<name>.yml")]
pub struct DestinationSpec {
    /// The destination's name, which detections name in `alert.destinations`.
    #[schemars(required, example = &"secops_slack")]
    pub name: Option<String>,
    /// What is spoken there: `slack`, `webhook`, `stdout` or `ses`.
    #[serde(rename = "type")]
    #[schemars(required, schema_with = "kind")]
    pub kind: Option<String>,
    /// What that type needs to know.
    pub properties: Option<PropertiesSpec>,
}

/// The types there are. They may be written in any case.
pub const TYPES: [&str; 4] = ["slack", "webhook", "stdout", "ses"];

fn kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "enum": TYPES }, { "type": "string" }] })
}

/// What a destination needs to know, depending on its type.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Properties")]
pub struct PropertiesSpec {
    /// `slack`: id or name of the channel. Needed with a bot token.
    #[schemars(example = &"#secops")]
    pub channel: Option<String>,
    /// `webhook`: where to send. Without it, the secret `url`.
    #[schemars(example = &"https://soar.example.org/hooks/matano")]
    pub url: Option<String>,
    /// `ses`: the verified sender.
    #[schemars(example = &"matano@example.org")]
    pub from: Option<String>,
    /// `ses`: the readers.
    pub to: Option<Vec<String>>,
}
