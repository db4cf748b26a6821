//! Staged files into tables: gathers what waits, opens batches, commits them and tidies up.
//!
//! Start at [`LakeWriter::flush`]. A batch that a crash left open is finished first. One table that fails does not keep
//! the others from their commits.

mod batches; // what is committed together
mod flush; // the flow

use std::{collections::BTreeMap, num::NonZeroU64, sync::Arc};

use lake::{CommitOutcome, Effect, Lake, LakeError};
use model::{name::TableName, release::Storage, staged::BatchId, time::Timestamp};
use store::{error::StoreError, ledger::Ledger, staging::Staging};

/// Asks for the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Called at each step with its name; an answer of `true` stops there, as a crash would. For tests.
pub type Failpoint = Arc<dyn Fn(&'static str) -> bool + Send + Sync>;

/// The steps at which a [`Failpoint`] is called, in order. The lake has steps of its own between the first two.
pub const STEPS: [&str; 4] = ["write: batch opened", "write: committed", "write: marked", "write: files deleted"];

/// How files of one table are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// Small files are merged up to this size; a table whose waiting files reach it is committed without waiting longer.
    pub target_file_bytes: NonZeroU64,
    /// How long a file may wait for others.
    pub commit_delay_seconds: u32,
    /// What is committed together.
    pub arrival: Arrival,
}

/// How rows come into a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// They are added: files that wait are committed together.
    Together,
    /// Each object's rows have this effect on the table: each is a commit of its own, in the order in which they were staged.
    InTurn(Effect),
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            target_file_bytes: Storage::default().target_file_bytes,
            commit_delay_seconds: 30,
            arrival: Arrival::Together,
        }
    }
}

/// Which snapshots and files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Snapshots at least for as long; much longer than a lease and than any query.
    pub seconds: u32,
    /// At least so many.
    pub snapshots: usize,
    /// So many go together, or none.
    pub at_a_time: usize,
    /// Files that no snapshot names at least for as long; much longer than any commit takes.
    pub orphan_seconds: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { seconds: 3600, snapshots: 20, at_a_time: 20, orphan_seconds: 3 * 24 * 3600 }
    }
}

/// What a flush leaves in staging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Files that may wait for others.
    Due,
    /// Nothing.
    All,
}

/// One commit of a flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The table.
    pub table: TableName,
    /// The batch.
    pub batch: BatchId,
    /// What the lake says.
    pub outcome: CommitOutcome,
}

/// What a flush did.
#[derive(Debug, Default)]
pub struct FlushReport {
    /// What was committed.
    pub commits: Vec<Commit>,
    /// What was not, by table. It will be tried again.
    pub failures: Vec<(TableName, WriteError)>,
    /// What is there of old snapshots and files, by table, and why it did not go. The rows are written.
    pub untidy: Vec<(TableName, WriteError)>,
    /// How many staged files were deleted, being committed and seen.
    pub deleted: usize,
    /// When the next file has waited long enough; `None` where none waits.
    pub next_due: Option<Timestamp>,
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The ledger or the staging area.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lake.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Another process has rows that come first.
    #[error("another process is writing rows that came first")]
    NotItsTurn,
    /// A failpoint of a test.
    #[error("stopped at failpoint `{0}`")]
    Failpoint(&'static str),
}

impl WriteError {
    /// Whether another attempt may succeed without anybody's doing.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Lake(error) => error.is_retryable(),
            Self::NotItsTurn | Self::Failpoint(_) => true,
        }
    }
}

/// The handler. Clones share everything.
#[derive(Clone)]
pub struct LakeWriter {
    /// What waits.
    pub ledger: Arc<dyn Ledger>,
    /// Where it lies.
    pub staging: Arc<dyn Staging>,
    /// Where it goes.
    pub lake: Lake,
    /// By table; others have the default.
    pub options: BTreeMap<TableName, WriteOptions>,
    /// Which snapshots and files are kept.
    pub retention: Retention,
    /// This process, for leases.
    pub owner: String,
    /// How long a batch is held before others may take it over; prolonged while it is worked on.
    pub lease_seconds: u32,
    /// The time.
    pub clock: Clock,
    /// For tests.
    pub failpoint: Option<Failpoint>,
    /// One flush at a time: its own leases do not keep a process from taking a batch twice.
    pub(crate) flushing: Arc<tokio::sync::Mutex<()>>,
}

impl LakeWriter {
    /// With default options; the fields can be changed.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        staging: Arc<dyn Staging>,
        lake: Lake,
        owner: impl Into<String>,
        clock: Clock,
    ) -> Self {
        Self {
            ledger,
            staging,
            lake,
            options: BTreeMap::new(),
            retention: Retention::default(),
            owner: owner.into(),
            lease_seconds: 60,
            clock,
            failpoint: None,
            flushing: Arc::default(),
        }
    }

    pub(crate) fn options(&self, table: &TableName) -> WriteOptions {
        self.options.get(table).cloned().unwrap_or_default()
    }

    pub(crate) fn step(&self, name: &'static str) -> Result<(), WriteError> {
        match &self.failpoint {
            Some(failpoint) if failpoint(name) => Err(WriteError::Failpoint(name)),
            Some(_) | None => Ok(()),
        }
    }
}
