//! What things may be called.

use project::rules;

use crate::rule::{Page, Rule};

pub(crate) const INVALID_NAME: Rule = Rule::loading(
    rules::INVALID_NAME,
    Page {
        why: "Names of log sources, tables, columns and enrichment tables become names in SQL, in Python and of files. \
              Lower-case letters, digits and `_` need quoting in none of them.",
        bad: "name: Web-Access\n",
        good: "name: web_access\n",
    },
);

pub(crate) const RESERVED_NAME: Rule = Rule::loading(
    rules::RESERVED_NAME,
    Page {
        why: "Tables whose names begin with `matano` or `enrich_` are written by matano itself.",
        bad: "name: matano_alerts\n",
        good: "name: team_alerts\n",
    },
);

pub(crate) const DUPLICATE_NAME: Rule = Rule::loading(
    rules::DUPLICATE_NAME,
    Page {
        why: "Two things with one name cannot be told apart: rows of both tables would land in one, alerts of both \
              detections would be folded together. The table `access` of the source `web` and a source `web_access` \
              share a name too.",
        bad: "# detections/a/detection.yml\nname: root_login\n# detections/b/detection.yml\nname: root_login\n",
        good: "# detections/a/detection.yml\nname: root_login\n# detections/b/detection.yml\nname: root_key_created\n",
    },
);

pub(crate) const UNKNOWN_MANAGED_TYPE: Rule = Rule::loading(
    rules::UNKNOWN_MANAGED_TYPE,
    Page {
        why: "`managed.type` names a log source that comes with matano. Any other source is a custom one: leave \
              `managed` out and write `schema` and `transform`.",
        bad: "name: aws_cloudtrial\nmanaged:\n  type: aws_cloudtrial\n",
        good: "name: aws_cloudtrail\nmanaged:\n  type: aws_cloudtrail\n",
    },
);

pub(crate) const MANAGED_SOURCE_MISSING: Rule = Rule::loading(
    rules::MANAGED_SOURCE_MISSING,
    Page {
        why: "The original Matano had this managed source and this version has not yet. Until then write it as a custom \
              source: leave `managed` out and give `schema` and `transform`.",
        bad: "name: zeek\nmanaged:\n  type: zeek\n",
        good: "name: zeek\nschema:\n  ecs_field_names: [source, destination]\ntransform: |\n  .source.ip = del(.json.\"id.orig_h\")\n",
    },
);

pub(crate) const MANAGED_NAME_PREFIX: Rule = Rule::loading(
    rules::MANAGED_NAME_PREFIX,
    Page {
        why: "The names of tables of a managed source are the same everywhere, so that detections can be shared. The \
              name of the source therefore begins with its type; a second one of a kind takes a suffix.",
        bad: "name: trail\nmanaged:\n  type: aws_cloudtrail\n",
        good: "name: aws_cloudtrail_prod\nmanaged:\n  type: aws_cloudtrail\n",
    },
);

pub(crate) const UNKNOWN_MANAGED_TABLE: Rule = Rule::loading(
    rules::UNKNOWN_MANAGED_TABLE,
    Page {
        why: "A file in `tables/` of a managed source switches one of its tables on, by the path of the file. There is \
              no such table.",
        bad: "# log_sources/aws_cloudtrail/tables/digests.yml\n",
        good: "# log_sources/aws_cloudtrail/tables/digest.yml\n",
    },
);
