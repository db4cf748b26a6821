//! The columns that matano adds to every table, and the tables of its own.

use crate::{
    ecs::ecs,
    schema::{Field, FieldType, TableSchema},
};

/// Columns of every log table, `ts` first.
pub fn row_columns() -> TableSchema {
    let strings = || FieldType::List(Box::new(FieldType::String));
    let error = ["column", "error", "value"].map(|name| Field { name: name.to_owned(), kind: FieldType::String });
    build([
        ("ts", FieldType::Timestamp),
        ("labels", FieldType::String),
        ("tags", strings()),
        ("message", FieldType::String),
        ("ecs.version", FieldType::String),
        ("event.original", FieldType::String),
        ("related.ip", strings()),
        ("related.hash", strings()),
        ("related.user", strings()),
        ("related.hosts", strings()),
        ("matano.record_id", FieldType::String),
        ("matano.source_object", FieldType::String),
        ("matano.release", FieldType::String),
        ("matano.ingested_at", FieldType::Timestamp),
        ("matano.errors", FieldType::List(Box::new(FieldType::Struct(error.into())))),
    ])
}

/// `matano_rejects`: records that became no row. `raw` is base64 where `raw_encoding` says so, else text.
pub fn rejects() -> TableSchema {
    build([
        ("ts", FieldType::Timestamp),
        ("record_id", FieldType::String),
        ("log_source", FieldType::String),
        ("table", FieldType::String),
        ("object.bucket", FieldType::String),
        ("object.key", FieldType::String),
        ("object.version", FieldType::String),
        ("object.size", FieldType::Long),
        ("position", FieldType::Long),
        ("rule", FieldType::String),
        ("error", FieldType::String),
        ("raw", FieldType::String),
        ("raw_encoding", FieldType::String),
        ("release", FieldType::String),
    ])
}

/// `matano_alerts`: one row a rule match, with every group of ECS and the alert it belongs to. `first_matched_at`,
/// `created` (null before the threshold is reached) and `activated` say how the alert stood when the match was folded in.
pub fn alerts() -> TableSchema {
    let strings = || FieldType::List(Box::new(FieldType::String));
    let mut schema = build([("ts", FieldType::Timestamp)]);
    let mut groups: Vec<String> = Vec::new();
    for field in ecs().fields() {
        let root = field.path.split('.').next().unwrap_or(field.path);
        if !groups.iter().any(|group| group == root) {
            groups.push(root.to_owned());
        }
    }
    let (unknown, conflicts) = ecs().select(&groups, &mut schema);
    debug_assert!(unknown.is_empty() && conflicts.is_empty());
    let own = build([
        ("matano.table", FieldType::String),
        ("matano.record_id", FieldType::String),
        ("matano.release", FieldType::String),
        ("matano.alert.id", FieldType::String),
        ("matano.alert.dedupe", FieldType::String),
        ("matano.alert.title", FieldType::String),
        ("matano.alert.severity", FieldType::String),
        ("matano.alert.description", FieldType::String),
        ("matano.alert.runbook", FieldType::String),
        ("matano.alert.reference", FieldType::String),
        ("matano.alert.references", strings()),
        ("matano.alert.false_positives", strings()),
        ("matano.alert.context", FieldType::String),
        ("matano.alert.original_event", FieldType::String),
        ("matano.alert.original_event_id", FieldType::String),
        ("matano.alert.original_timestamp", FieldType::Timestamp),
        ("matano.alert.window_start", FieldType::Timestamp),
        ("matano.alert.first_matched_at", FieldType::Timestamp),
        ("matano.alert.created", FieldType::Timestamp),
        ("matano.alert.activated", FieldType::Boolean),
        ("matano.alert.destinations", strings()),
        ("matano.alert.rule.name", FieldType::String),
        ("matano.alert.rule.severity", FieldType::String),
        ("matano.alert.rule.threshold", FieldType::Int),
        ("matano.alert.rule.deduplication_window", FieldType::Int),
        ("matano.alert.rule.match.id", FieldType::String),
        ("matano.alert.rule.destinations", strings()),
    ]);
    schema.union(&own).expect("ECS has no group `matano`")
}

fn build<const N: usize>(columns: [(&str, FieldType); N]) -> TableSchema {
    let mut schema = TableSchema::default();
    for (path, kind) in columns {
        schema.insert(path, kind).expect("each column is listed once");
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ts_comes_first_everywhere() {
        for schema in [row_columns(), rejects(), alerts()] {
            assert_eq!(schema.fields[0].name, "ts");
        }
    }

    #[test]
    fn row_columns_agree_with_ecs() {
        let mut schema = row_columns();
        let names = ["event", "related", "ecs", "message", "tags"].map(str::to_owned);
        let (unknown, conflicts) = ecs().select(&names, &mut schema);
        assert_eq!((unknown, conflicts), (vec![], vec![]));
    }

    #[test]
    fn alerts_keep_the_groups_that_the_original_dropped() {
        let schema = alerts();
        for path in
            ["process.pid", "dll.name", "dns.question.name", "tls.version", "registry.key", "threat.technique.id"]
        {
            assert!(schema.get(path).is_some(), "{path}");
        }
        assert!(schema.get("matano.alert.false_positives").is_some());
    }
}
