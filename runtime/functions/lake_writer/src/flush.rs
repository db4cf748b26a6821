//! The flow of a flush.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, stream};
use lake::{CommitOutcome, Effect, Expirable, Expiry, LocalFile};
use model::{name::TableName, staged::BatchId, time::Timestamp};
use store::ledger::{Batch, Lease};
use tracing::{info, warn};

use crate::{Arrival, Commit, Flush, FlushReport, LakeWriter, WriteError, batches::decide};

/// How many tables are committed to at the same time.
const TABLES_AT_A_TIME: usize = 8;

/// How often, and after how long, it is asked again whether another process has committed what comes first.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How many staged files are deleted between two looks at the ledger.
const DELETED_AT_A_TIME: u32 = 1000;

impl LakeWriter {
    /// Finishes what a crash left open, commits what is due, and deletes staged files that nobody needs any more.
    ///
    /// An error is one of the ledger or the staging area; what happened to single tables is in the report.
    pub async fn flush(&self, flush: Flush) -> Result<FlushReport, WriteError> {
        let _flushing = self.flushing.lock().await;
        let mut report = FlushReport::default();
        let now = (self.clock)();
        let mut batches = self.ledger.take_batches(&self.lease(), now).await?;
        let decision = decide(&self.ledger.pending().await?, |table| self.options(table), flush, now);
        report.next_due = decision.next_due;
        for (table, keys) in decision.batches {
            // another process may have taken them since
            batches.extend(self.ledger.open_batch(&table, &keys, &self.lease(), now).await?);
        }
        if !batches.is_empty() {
            self.step("write: batch opened")?;
        }
        let mut by_table: BTreeMap<TableName, Vec<Batch>> = BTreeMap::new();
        for batch in batches {
            by_table.entry(batch.table.clone()).or_default().push(batch);
        }
        // nothing is waited for between two tables: one that is in the middle of a commit holds the catalog's lock
        let tables = stream::iter(by_table).map(|(table, batches)| async {
            let (table, commits, failure) = self.table(table, batches).await;
            let tidied = if commits.is_empty() { Ok(()) } else { self.tidy(&table).await };
            (table, commits, failure, tidied)
        });
        let mut tables = std::pin::pin!(tables.buffer_unordered(TABLES_AT_A_TIME));
        while let Some((table, commits, failure, tidied)) = tables.next().await {
            if let Err(error) = tidied {
                warn!(table = %table, %error, "old snapshots stay");
                report.untidy.push((table.clone(), error));
            }
            report.commits.extend(commits);
            if let Some(error) = failure {
                warn!(table = %table, %error, "table not written");
                report.failures.push((table, error));
            }
        }
        if let Some((_, WriteError::Failpoint(step))) =
            report.failures.iter().find(|(_, error)| matches!(error, WriteError::Failpoint(_)))
        {
            return Err(WriteError::Failpoint(step));
        }
        report.deleted = self.delete_staged().await?;
        Ok(report)
    }

    /// Commits the batches of one table, one after the other, up to the first that fails.
    async fn table(&self, table: TableName, mut batches: Vec<Batch>) -> (TableName, Vec<Commit>, Option<WriteError>) {
        let mut commits = Vec::new();
        while !batches.is_empty() {
            let next = match self.next(&table, &batches).await {
                Ok(next) => next,
                Err(error) => return (table, commits, Some(error)),
            };
            let batch = batches.remove(next);
            let id = batch.id;
            match self.batch(&table, batch).await {
                Ok(Some(outcome)) => commits.push(Commit { table: table.clone(), batch: id, outcome }),
                Ok(None) => (),
                Err(error) => return (table, commits, Some(error)),
            }
        }
        (table, commits, None)
    }

