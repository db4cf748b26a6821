//! `sql-query`: a scheduled detection's query. Planning it takes a query engine, so the caller of [`crate::check`] finds
//! what breaks this rule and hands it in.

use project::Level;

use crate::rule::{Rule, Standing};

/// The rule; `operator` makes its diagnostics.
pub const RULE: Rule = Rule {
    id: "sql-query",
    level: Level::Error,
    standing: Standing::Required,
    summary: "a scheduled detection's query can be planned over the columns of its tables, and uses its window",
    why: "A query that fails is a detection that never fires. It is planned by the engine that will run it, over the \
          columns that the tables will have. It must use `:start` and `:end`: a query that does not would see the rows of \
          other windows again, or miss its own. Only a query is allowed: nothing that writes or changes settings.",
    bad: "query: |\n  SELECT source.ip, count(*) AS n FROM aws_cloudtrial GROUP BY 1\n",
    good: "query: |\n  SELECT source.ip, count(*) AS n FROM aws_cloudtrail\n  WHERE ts >= :start AND ts < :end\n  GROUP BY 1\n",
    check: None,
};
