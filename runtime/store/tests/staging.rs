//! What every [`Staging`] must do. One suite, run on each implementation.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

use std::{fs, path::Path};

use store::{
    error::StoreError,
    staging::{Staging, StagingDirectory},
};

fn staging(root: &Path) -> StagingDirectory {
    StagingDirectory::open(&root.join("staging")).unwrap()
}

fn made(staging: &dyn Staging, content: &str) -> std::path::PathBuf {
    let path = staging.workspace().join("file");
    fs::write(&path, content).unwrap();
    path
}

async fn keys(staging: &dyn Staging, prefix: &str) -> Vec<String> {
    staging.list(prefix).await.unwrap().into_iter().map(|entry| entry.key).collect()
}

#[tokio::test]
async fn files_are_put_read_listed_and_deleted() {
    let root = tempfile::tempdir().unwrap();
    let staging = staging(root.path());
    for key in ["o/1/b.parquet", "o/1/a.parquet", "o/2/a.parquet", "p"] {
        staging.put(key, &made(&staging, key)).await.unwrap();
    }
    made(&staging, "not listed");
    assert_eq!(keys(&staging, "").await, ["o/1/a.parquet", "o/1/b.parquet", "o/2/a.parquet", "p"]);
    assert_eq!(keys(&staging, "o/1/").await, ["o/1/a.parquet", "o/1/b.parquet"]);
    assert_eq!(staging.list("p").await.unwrap()[0].bytes, 1);
    assert_eq!(fs::read(staging.fetch("p").await.unwrap()).unwrap(), b"p");
    staging.put("p", &made(&staging, "again")).await.unwrap();
    assert_eq!(fs::read(staging.fetch("p").await.unwrap()).unwrap(), b"again");
    for key in ["o/1/a.parquet", "o/1/b.parquet", "o/1/b.parquet", "never/was/here"] {
        staging.delete(key).await.unwrap();
    }
    assert_eq!(keys(&staging, "").await, ["o/2/a.parquet", "p"]);
    assert!(!root.path().join("staging/o/1").exists(), "empty directories go");
    assert!(matches!(staging.fetch("o/1/a.parquet").await, Err(StoreError::File { .. })));
}

#[tokio::test]
async fn a_key_stays_inside() {
    let root = tempfile::tempdir().unwrap();
    let staging = staging(root.path());
    for key in ["", "..", "../x", "a/../../x", "/etc/passwd", ".work/x", "a/./b/../../.."] {
        assert!(staging.put(key, &made(&staging, "x")).await.is_err(), "{key}");
        assert!(staging.fetch(key).await.is_err(), "{key}");
        assert!(staging.delete(key).await.is_err(), "{key}");
    }
}

#[tokio::test]
async fn what_a_dead_process_was_writing_is_swept() {
    let root = tempfile::tempdir().unwrap();
    let staging = staging(root.path());
    for name in ["dead-1", "alive-1"] {
        fs::create_dir_all(staging.workspace().join(name).join("below")).unwrap();
    }
    staging.put("kept/1/file", &made(&staging, "x")).await.unwrap();
    fs::create_dir_all(root.path().join("staging/emptied/1")).unwrap();
    staging.sweep("dead").unwrap();
    assert!(!root.path().join("staging/emptied").exists());
    assert_eq!(keys(&staging, "").await, ["kept/1/file"]);
    fs::remove_file(staging.workspace().join("file")).ok();
    let left: Vec<_> = fs::read_dir(staging.workspace()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["alive-1"]);
}
