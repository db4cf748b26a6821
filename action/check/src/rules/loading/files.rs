//! What lies where, and whether it can be read.

use project::rules;

use crate::rule::{Page, Rule};

pub(crate) const YAML_SYNTAX: Rule = Rule::loading(
    rules::YAML_SYNTAX,
    Page {
        why: "The file cannot be read at all, so nothing else in it was checked. The place is where the parser gave up; \
              the mistake is there or just before. Values that hold `: ` or begin with a special character need quotes.",
        bad: "name: root_login\ndescription: root: signed in\n",
        good: "name: root_login\ndescription: 'root: signed in'\n",
    },
);

pub(crate) const DUPLICATE_KEY: Rule = Rule::loading(
    rules::DUPLICATE_KEY,
    Page {
        why: "One of the two values is lost without a word, and which one depends on the parser. Keep one.",
        bad: "alert:\n  severity: high\n  severity: low\n",
        good: "alert:\n  severity: high\n",
    },
);

pub(crate) const UNSUPPORTED_YAML: Rule = Rule::loading(
    rules::UNSUPPORTED_YAML,
    Page {
        why: "Files are plain YAML 1.2. Several documents in a file, keys that are lists or mappings, and tags such as \
              `!Ref` have no meaning here and would be dropped silently by some readers.",
        bad: "name: !Ref SourceName\n",
        good: "name: my_source\n",
    },
);

pub(crate) const YAML_LIMIT: Rule = Rule::loading(
    rules::YAML_LIMIT,
    Page {
        why: "A pull request may come from anyone, and a few lines of aliases can unfold to gigabytes. Files that are \
              larger, deeper or more aliased than any real project needs are refused. Move data into an enrichment \
              table's data file.",
        bad: "a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b]  # and so on\n",
        good: "a: [x]\n",
    },
);

pub(crate) const MISSING_CONFIG: Rule = Rule::loading(
    rules::MISSING_CONFIG,
    Page {
        why: "The file `matano.config.yml` marks the root of a project and says where it is deployed. Is this the right \
              directory?",
        bad: "# no matano.config.yml\n",
        good: "# matano.config.yml\ntarget: embedded\n",
    },
);

pub(crate) const MISSING_FILE: Rule = Rule::loading(
    rules::MISSING_FILE,
    Page {
        why: "Something needs a file that is not there: the `detect.py` of a streaming detection, the `log_source.yml` \
              of a directory in `log_sources`, a `raw_file` of a test, the data of a static enrichment table. Paths are \
              relative to the file that names them.",
        bad: "# detections/root_login/detection.yml without a detect.py beside it\nname: root_login\ntables: [aws_cloudtrail]\n",
        good: "# detections/root_login/detect.py\ndef detect(r):\n    return r.deepget(\"user.name\") == \"root\"\n",
    },
);

pub(crate) const MISPLACED_FILE: Rule = Rule::loading(
    rules::MISPLACED_FILE,
    Page {
        why: "The file looks like it was meant for matano, but lies where matano does not look, so it has no effect. \
              Directories are `log_sources`, `detections`, `enrichment` and `integrations/destinations`.",
        bad: "# detections/detection.yml, not in a directory of its own\n",
        good: "# detections/root_login/detection.yml\n",
    },
);

pub(crate) const PATH_OUTSIDE_PROJECT: Rule = Rule::loading(
    rules::PATH_OUTSIDE_PROJECT,
    Page {
        why: "A path in a project names a file of the project. One that leads out of it would read whatever lies there \
              on the machine that checks the pull request.",
        bad: "tests:\n  - name: a login\n    raw_file: ../../../etc/passwd\n",
        good: "tests:\n  - name: a login\n    raw_file: fixtures/login.json\n",
    },
);
