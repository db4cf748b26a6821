//! log_sources/<dir>: one log source with its tables, built on a managed one or not.
//!
//! A table is made of up to four layers, each wins over those before it: the managed log_source.yml, the managed table,
//! the user's log_source.yml, the user's table.

use std::{collections::BTreeMap, num::NonZeroU64, sync::Arc};

use model::{
    name::{DEFAULT_TABLE, LogSourceName, TableName},
    release::{MAX_RECORD_BYTES, ObjectMatch, Partition, Storage},
    system,
};
use regex::Regex;

use super::{
    Loader, columns, is_reserved,
    managed_source::{self, ManagedSource},
    tests,
};
use crate::{
    managed,
    program::{Block, Kind, VrlProgram},
    project::{LogSource, Managed, Table},
    rules,
    spec::{
        FileKind, LogSourceSpec, TableSpec,
        log_source::S3SourceSpec,
        quantity::SizeSpec,
        table::{FieldSpec, PartitionSpec, StorageSpec},
    },
    yaml::Doc,
};

const DIRECTORY: &str = "log_sources";

pub fn load(loader: &mut Loader<'_>) {
    for directory in loader.files.directories(DIRECTORY) {
        let path = format!("{DIRECTORY}/{directory}");
        let Some(bytes) = loader.files.get(&format!("{path}/log_source.yml")) else {
            loader.unread.push(directory.to_owned());
            continue;
        };
        if load_one(loader, &path, bytes).is_none() {
            loader.unread.push(directory.to_owned());
        }
    }
}

fn load_one(loader: &mut Loader<'_>, directory: &str, bytes: &[u8]) -> Option<()> {
    let file = format!("{directory}/log_source.yml");
    let user_tables = read_tables(loader, directory);
    let (doc, spec) = loader.read::<LogSourceSpec>(FileKind::LogSource, &file, bytes)?;
    let name = spec.name.clone()?;
    let name = loader.name(&doc, "/name", LogSourceName::parse(&name))?;
    if is_reserved(name.as_str()) {
        let message = format!("the name `{name}` belongs to matano");
        loader.report(doc.at(&rules::RESERVED_NAME, "/name", message).help("choose another name"));
        return None;
    }
    if !loader.claim("log source", name.as_str(), &doc, "/name") {
        return None;
    }
    let managed = spec.managed.as_ref().and_then(|managed| {
        let kind = managed.kind.as_deref()?;
        let source = managed_source::read(loader, &doc, kind)?;
        check_prefix(loader, &doc, &name, &source.kind);
        Some(source)
    });
    let source = Source { name, directory, doc: &doc, spec: &spec, managed: managed.as_ref() };
    source.build(loader, &user_tables);
    Some(())
}

fn check_prefix(loader: &mut Loader<'_>, doc: &Doc, name: &LogSourceName, kind: &str) {
    let prefix = managed::prefix(kind);
    if !name.as_str().starts_with(prefix) {
        let message = format!("expected the name of a log source on `{kind}` to begin with `{prefix}`, found `{name}`");
        loader.report(doc.at(&rules::MANAGED_NAME_PREFIX, "/name", message).help(format!("call it `{prefix}_{name}`")));
    }
}

/// A table's file: its path below the log source, and what it says.
struct TableFile {
    path: String,
    doc: Arc<Doc>,
    spec: TableSpec,
}

fn read_tables(loader: &mut Loader<'_>, directory: &str) -> Vec<TableFile> {
    let files = loader.files;
    let mut out = Vec::new();
    for (path, bytes) in
        files.below(directory).filter(|(path, _)| path.starts_with("tables/") && path.ends_with(".yml"))
    {
        if let Some((doc, spec)) = loader.read::<TableSpec>(FileKind::Table, &format!("{directory}/{path}"), bytes) {
            out.push(TableFile { path: path.to_owned(), doc, spec });
        }
    }
    out
}

struct Source<'a> {
    name: LogSourceName,
    directory: &'a str,
    doc: &'a Arc<Doc>,
    spec: &'a LogSourceSpec,
    managed: Option<&'a ManagedSource>,
}

/// One of the up to four files that a table is made of.
#[derive(Clone, Copy)]
struct Layer<'a> {
    doc: &'a Doc,
    transform: bool,
    expand: bool,
    csv_headers: Option<&'a Vec<String>>,
    storage: Option<&'a StorageSpec>,
    ecs_field_names: &'a [String],
    fields: &'a [FieldSpec],
}

