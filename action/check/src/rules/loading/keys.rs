//! What may stand in a file.

use project::rules;

use crate::rule::{Page, Rule};

pub(crate) const UNKNOWN_KEY: Rule = Rule::loading(
    rules::UNKNOWN_KEY,
    Page {
        why: "A key that nothing reads is nearly always a typo, and the setting it was meant to be keeps its default: \
              `treshold: 5` alerts on every match.",
        bad: "alert:\n  treshold: 5\n",
        good: "alert:\n  threshold: 5\n",
    },
);

pub(crate) const MATANO_ONLY_KEY: Rule = Rule::loading(
    rules::MATANO_ONLY_KEY,
    Page {
        why: "The key is one of the original Matano that no longer does anything. It is accepted so that a project can \
              be moved over unchanged; remove it when convenient.",
        bad: "vpc:\n  id: vpc-123\n",
        good: "# the key removed\n",
    },
);

pub(crate) const MISPLACED_KEY: Rule = Rule::loading(
    rules::MISPLACED_KEY,
    Page {
        why: "The key exists, but not in this kind of file: what selects objects belongs into log_source.yml, not into \
              a table's file. Move it.",
        bad: "# log_sources/web/tables/access.yml\nname: access\ningest:\n  s3_source:\n    key_prefix: web/\n",
        good: "# log_sources/web/log_source.yml\nname: web\ningest:\n  s3_source:\n    key_prefix: web/\n",
    },
);

pub(crate) const MISSING_KEY: Rule = Rule::loading(
    rules::MISSING_KEY,
    Page {
        why: "Without this key the file says nothing useful: a detection without `name` or `tables` never runs.",
        bad: "# detection.yml\nname: root_login\n",
        good: "# detection.yml\nname: root_login\ntables: [aws_cloudtrail]\n",
    },
);

pub(crate) const INVALID_VALUE: Rule = Rule::loading(
    rules::INVALID_VALUE,
    Page {
        why: "The value is not of the type, the range or the words that the key takes. Severities are info, notice, \
              low, medium, high and critical; a threshold is at least 1.",
        bad: "alert:\n  severity: urgent\n  threshold: 0\n",
        good: "alert:\n  severity: critical\n  threshold: 1\n",
    },
);

pub(crate) const INVALID_SCHEDULE: Rule = Rule::loading(
    rules::INVALID_SCHEDULE,
    Page {
        why: "A schedule is `rate(1 hour)`, `cron(0 * * * *)` or five plain cron fields, in UTC; the six fields of AWS \
              are read too. One that cannot be understood or never comes due would be a detection that never runs.",
        bad: "schedule: every hour\n",
        good: "schedule: rate(1 hour)\n",
    },
);

pub(crate) const INVALID_DATA: Rule = Rule::loading(
    rules::INVALID_DATA,
    Page {
        why: "The data of a static enrichment table is one JSON object a line, each with the table's lookup keys. A \
              line that is not would be missing from every lookup.",
        bad: "{\"ip\": \"192.0.2.1\"}\nip: 192.0.2.2\n",
        good: "{\"ip\": \"192.0.2.1\"}\n{\"ip\": \"192.0.2.2\"}\n",
    },
);

pub(crate) const DESTINATION_ON_INFO: Rule = Rule::loading(
    rules::DESTINATION_ON_INFO,
    Page {
        why: "Alerts of severity `info` are kept and sent nowhere. A detection that names destinations and has that \
              severity looks as if it told someone, and does not.",
        bad: "alert:\n  severity: info\n  destinations: [ops]\n",
        good: "alert:\n  severity: notice\n  destinations: [ops]\n",
    },
);
