//! The log sources and enrichment tables that come with matano, and those of the original that do not yet.

use std::{collections::BTreeSet, sync::LazyLock};

use crate::file_set::FileSet;

/// A log source of the original: its type, and what the names of its log sources begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagedType {
    /// What `managed.type` says.
    pub name: &'static str,
    /// What the name of the log source begins with.
    pub prefix: &'static str,
}

macro_rules! types {
    ($($name:literal $prefix:literal),* $(,)?) => {
        &[$(ManagedType { name: $name, prefix: $prefix }),*]
    };
}

/// Every type of log source that the original knew.
pub const SOURCE_TYPES: &[ManagedType] = types![
    "aws_cloudtrail" "aws",
    "aws_config_history" "aws",
    "aws_elb" "aws",
    "aws_inspector" "aws",
    "aws_route53_resolver_logs" "aws",
    "aws_s3access" "aws",
    "aws_s3inventory" "aws",
    "aws_vpcflow" "aws",
    "aws_waf" "aws",
    "cloudflare" "cloudflare",
    "crowdstrike" "crowdstrike",
    "crowdstrike_falcon" "crowdstrike",
    "duo" "duo",
    "gcp_audit" "gcp_audit",
    "github_audit" "github",
    "google_workspace" "google_workspace",
    "msft" "msft",
    "o365" "o365",
    "okta" "okta",
    "onepassword" "onepassword",
    "panw" "panw",
    "snyk" "snyk",
    "suricata" "suricata",
    "teleport" "teleport",
    "zeek" "zeek",
];

/// Every type of enrichment table that the original knew; names begin with the type.
pub const ENRICHMENT_TYPES: &[&str] =
    &["abusech_urlhaus", "abusech_malwarebazaar", "abusech_threatfox", "otx", "cisa_kev"];

static FILES: LazyLock<FileSet> = LazyLock::new(|| {
    let files: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/managed_files.rs"));
    files.iter().copied().collect()
});

/// What the files of managed sources are called in diagnostics: `managed:aws_cloudtrail/log_source.yml`.
pub const FILE_PREFIX: &str = "managed:";

/// The files of the managed sources, by `<type>/<path>`.
pub fn files() -> &'static FileSet {
    &FILES
}

/// The types of log sources that come with matano, sorted.
pub fn shipped_sources() -> Vec<&'static str> {
    let types: BTreeSet<&str> = FILES
        .iter()
        .filter_map(|(path, _)| path.strip_suffix("/log_source.yml"))
        .filter(|kind| !kind.contains('/'))
        .collect();
    types.into_iter().collect()
}

/// What the names of log sources of a type begin with: as in the original, else the first word of the type.
pub fn prefix(kind: &str) -> &str {
    match SOURCE_TYPES.iter().find(|known| known.name == kind) {
        Some(known) => known.prefix,
        None => kind.split('_').next().unwrap_or(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_the_original_are_all_known() {
        assert_eq!(SOURCE_TYPES.len(), 25);
        assert!(SOURCE_TYPES.iter().all(|known| known.name.starts_with(known.prefix)));
    }

    #[test]
    fn each_shipped_source_has_its_files_below_its_type() {
        for kind in shipped_sources() {
            assert!(files().get(&format!("{kind}/log_source.yml")).is_some());
        }
    }
}
