//! Whatever the files hold, loading ends, tells something sensible, and never panics.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use project::{FileSet, load, lower};
use proptest::prelude::*;

const PATHS: &[&str] = &[
    "matano.config.yml",
    "log_sources/a/log_source.yml",
    "log_sources/a/tables/default.yml",
    "log_sources/b/log_source.yml",
    "detections/a/detection.yml",
    "detections/a/detect.py",
    "detections/b/detection.yml",
    "enrichment/a/enrichment.yml",
    "enrichment/a/data.json",
    "integrations/destinations/a.yml",
];

/// Keys of the format with values that fit, and those that do not.
fn yaml() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "name",
        "tables",
        "schema",
        "fields",
        "ecs_field_names",
        "type",
        "element",
        "transform",
        "ingest",
        "s3_source",
        "key_prefix",
        "key_pattern",
        "alert",
        "severity",
        "destinations",
        "threshold",
        "deduplication_window",
        "tests",
        "event",
        "rows",
        "raw",
        "raw_file",
        "window",
        "start",
        "end",
        "expect",
        "schedule",
        "query",
        "managed",
        "lookup_keys",
        "primary_key",
        "write_mode",
        "enrichment_type",
        "properties",
        "storage",
        "partition",
        "aws",
        "account",
        "region",
        "table",
        "reports",
        "is_production",
        "target",
        "max_record_size",
        "lateness",
        "url",
    ]);
    let scalar = prop_oneof![
        prop::sample::select(vec![
            "a",
            "default",
            "aws_cloudtrail",
            "source.ip",
            "string",
            "struct",
            "list",
            "slack",
            "webhook",
            "high",
            "5",
            "-1",
            "1e99",
            "off",
            "true",
            "~",
            "''",
            "rate(1 hour)",
            "cron(0 0 31 2 *)",
            "cron(0 0 * * 9#9 *)",
            "16 MB",
            "static",
            "merge",
            "2026-01-01T00:00:00Z",
            "../../x",
            "ä\u{1F980}",
            "(",
            "s3://x",
            "https://",
            "a.b.c",
            "user",
            "ts",
            "matano",
            "embedded",
            "aws",
            "'18446744073709551616 days'",
            "none",
            "\"\\u00e9\"",
        ])
        .prop_map(str::to_owned),
        "[a-z ]{0,8}",
    ];
    let value = scalar.prop_recursive(4, 24, 6, move |inner| {
        let key = key.clone();
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(key, inner, 0..5).prop_map(|entries| {
                let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    });
    value.prop_filter("a document is a mapping here", |value| value.starts_with('{'))
}

fn check(files: &FileSet) {
    let (project, diagnostics) = load(files);
    for one in &diagnostics {
        assert!(!one.message.is_empty());
        if let (Some(span), Some(bytes)) = (one.span, files.get(&one.file)) {
            assert!(span.start.offset <= span.end.offset, "{one:?}");
            assert!(span.end.offset <= bytes.len() || std::str::from_utf8(bytes).is_err(), "{one:?}");
            assert!(span.start.line >= 1 && span.start.column >= 1, "{one:?}");
        }
    }
    let bundle = lower(&project, &Default::default());
    assert_eq!(lower(&load(files).0, &Default::default()).release.id(), bundle.release.id());
}

proptest! {
    #[test]
    fn any_bytes(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), PATHS.len())) {
        check(&PATHS.iter().copied().zip(contents).collect());
    }

    #[test]
    fn any_values_under_our_keys(contents in prop::collection::vec(yaml(), PATHS.len())) {
        check(&PATHS.iter().copied().zip(contents).collect());
    }

    #[test]
    fn any_paths(paths in prop::collection::vec("(log_sources|detections|enrichment|integrations|/|\\.\\.|[a-z.]{0,6})(/(tables|destinations|detection.yml|log_source.yml|[a-z.]{0,6})){0,3}", 0..8)) {
        check(&paths.into_iter().map(|path| (path, "name: a\n")).collect());
    }
}
