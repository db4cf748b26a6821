//! What can go wrong between us and the world.

use std::path::PathBuf;

use model::{delivery::DeliveryKey, object::ObjectId};

/// An error of this crate. None of them holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite says so.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// A newer release of matano wrote the file.
    #[error("the {part} store has format {found}, expected at most {expected}: use the matano that wrote it, or newer")]
    TooNew {
        /// Which tables.
        part: &'static str,
        /// The format that this code writes.
        expected: u32,
        /// The format of the file.
        found: u32,
    },
    /// What is stored is not what was written.
    #[error("stored {what} is unreadable: {problem}")]
    Unreadable {
        /// Which thing.
        what: &'static str,
        /// Why.
        problem: String,
    },
    /// The fold that the caller gave refused.
    #[error("fold matches: {0}")]
    Fold(String),
    /// Someone else holds, or has settled, this delivery.
    #[error("delivery `{0}` is no longer ours: its lease ran out and another process took it")]
    LeaseLost(DeliveryKey),
    /// An operation for one kind of value on another.
    #[error("cache value `{key}` in `{namespace}` is {found}, expected {expected}")]
    CacheKind {
        /// The detection's namespace.
        namespace: String,
        /// The key.
        key: String,
        /// What the operation needs.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// Nobody has given this secret.
    #[error("destination `{destination}` has no secret `{key}`: {hint}")]
    NoSecret {
        /// The destination.
        destination: String,
        /// The key.
        key: String,
        /// What to do.
        hint: String,
    },
    /// The file with secrets can't be used.
    #[error("secrets file `{path}` {problem}")]
    SecretsFile {
        /// Where it is.
        path: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A request had no answer. Only the host is named: paths of webhooks are secrets.
    #[error("request to `{host}` {problem}")]
    Request {
        /// The host, or `?`.
        host: String,
        /// What happened.
        problem: String,
        /// Whether the same request may succeed later.
        retryable: bool,
    },
    /// The claim on an object ran out and another process has it.
    #[error("object `{0}` is no longer ours: its lease ran out and another process took it")]
    ClaimLost(ObjectId),
    /// A file or directory of this machine.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// What was tried: "open".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// An object storage refused or could not be reached.
    #[error("cannot {action} `{url}`: {problem}")]
    Objects {
        /// What was tried: "read".
        action: &'static str,
        /// On what.
        url: String,
        /// Why it failed.
        problem: String,
        /// Whether the same call may succeed later.
        retryable: bool,
    },
    /// What should name an object does not.
    #[error("`{address}`: {problem}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A thread of ours ended early.
    #[error("work was stopped: {0}")]
    Stopped(String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
            ),
            Self::Request { retryable, .. } | Self::Objects { retryable, .. } => *retryable,
            // a disk that is full now may have room later; what is not there stays away
            Self::File { source, .. } => !matches!(
                source.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::InvalidInput
            ),
            Self::Stopped(_) => true,
            Self::TooNew { .. }
            | Self::Unreadable { .. }
            | Self::Fold(_)
            | Self::LeaseLost(_)
            | Self::ClaimLost(_)
            | Self::Address { .. }
            | Self::CacheKind { .. }
            | Self::NoSecret { .. }
            | Self::SecretsFile { .. } => false,
        }
    }
}
