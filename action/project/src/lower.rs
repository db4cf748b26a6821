//! Project -> release. Same meaning, same bytes: how the YAML was laid out leaves no trace.

use std::collections::BTreeMap;

use model::{
    digest::Digest,
    name::DetectionName,
    release::{self, Bundle, FORMAT, Release},
};

use crate::{
    program::VrlProgram,
    project::{Destination, Detection, Enrichment, LogSource, Project, Table, Trigger},
};

type Resources = BTreeMap<Digest, Vec<u8>>;

/// Makes the release of a project that was loaded without errors. `site_packages` are zips of installed requirements,
/// by detection. Detections that are switched off are left out.
pub fn lower(project: &Project, site_packages: &BTreeMap<DetectionName, Vec<u8>>) -> Bundle {
    let mut resources = Resources::new();
    let enabled = project.detections.values().filter(|detection| detection.enabled);
    let release = Release {
        format: FORMAT,
        log_sources: project
            .log_sources
            .values()
            .map(|source| (source.name.clone(), log_source(source, &mut resources)))
            .collect(),
        tables: project.tables.values().map(|table| (table.name.clone(), lower_table(table, &mut resources))).collect(),
        detections: enabled
            .map(|one| (one.name.clone(), detection(one, site_packages.get(&one.name), &mut resources)))
            .collect(),
        enrichment: project
            .enrichment
            .values()
            .map(|table| (table.name.clone(), enrichment(table, &mut resources)))
            .collect(),
        destinations: project.destinations.values().map(|one| (one.name.clone(), destination(one))).collect(),
    };
    Bundle { release, resources }
}

fn program(program: &VrlProgram, resources: &mut Resources) -> Digest {
    text(&program.text, resources)
}

/// `|`, `|-` and `|+` differ in line ends behind the last line only, which mean nothing to VRL and SQL.
fn text(text: &str, resources: &mut Resources) -> Digest {
    Bundle::add(resources, text.trim_end())
}

fn log_source(source: &LogSource, resources: &mut Resources) -> release::LogSource {
    release::LogSource {
        name: source.name.clone(),
        managed: source.managed.as_ref().map(|managed| managed.kind.clone()),
        objects: source.objects.clone(),
        cloudwatch_envelope: source.cloudwatch_envelope,
        select_table_from_metadata: source.select_table_from_metadata.as_ref().map(|one| program(one, resources)),
        select_table_from_record: source.select_table_from_record.as_ref().map(|one| program(one, resources)),
        max_record_bytes: source.max_record_bytes,
        tables: source.tables.clone(),
    }
}

fn lower_table(table: &Table, resources: &mut Resources) -> release::Table {
    release::Table {
        name: table.name.clone(),
        log_source: table.log_source.clone(),
        schema: table.schema.as_ref().clone(),
        transform: program(&table.transform, resources),
        expand: table.expand.as_ref().map(|one| program(one, resources)),
        csv_headers: table.csv_headers.clone(),
        storage: table.storage.clone(),
    }
}

fn detection(detection: &Detection, site_packages: Option<&Vec<u8>>, resources: &mut Resources) -> release::Detection {
    release::Detection {
        name: detection.name.clone(),
        trigger: match &detection.trigger {
            Trigger::Streaming => release::Trigger::Streaming,
            Trigger::Scheduled(schedule) => release::Trigger::Scheduled(release::Schedule {
                cadence: schedule.cadence.clone(),
                query: text(&schedule.query.text, resources),
                lateness_seconds: schedule.lateness_seconds,
            }),
        },
        tables: detection.tables.clone(),
        files: detection
            .files
            .iter()
            .map(|(path, bytes)| (path.clone(), Bundle::add(resources, bytes.as_slice())))
            .collect(),
        site_packages: site_packages.map(|zip| Bundle::add(resources, zip.as_slice())),
        display_name: detection.display_name.clone(),
        description: detection.description.clone(),
        runbook: detection.runbook.clone(),
        references: detection.references.clone(),
        false_positives: detection.false_positives.clone(),
        tags: detection.tags.clone(),
        alert: detection.alert.clone(),
    }
}

fn enrichment(table: &Enrichment, resources: &mut Resources) -> release::EnrichmentTable {
    release::EnrichmentTable {
        name: table.name.clone(),
        schema: table.schema.clone(),
        lookup_keys: table.lookup_keys.clone(),
        write_mode: table.write_mode,
        primary_key: table.primary_key.clone(),
        data: table.data.as_ref().map(|data| Bundle::add(resources, data.as_slice())),
        transform: table.transform.as_ref().map(|one| program(one, resources)),
    }
}

fn destination(destination: &Destination) -> release::Destination {
    release::Destination { name: destination.name.clone(), kind: destination.kind.clone() }
}
