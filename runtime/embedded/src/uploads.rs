//! Enrichment tables whose rows are uploaded: what programs and detections look up follows the table in the lake.
//!
//! A table is read again when it is at another snapshot than the one that was read, whoever made it. No deploy is needed.

use std::collections::BTreeMap;

use lake::Effect;
use lake_writer::Arrival;
use model::{
    name::{EnrichmentName, LogSourceName, TableName},
    release::{EnrichmentTable, Release, WriteMode},
};
use store::objects::Objects as _;
use tokio::sync::Mutex;
use transform::{EnrichmentTables, LookupTable};
use transformer::Request;

use crate::{
    Embedded, EmbeddedError,
    flow::{Session, blocking},
};

/// The tables as this process has read them.
pub(crate) struct Uploads {
    lookups: EnrichmentTables,
    read: Mutex<BTreeMap<EnrichmentName, Read>>,
}

/// One table as it was read.
#[derive(Debug, Default)]
struct Read {
    snapshot: Option<i64>,
    /// JSON lines, for detections.
    lines: Vec<u8>,
}

/// Whether anything was read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refreshed {
    Changed,
    Same,
}

/// The effect of an upload to a table.
fn effect(table: &EnrichmentTable) -> Effect {
    match table.write_mode {
        WriteMode::Overwrite => Effect::Overwrite,
        WriteMode::Append => Effect::Append,
        WriteMode::Merge => Effect::Merge(table.primary_key.clone()),
    }
}

/// How uploads come into their tables.
pub(crate) fn arrivals(release: &Release) -> impl Iterator<Item = (TableName, Arrival)> {
    uploaded(release).map(|table| (TableName::of_enrichment(&table.name), Arrival::InTurn(effect(table))))
}

fn uploaded(release: &Release) -> impl Iterator<Item = &EnrichmentTable> {
    release.enrichment.values().filter(|table| table.uploads().is_some())
}

impl Uploads {
    /// With the tables that programs were compiled with. Nothing is read yet.
    pub(crate) fn new(lookups: EnrichmentTables) -> Self {
        Self { lookups, read: Mutex::default() }
    }

    /// Reads every table that has changed since it was read.
    pub(crate) async fn refresh(&self, target: &Embedded, release: &Release) -> Result<Refreshed, EmbeddedError> {
        let mut refreshed = Refreshed::Same;
        let mut read = self.read.lock().await;
        for table in uploaded(release) {
            let name = TableName::of_enrichment(&table.name);
            let snapshot = target.lake.head(&name).await?.map(|head| head.snapshot);
            let known = read.entry(table.name.clone()).or_default();
            if known.snapshot == snapshot {
                continue;
            }
            let mut rows = Vec::new();
            for batch in target.lake.rows(&name).await? {
                rows.extend((0..batch.num_rows()).map(|row| columns::row_json(&batch, row)));
            }
            self.lookups.replace(&table.name, LookupTable::new(&table.lookup_keys, &rows));
            let mut lines = Vec::new();
            for row in &rows {
                lines.extend(row.to_string().into_bytes());
                lines.push(b'\n');
            }
            *known = Read { snapshot, lines };
            refreshed = Refreshed::Changed;
        }
        Ok(refreshed)
    }

    /// The rows of every table that was read, as JSON lines.
    pub(crate) async fn lines(&self) -> BTreeMap<EnrichmentName, Vec<u8>> {
        self.read.lock().await.iter().map(|(name, read)| (name.clone(), read.lines.clone())).collect()
    }
}

impl Session<'_> {
    /// Lets programs and detections see what enrichment tables have now.
    pub(crate) async fn refresh_enrichment(&self) -> Result<(), EmbeddedError> {
        match (self.uploads.refresh(self.target, &self.bundle.release).await?, &self.host) {
            (Refreshed::Changed, Some(host)) => {
                let (host, bundle, lines) = (host.clone(), self.bundle.clone(), self.uploads.lines().await);
                Ok(blocking(move || host.load_with(&bundle, &lines)).await??)
            }
            (Refreshed::Changed, None) | (Refreshed::Same, _) => Ok(()),
        }
    }

    /// Uploads to enrichment tables, in their order, and all other requests.
    pub(crate) async fn divide(&self, requests: Vec<Request>) -> (Vec<Request>, Vec<Request>) {
        if uploaded(&self.bundle.release).next().is_none() {
            return (Vec::new(), requests);
        }
        let (mut uploads, mut others) = (Vec::new(), Vec::new());
        for request in requests {
            let source = match &request.source {
                Some(source) => Some(source.clone()),
                // an object that cannot be looked at is reported where it is read
                None => match self.target.objects.head(&request.address).await {
                    Ok(head) => self.log_source_of(&request, &head.object),
                    Err(_) => None,
                },
            };
            let is_upload = source.as_ref().is_some_and(|source| self.uploaded_table(source).is_some());
            if is_upload { uploads.push(request) } else { others.push(request) }
        }
        (uploads, others)
    }

    /// What uploads do to a table; `None` where it has none.
    pub(crate) fn upload_effect(&self, table: &TableName) -> Option<Effect> {
        let mut tables = uploaded(&self.bundle.release);
        tables.find(|one| TableName::of_enrichment(&one.name) == *table).map(effect)
    }

    /// The enrichment table that objects of a source are uploads to.
    pub(crate) fn uploaded_table(&self, source: &LogSourceName) -> Option<&EnrichmentTable> {
        self.bundle.release.uploaded_table(source)
    }
}
