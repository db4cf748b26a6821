//! A log source of a release, its programs compiled when they are first needed.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use columns::{FieldIds, RowBuilder};
use model::{
    digest::Digest,
    name::{DEFAULT_TABLE, LogSourceName, TableName},
    release::{Bundle, EnrichmentTable, LogSource, Partition, ReleaseId, Storage, Table},
};

use crate::{EnrichmentTables, Program, ProgramKind, TransformError, compile, slots::Plan};

/// A log source with everything that its objects need.
pub(crate) struct Source {
    pub source: LogSource,
    pub release: ReleaseId,
    pub tables: BTreeMap<TableName, SourceTable>,
    pub select_metadata: Option<Program>,
    pub select_record: Option<Program>,
    pub enrichment: EnrichmentTables,
}

/// The transform of an enrichment table that has none of its own: the record is the row. Names may be dotted, as those of
/// CSV columns must be.
const AS_IT_IS: &str = r#". = unflatten(object!(.json))"#;

/// A table of the source.
pub(crate) struct SourceTable {
    pub table: Table,
    pub ids: Option<FieldIds>,
    /// Whether its rows are a log source's, or those of an enrichment table.
    pub kind: ProgramKind,
    transform: String,
    expand: Option<String>,
    compiled: OnceLock<Arc<CompiledTable>>,
    expander: OnceLock<Arc<Program>>,
}

/// A table's transform, and how it runs.
pub(crate) struct CompiledTable {
    pub program: Program,
    /// The plan and what is left of the program over slots; nothing where it runs over whole events.
    pub over_slots: Option<(Arc<Plan>, Program)>,
    /// Whether the record selector leaves alone what the transform looks at.
    pub selector_is_apart: bool,
}

impl Source {
    pub fn new(
        bundle: &Bundle,
        name: &LogSourceName,
        ids: &BTreeMap<TableName, FieldIds>,
        enrichment: &EnrichmentTables,
    ) -> Result<Self, TransformError> {
        let unknown = || TransformError::UnknownSource(name.clone());
        let source = match bundle.release.log_sources.get(name) {
            Some(source) => source.clone(),
            None => return Self::of_uploads(bundle, name, ids, enrichment)?.ok_or_else(unknown),
        };
        let mut tables = BTreeMap::new();
        for table in source.tables.values() {
            let missing = || TransformError::UnknownTable { log_source: name.clone(), table: table.clone() };
            let definition = bundle.release.tables.get(table).ok_or_else(missing)?.clone();
            let entry = SourceTable {
                transform: text(bundle, definition.transform)?.to_owned(),
                expand: definition.expand.map(|digest| text(bundle, digest).map(str::to_owned)).transpose()?,
                ids: ids.get(table).cloned(),
                kind: ProgramKind::Transform,
                table: definition,
                compiled: OnceLock::new(),
                expander: OnceLock::new(),
            };
            tables.insert(table.clone(), entry);
        }
        let selector = |digest: Option<Digest>, kind: ProgramKind| {
            let compiled = |digest| compiled(text(bundle, digest)?, kind, name.as_str(), enrichment);
            digest.map(compiled).transpose()
        };
        Ok(Self {
            select_metadata: selector(source.select_table_from_metadata, ProgramKind::SelectMetadata)?,
            select_record: selector(source.select_table_from_record, ProgramKind::SelectRecord)?,
            release: bundle.release.id(),
            tables,
            source,
            enrichment: enrichment.clone(),
        })
    }

    /// What is uploaded to an enrichment table, as a log source with that one table.
    fn of_uploads(
        bundle: &Bundle,
        name: &LogSourceName,
        ids: &BTreeMap<TableName, FieldIds>,
        enrichment: &EnrichmentTables,
    ) -> Result<Option<Self>, TransformError> {
        let table = bundle.release.uploaded_table(name);
        let Some((table, source)) = table.and_then(|table| Some((table, table.uploads()?))) else { return Ok(None) };
        let EnrichmentTable { schema, transform, .. } = table;
        let resolved = TableName::of_enrichment(&table.name);
        let entry = SourceTable {
            ids: ids.get(&resolved).cloned(),
            kind: ProgramKind::EnrichmentTransform,
            transform: transform.map_or(Ok(AS_IT_IS), |digest| text(bundle, digest))?.to_owned(),
            expand: None,
            table: Table {
                name: resolved.clone(),
                log_source: name.clone(),
                schema: schema.clone(),
                transform: transform.unwrap_or_else(|| Digest::of(AS_IT_IS.as_bytes())),
                expand: None,
                csv_headers: Vec::new(),
                storage: Storage { partition: Partition::None, keep_original: false, ..Storage::default() },
            },
            compiled: OnceLock::new(),
            expander: OnceLock::new(),
        };
        Ok(Some(Self {
            select_metadata: None,
            select_record: None,
            release: bundle.release.id(),
            tables: BTreeMap::from([(resolved, entry)]),
            source,
            enrichment: enrichment.clone(),
        }))
    }

