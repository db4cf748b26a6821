//! How fast a program turns objects into staged files.
//!
//! `cargo run --release -p transform --example throughput -- columns.json program.vrl Records 2 a.json.gz b.json.gz`
//! reads each object with two threads, its records at the key `Records` (`-` for lines), three times, and says how many
//! decoded bytes and records a second came through.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for people at a terminal")]

use std::{
    collections::BTreeMap,
    io::Cursor,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Instant,
};

use model::{
    ecs::ecs,
    name::{LogSourceName, TableName},
    object::SourceObject,
    release::{Bundle, FORMAT, LogSource, ObjectMatch, Release, Storage, Table},
    schema::TableSchema,
    system,
    time::Timestamp,
};
use transform::{EnrichmentTables, Hints, SourceTransform, runs_over_slots};

// as the binaries have it
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [columns, program, records, threads, objects @ ..] = arguments.as_slice() else {
        println!("usage: throughput COLUMNS.json PROGRAM.vrl KEY THREADS OBJECT...");
        return;
    };
    let objects: Vec<Vec<u8>> = objects.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let program = std::fs::read_to_string(program).unwrap();
    let schema = schema(&std::fs::read_to_string(columns).unwrap());
    let threads: usize = threads.parse().unwrap();
    let compiled = transform::compile(&program, transform::ProgramKind::Transform, &EnrichmentTables::none(), None);
    match runs_over_slots(&compiled.unwrap(), &schema) {
        Ok(()) => println!("over slots, {} columns", schema.leaves().len()),
        Err(reason) => println!("over whole events: {reason}"),
    }
    let keep = std::env::var("KEEP_ORIGINAL").is_ok();
    for _ in 0..3 {
        let transform = source(&program, records, &schema, keep);
        transform.compile_all().unwrap();
        measure(&transform, &objects, threads);
    }
}

/// Own columns as `{"fields": [...]}`, or `{"ecs_field_names": [...], "fields": [...]}`.
fn schema(text: &str) -> TableSchema {
    let written: serde_json::Value = serde_json::from_str(text).unwrap();
    let own: TableSchema = serde_json::from_value(serde_json::json!({ "fields": written["fields"] })).unwrap();
    let mut schema = system::row_columns().union(&own).unwrap();
    let names = written["ecs_field_names"].as_array().into_iter().flatten();
    let names: Vec<String> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
    ecs().select(&names, &mut schema);
    schema
}

fn source(program: &str, records: &str, schema: &TableSchema, keep_original: bool) -> SourceTransform {
    let mut resources = BTreeMap::new();
    let name = LogSourceName::parse("logs").unwrap();
    let table = TableName::of_source(&name, "default").unwrap();
    let expand = format!("parse_json!(.__raw).{records}");
    let made = Table {
        name: table.clone(),
        log_source: name.clone(),
        schema: schema.clone(),
        transform: Bundle::add(&mut resources, program),
        expand: (records != "-").then(|| Bundle::add(&mut resources, expand)),
        csv_headers: vec![],
        storage: Storage { keep_original, ..Storage::default() },
    };
    let log_source = LogSource {
        name: name.clone(),
        managed: None,
        objects: ObjectMatch::default(),
        cloudwatch_envelope: false,
        select_table_from_metadata: None,
        select_table_from_record: None,
        max_record_bytes: NonZeroU64::new(16 << 20).unwrap(),
        tables: [("default".to_owned(), table.clone())].into(),
    };
    let release = Release {
        format: FORMAT,
        log_sources: [(name.clone(), log_source)].into(),
        tables: [(table, made)].into(),
        detections: BTreeMap::new(),
        enrichment: BTreeMap::new(),
        destinations: BTreeMap::new(),
    };
    let bundle = Bundle { release, resources };
    SourceTransform::compile(&bundle, &name, &BTreeMap::new(), &EnrichmentTables::none()).unwrap()
}

fn measure(transform: &SourceTransform, objects: &[Vec<u8>], threads: usize) {
    let directory = tempfile::tempdir().unwrap();
    let (next, bytes, rows, others) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, object)) = next_of(&next, objects) {
                    let key = format!("{at}.json.gz");
                    let of = SourceObject { bucket: "b".into(), key: key.clone(), version: "1".into(), size: 1 };
                    let input = Box::new(Cursor::new(object.clone()));
                    let now = Timestamp::EPOCH;
                    let output = transform.run(&of, input, &Hints::of_key(key), now, directory.path()).unwrap();
                    bytes.fetch_add(output.report.bytes, Ordering::Relaxed);
                    rows.fetch_add(output.report.rows, Ordering::Relaxed);
                    others.fetch_add(output.report.rejects + output.report.dropped, Ordering::Relaxed);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let (bytes, rows) = (bytes.into_inner() as f64, rows.into_inner());
    let size: u64 = walk(directory.path());
    println!(
        "{rows} rows, {} others, {:.0} MB in {seconds:.2} s: {:.1} MB/s, {:.2} us a record and thread, {:.1} MB of Parquet",
        others.into_inner(),
        bytes / 1e6,
        bytes / 1e6 / seconds,
        seconds * threads as f64 * 1e6 / rows as f64,
        size as f64 / 1e6,
    );
}

fn next_of<'a>(next: &AtomicUsize, objects: &'a [Vec<u8>]) -> Option<(usize, &'a Vec<u8>)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    objects.get(at).map(|object| (at, object))
}

fn walk(directory: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => walk(&entry.path()),
            metadata => metadata.len(),
        })
        .sum()
}
