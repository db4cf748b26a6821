//! Raw objects and the records in them: what a row, a reject or a ledger entry points back to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    name::{LogSourceName, TableName},
    release::ReleaseId,
    time::Timestamp,
};

/// One version of one raw object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceObject {
    /// The S3 bucket; on the embedded target `file` for local files and `stdin` for standard input.
    pub bucket: String,
    /// The decoded key, or the absolute path of a local file.
    pub key: String,
    /// Version id or ETag; a digest of the content for local files.
    pub version: String,
    /// Bytes as stored.
    pub size: u64,
}

impl SourceObject {
    /// The same for the same bucket, key and version.
    pub fn id(&self) -> ObjectId {
        ObjectId(Digest::of_parts([self.bucket.as_bytes(), self.key.as_bytes(), self.version.as_bytes()]))
    }

    /// `s3://bucket/key`, or the path of a local file: what rows carry as `matano.source_object`.
    pub fn uri(&self) -> String {
        match self.bucket.as_str() {
            "file" | "stdin" => self.key.clone(),
            bucket => format!("s3://{bucket}/{}", self.key),
        }
    }
}

/// Digest of bucket, key and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(pub Digest);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where in its object a record stands: its ordinal, counted from zero after decompression and expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// 128 bits of the digest of source object and position, as 32 hex digits. Stored as `matano.record_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub [u8; 16]);

impl RecordId {
    /// Same object, same position: same record.
    pub fn of(object: ObjectId, position: Position) -> Self {
        let digest = Digest::of_parts([object.0.as_bytes().as_slice(), &position.0.to_le_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&digest.as_bytes()[..16]);
        Self(id)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Why a record became no row. The words are stored and searched: never rename one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectRule {
    /// The object's compression or container is broken from here on.
    Decode,
    /// The record is longer than the limit.
    TooLarge,
    /// The record is not what its format says: bad JSON, bad CSV, bad UTF-8.
    Malformed,
    /// `expand_records_from_payload` failed or returned no array.
    Expand,
    /// No table: the selector failed or named one that does not exist.
    NoTable,
    /// The transform raised an error.
    Transform,
    /// `ts` is missing or no timestamp.
    NoTimestamp,
}

impl RejectRule {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Expand => "expand",
            Self::NoTable => "no_table",
            Self::Transform => "transform",
            Self::NoTimestamp => "no_timestamp",
        }
    }
}

/// A record that became no row: everything needed to understand it and to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The log source it came in for.
    pub log_source: LogSourceName,
    /// The table it was on its way to, once that was known.
    pub table: Option<TableName>,
    /// The object it stands in.
    pub object: SourceObject,
    /// Its place there; for [`RejectRule::Decode`] the first record that could not be read.
    pub position: Position,
    /// The release that rejected it.
    pub release: ReleaseId,
    /// Why.
    pub rule: RejectRule,
    /// The error in words.
    pub error: String,
    /// The record's bytes, at most the record limit; what is known of it where it was too large.
    pub raw: Vec<u8>,
    /// When.
    pub rejected_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(version: &str) -> SourceObject {
        SourceObject { bucket: "b".into(), key: "k".into(), version: version.into(), size: 1 }
    }

    #[test]
    fn a_record_id_depends_on_object_version_and_position() {
        let id = |version, at| RecordId::of(object(version).id(), Position(at));
        assert_eq!(id("1", 0), id("1", 0));
        assert_ne!(id("1", 0), id("1", 1));
        assert_ne!(id("1", 0), id("2", 0));
        assert_eq!(id("1", 0).to_string().len(), 32);
    }

    #[test]
    fn the_size_is_no_part_of_the_identity() {
        let larger = SourceObject { size: 2, ..object("1") };
        assert_eq!(larger.id(), object("1").id());
    }
}
