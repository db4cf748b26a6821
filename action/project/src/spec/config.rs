//! matano.config.yml

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The project's settings: where its releases run.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "matano.config.yml")]
pub struct ConfigSpec {
    /// Where releases run: `embedded` is one process and one directory, `aws` is your AWS account.
    #[schemars(extend("default" = "embedded"))]
    pub target: Option<TargetSpec>,
    /// Settings of the target `embedded`.
    pub embedded: Option<EmbeddedSpec>,
    /// Settings of the target `aws`.
    pub aws: Option<AwsSpec>,
    /// How much `matano check` makes of its rules in this project.
    pub check: Option<CheckSpec>,
    /// Tells deployments in one account apart: 5 to 15 lower-case letters, digits and `-`, without the word `matano`.
    #[schemars(example = &"my-org-123")]
    pub project_label: Option<String>,
    /// Older form of `aws.account`.
    #[deprecated]
    #[serde(default)]
    #[schemars(schema_with = "account")]
    pub aws_account: Option<Value>,
    /// Older form of `aws.region`.
    #[deprecated]
    pub aws_region: Option<String>,
    /// Older form of `aws.tags`.
    #[deprecated]
    pub aws_tags: Option<BTreeMap<String, String>>,
}

/// Where releases run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TargetSpec {
    /// One process and one directory, on a laptop or a server.
    Embedded,
    /// Lambda functions, S3 and Glue in your AWS account.
    Aws,
}

/// Settings of the target `embedded`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedSpec {
    /// Where state is kept, relative to the project.
    #[schemars(extend("default" = ".matano"))]
    pub directory: Option<String>,
    /// Where the lake's files lie: a directory, relative to the project, or an `s3://` address. Without it, `lake` below
    /// `directory`.
    #[schemars(example = &"s3://my-lake/warehouse")]
    pub warehouse: Option<String>,
}

/// Settings of the target `aws`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsSpec {
    /// The AWS account, 12 digits. Write it in quotes, so that leading zeros stay.
    #[serde(default)]
    #[schemars(schema_with = "account")]
    pub account: Option<Value>,
    /// The AWS region.
    #[schemars(example = &"eu-central-1")]
    pub region: Option<String>,
    /// Tags for every resource that can have tags.
    pub tags: Option<BTreeMap<String, String>>,
    /// Whether buckets get an S3 public access block. Switch it off only where an organization does it for you.
    #[schemars(extend("default" = true))]
    pub set_block_public_access: Option<bool>,
}

/// How much `matano check` makes of its rules in this project.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckSpec {
    /// The level of a rule, by its id. Rules without which nothing can be released cannot be changed.
    #[schemars(extend("examples" = [{"untested-detection": "error"}]))]
    pub rules: Option<BTreeMap<String, RuleLevelSpec>>,
}

/// How much breaking a rule matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "RuleLevel")]
pub enum RuleLevelSpec {
    /// Not at all: it is not told.
    Off,
    /// Worth knowing.
    Note,
    /// Probably not as meant.
    Warning,
    /// The project cannot be released like this.
    Error,
}

fn account(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "integer"], "examples": ["123456789012"] })
}
