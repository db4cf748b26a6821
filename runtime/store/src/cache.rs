//! The remote cache: what detections remember between rows, by namespace and key, for a while.
//!
//! A value past its time is as good as absent everywhere, from the moment it is read, not from when it is cleaned up.

use std::collections::BTreeSet;

use async_trait::async_trait;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StoreError;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum CacheValue {
    /// Text, a number, or any other JSON. Whole numbers are counters.
    Json(Value),
    /// Distinct strings; never empty.
    Strings(BTreeSet<String>),
}

impl CacheValue {
    /// The word for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Json(Value::Number(number)) if number.is_i64() => "a counter",
            Self::Json(Value::Number(_)) => "a number",
            Self::Json(Value::String(_)) => "text",
            Self::Json(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => "JSON",
            Self::Strings(_) => "a set of strings",
        }
    }
}

/// The address of a value, and how long what is written there lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// What a detection passed to `remotecache()`.
    pub namespace: String,
    /// The key.
    pub key: String,
}

/// Where detections keep what they remember. Each operation is atomic.
#[async_trait]
pub trait RemoteCache: Send + Sync + std::fmt::Debug {
    /// The value, unless its time is over at `now`.
    async fn get(&self, at: &CacheKey, now: Timestamp) -> Result<Option<CacheValue>, StoreError>;

    /// Puts a value in place of any other; it lives for `ttl_seconds` from `now`. An empty set is no value.
    async fn set(&self, at: &CacheKey, value: CacheValue, ttl_seconds: u32, now: Timestamp) -> Result<(), StoreError>;

    /// Takes the value away, if there is one.
    async fn remove(&self, at: &CacheKey) -> Result<(), StoreError>;

    /// Adds `by`, which may be negative, to a counter that starts at 0; returns the sum, held within 64 bits. Only a
    /// counter that starts here gets `ttl_seconds`: one that is there already keeps its end.
    async fn add(&self, at: &CacheKey, by: i64, ttl_seconds: u32, now: Timestamp) -> Result<i64, StoreError>;

    /// Adds strings to a set that starts empty; returns all of it. The time to live is as with [`RemoteCache::add`].
    async fn add_strings(
        &self,
        at: &CacheKey,
        strings: BTreeSet<String>,
        ttl_seconds: u32,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError>;

    /// Takes strings out of a set; returns what is left, which may be nothing.
    async fn remove_strings(
        &self,
        at: &CacheKey,
        strings: BTreeSet<String>,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError>;

    /// Deletes values whose time is over; returns how many.
    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError>;
}
