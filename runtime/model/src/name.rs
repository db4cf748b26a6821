//! Names of the things a project declares. Checked once, where they enter; `Deserialize` goes through `parse`.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A name that breaks the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} name `{name}` {problem}")]
pub struct NameError {
    kind: &'static str,
    name: String,
    problem: &'static str,
}

impl NameError {
    /// What is wrong, without the name: "must start with a lower-case letter".
    pub fn problem(&self) -> &'static str {
        self.problem
    }
}

/// Lower-case snake case: what Glue, Athena and file names accept without quoting.
fn snake_case(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is empty");
    }
    if name.len() > 128 {
        return Err("is longer than 128 characters");
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err("must start with a lower-case letter");
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        return Err("may contain lower-case letters, digits and `_` only");
    }
    Ok(())
}

/// What people call a detection or a destination: letters, digits, `_`, `-`, `.` and single spaces.
fn label(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is empty");
    }
    if name.len() > 128 {
        return Err("is longer than 128 characters");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("must start with a letter or a digit");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ')) {
        return Err("may contain letters, digits, `_`, `-`, `.` and spaces only");
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $rule:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the rules of this kind of name.
            pub fn parse(name: &str) -> Result<Self, NameError> {
                match $rule(name) {
                    Ok(()) => Ok(Self(name.to_owned())),
                    Err(problem) => Err(NameError { kind: $kind, name: name.to_owned(), problem }),
                }
            }

            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::parse(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::parse(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// A log source: `aws_cloudtrail`.
    LogSourceName, "log source", snake_case;
    /// A table of the lake, resolved: `aws_cloudtrail`, `aws_cloudtrail_digest`, `enrich_tor_exits`, `matano_alerts`.
    TableName, "table", snake_case;
    /// An enrichment table without its prefix: `tor_exits`.
    EnrichmentName, "enrichment table", snake_case;
    /// A detection: `aws_root_login`.
    DetectionName, "detection", label;
    /// An alert destination: `secops_slack`.
    DestinationName, "destination", label;
}

impl TableName {
    /// `source` for the table `default`, else `source_table`.
    pub fn of_source(source: &LogSourceName, table: &str) -> Result<Self, NameError> {
        if table == DEFAULT_TABLE { Self::parse(source.as_str()) } else { Self::parse(&format!("{source}_{table}")) }
    }

    /// `enrich_name`.
    pub fn of_enrichment(name: &EnrichmentName) -> Self {
        Self(format!("enrich_{name}"))
    }

    /// Alerts, one row a rule match.
    pub fn alerts() -> Self {
        Self("matano_alerts".to_owned())
    }

    /// Records that became no row.
    pub fn rejects() -> Self {
        Self("matano_rejects".to_owned())
    }
}

impl LogSourceName {
    /// What is uploaded to an enrichment table is ingested under the table's name: `enrich_name`.
    pub fn of_enrichment(name: &EnrichmentName) -> Self {
        Self(format!("enrich_{name}"))
    }
}

/// The table a log source has when it names none.
pub const DEFAULT_TABLE: &str = "default";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_named_default_takes_the_name_of_its_source() {
        let source = LogSourceName::parse("aws_cloudtrail").unwrap();
        assert_eq!(TableName::of_source(&source, "default").unwrap().as_str(), "aws_cloudtrail");
        assert_eq!(TableName::of_source(&source, "digest").unwrap().as_str(), "aws_cloudtrail_digest");
    }

    #[test]
    fn names_that_would_need_quoting_are_rejected() {
        for name in ["", "Upper", "1st", "a-b", "a b", "ä", "a/../b"] {
            assert!(LogSourceName::parse(name).is_err(), "{name}");
        }
        for name in ["", "-x", "a/b", "a\nb", "..", "a`b"] {
            assert!(DetectionName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn deserialization_goes_through_parse() {
        let error = serde_json::from_str::<TableName>("\"No\"").unwrap_err().to_string();
        assert!(error.starts_with("table name `No` must start with a lower-case letter"), "{error}");
    }
}
