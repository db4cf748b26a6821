//! What a plan says about a change, and that it is empty when there is none.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroU64},
};

use model::{
    alert::Severity,
    digest::Digest,
    name::{DestinationName, DetectionName, LogSourceName, TableName},
    release::*,
    schema::{FieldType, TableSchema},
    system,
};
use plan::*;

fn table(name: &str, columns: &[(&str, FieldType)]) -> Table {
    let mut schema = system::row_columns();
    for (path, kind) in columns {
        schema.insert(path, kind.clone()).unwrap();
    }
    Table {
        name: TableName::parse(name).unwrap(),
        log_source: LogSourceName::parse("web").unwrap(),
        schema,
        transform: Digest::of(b".a = 1"),
        expand: None,
        csv_headers: vec![],
        storage: Storage::default(),
    }
}

fn detection(code: &str, threshold: u32) -> Detection {
    Detection {
        name: DetectionName::parse("bad_login").unwrap(),
        trigger: Trigger::Streaming,
        tables: vec![TableName::parse("web").unwrap()],
        files: BTreeMap::from([("detect.py".to_owned(), Digest::of(code.as_bytes()))]),
        site_packages: None,
        display_name: None,
        description: None,
        runbook: None,
        references: vec![],
        false_positives: vec![],
        tags: vec![],
        alert: AlertPolicy {
            severity: Severity::High,
            threshold: NonZeroU32::new(threshold).unwrap(),
            window_seconds: NonZeroU32::new(3600).unwrap(),
            destinations: vec![],
        },
    }
}

fn release(table: Table, detection: Option<Detection>) -> Release {
    let source = LogSource {
        name: LogSourceName::parse("web").unwrap(),
        managed: None,
        objects: ObjectMatch::default(),
        cloudwatch_envelope: false,
        select_table_from_metadata: None,
        select_table_from_record: None,
        max_record_bytes: NonZeroU64::new(1 << 24).unwrap(),
        tables: BTreeMap::from([("default".to_owned(), table.name.clone())]),
    };
    Release {
        format: FORMAT,
        log_sources: BTreeMap::from([(source.name.clone(), source)]),
        tables: BTreeMap::from([(table.name.clone(), table)]),
        detections: detection.into_iter().map(|detection| (detection.name.clone(), detection)).collect(),
        enrichment: BTreeMap::new(),
        destinations: BTreeMap::new(),
    }
}

/// The target after `release` was deployed to it, with ten rows in every table.
fn deployed(release: &Release) -> Observed {
    let tables = wanted_tables(release)
        .into_iter()
        .map(|(name, schema, partition)| (name, ObservedTable { schema, partition, rows: 10 }))
        .collect();
    Observed { release: Some(release.clone()), tables }
}

fn text(desired: &Release, observed: &Observed) -> String {
    render(&plan(desired, observed), Style::Plain)
}

#[test]
fn what_is_deployed_needs_no_change() {
    let release = release(table("web", &[]), Some(detection("a", 1)));
    let plan = plan(&release, &deployed(&release));
    assert!(plan.is_empty());
    assert!(render(&plan, Style::Plain).starts_with("Nothing would change: release "));
}

#[test]
fn a_first_deploy_creates_everything_and_switches_last() {
    let release = release(table("web", &[("n", FieldType::Long)]), Some(detection("a", 1)));
    let plan = plan(&release, &Observed::default());
    assert!(matches!(&plan.changes[0], Change::CreateTable { table, .. } if table.as_str() == "web"));
    assert!(matches!(plan.changes.last(), Some(Change::SwitchRelease { from: None, .. })));
    assert_eq!(plan.deletions(), 0);
    assert_eq!(plan.problems, []);
}

#[test]
fn an_update_says_what_differs() {
    let before = release(table("web", &[]), Some(detection("a", 1)));
    let after = release(table("web", &[]), Some(detection("b", 3)));
    let text = text(&after, &deployed(&before));
    assert!(
        text.contains("~ update detection bad_login\n    alert.threshold: 1 → 3\n    files.detect.py changed\n"),
        "{text}"
    );
    assert!(text.contains("Plan: 0 to add, 1 to change, 0 to remove."), "{text}");
}

#[test]
fn a_new_column_evolves_the_table_in_place() {
    let before = release(table("web", &[("n", FieldType::Int)]), None);
    let after = release(table("web", &[("n", FieldType::Long), ("user.name", FieldType::String)]), None);
    let text = text(&after, &deployed(&before));
    assert!(text.contains("~ evolve table web (in place, its 10 rows stay as they are)"), "{text}");
    assert!(text.contains("    ~ column n int → long\n"), "{text}");
    assert!(text.contains("    + column user struct<name: string> (null in rows there are)\n"), "{text}");
}

