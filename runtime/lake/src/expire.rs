//! Old snapshots go, so that a commit does not slow down with the number of those before it.
//!
//! In two steps, because a snapshot is the only record that a batch is in the table until the ledger has marked it: the
//! caller asks what may go, looks up which of those batches are still unmarked, and leaves them out. A batch whose snapshot
//! is there and that is marked stays marked, so looking after asking is enough.

use iceberg::{
    spec::SnapshotRef,
    table::Table,
    transaction::{ApplyTransactionAction, Transaction},
};
use model::{name::TableName, staged::BatchId, time::Timestamp};
use tracing::{info, warn};

use crate::{Lake, LakeError};

/// Which snapshots stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Snapshots made since then stay, for queries that read them and committers that are slow,
    pub newer_than: Timestamp,
    /// and at least this many of the latest.
    pub at_least: usize,
}

/// A snapshot that may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expirable {
    /// Its id.
    pub snapshot: i64,
    /// When it was made.
    pub made: Timestamp,
    /// The batch it brought, unless something else than matano made it.
    pub batch: Option<BatchId>,
}

impl Lake {
    /// The snapshots that `expiry` does not keep, oldest first.
    pub async fn expirable(&self, name: &TableName, expiry: &Expiry) -> Result<Vec<Expirable>, LakeError> {
        Ok(chosen(&self.load(name).await?, expiry))
    }

    /// Drops snapshots, and their manifest lists. Rows are not touched: the data files of an earlier snapshot are in the ones
    /// after it. Snapshots that are gone already are fine, and the current one always stays. Returns how many were dropped.
    pub async fn expire(&self, name: &TableName, snapshots: &[i64]) -> Result<usize, LakeError> {
        let lock = self.lock(name).await;
        let _committing = lock.lock().await;
        let table = self.load(name).await?;
        let metadata = table.metadata();
        let dropped: Vec<SnapshotRef> = snapshots
            .iter()
            .filter(|id| Some(**id) != metadata.current_snapshot_id())
            .filter_map(|id| metadata.snapshot_by_id(*id).cloned())
            .collect();
        if dropped.is_empty() {
            return Ok(0);
        }
        let failed = || LakeError::iceberg(format!("expire snapshots of table `{name}`"));
        let transaction = Transaction::new(&table);
        let expire = transaction
            .expire_snapshots()
            .expire_snapshot_ids(dropped.iter().map(|snapshot| snapshot.snapshot_id()))
            // by id alone: nothing is older than this
            .expire_older_than_ms(i64::MIN);
        let transaction = expire.apply(transaction).map_err(failed())?;
        let now = transaction.commit(self.catalog.as_ref()).await.map_err(failed())?;
        self.clean(&table, &now).await;
        for snapshot in &dropped {
            // A list belongs to one snapshot; the manifests and data files it names are in later ones too.
            if let Err(error) = now.file_io().delete(snapshot.manifest_list()).await {
                warn!(file = snapshot.manifest_list(), %error, "the manifest list of a dropped snapshot stays");
            }
        }
        info!(table = %name, dropped = dropped.len(), "snapshots expired");
        Ok(dropped.len())
    }
}

pub(crate) fn batch(snapshot: &SnapshotRef) -> Option<BatchId> {
    let word = snapshot.summary().additional_properties.get(BatchId::PROPERTY)?;
    word.parse().ok().map(BatchId)
}

fn chosen(table: &Table, expiry: &Expiry) -> Vec<Expirable> {
    let mut snapshots: Vec<&SnapshotRef> = table.metadata().snapshots().collect();
    snapshots.sort_by_key(|snapshot| snapshot.sequence_number());
    let newest = expiry.at_least.max(1).min(snapshots.len());
    snapshots.truncate(snapshots.len() - newest);
    let current = table.metadata().current_snapshot_id();
    let old = snapshots.into_iter().filter(|snapshot| {
        snapshot.timestamp_ms() < expiry.newer_than.micros() / 1000 && Some(snapshot.snapshot_id()) != current
    });
    let expirable = |snapshot: &SnapshotRef| Expirable {
        snapshot: snapshot.snapshot_id(),
        made: Timestamp::from_micros(snapshot.timestamp_ms().saturating_mul(1000)).unwrap_or(Timestamp::EPOCH),
        batch: batch(snapshot),
    };
    old.map(expirable).collect()
}
