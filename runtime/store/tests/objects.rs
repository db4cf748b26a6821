//! Objects of this machine, and of S3 where a server is given in `MATANO_TEST_S3` (`http://127.0.0.1:PORT`, with a bucket
//! `raw` to write to).

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

use std::{fs, os::unix::fs::symlink, path::Path};

use store::{
    error::StoreError,
    objects::{Body, Objects},
    objects_any::AnyObjects,
    objects_local::LocalObjects,
    objects_s3::{S3Objects, S3Options},
};

fn objects(root: &Path) -> AnyObjects {
    let options = S3Options { endpoint: Some("http://127.0.0.1:1".into()), ..S3Options::default() };
    AnyObjects { local: LocalObjects::new(root.join("spool")), s3: S3Objects::new(options) }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn a_directory_is_walked_in_order_and_links_are_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let logs = root.path().join("logs");
    for name in ["b.json", "a/2.json", "a/1.json", "c/d/e.json", ".hidden", "a/.partial", ".git/config"] {
        write(&logs.join(name), name);
    }
    write(&root.path().join("outside/secret"), "secret");
    symlink(root.path().join("outside"), logs.join("link")).unwrap();
    symlink(root.path().join("outside/secret"), logs.join("a/link")).unwrap();
    symlink(&logs, logs.join("c/loop")).unwrap();
    let listed = objects(root.path()).list(logs.to_str().unwrap()).await.unwrap();
    let logs = logs.canonicalize().unwrap();
    let names: Vec<&str> = listed.iter().map(|one| one.address.strip_prefix(logs.to_str().unwrap()).unwrap()).collect();
    assert_eq!(names, ["/a/1.json", "/a/2.json", "/b.json", "/c/d/e.json"]);
    assert_eq!(listed[0].size, 8);
}

#[tokio::test]
async fn a_file_is_its_content() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.json");
    write(&path, "one");
    let objects = objects(root.path());
    let address = path.to_str().unwrap();
    let one = objects.head(address).await.unwrap().object;
    assert_eq!((one.bucket.as_str(), one.size, one.version.len()), ("file", 3, 64));
    assert_eq!(one.uri(), path.canonicalize().unwrap().to_str().unwrap());
    assert_eq!(objects.head(address).await.unwrap().object.id(), one.id());
    let Body::Local(local) = objects.open(&one).await.unwrap() else { panic!("a local file is local") };
    assert_eq!(fs::read(local).unwrap(), b"one");
    write(&path, "three");
    assert_ne!(objects.head(address).await.unwrap().object.id(), one.id());
    let error = objects.open(&one).await.unwrap_err().to_string();
    assert!(error.contains("expected 3 bytes as it was when it was listed, found 5"), "{error}");
    // a link that was asked for by name is followed, and is what it leads to
    let link = root.path().join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(objects.head(link.to_str().unwrap()).await.unwrap(), objects.head(address).await.unwrap());
}

#[tokio::test]
async fn what_is_not_there_or_no_file_is_an_error_that_names_it() {
    let root = tempfile::tempdir().unwrap();
    let objects = objects(root.path());
    for address in [root.path().join("gone").to_str().unwrap(), "/dev/zero", "s3://", root.path().to_str().unwrap()] {
        let error = objects.head(address).await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        assert!(error.to_string().contains(address), "{error}");
    }
    assert!(objects.list(root.path().join("gone").to_str().unwrap()).await.is_err());
    assert!(objects.list("/dev/zero").await.is_err());
}

#[tokio::test]
async fn an_unreachable_storage_may_be_tried_again() {
    let root = tempfile::tempdir().unwrap();
    let options = S3Options {
        endpoint: Some("http://127.0.0.1:1".into()),
        region: Some("eu-central-1".into()),
        access_key_id: Some("id".into()),
        secret_access_key: Some("hunter2".into()),
        ..S3Options::default()
    };
    let objects = AnyObjects { s3: S3Objects::new(options), ..objects(root.path()) };
    let error = objects.head("s3://raw/k").await.unwrap_err();
    assert!(matches!(&error, StoreError::Objects { url, .. } if url == "s3://raw/k"), "{error}");
    assert!(error.is_retryable() && !error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_bucket_is_listed_and_read_and_a_replaced_object_is_noticed() {
    let Some(endpoint) = s3_endpoint() else { return };
    let root = tempfile::tempdir().unwrap();
    let options = S3Options {
        endpoint: Some(endpoint.clone()),
        region: Some("eu-central-1".into()),
        access_key_id: Some("test".into()),
        secret_access_key: Some("test".into()),
        ..S3Options::default()
    };
    let objects = AnyObjects { s3: S3Objects::new(options), ..objects(root.path()) };
    let builder = opendal::services::S3::default().bucket("raw").endpoint(&endpoint).region("eu-central-1");
    let builder = builder.access_key_id("test").secret_access_key("test");
    let bucket = opendal::Operator::new(builder).unwrap().finish();
    let prefix = root.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned();
    for key in ["b c+d.json.gz", "a/1.json", "a/"] {
        let content = if key.ends_with('/') { vec![] } else { vec![b'x'; 9_000_000] };
        if key.ends_with('/') {
            bucket.create_dir(&format!("{prefix}/{key}")).await.unwrap();
        } else {
            bucket.write_with(&format!("{prefix}/{key}"), content).content_type("text/plain").await.unwrap();
        }
    }
    let listed = objects.list(&format!("s3://raw/{prefix}/")).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|one| one.address.rsplit_once(&prefix).unwrap().1).collect();
    assert_eq!(names, ["/a/1.json", "/b c+d.json.gz"]);
    let head = objects.head(&listed[1].address).await.unwrap();
    assert_eq!((head.object.size, head.content_type.as_deref()), (9_000_000, Some("text/plain")));
    assert_eq!(head.object.uri(), listed[1].address);
    let read = async |objects: &AnyObjects| {
        let Body::Stream(mut stream) = objects.open(&head.object).await? else { panic!("a bucket is no file") };
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes)
            .await
            .map(|_| bytes)
            .map_err(|source| StoreError::File { action: "read", path: "stream".into(), source })
    };
    assert_eq!(read(&objects).await.unwrap().len(), 9_000_000);
    bucket.write(&format!("{prefix}/b c+d.json.gz"), vec![b'y'; 9_000_000]).await.unwrap();
    assert!(read(&objects).await.is_err(), "another version is not read in its place");
    assert!(objects.list(&format!("s3://raw/{prefix}/none/")).await.is_err());
    assert!(!objects.head("s3://raw/none").await.unwrap_err().is_retryable());
}

/// The server, if there is one. Where everything must be tested, its absence is a failure.
fn s3_endpoint() -> Option<String> {
    let endpoint = std::env::var("MATANO_TEST_S3").ok();
    let is_needed = std::env::var_os("MATANO_TEST_EVERYTHING").is_some();
    assert!(endpoint.is_some() || !is_needed, "MATANO_TEST_S3 must be the address of a server that speaks S3");
    endpoint
}