#[test]
fn a_type_that_would_lose_data_is_a_problem_with_the_column_named() {
    let before = release(table("web", &[("n", FieldType::String)]), None);
    let after = release(table("web", &[("n", FieldType::Long)]), None);
    let plan = plan(&after, &deployed(&before));
    assert_eq!(plan.problems.len(), 1);
    assert_eq!((plan.problems[0].table.as_str(), plan.problems[0].column.as_str()), ("web", "n"));
    assert!(plan.problems[0].message.contains("is `string` and cannot become `long`"), "{}", plan.problems[0].message);
}

#[test]
fn another_partition_is_a_problem() {
    let before = release(table("web", &[]), None);
    let mut daily = table("web", &[]);
    daily.storage.partition = Partition::Day;
    let plan = plan(&release(daily, None), &deployed(&before));
    assert_eq!(plan.problems[0].column, "partition");
}

#[test]
fn a_removed_source_detaches_its_table_and_says_that_rows_stay() {
    let before = release(table("web", &[]), Some(detection("a", 1)));
    let after = release(table("api", &[]), None);
    let plan = plan(&after, &deployed(&before));
    let text = render(&plan, Style::Plain);
    assert!(text.contains("- detach table web (its 10 rows stay in the lake"), "{text}");
    // the table and the detection
    assert_eq!(plan.deletions(), 2);
    assert!(render(&plan, Style::Colour).contains("\u{1b}[31m- detach table web\u{1b}[0m"));
}

#[test]
fn a_table_that_is_gone_from_the_catalog_is_made_again() {
    let release = release(table("web", &[]), None);
    let mut observed = deployed(&release);
    observed.tables.remove("web");
    let plan = plan(&release, &observed);
    assert!(matches!(plan.changes.as_slice(), [Change::CreateTable { .. }]));
}

#[test]
fn rows_coming_in_do_not_outdate_a_plan_but_a_schema_change_does() {
    let release = release(table("web", &[]), None);
    let (observed, mut later) = (deployed(&release), deployed(&release));
    later.tables.get_mut("web").unwrap().rows = 11;
    assert_eq!(observed.fingerprint(), later.fingerprint());
    later.tables.get_mut("web").unwrap().schema = TableSchema::default();
    assert_ne!(observed.fingerprint(), later.fingerprint());
}

#[test]
fn in_markdown_deletions_come_first_and_nothing_leaves_its_block() {
    let mut evil = detection("a", 1);
    evil.display_name = Some("```\n</details>\n@everyone".to_owned());
    evil.files.insert("x\n```\n# y.py".to_owned(), Digest::of(b"x"));
    let before = release(table("web", &[]), Some(detection("a", 1)));
    let mut after = release(table("web", &[]), Some(evil));
    after.log_sources.clear();
    let text = markdown(&plan(&after, &deployed(&before)), 100);
    assert!(text.starts_with("```diff\n- remove log source web\n! update detection bad_login\n"), "{text}");
    let inside = text.strip_prefix("```diff\n").and_then(|text| text.strip_suffix("\n```\n")).unwrap();
    assert!(inside.lines().all(|line| ["- ", "! ", "+ ", "# "].contains(&&line[..2])), "{text}");
    assert!(inside.contains("files.x\u{fffd}```\u{fffd}# y.py added"), "{text}");
}

#[test]
fn a_long_plan_says_how_many_lines_are_left_out() {
    let release = release(table("web", &[]), Some(detection("a", 1)));
    let text = markdown(&plan(&release, &Observed::default()), 2);
    assert_eq!(text.lines().filter(|line| line.starts_with("+ ")).count(), 2, "{text}");
    assert!(text.contains("more lines are not shown here."), "{text}");
    assert_eq!(markdown(&plan(&release, &deployed(&release)), 2), "");
}

#[test]
fn a_plan_is_the_one_shown_while_only_rows_and_other_changes_came_in() {
    let before = release(table("web", &[]), Some(detection("a", 1)));
    let after = release(table("api", &[]), None);
    let shown = plan(&after, &deployed(&before)).digest_of_changes(&after);

    let mut later = deployed(&before);
    later.tables.get_mut("web").unwrap().rows = 11;
    assert_eq!(plan(&after, &later).digest_of_changes(&after), shown);

    // somebody else's destination was merged and deployed in between
    let other = DestinationName::parse("ops").unwrap();
    let destination = Destination { name: other.clone(), kind: DestinationKind::Stdout };
    let with = |release: &Release| {
        let destinations = BTreeMap::from([(other.clone(), destination.clone())]);
        Release { destinations, ..release.clone() }
    };
    let (before, after) = (with(&before), with(&after));
    assert_eq!(plan(&after, &deployed(&before)).digest_of_changes(&after), shown);
}

#[test]
fn a_plan_is_another_one_when_what_it_adds_has_other_content() {
    let before = release(table("web", &[]), None);
    let digest = |code: &str| {
        let after = release(table("web", &[]), Some(detection(code, 1)));
        plan(&after, &deployed(&before)).digest_of_changes(&after)
    };
    assert_ne!(digest("def detect(r): return True"), digest("def detect(r): return False"));
}
