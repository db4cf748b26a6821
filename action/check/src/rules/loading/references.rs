//! What points at something else.

use project::rules;

use crate::rule::{Page, Rule};

pub(crate) const UNKNOWN_TABLE: Rule = Rule::loading(
    rules::UNKNOWN_TABLE,
    Page {
        why: "A detection on a table that does not exist never sees a row. The name is that of the log source, followed \
              by `_` and the table where the source has several.",
        bad: "tables:\n  - aws_cloudtrial\n",
        good: "tables:\n  - aws_cloudtrail\n",
    },
);

pub(crate) const UNKNOWN_DESTINATION: Rule = Rule::loading(
    rules::UNKNOWN_DESTINATION,
    Page {
        why: "An alert for a destination that does not exist reaches nobody. Destinations stand in \
              `integrations/destinations/*.yml`.",
        bad: "alert:\n  severity: high\n  destinations: [secops_slak]\n",
        good: "alert:\n  severity: high\n  destinations: [secops_slack]\n",
    },
);

pub(crate) const UNKNOWN_ECS_FIELD: Rule = Rule::loading(
    rules::UNKNOWN_ECS_FIELD,
    Page {
        why: "`ecs_field_names` selects fields and groups of the Elastic Common Schema. A column that ECS does not have \
              belongs into `schema.fields`.",
        bad: "schema:\n  ecs_field_names: [event.outcom]\n",
        good: "schema:\n  ecs_field_names: [event.outcome]\n",
    },
);

pub(crate) const SCHEMA_CONFLICT: Rule = Rule::loading(
    rules::SCHEMA_CONFLICT,
    Page {
        why: "The columns of a table are those of the log source, of the table and of matano together. One column \
              cannot have two types.",
        bad: "# log_source.yml\nschema:\n  fields:\n    - {name: status, type: long}\n# tables/access.yml\nschema:\n  fields:\n    - {name: status, type: string}\n",
        good: "# log_source.yml\nschema:\n  fields:\n    - {name: status, type: long}\n",
    },
);

pub(crate) const ECS_CONFLICT: Rule = Rule::loading(
    rules::ECS_CONFLICT,
    Page {
        why: "A column that ECS defines means the same in every table, so that a detection works on all of them. Select \
              it with `ecs_field_names` instead, or take a name of your own.",
        bad: "schema:\n  fields:\n    - name: source\n      type: {type: struct, fields: [{name: port, type: string}]}\n",
        good: "schema:\n  ecs_field_names: [source.port]\n",
    },
);

pub(crate) const OVERLAPPING_SOURCES: Rule = Rule::loading(
    rules::OVERLAPPING_SOURCES,
    Page {
        why: "An object that two log sources claim would be read by whichever comes first. Give them prefixes of which \
              none begins with another, or patterns that exclude each other.",
        bad: "# log_sources/a\ningest: {s3_source: {key_prefix: logs/}}\n# log_sources/b\ningest: {s3_source: {key_prefix: logs/b/}}\n",
        good: "# log_sources/a\ningest: {s3_source: {key_prefix: logs/a/}}\n# log_sources/b\ningest: {s3_source: {key_prefix: logs/b/}}\n",
    },
);
