//! Names that GitHub gives: repositories and commits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `owner/name`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepositoryName(String);

/// Text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`")]
pub struct NameError {
    expected: &'static str,
    found: String,
}

impl RepositoryName {
    /// Checks `owner/name`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let part = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if part(owner) && part(name) => Ok(Self(text.to_owned())),
            _ => Err(NameError { expected: "a repository like `acme/detections`", found: text.to_owned() }),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A commit's sha: forty lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitSha(String);

impl CommitSha {
    /// Checks the digits; GitHub's API takes no short forms where it matters.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 40 && text.bytes().all(digit) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError { expected: "a commit's 40 hex digits", found: text.to_owned() })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What people see.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl fmt::Display for CommitSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for CommitSha {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<CommitSha> for String {
    fn from(sha: CommitSha) -> String {
        sha.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_change_a_path_are_refused() {
        assert_eq!(RepositoryName::parse("acme/detections.git").unwrap().to_string(), "acme/detections.git");
        for wrong in ["", "acme", "acme/", "/x", "a/b/c", "a/..", "a b/c", "a/b?c", "a/b%2f"] {
            assert!(RepositoryName::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["abc", "../../../../../../../../../../../../../x", "ABCDEF0123456789ABCDEF0123456789ABCDEF01"] {
            assert!(CommitSha::parse(wrong).is_err(), "{wrong}");
        }
    }
}
