use std::{num::NonZeroUsize, ops::ControlFlow, path::Path};

use detections::{Host, Outcome, locate_module};
use serde_json::{Value, json};

use crate::case::{Case, actions, fired};

fn counts(rows: u64) -> Vec<Value> {
    (0..rows).map(|count| json!({"count": count, "user": {"name": format!("u{}", count % 7)}})).collect()
}

#[test]
fn several_workers_find_what_one_finds_in_the_same_order() {
    let code =
        "def detect(r): return r['count'] % 1000 == 7\ndef title(r): return f\"{r['count']} {r.deepget('user.name')}\"";
    let mut case = Case::new(&[("some", code)]);
    let files =
        [case.stage("a.parquet", &counts(40_000)), case.stage("b.parquet", &counts(100)), case.stage("c.parquet", &[])];
    let alone = case.host().detect(&files).unwrap();
    case.config.workers = NonZeroUsize::new(3).unwrap();
    let together = case.host().detect(&files).unwrap();
    assert_eq!(alone.matches.len(), 41);
    assert_eq!(alone.matches[40].title, "7 u0");
    assert_eq!(alone.matches[33].title, "33007 u2");
    assert_eq!(alone, together);
    assert!(alone.files.iter().all(|file| file.outcome == Outcome::Complete));
}

#[test]
fn matches_are_handed_on_before_all_are_found_and_in_order() {
    let mut case =
        Case::new(&[("all", "def detect(r): return True"), ("some", "def detect(r): return r['count'] % 3 == 0")]);
    let files = [case.stage("a.parquet", &counts(20_000)), case.stage("b.parquet", &counts(100))];
    for workers in [1, 3] {
        case.config.workers = NonZeroUsize::new(workers).unwrap();
        let host = case.host();
        let mut batches = Vec::new();
        let report = host.detect_each(&files, &mut |matches| {
            batches.push(matches);
            ControlFlow::Continue(())
        });
        let report = report.unwrap();
        assert!(report.matches.is_empty() && report.files.iter().all(|file| file.outcome == Outcome::Complete));
        assert!(batches.len() >= 4 && batches.iter().all(|batch| batch.len() <= 2 * 2048), "{}", batches.len());
        let all: Vec<_> = batches.into_iter().flatten().collect();
        assert_eq!(all, host.detect(&files).unwrap().matches);
        assert_eq!(all.len(), 20_100 + 20_000_usize.div_ceil(3) + 34);
        // nobody wants more
        let mut taken = 0;
        host.detect_each(&files, &mut |_| {
            taken += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(taken, 1);
    }
}

#[test]
fn a_crash_deep_in_a_file_costs_only_the_row_it_happened_at() {
    let code =
        "import os\ndef detect(r):\n    if r['count'] == 20_000: os._exit(1)\n    return r['count'] % 10_000 == 0";
    let case = Case::new(&[("a", "def detect(r): return r['count'] % 10_000 == 0"), ("bad", code)]);
    let report = case.detect(&counts(40_000));
    assert_eq!(fired(&report), ["a@r0", "bad@r0", "a@r10000", "bad@r10000", "a@r20000", "a@r30000", "bad@r30000"]);
}

#[test]
fn only_columns_that_are_touched_are_decoded() {
    let case = Case::new(&[(
        "one",
        "def detect(r): return r.deepget('user.address.city') or r['user'] is None and r['count'] > 5",
    )]);
    let report = case.detect(&counts(10));
    assert_eq!(report.files[0].columns, ["user.address.city"]);
    assert_eq!(case.detect(&[json!({"count": 1})]).files[0].columns, ["count", "user.address.city"]);
}

#[test]
fn a_new_release_takes_the_place_of_the_old_one() {
    let mut case = Case::new(&[("one", "def detect(r): return True")]);
    let host = case.host();
    let file = case.stage("a.parquet", &actions(&["x"]));
    assert_eq!(host.detect(std::slice::from_ref(&file)).unwrap().matches[0].release, case.bundle.release.id());
    case.bundle.release.detections.clear();
    case.add("one", &[("detect.py", "def detect(r): return True\ndef title(r): return 'new'")]);
    host.load(&case.bundle).unwrap();
    let report = host.detect(&[file]).unwrap();
    assert_eq!((report.matches[0].title.as_str(), report.matches[0].release), ("new", case.bundle.release.id()));
}

#[test]
fn a_file_that_can_not_be_read_does_not_cost_its_neighbours() {
    let case = Case::new(&[("one", "def detect(r): return True")]);
    let (missing, broken, good) = (
        case.stage("a.parquet", &actions(&["x"])),
        case.stage("b.parquet", &actions(&["x"])),
        case.stage("c.parquet", &actions(&["x"])),
    );
    std::fs::remove_file(&missing.1).unwrap();
    std::fs::write(&broken.1, "no parquet").unwrap();
    let report = case.host().detect(&[missing, broken, good]).unwrap();
    assert_eq!(fired(&report), ["one@r0"]);
    for (file, part) in report.files.iter().zip(["a.parquet", "b.parquet"]) {
        assert!(matches!(&file.outcome, Outcome::Unreadable(error) if error.contains(part)), "{:?}", file.outcome);
    }
    assert_eq!(report.files[2].outcome, Outcome::Complete);
}

#[test]
fn a_missing_module_or_interpreter_says_what_to_do() {
    let nowhere = tempfile::tempdir().unwrap();
    let error = locate_module(&nowhere.path().join("bin/matano")).unwrap_err().to_string();
    assert!(error.contains("build it with `cargo build -p detect`"), "{error}");
    let mut case = Case::new(&[]);
    case.config.python = Path::new("/nowhere/python3").to_owned();
    let error = Host::start(case.config.clone()).err().unwrap().to_string();
    assert!(error.starts_with("`/nowhere/python3` can't run detections"), "{error}");
    case.config.python = Path::new("/bin/true").to_owned();
    assert!(Host::start(case.config).is_err());
}