impl<'a> Layer<'a> {
    fn of_source(doc: &'a Doc, spec: &'a LogSourceSpec) -> Self {
        let (ingest, schema) = (spec.ingest.as_ref(), spec.schema.as_ref());
        Self {
            doc,
            transform: spec.transform.is_some(),
            expand: ingest.is_some_and(|ingest| ingest.expand_records_from_payload.is_some()),
            csv_headers: ingest.and_then(|ingest| ingest.csv_headers.as_ref()),
            storage: spec.storage.as_ref(),
            ecs_field_names: schema.and_then(|schema| schema.ecs_field_names.as_deref()).unwrap_or_default(),
            fields: schema.and_then(|schema| schema.fields.as_deref()).unwrap_or_default(),
        }
    }

    fn of_table(doc: &'a Doc, spec: &'a TableSpec) -> Self {
        let (ingest, schema) = (spec.ingest.as_ref(), spec.schema.as_ref());
        Self {
            doc,
            transform: spec.transform.is_some(),
            expand: ingest.is_some_and(|ingest| ingest.expand_records_from_payload.is_some()),
            csv_headers: ingest.and_then(|ingest| ingest.csv_headers.as_ref()),
            storage: spec.storage.as_ref(),
            ecs_field_names: schema.and_then(|schema| schema.ecs_field_names.as_deref()).unwrap_or_default(),
            fields: schema.and_then(|schema| schema.fields.as_deref()).unwrap_or_default(),
        }
    }
}

impl<'a> Source<'a> {
    fn build(&self, loader: &mut Loader<'_>, user_tables: &'a [TableFile]) {
        let mut tables = BTreeMap::new();
        for (name, layers) in self.table_layers(loader, user_tables) {
            // the last layer is the file that speaks of the table
            let doc = layers.last().map_or(self.doc.as_ref(), |layer| layer.doc);
            let parsed = TableName::of_source(&self.name, &name);
            let Some(resolved) = loader.name(doc, "/name", parsed) else { continue };
            if is_reserved(resolved.as_str()) || !loader.claim("table", resolved.as_str(), doc, "/name") {
                continue;
            }
            let table = self.table(loader, resolved.clone(), &layers);
            loader.project.tables.insert(resolved.clone(), table);
            tables.insert(name, resolved);
        }
        let source = self.source(loader, tables);
        loader.project.log_sources.insert(self.name.clone(), source);
    }

    /// Which tables there are, and the files that each is made of.
    fn table_layers(&self, loader: &mut Loader<'_>, user_tables: &'a [TableFile]) -> Vec<(String, Vec<Layer<'a>>)> {
        let user_source = Layer::of_source(self.doc, self.spec);
        let Some(managed) = self.managed else {
            if user_tables.is_empty() {
                return vec![(DEFAULT_TABLE.to_owned(), vec![user_source])];
            }
            let named = user_tables.iter().filter_map(|table| Some((own_name(loader, table)?, table)));
            return named
                .map(|(name, table)| (name, vec![user_source, Layer::of_table(&table.doc, &table.spec)]))
                .collect();
        };
        let managed_source = Layer::of_source(&managed.source.0, &managed.source.1);
        if managed.tables.is_empty() && user_tables.is_empty() {
            return vec![(DEFAULT_TABLE.to_owned(), vec![managed_source, user_source])];
        }
        // without a word on tables all of them are wanted; Matano left a source without its parser here
        if user_tables.is_empty() {
            let all = managed.tables.iter();
            return all
                .map(|table| {
                    (table.name.clone(), vec![managed_source, Layer::of_table(&table.doc, &table.spec), user_source])
                })
                .collect();
        }
        let mut out = Vec::new();
        for table in user_tables {
            let counterpart = managed
                .tables
                .iter()
                .find(|known| known.path == table.path || table.spec.name.as_deref() == Some(known.name.as_str()));
            let user_table = Layer::of_table(&table.doc, &table.spec);
            match counterpart {
                Some(known) => {
                    let managed_table = Layer::of_table(&known.doc, &known.spec);
                    out.push((known.name.clone(), vec![managed_source, managed_table, user_source, user_table]));
                }
                None if managed.tables.is_empty() && table.path == "tables/default.yml" => {
                    out.push((DEFAULT_TABLE.to_owned(), vec![managed_source, user_source, user_table]));
                }
                None => {
                    let stem = table.path.trim_start_matches("tables/").trim_end_matches(".yml");
                    let message = format!("the managed source `{}` has no table `{stem}`", managed.kind);
                    let names = managed.tables.iter().map(|known| known.name.as_str());
                    let diagnostic = table.doc.at_key(&rules::UNKNOWN_MANAGED_TABLE, "/name", message);
                    // the name of the file is what is wrong
                    loader.report(diagnostic.suggest(stem, names).without_fix());
                }
            }
        }
        out
    }

