use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Child,
};

use super::repo::{Repo, gzip, lines};

const OBJECTS: usize = 12;
const RECORDS: usize = 200;

fn filled() -> (Repo, String) {
    let repo = Repo::numbers();
    for object in 0..OBJECTS {
        repo.write(&format!("in/{object}.json.gz"), &gzip(&lines(object * RECORDS, RECORDS)));
    }
    let path = repo.path().join("in").display().to_string();
    (repo, path)
}

fn assert_exact(repo: &Repo) {
    let expected = (OBJECTS * RECORDS) as i64;
    assert_eq!(repo.number("SELECT count(*) FROM web"), expected);
    assert_eq!(repo.number("SELECT count(DISTINCT n) FROM web"), expected);
    assert_eq!(repo.number("SELECT count(DISTINCT matano.record_id) FROM web"), expected);
    // 100 and above are big; each is one match, however often it was looked at
    assert_eq!(repo.number("SELECT count(*) FROM matano_alerts"), expected - 100);
    assert_eq!(repo.number("SELECT count(DISTINCT matano.record_id) FROM matano_alerts"), expected - 100);
}

#[test]
fn two_processes_on_one_lake_add_every_row_once() {
    let (repo, path) = filled();
    let arguments = ["ingest", "--source", "web", path.as_str()];
    let mut both = [repo.start(&arguments), repo.start(&arguments)];
    for child in &mut both {
        child.wait().unwrap();
    }
    // whatever one of them left to the other
    repo.run(&arguments);
    assert_exact(&repo);
}

#[test]
fn a_killed_process_loses_nothing_and_doubles_nothing() {
    let (repo, path) = filled();
    let arguments = ["ingest", "--jobs", "1", "--source", "web", path.as_str()];
    let target = repo.path().join(".matano");
    // killed when so many more files were written than at its start: at different steps of its work
    for written in [1, 2, 4, 7, 11, 16] {
        kill_after(&target, written, || repo.start(&arguments));
    }
    let last = repo.run(&arguments);
    assert!(matches!(last.code, 0 | 1), "{}", last.err);
    assert_exact(&repo);
    let left: Vec<PathBuf> = fs::read_dir(target.join("staging")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let workspace = target.join("staging/.work");
    assert_eq!((left, fs::read_dir(&workspace).unwrap().count()), (vec![workspace.clone()], 0));
}

/// Starts a process and kills it when so many files were written below a directory, unless it ends first.
pub fn kill_after(directory: &Path, written: usize, start: impl FnOnce() -> Child) {
    let before = seen(directory, &mut BTreeSet::new());
    let mut files = before.clone();
    let mut child = start();
    while files.len() < before.len() + written && child.try_wait().unwrap().is_none() {
        files = seen(directory, &mut files);
    }
    child.kill().ok();
    child.wait().unwrap();
}

/// Every file that was ever seen below a directory.
fn seen(directory: &Path, files: &mut BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    // what is deleted while it is listed is no concern of the test
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            seen(&path, files);
        } else {
            files.insert(path);
        }
    }
    files.clone()
}
