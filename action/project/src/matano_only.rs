//! Keys of the original's format that have no effect here, and what to do instead.

use crate::spec::FileKind;

/// A key of the original: its file, its JSON pointer, and what to do.
struct Dead {
    kind: FileKind,
    pointer: &'static str,
    advice: &'static str,
}

const fn dead(kind: FileKind, pointer: &'static str, advice: &'static str) -> Dead {
    Dead { kind, pointer, advice }
}

const SQS: &str = "queues are not read: deliver objects to a bucket and name it in `ingest.s3_source`";
const COMPRESSION: &str = "remove it: compression is recognized by itself";

const DEAD: &[Dead] = &[
    dead(
        FileKind::Config,
        "/is_production",
        "remove it: data is kept unless it is deleted with `matano destroy --delete-data`",
    ),
    dead(FileKind::Config, "/vpc", "remove it: nothing runs in a network of yours"),
    dead(FileKind::Config, "/integrations", "write a file `integrations/destinations/<name>.yml` for each destination"),
    dead(FileKind::LogSource, "/ingest/sqs_source", SQS),
    dead(FileKind::LogSource, "/ingest/compression", COMPRESSION),
    dead(
        FileKind::LogSource,
        "/ingest/s3_source/update",
        "remove it: what is subscribed is compared with what should be on every deploy",
    ),
    dead(FileKind::Table, "/ingest/sqs_source", SQS),
    dead(FileKind::Table, "/ingest/compression", COMPRESSION),
    dead(FileKind::Destination, "/properties/client_id", "remove it: no client id is needed"),
];

/// Keys that only mean something in the log source's file.
const OF_THE_SOURCE: &[&str] = &[
    "/managed",
    "/tests",
    "/ingest/s3_source",
    "/ingest/select_table_from_payload",
    "/ingest/select_table_from_payload_metadata",
    "/ingest/max_record_size",
];

/// What to do about a key that the original knew and that has no effect; `None` for keys that it did not know either.
pub fn advice(kind: FileKind, pointer: &str) -> Option<&'static str> {
    if kind == FileKind::Detection && pointer.starts_with("/reports/") {
        return Some("remove it, or put the ids into `tags`, which alerts carry");
    }
    DEAD.iter().find(|dead| dead.kind == kind && dead.pointer == pointer).map(|dead| dead.advice)
}

/// Whether a key of a table's file belongs into that of its log source.
pub fn belongs_to_source(kind: FileKind, pointer: &str) -> bool {
    kind == FileKind::Table && OF_THE_SOURCE.contains(&pointer)
}
