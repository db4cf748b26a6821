//! Turns rule matches into stored alerts, rows for `matano_alerts`, and deliveries.
//!
//! Start at [`AlertWriter::write`]; rows come out of [`AlertWriter::next_rows`]. Everything may be repeated: a match
//! counts once, and a batch of rows keeps its id until it is in the lake. Nothing here sends or commits.

use std::{collections::BTreeMap, sync::Arc};

use alert::{decide, fold::Summary, row};
use model::{
    alert::RuleMatch,
    digest::Digest,
    name::DestinationName,
    release::{Destination, Release},
    time::Timestamp,
};
use store::{
    alerts::{Absorbed, AlertStore, Fold, Folded, Folding, RowBatch},
    error::StoreError,
};

/// Writes alerts of one release.
#[derive(Debug, Clone)]
pub struct AlertWriter {
    store: Arc<dyn AlertStore>,
    fold: Arc<FoldAlerts>,
}

impl AlertWriter {
    /// A writer that knows the destinations of this release.
    pub fn new(store: Arc<dyn AlertStore>, release: &Release) -> Self {
        Self { store, fold: Arc::new(FoldAlerts { destinations: release.destinations.clone() }) }
    }

    /// Takes in matches: the alerts that changed, with how many of the matches were new.
    pub async fn write(&self, matches: Vec<RuleMatch>, now: Timestamp) -> Result<Vec<Absorbed>, StoreError> {
        if matches.is_empty() {
            return Ok(Vec::new());
        }
        let arrived = matches.len();
        let absorbed = self.store.absorb(matches, Arc::clone(&self.fold) as Arc<dyn Fold>, now).await?;
        let new: u64 = absorbed.iter().map(|absorbed| absorbed.new_matches).sum();
        tracing::debug!(arrived, new, alerts = absorbed.len(), "took in matches");
        Ok(absorbed)
    }

    /// Rows of `matano_alerts` that are not in the lake yet, oldest first. Until [`AlertWriter::rows_done`] the same
    /// batch comes back with the same id: commit it under a batch id derived from that, and skip it where the lake has it.
    pub async fn next_rows(&self, limit: u32) -> Result<Option<RowBatch>, StoreError> {
        self.store.next_rows(limit).await
    }

    /// The rows of this batch are in the lake.
    pub async fn rows_done(&self, batch: Digest) -> Result<(), StoreError> {
        self.store.rows_done(batch).await
    }
}

/// The fold that the store runs in its transaction.
#[derive(Debug)]
pub struct FoldAlerts {
    /// Those of the release.
    pub destinations: BTreeMap<DestinationName, Destination>,
}

impl Fold for FoldAlerts {
    fn fold(&self, folding: Folding<'_>) -> Result<Folded, String> {
        let Folding { state, mut match_count, mut activated_at, new, told, now } = folding;
        let mut summary = match state {
            Some(bytes) => Some(Summary::from_json(bytes)?),
            None => None,
        };
        for found in new {
            match &mut summary {
                Some(summary) => summary.absorb(found),
                None => summary = Some(Summary::of(found)),
            }
            match_count += 1;
        }
        let summary = summary.ok_or("an alert without matches")?;
        let alert = summary.alert(match_count);
        if alert.is_active() {
            activated_at.get_or_insert(now);
        }
        let rows = new.iter().map(|found| row::row(found, &alert, activated_at, now)).collect();
        let deliveries = decide::deliveries(told, &alert, &self.destinations);
        Ok(Folded { state: summary.to_json(), alert, activated_at, rows, deliveries })
    }
}
