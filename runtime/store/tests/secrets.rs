//! Secrets of this machine.
#![allow(clippy::unwrap_used)] // a test may panic
#![cfg(unix)]

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use model::name::DestinationName;
use store::secrets::{LocalSecrets, Secrets};

fn name() -> DestinationName {
    DestinationName::parse("Sec-Ops slack").unwrap()
}

fn environment(value: &str) -> [(String, String); 2] {
    [("MATANO_SECRET_SEC_OPS_SLACK_TOKEN".to_owned(), value.to_owned()), ("HOME".to_owned(), "/nowhere".to_owned())]
}

fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.json");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (directory, path)
}

#[tokio::test]
async fn the_environment_comes_before_the_file() {
    let (_directory, path) = file(r#"{"Sec-Ops slack": {"token": "from file", "other": "too"}}"#, 0o600);
    let secrets = LocalSecrets::new(environment("from environment"), Some(path));
    assert_eq!(secrets.get(&name(), "token").await.unwrap().expose(), "from environment");
    assert_eq!(secrets.get(&name(), "other").await.unwrap().expose(), "too");
}

#[tokio::test]
async fn a_placeholder_is_no_secret_and_the_error_says_what_to_do() {
    let (_directory, path) = file(r#"{"Sec-Ops slack": {"token": "<bot token>"}}"#, 0o600);
    let secrets = LocalSecrets::new(environment("<xoxb-...>"), Some(path.clone()));
    let error = secrets.get(&name(), "token").await.unwrap_err();
    let expected = format!(
        "destination `Sec-Ops slack` has no secret `token`: `MATANO_SECRET_SEC_OPS_SLACK_TOKEN` is empty or still a \
         placeholder, set it, or put it into `{}` in place of any `<placeholder>`",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    let without_file = LocalSecrets::new([], None);
    let error = without_file.get(&name(), "token").await.unwrap_err().to_string();
    assert!(error.ends_with("has no secret `token`: set `MATANO_SECRET_SEC_OPS_SLACK_TOKEN`"), "{error}");
}

#[tokio::test]
async fn a_file_that_others_can_read_is_refused() {
    let (_directory, path) = file(r#"{"Sec-Ops slack": {"token": "hush"}}"#, 0o640);
    let error = LocalSecrets::new([], Some(path)).get(&name(), "token").await.unwrap_err().to_string();
    assert!(error.ends_with("has mode `640`, expected `600`: run `chmod 600` on it"), "{error}");
}

#[tokio::test]
async fn a_broken_file_is_an_error_that_quotes_none_of_it() {
    let (_directory, path) = file("{\"Sec-Ops slack\": {\"token\": [\"hush\"]}}", 0o600);
    let error = LocalSecrets::new([], Some(path)).get(&name(), "token").await.unwrap_err().to_string();
    assert!(error.contains("is wrong at line 1, column") && !error.contains("hush"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_there_holds_nothing() {
    let secrets = LocalSecrets::new([], Some(PathBuf::from("/nowhere/secrets.json")));
    assert_eq!(secrets.find(&name(), "token").await.unwrap(), None);
}

#[tokio::test]
async fn printing_shows_no_secret() {
    let secrets = LocalSecrets::new(environment("hush"), None);
    let secret = secrets.get(&name(), "token").await.unwrap();
    let printed = format!("{secrets:?} {secret:?}");
    assert!(printed.contains("MATANO_SECRET_SEC_OPS_SLACK_TOKEN"), "{printed}");
    assert!(!printed.contains("hush") && !printed.contains("/nowhere"), "{printed}");
}