    /// The place of the batch to be committed next. Where order counts that may be one of another process, which is waited
    /// for: a commit takes moments.
    async fn next(&self, table: &TableName, batches: &[Batch]) -> Result<usize, WriteError> {
        match self.options(table).arrival {
            Arrival::Together => return Ok(0),
            Arrival::InTurn(_) => (),
        }
        for _ in 0..LOOKS {
            for (place, batch) in batches.iter().enumerate() {
                if self.ledger.is_next(batch.id).await? {
                    return Ok(place);
                }
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Err(WriteError::NotItsTurn)
    }

    /// `None` where another process has taken the batch over.
    async fn batch(&self, table: &TableName, batch: Batch) -> Result<Option<CommitOutcome>, WriteError> {
        if !self.ledger.renew_batch(batch.id, &self.lease()).await? {
            return Ok(None);
        }
        let third = Duration::from_secs(u64::from(self.lease_seconds / 3).max(1));
        let renewing = async {
            loop {
                tokio::time::sleep(third).await;
                match self.ledger.renew_batch(batch.id, &self.lease()).await {
                    Ok(true) => (),
                    // too late to stop; the batch's id in the table decides
                    Ok(false) => {
                        warn!(table = %table, batch = %batch.id.0.short(12), "another process has the batch too")
                    }
                    Err(error) => warn!(table = %table, %error, "the lease could not be prolonged"),
                }
            }
        };
        let outcome = tokio::select! {
            outcome = self.commit(table, &batch) => outcome?,
            () = renewing => unreachable!("the loop has no end"),
        };
        self.step("write: committed")?;
        self.ledger.commit_done(batch.id, (self.clock)()).await?;
        self.step("write: marked")?;
        Ok(Some(outcome))
    }

    async fn commit(&self, table: &TableName, batch: &Batch) -> Result<CommitOutcome, WriteError> {
        // first, because the staged files may be gone if it is
        if self.lake.has_batch(table, batch.id).await? {
            return Ok(CommitOutcome::AlreadyCommitted);
        }
        let mut files = Vec::with_capacity(batch.files.len());
        for staged in &batch.files {
            let path = self.staging.fetch(&staged.key).await?;
            files.push(LocalFile { path, staged: staged.clone() });
        }
        let options = self.options(table);
        let effect = match options.arrival {
            Arrival::Together => Effect::Append,
            Arrival::InTurn(effect) => effect,
        };
        Ok(self.lake.write(table, &files, batch.id, options.target_file_bytes, &effect).await?)
    }

    /// Drops the snapshots that are old and whose batches are marked, once they are many; where some of them are of another
    /// day, files that nothing names go too. Cheap where there is nothing to do, so call it after every commit.
    pub async fn tidy(&self, table: &TableName) -> Result<(), WriteError> {
        let now = (self.clock)();
        let newer_than = now.plus_seconds(-i64::from(self.retention.seconds));
        let expirable = self.lake.expirable(table, &Expiry { newer_than, at_least: self.retention.snapshots }).await?;
        // after the table was looked at: see `lake::expirable`
        let open: Vec<BatchId> = self.ledger.open_batches(table).await?;
        let marked = expirable.iter().filter(|one| one.batch.is_none_or(|batch| !open.contains(&batch)));
        let marked: Vec<&Expirable> = marked.collect();
        if marked.len() < self.retention.at_a_time {
            return Ok(());
        }
        let ids: Vec<i64> = marked.iter().map(|one| one.snapshot).collect();
        self.lake.expire(table, &ids).await?;
        if marked.iter().any(|one| one.made.day() != now.day()) {
            let older_than = now.plus_seconds(-i64::from(self.retention.orphan_seconds));
            self.lake.remove_orphans(table, older_than).await?;
        }
        Ok(())
    }

    /// Files that are committed and seen. First the bytes, then the entry: a crash between them is found by the next call.
    async fn delete_staged(&self) -> Result<usize, WriteError> {
        let mut deleted = 0;
        loop {
            let files = self.ledger.disposable(DELETED_AT_A_TIME).await?;
            if files.is_empty() {
                break;
            }
            for file in &files {
                self.staging.delete(&file.key).await?;
            }
            self.step("write: files deleted")?;
            let keys: Vec<String> = files.into_iter().map(|file| file.key).collect();
            self.ledger.disposed(&keys).await?;
            deleted += keys.len();
        }
        if deleted > 0 {
            info!(deleted, "staged files deleted");
        }
        Ok(deleted)
    }

    fn lease(&self) -> Lease {
        let now: Timestamp = (self.clock)();
        Lease::new(&self.owner, now, self.lease_seconds)
    }
}
