//! The contract of [`RemoteCache`]: every implementation runs all of it.
#![allow(clippy::unwrap_used)] // a test may panic

use std::{collections::BTreeSet, path::Path, sync::Arc};

use model::time::Timestamp;
use serde_json::json;
use store::{
    cache::{CacheKey, CacheValue, RemoteCache},
    cache_sqlite::SqliteCache,
    error::StoreError,
};

type Cache = Arc<dyn RemoteCache>;

fn at(seconds: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(seconds)
}

fn key(namespace: &str, key: &str) -> CacheKey {
    CacheKey { namespace: namespace.to_owned(), key: key.to_owned() }
}

fn strings(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

async fn a_value_lives_until_its_end_and_not_a_moment_longer(cache: Cache) {
    let value = CacheValue::Json(json!({"seen": [1, 2]}));
    cache.set(&key("n", "k"), value.clone(), 10, at(0)).await.unwrap();
    assert_eq!(cache.get(&key("n", "k"), at(9)).await.unwrap(), Some(value));
    assert_eq!(cache.get(&key("n", "k"), at(10)).await.unwrap(), None);
    assert_eq!(cache.get(&key("n", "other"), at(0)).await.unwrap(), None);
    assert_eq!(cache.get(&key("other", "k"), at(0)).await.unwrap(), None);
}

async fn setting_starts_the_time_anew_and_removing_ends_it(cache: Cache) {
    cache.set(&key("n", "k"), CacheValue::Json(json!("a")), 10, at(0)).await.unwrap();
    cache.set(&key("n", "k"), CacheValue::Json(json!("b")), 10, at(9)).await.unwrap();
    assert_eq!(cache.get(&key("n", "k"), at(18)).await.unwrap(), Some(CacheValue::Json(json!("b"))));
    cache.remove(&key("n", "k")).await.unwrap();
    cache.remove(&key("n", "k")).await.unwrap();
    assert_eq!(cache.get(&key("n", "k"), at(18)).await.unwrap(), None);
}

async fn a_counter_keeps_the_end_it_started_with(cache: Cache) {
    assert_eq!(cache.add(&key("n", "k"), 2, 10, at(0)).await.unwrap(), 2);
    assert_eq!(cache.add(&key("n", "k"), -3, 10, at(9)).await.unwrap(), -1);
    assert_eq!(cache.add(&key("n", "k"), 1, 10, at(10)).await.unwrap(), 1, "it started anew");
    cache.set(&key("n", "set"), CacheValue::Json(json!(5)), 10, at(0)).await.unwrap();
    assert_eq!(cache.add(&key("n", "set"), 1, 10, at(0)).await.unwrap(), 6, "a number that was set counts on");
    assert_eq!(cache.add(&key("n", "k"), i64::MAX, 10, at(11)).await.unwrap(), i64::MAX, "and never wraps");
}

async fn a_set_that_becomes_empty_is_gone(cache: Cache) {
    assert_eq!(cache.add_strings(&key("n", "k"), strings(&["a", "b"]), 10, at(0)).await.unwrap(), strings(&["a", "b"]));
    assert_eq!(
        cache.add_strings(&key("n", "k"), strings(&["b", "c"]), 99, at(1)).await.unwrap(),
        strings(&["a", "b", "c"])
    );
    assert_eq!(cache.remove_strings(&key("n", "k"), strings(&["a", "z"]), at(2)).await.unwrap(), strings(&["b", "c"]));
    assert_eq!(cache.remove_strings(&key("n", "k"), strings(&["b", "c"]), at(3)).await.unwrap(), strings(&[]));
    assert_eq!(cache.get(&key("n", "k"), at(3)).await.unwrap(), None);
    assert_eq!(cache.remove_strings(&key("n", "k"), strings(&["b"]), at(3)).await.unwrap(), strings(&[]));
    cache.add_strings(&key("n", "k"), strings(&["d"]), 10, at(4)).await.unwrap();
    assert_eq!(cache.get(&key("n", "k"), at(13)).await.unwrap(), Some(CacheValue::Strings(strings(&["d"]))));
    assert_eq!(cache.get(&key("n", "k"), at(14)).await.unwrap(), None);
}

async fn an_operation_on_the_wrong_kind_says_what_is_there(cache: Cache) {
    cache.set(&key("n", "k"), CacheValue::Json(json!("text")), 10, at(0)).await.unwrap();
    let error = cache.add(&key("n", "k"), 1, 10, at(0)).await.unwrap_err();
    assert_eq!(error.to_string(), "cache value `k` in `n` is text, expected a counter");
    let error = cache.add_strings(&key("n", "k"), strings(&["a"]), 10, at(0)).await.unwrap_err();
    assert!(matches!(error, StoreError::CacheKind { .. }), "{error}");
    assert_eq!(cache.add(&key("n", "k"), 1, 10, at(10)).await.unwrap(), 1, "what has ended is in nobody's way");
}

async fn sweeping_takes_only_what_has_ended(cache: Cache) {
    cache.add(&key("n", "a"), 1, 10, at(0)).await.unwrap();
    cache.add(&key("n", "b"), 1, 11, at(0)).await.unwrap();
    assert_eq!(cache.sweep(at(10)).await.unwrap(), 1);
    assert_eq!(cache.sweep(at(10)).await.unwrap(), 0);
    assert!(cache.get(&key("n", "b"), at(10)).await.unwrap().is_some());
}

async fn many_at_once_count_right(cache: Cache) {
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let cache = Arc::clone(&cache);
        tasks.push(tokio::spawn(async move { cache.add(&key("n", "k"), 1, 10, at(0)).await.unwrap() }));
    }
    let mut sums = BTreeSet::new();
    for task in tasks {
        sums.insert(task.await.unwrap());
    }
    assert_eq!(sums, (1..=8).collect());
}

macro_rules! contract {
    ($open:path: $($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $promise() {
            let directory = tempfile::tempdir().unwrap();
            super::$promise($open(directory.path())).await;
        }
    )*};
}

macro_rules! implementations {
    ($($name:ident = $open:path;)*) => {$(
        mod $name {
            contract! { $open:
                a_value_lives_until_its_end_and_not_a_moment_longer
                setting_starts_the_time_anew_and_removing_ends_it
                a_counter_keeps_the_end_it_started_with
                a_set_that_becomes_empty_is_gone
                an_operation_on_the_wrong_kind_says_what_is_there
                sweeping_takes_only_what_has_ended
                many_at_once_count_right
            }
        }
    )*};
}

fn open_sqlite(directory: &Path) -> Cache {
    Arc::new(SqliteCache::open(&directory.join("matano.db")).unwrap())
}

implementations! {
    sqlite = super::open_sqlite;
}
