//! A warehouse in a bucket. Needs a server that speaks S3: `MATANO_TEST_S3` is its address, with a bucket `lake` that any
//! credentials may write to. `cargo xtask test` starts one.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

mod support;

use std::collections::BTreeMap;

use lake::{CommitOutcome, Data, Effect, Ensured, Lake, LakeConfig, Warehouse};
use model::{
    name::TableName,
    release::{Partition, Storage},
    time::Timestamp,
};
use support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_holds_tables_as_a_directory_does() {
    let Some(endpoint) = s3_endpoint() else { return };
    let root = tempfile::tempdir().unwrap();
    let prefix = root.path().file_name().unwrap().to_str().unwrap();
    let properties = [
        ("s3.endpoint", endpoint.as_str()),
        ("s3.region", "eu-central-1"),
        ("s3.access-key-id", "test"),
        ("s3.secret-access-key", "test"),
        ("s3.path-style-access", "true"),
    ];
    let config = LakeConfig {
        catalog: root.path().join("catalog.db"),
        warehouse: Warehouse::parse(&format!("s3://lake/{prefix}")).unwrap(),
        properties: properties.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    let lake = Lake::open(&config).await.unwrap();
    assert_eq!(lake.ensure_table(&table(), &plain(), &Storage::default()).await.unwrap(), Ensured::Created);
    let ids = lake.field_ids(&table()).await.unwrap();
    let files = [("a", "00"), ("b", "00"), ("c", "01")].map(|(object, hour)| {
        let time = format!("2026-01-01T{hour}:30:00Z");
        stage(root.path(), object, &plain(), Some(&ids), &rows(object, &[time.as_str()]))
    });
    let failing = lake.clone().with_failpoint(failing_once("commit: data files written"));
    failing.commit(&table(), &files, batch(&files), TARGET).await.unwrap_err();
    lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    let again = lake.commit(&table(), &files, batch(&files), TARGET).await.unwrap();
    assert_eq!(again, CommitOutcome::AlreadyCommitted);
    assert_eq!(strings(&lake, "id").await.len(), 3);
    assert_eq!(lake.tables().await.unwrap()[&table()].files, 2);
    // the first attempt's files, one for each hour
    assert_eq!(lake.remove_orphans(&table(), Timestamp::EPOCH).await.unwrap(), 0);
    assert!(lake.remove_orphans(&table(), Timestamp::MAX).await.unwrap() >= 2);
    assert_eq!(lake.remove_orphans(&table(), Timestamp::MAX).await.unwrap(), 0);
    assert_eq!(strings(&lake, "id").await.len(), 3);
    let replaced = TableName::parse("replaced").unwrap();
    let storage = Storage { partition: Partition::None, ..Storage::default() };
    lake.ensure_table(&replaced, &plain(), &storage).await.unwrap();
    for (object, effect) in
        [("d", Effect::Overwrite), ("e", Effect::Overwrite), ("f", Effect::Merge(vec!["n".to_owned()]))]
    {
        let files = [stage(root.path(), object, &plain(), None, &rows(object, &["2026-01-01T05:00:00Z"]))];
        lake.write(&replaced, &files, batch(&files), TARGET, &effect).await.unwrap();
        let rows: usize = lake.rows(&replaced).await.unwrap().iter().map(|rows| rows.num_rows()).sum();
        assert_eq!(rows, 1, "{object}");
    }
    lake.drop_table(&replaced, Data::Purge).await.unwrap();
    lake.drop_table(&table(), Data::Keep).await.unwrap();
    let ensured = lake.ensure_table(&table(), &plain(), &Storage::default()).await.unwrap();
    assert_eq!(ensured, Ensured::Attached(vec![]));
    assert_eq!(strings(&lake, "id").await.len(), 3);
    lake.drop_table(&table(), Data::Purge).await.unwrap();
    assert_eq!(lake.tables().await.unwrap(), BTreeMap::new());
}

/// The server, if there is one. Where everything must be tested, its absence is a failure.
fn s3_endpoint() -> Option<String> {
    let endpoint = std::env::var("MATANO_TEST_S3").ok();
    let is_needed = std::env::var_os("MATANO_TEST_EVERYTHING").is_some();
    assert!(endpoint.is_some() || !is_needed, "MATANO_TEST_S3 must be the address of a server that speaks S3");
    endpoint
}