    /// The table by the name that a selector uses: the short one, or the resolved one.
    pub fn table(&self, name: &str) -> Option<&TableName> {
        self.source.tables.get(name).or_else(|| self.tables.get_key_value(name).map(|(name, _)| name))
    }

    /// The table of records for which nothing is selected.
    pub fn default_table(&self) -> Option<&TableName> {
        match self.source.tables.get(DEFAULT_TABLE) {
            Some(table) => Some(table),
            None if self.source.tables.len() == 1 => self.source.tables.values().next(),
            None => None,
        }
    }

    /// The table whose `expand` and `csv_headers` an object is read with: the one chosen for it, or any where all agree.
    pub fn reading_table(&self, chosen: Option<&TableName>) -> Option<&SourceTable> {
        if let Some(chosen) = chosen.or_else(|| self.default_table()) {
            return self.tables.get(chosen);
        }
        let mut tables = self.tables.values();
        let first = tables.next()?;
        let same =
            |other: &SourceTable| other.expand == first.expand && other.table.csv_headers == first.table.csv_headers;
        tables.all(same).then_some(first)
    }
}

impl SourceTable {
    /// The transform, compiled on first use.
    pub fn compiled(&self, source: &Source) -> Result<Arc<CompiledTable>, TransformError> {
        if let Some(compiled) = self.compiled.get() {
            return Ok(compiled.clone());
        }
        let owner = self.table.name.as_str();
        let compile = |text: &str| compiled(text, self.kind, owner, &source.enrichment);
        let program = compile(&self.transform)?;
        let columns = RowBuilder::new(&self.table.schema, None);
        let over_slots = match Plan::prove(&program, &self.table.schema, &columns) {
            Ok(mut plan) => {
                let rest = plan.take_moves(&program, compile).unwrap_or_else(|| program.clone());
                Some((Arc::new(plan), rest))
            }
            Err(reason) => {
                tracing::debug!(table = %self.table.name, %reason, "transform runs over whole events");
                None
            }
        };
        let selector_is_apart = source.select_record.as_ref().is_none_or(|selector| is_apart(selector, &program));
        let compiled = Arc::new(CompiledTable { program, over_slots, selector_is_apart });
        Ok(self.compiled.get_or_init(|| compiled).clone())
    }

    /// The expand program, compiled on first use.
    pub fn expander(&self, source: &Source) -> Result<Option<Arc<Program>>, TransformError> {
        let Some(text) = &self.expand else { return Ok(None) };
        if let Some(expander) = self.expander.get() {
            return Ok(Some(expander.clone()));
        }
        let program = compiled(text, ProgramKind::Expand, self.table.name.as_str(), &source.enrichment)?;
        Ok(Some(self.expander.get_or_init(|| Arc::new(program)).clone()))
    }
}

fn text(bundle: &Bundle, digest: Digest) -> Result<&str, TransformError> {
    bundle.text(digest).ok_or(TransformError::MissingResource { digest })
}

fn compiled(
    text: &str,
    kind: ProgramKind,
    owner: &str,
    enrichment: &EnrichmentTables,
) -> Result<Program, TransformError> {
    let failed = |diagnostics| TransformError::Program { kind, owner: owner.to_owned(), diagnostics };
    compile(text, kind, enrichment, None).map_err(failed)
}

/// Whether a transform cannot see what a record selector does to the event.
fn is_apart(selector: &Program, transform: &Program) -> bool {
    let mut changed = selector.assigned_paths();
    if selector.text().contains("del") {
        changed.extend(selector.queried_paths());
    }
    let seen = transform.queried_paths();
    changed.iter().all(|changed| {
        // what is not part of the record may become a column
        changed.starts_with("json.") && !seen.iter().any(|seen| overlap(changed, seen))
    })
}

/// Whether one path is the other or a part of it.
fn overlap(a: &str, b: &str) -> bool {
    let starts = |long: &str, short: &str| {
        short == "." || long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    starts(a, b) || starts(b, a)
}