    fn table(&self, loader: &mut Loader<'_>, name: TableName, layers: &[Layer<'_>]) -> Table {
        let own: Vec<columns::Layer<'_>> = layers
            .iter()
            .map(|layer| columns::Layer {
                doc: layer.doc,
                ecs_field_names: layer.ecs_field_names,
                fields: layer.fields,
            })
            .collect();
        let schema = Arc::new(columns::build(loader, system::row_columns(), &own));
        let blocks =
            layers.iter().filter(|layer| layer.transform).filter_map(|layer| Block::of(layer.doc, "/transform"));
        let file = layers.last().map_or(self.doc.file(), |layer| layer.doc.file());
        let mut transform = VrlProgram::join(format!("transform of {name}"), Kind::Transform, file, blocks.collect());
        self.owned(&mut transform, Some(&name));
        const EXPAND: &str = "/ingest/expand_records_from_payload";
        let expand = layers.iter().rev().find(|layer| layer.expand).and_then(|layer| Block::of(layer.doc, EXPAND));
        let expand = expand.map(|block| {
            let mut program = VrlProgram::join(format!("expand of {name}"), Kind::Expand, file, vec![block]);
            self.owned(&mut program, Some(&name));
            program
        });
        let csv_headers = layers.iter().rev().find_map(|layer| layer.csv_headers).cloned().unwrap_or_default();
        let mut storage = Storage::default();
        for layer in layers {
            if let Some(spec) = layer.storage {
                apply_storage(loader, layer.doc, spec, &mut storage);
            }
        }
        let files = layers.iter().map(|layer| layer.doc.file().to_owned()).collect();
        Table { log_source: self.name.clone(), name, files, schema, transform, expand, csv_headers, storage }
    }

    fn source(&self, loader: &mut Loader<'_>, tables: BTreeMap<String, TableName>) -> LogSource {
        // what wins comes first
        let mut layers: Vec<(&Doc, &LogSourceSpec)> = vec![(self.doc, self.spec)];
        layers.extend(self.managed.map(|managed| (managed.source.0.as_ref(), &managed.source.1)));
        let s3: Vec<(&Doc, &S3SourceSpec)> =
            layers.iter().filter_map(|(doc, spec)| Some((*doc, spec.ingest.as_ref()?.s3_source.as_ref()?))).collect();
        let max_record = layers
            .iter()
            .filter_map(|(doc, spec)| Some((*doc, spec.ingest.as_ref()?.max_record_size.as_ref()?)))
            .find_map(|(doc, size)| positive_size(loader, doc, "/ingest/max_record_size", size));
        let mut source = LogSource {
            name: self.name.clone(),
            file: self.doc.file().to_owned(),
            directory: self.directory.to_owned(),
            managed: self.managed.map(|managed| Managed {
                kind: managed.kind.clone(),
                properties: self.spec.managed.as_ref().and_then(|spec| spec.properties.clone()).unwrap_or_default(),
            }),
            objects: self.objects(loader, &s3),
            access_role_arn: s3.iter().find_map(|(_, s3)| s3.access_role_arn.clone()),
            cloudwatch_envelope: s3.iter().find_map(|(_, s3)| s3.is_from_cloudwatch_log_subscription).unwrap_or(false),
            select_table_from_metadata: self.selector(&layers, Kind::SelectMetadata),
            select_table_from_record: self.selector(&layers, Kind::SelectRecord),
            max_record_bytes: max_record.unwrap_or(MAX_RECORD_BYTES),
            tables,
            tests: Vec::new(),
        };
        if let Some(managed) = self.managed {
            source.tests.extend(tests::of_managed(loader, &source, managed));
        }
        source.tests.extend(tests::of_log_source(loader, &source, self.doc, &self.spec.tests));
        source
    }

    fn objects(&self, loader: &mut Loader<'_>, s3: &[(&Doc, &S3SourceSpec)]) -> ObjectMatch {
        for (doc, s3) in s3 {
            check_s3_source(loader, doc, s3);
        }
        let bucket = s3.iter().find_map(|(_, s3)| s3.bucket_name.clone());
        let prefix = s3.iter().find_map(|(_, s3)| s3.key_prefix.clone());
        let key_pattern = s3.iter().find_map(|(_, s3)| s3.key_pattern.clone());
        let key_pattern = key_pattern.filter(|pattern| Regex::new(pattern).is_ok());
        let anything = bucket.is_none() && prefix.is_none() && key_pattern.is_none();
        let key_prefix = if anything { format!("{}/", self.name) } else { prefix.unwrap_or_default() };
        ObjectMatch { bucket, key_prefix, key_pattern }
    }

    fn selector(&self, layers: &[(&Doc, &LogSourceSpec)], kind: Kind) -> Option<VrlProgram> {
        let (doc, pointer) = layers.iter().find_map(|(doc, spec)| {
            let ingest = spec.ingest.as_ref()?;
            let (text, pointer) = match kind {
                Kind::SelectMetadata => {
                    (&ingest.select_table_from_payload_metadata, "/ingest/select_table_from_payload_metadata")
                }
                Kind::SelectRecord => (&ingest.select_table_from_payload, "/ingest/select_table_from_payload"),
                Kind::Transform | Kind::Expand | Kind::EnrichmentTransform => return None,
            };
            text.as_ref().map(|_| (*doc, pointer))
        })?;
        let name = format!("table selection of {}", self.name);
        let mut program = VrlProgram::join(name, kind, doc.file(), vec![Block::of(doc, pointer)?]);
        self.owned(&mut program, None);
        Some(program)
    }

    fn owned(&self, program: &mut VrlProgram, table: Option<&TableName>) {
        program.log_source = Some(self.name.clone());
        program.table = table.cloned();
    }
}

