//! What has been read, staged, committed and seen: the memory that makes "exactly once" of "at least once".
//!
//! ```text
//! object    unknown --claim--> claimed --staged--> done
//!                                 | failed / lease ran out: claimed again, attempt + 1
//!                                 | given up: dead, with the reason; revive: claimed again
//! file      staged --open_batch--> in a batch --commit_done--> committed \
//!                  --seen by detections--------------------------> seen  /  both: disposable --disposed--> unknown
//! batch     open --commit_done--> done
//! ```
//!
//! Each arrow is one transaction, and each may be walked twice: the second time finds it walked.
//!
//! *A row is never lost.* An object is done only in the transaction that records its files. A file is disposable only when it
//! is committed and seen, and its bytes go before its entry does.
//!
//! *A row never comes twice.* One attempt's files are recorded for an object: an attempt whose lease ran out and was taken over
//! is turned away with [`StoreError::ClaimLost`], and its files lie under names of their own. A file is in one batch. A batch
//! is named by its files, and the lake commits a batch that stands in a snapshot's summary no second time; that summary, not
//! this ledger, decides. So a process that takes over an open batch asks the lake first, and a snapshot may expire only
//! after [`Ledger::commit_done`].
//!
//! Times are parameters. An owner is a name that a process makes up when it starts.

use async_trait::async_trait;
use model::{
    name::TableName,
    object::{ObjectId, SourceObject},
    staged::{BatchId, ObjectReport, StagedFile},
    time::Timestamp,
};

use crate::error::StoreError;

/// Who holds something, and how long the others must wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The process.
    pub owner: String,
    /// From then on anybody may take it over.
    pub until: Timestamp,
}

impl Lease {
    /// For `seconds` from now.
    pub fn new(owner: &str, now: Timestamp, seconds: u32) -> Self {
        Self { owner: owner.to_owned(), until: now.plus_seconds(i64::from(seconds)) }
    }
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is the caller's until the lease ends.
    Claimed {
        /// Counted from one. Above one, files of earlier attempts may lie about.
        attempt: u32,
    },
    /// Its rows are staged, and maybe committed.
    Done(ObjectReport),
    /// Somebody is at it.
    Busy {
        /// Until then, if they don't finish.
        until: Timestamp,
    },
    /// It failed too often and waits for [`Ledger::revive`].
    Dead {
        /// How often it was tried.
        attempts: u32,
        /// The last error.
        reason: String,
    },
}

/// A staged file that waits to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The file.
    pub file: StagedFile,
    /// Since when.
    pub since: Timestamp,
}

/// Files of one table that are committed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Digest of table and files.
    pub id: BatchId,
    /// The table.
    pub table: TableName,
    /// Its files, by key.
    pub files: Vec<StagedFile>,
}

/// An object that nobody tries any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadObject {
    /// The object.
    pub object: SourceObject,
    /// How often it was tried.
    pub attempts: u32,
    /// The last error.
    pub reason: String,
}

/// How much of what there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects that are claimed.
    pub claimed: u64,
    /// Objects whose rows are staged or further.
    pub done: u64,
    /// Objects that were given up.
    pub dead: u64,
    /// Files that are in no batch.
    pub pending: u64,
    /// Batches that are open.
    pub open_batches: u64,
    /// Files that detections have not seen.
    pub unseen: u64,
}

/// The ledger of one target.
#[async_trait]
pub trait Ledger: std::fmt::Debug + Send + Sync {
    /// Takes an object for the time of a lease, unless it is done, dead, or somebody else's. The holder of a lease that
    /// claims again starts another attempt.
    async fn claim(&self, object: &SourceObject, lease: &Lease, now: Timestamp) -> Result<Claim, StoreError>;

    /// Prolongs a claim. [`StoreError::ClaimLost`] if it was taken over.
    async fn renew(&self, object: ObjectId, attempt: u32, lease: &Lease) -> Result<(), StoreError>;

    /// Records an object's outcome and its files, all or nothing. [`StoreError::ClaimLost`] if the claim was taken over.
    async fn staged(
        &self,
        report: &ObjectReport,
        attempt: u32,
        files: &[StagedFile],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Gives a claim back after an error; the object is free at once. After `max_attempts` it is dead instead. Returns whether
    /// it is. A claim that was taken over is not touched.
    async fn failed(&self, object: ObjectId, attempt: u32, reason: &str, max_attempts: u32)
    -> Result<bool, StoreError>;

    /// Objects that were claimed and neither finished nor given up, and that nobody holds any more: what a crash left behind.
    async fn unfinished(&self, now: Timestamp) -> Result<Vec<SourceObject>, StoreError>;

    /// Objects that were given up.
    async fn dead(&self) -> Result<Vec<DeadObject>, StoreError>;

    /// Lets a dead object be claimed again, its attempts forgotten but for their numbers. Returns whether it was dead.
    async fn revive(&self, object: ObjectId) -> Result<bool, StoreError>;

    /// The outcome of an object that is done.
    async fn report(&self, object: ObjectId) -> Result<Option<ObjectReport>, StoreError>;

    /// Files in no batch, the longest waiting first.
    async fn pending(&self) -> Result<Vec<Pending>, StoreError>;

    /// Puts files into a batch of their own. Files that are in one already are left out; `None` if all are.
    async fn open_batch(
        &self,
        table: &TableName,
        keys: &[String],
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Option<Batch>, StoreError>;

    /// Takes every open batch whose lease is over, or is the caller's own: what a crash left behind.
    async fn take_batches(&self, lease: &Lease, now: Timestamp) -> Result<Vec<Batch>, StoreError>;

    /// Whether nothing of the batch's table that was staged before the batch waits to be committed: where order counts, such
    /// batches go in turn, whoever has them.
    async fn is_next(&self, batch: BatchId) -> Result<bool, StoreError>;

    /// Prolongs the lease of a batch. `false` if it is marked, or was taken over.
    async fn renew_batch(&self, batch: BatchId, lease: &Lease) -> Result<bool, StoreError>;

    /// Marks a batch as committed. Only after the lake has said so.
    async fn commit_done(&self, batch: BatchId, now: Timestamp) -> Result<(), StoreError>;

    /// Batches of a table that are not marked: their snapshots must stay.
    async fn open_batches(&self, table: &TableName) -> Result<Vec<BatchId>, StoreError>;

    /// Takes up to `limit` files that detections have not seen, for the time of a lease, oldest first.
    async fn take_unseen(&self, lease: &Lease, now: Timestamp, limit: u32) -> Result<Vec<StagedFile>, StoreError>;

    /// Marks files as seen by detections: their matches are stored.
    async fn seen(&self, keys: &[String]) -> Result<(), StoreError>;

    /// Files that are committed and seen. Their bytes may go.
    async fn disposable(&self, limit: u32) -> Result<Vec<StagedFile>, StoreError>;

    /// Forgets files whose bytes are gone.
    async fn disposed(&self, keys: &[String]) -> Result<(), StoreError>;

    /// Ends every lease of an owner that is known to be gone.
    async fn abandon(&self, owner: &str) -> Result<(), StoreError>;

    /// How much of what there is.
    async fn counts(&self) -> Result<Counts, StoreError>;
}
