//! Comments that silence nothing.

use crate::rule::{Rule, Standing};

/// A comment that silences a rule is needed.
pub const RULE: Rule = Rule {
    id: "unused-suppression",
    level: project::Level::Warning,
    standing: Standing::Adjustable,
    summary: "a comment that silences a rule silences something",
    why: "A `# matano: ignore[...]` that outlived its reason would one day hide a mistake that nobody means to hide. It \
          stands on the line of what it silences, or alone on the line above.",
    bad: "name: root_login # matano: ignore[untested-detection]\ntables: [aws_cloudtrail]\ntests:\n  - name: root signs in\n    event: {user.name: root}\n",
    good: "name: root_login\ntables: [aws_cloudtrail]\ntests:\n  - name: root signs in\n    event: {user.name: root}\n",
    check: None,
};