fn own_name(loader: &mut Loader<'_>, table: &TableFile) -> Option<String> {
    if table.spec.name.is_none() && table.doc.node("/name").is_none() {
        let stem = table.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".yml");
        let diagnostic = table.doc.at(&rules::MISSING_KEY, "", "the key `name` is missing");
        loader.report(diagnostic.help(format!("add `name: {stem}`")));
    }
    table.spec.name.clone()
}

fn apply_storage(loader: &mut Loader<'_>, doc: &Doc, spec: &StorageSpec, storage: &mut Storage) {
    if let Some(partition) = spec.partition {
        storage.partition = match partition {
            PartitionSpec::Hour => Partition::Hour,
            PartitionSpec::Day => Partition::Day,
            PartitionSpec::Month => Partition::Month,
            PartitionSpec::None => Partition::None,
        };
    }
    storage.keep_original = spec.keep_original.unwrap_or(storage.keep_original);
    if let Some(size) = &spec.target_file_size
        && let Some(bytes) = positive_size(loader, doc, "/storage/target_file_size", size)
    {
        storage.target_file_bytes = bytes;
    }
}

fn positive_size(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, size: &SizeSpec) -> Option<NonZeroU64> {
    let problem = match size.bytes() {
        Ok(bytes) => match NonZeroU64::new(bytes) {
            Some(bytes) => return Some(bytes),
            None => "expected at least one byte, found none".to_owned(),
        },
        Err(problem) => problem,
    };
    loader.report(doc.at(&rules::INVALID_VALUE, pointer, problem));
    None
}

fn check_s3_source(loader: &mut Loader<'_>, doc: &Doc, s3: &S3SourceSpec) {
    if let Some(pattern) = &s3.key_pattern
        && let Err(error) = Regex::new(pattern)
    {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let message = format!("expected a regular expression, found `{pattern}`: {reason}");
        loader.report(doc.at(&rules::INVALID_VALUE, "/ingest/s3_source/key_pattern", message));
    }
    if let Some(bucket) = &s3.bucket_name {
        let plain = bucket.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'));
        if !plain || !(3..=63).contains(&bucket.len()) {
            let message = format!("expected the name of an S3 bucket, found `{bucket}`");
            let mut diagnostic = doc.at(&rules::INVALID_VALUE, "/ingest/s3_source/bucket_name", message);
            if bucket.starts_with("s3://") || bucket.contains('/') {
                diagnostic = diagnostic.help("write the bucket alone, and what keys begin with as `key_prefix`");
            }
            loader.report(diagnostic);
        }
    }
    if let Some(role) = &s3.access_role_arn
        && !(role.starts_with("arn:") && role.contains(":role/"))
    {
        let message = format!("expected the ARN of an IAM role, found `{role}`");
        loader.report(doc.at(&rules::INVALID_VALUE, "/ingest/s3_source/access_role_arn", message));
    }
}
