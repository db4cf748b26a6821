//! Staged files into a table, exactly once.
//!
//! The snapshot's summary carries the batch id, and iceberg looks for that id in the very version of the table it commits on
//! top of (see [`crate::base`]), so two committers of one batch cannot both win. Each attempt writes data files of its own;
//! those of one that lost are deleted, those of one that was killed are found later (see [`crate::orphans`]).

use std::{collections::HashMap, num::NonZeroU64, path::PathBuf};

use iceberg::{
    spec::DataFile,
    table::Table,
    transaction::{ApplyTransactionAction, Transaction},
};
use model::{
    name::TableName,
    staged::{BatchId, StagedFile},
};
use tracing::{info, warn};

use crate::{
    Lake, LakeError,
    base::{Base, Rule, has_batch},
    merge,
};

/// A staged file whose bytes are on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Where.
    pub path: PathBuf,
    /// Which.
    pub staged: StagedFile,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The rows are in the table now.
    Committed {
        /// The snapshot that has them; `None` where there was no row.
        snapshot: Option<i64>,
        /// Data files added.
        files: usize,
        /// Rows added.
        rows: u64,
        /// Bytes of the data files.
        bytes: u64,
    },
    /// An earlier attempt or another process had done it.
    AlreadyCommitted,
}

impl Lake {
    /// Whether a batch is in the table, as far as its snapshots reach back. Asked of the catalog, not of memory.
    pub async fn has_batch(&self, table: &TableName, batch: BatchId) -> Result<bool, LakeError> {
        Ok(has_batch(self.load(table).await?.metadata(), batch))
    }

    /// Commits the rows of staged files as one snapshot, if `batch` is not in the table yet.
    ///
    /// Small files of one partition are merged up to about `target_file_bytes`; a file that needs no merging is taken over as
    /// it is (on one file system by a hard link). The staged files stay where they are.
    pub async fn commit(
        &self,
        name: &TableName,
        files: &[LocalFile],
        batch: BatchId,
        target_file_bytes: NonZeroU64,
    ) -> Result<CommitOutcome, LakeError> {
        let lock = self.lock(name).await;
        let _committing = lock.lock().await;
        let table = self.load(name).await?;
        if has_batch(table.metadata(), batch) {
            return Ok(CommitOutcome::AlreadyCommitted);
        }
        let added = self.data_files(&table, files, batch, target_file_bytes).await?;
        self.step("commit: data files written")?;
        let rows = added.iter().map(DataFile::record_count).sum();
        if added.is_empty() {
            return Ok(CommitOutcome::Committed { snapshot: None, files: 0, rows: 0, bytes: 0 });
        }
        let (files, bytes) = (added.len(), added.iter().map(DataFile::file_size_in_bytes).sum());
        let Some(snapshot) = self.append(name, &table, added.clone(), batch).await? else {
            self.discard(&added).await;
            return Ok(CommitOutcome::AlreadyCommitted);
        };
        info!(table = %name, batch = %batch.0.short(12), files, rows, bytes, "committed");
        Ok(CommitOutcome::Committed { snapshot: Some(snapshot), files, rows, bytes })
    }

    /// The rows of staged files as data files of the table, not yet in it.
    pub(crate) async fn data_files(
        &self,
        table: &Table,
        files: &[LocalFile],
        batch: BatchId,
        target_file_bytes: NonZeroU64,
    ) -> Result<Vec<DataFile>, LakeError> {
        let parts = merge::plan(table, files, target_file_bytes)?;
        let mut added = Vec::with_capacity(parts.len());
        for part in parts {
            if let Err(error) = merge::write(table, part, batch, &mut added).await {
                self.discard(&added).await;
                return Err(error);
            }
        }
        let rows: u64 = added.iter().map(DataFile::record_count).sum();
        let staged: u64 = files.iter().map(|file| file.staged.rows).sum();
        if rows == staged {
            return Ok(added);
        }
        self.discard(&added).await;
        let path = files.first().map(|file| file.path.clone()).unwrap_or_default();
        Err(LakeError::Staged { path, problem: format!("expected {staged} rows in the batch, found {rows}") })
    }

    /// One fast append with the batch id in its summary. `None` where the batch was there before.
    async fn append(
        &self,
        name: &TableName,
        table: &Table,
        added: Vec<DataFile>,
        batch: BatchId,
    ) -> Result<Option<i64>, LakeError> {
        let base = Base::new(self.catalog(), Rule::Once(batch));
        let summary = HashMap::from([(BatchId::PROPERTY.to_owned(), batch.0.to_string())]);
        let transaction = Transaction::new(table);
        // its own check reads every manifest of the table; the batch id is the check that counts
        let append = transaction.fast_append().with_check_duplicate(false).set_snapshot_properties(summary);
        let committed = match append.add_data_files(added).apply(transaction) {
            Ok(transaction) => transaction.commit(&base).await,
            Err(error) => Err(error),
        };
        self.step("commit: snapshot committed")?;
        let was_refused = base.refused();
        for list in base.leftovers() {
            if let Err(error) = table.file_io().delete(&list).await {
                warn!(file = list, %error, "a manifest list that is not needed stays");
            }
        }
        // The word of the catalog is not enough, neither yes nor no: the SQL catalog of iceberg 0.10 ignores a failed COMMIT of its
        // database, and an error may come after the change was made. What the table says counts.
        let now = match self.load(name).await {
            Ok(now) => now,
            Err(error) => {
                return Err(committed.err().map_or(error, LakeError::iceberg(format!("commit to table `{name}`"))));
            }
        };
        let landed = now.metadata().snapshots().find(|snapshot| {
            snapshot.summary().additional_properties.get(BatchId::PROPERTY) == Some(&batch.0.to_string())
        });
        match (landed, committed) {
            (Some(_), Err(_)) if was_refused => Ok(None),
            (Some(snapshot), committed) => {
                if let Err(error) = committed {
                    warn!(table = %name, batch = %batch.0.short(12), %error, "the commit was reported as failed and is there");
                }
                self.clean(table, &now).await;
                Ok(Some(snapshot.snapshot_id()))
            }
            (None, Ok(_)) => Err(LakeError::Lost { table: name.clone(), batch }),
            (None, Err(error)) => Err(LakeError::iceberg(format!("commit to table `{name}`"))(error)),
        }
    }

    /// Deletes data files that no snapshot has got. Best effort: what is left is unused.
    pub(crate) async fn discard(&self, files: &[DataFile]) {
        for file in files {
            if let Err(error) = self.storage.delete(file.file_path()).await {
                warn!(file = file.file_path(), %error, "a data file that is not needed stays");
            }
        }
    }

    /// Deletes metadata files that the table's log has dropped. Best effort: what is left is unused.
    pub(crate) async fn clean(&self, before: &Table, now: &Table) {
        let kept: Vec<&str> = now.metadata().metadata_log().iter().map(|log| log.metadata_file.as_str()).collect();
        for log in before.metadata().metadata_log() {
            if !kept.contains(&log.metadata_file.as_str())
                && let Err(error) = now.file_io().delete(&log.metadata_file).await
            {
                warn!(file = log.metadata_file, %error, "an old metadata file stays");
            }
        }
    }
}
