use std::{fmt, sync::Arc};

use model::{
    time::Timestamp,
    worker::{CacheAnswer, CacheOperation, CacheRequest, CacheValue},
};
use store::cache::{CacheKey, CacheValue as Stored, RemoteCache};
use tokio::runtime::Handle;

/// Where `remotecache` lies, and how to get there from a thread that is not asynchronous.
#[derive(Clone)]
pub struct CacheAccess {
    /// The cache.
    pub cache: Arc<dyn RemoteCache>,
    /// The runtime it works on.
    pub runtime: Handle,
    /// What time it is.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl fmt::Debug for CacheAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheAccess").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// Carries out what a detection asks for.
pub fn answer(access: Option<&CacheAccess>, request: CacheRequest) -> CacheAnswer {
    let Some(access) = access else {
        return CacheAnswer::Failed("there is no remote cache here".to_owned());
    };
    answer_at(access, request, (access.now)())
}

/// The same, at a time that is given.
pub fn answer_at(access: &CacheAccess, request: CacheRequest, now: Timestamp) -> CacheAnswer {
    let CacheRequest { namespace, key, ttl_seconds, operation } = request;
    let at = CacheKey { namespace, key };
    let cache = &access.cache;
    let result = access.runtime.block_on(async {
        Ok(match operation {
            CacheOperation::Get => cache.get(&at, now).await?.map(told),
            CacheOperation::Set(value) => {
                cache.set(&at, stored(value), ttl_seconds, now).await?;
                None
            }
            CacheOperation::Delete => {
                cache.remove(&at).await?;
                None
            }
            CacheOperation::Add(by) => Some(CacheValue::Json(cache.add(&at, by, ttl_seconds, now).await?.into())),
            CacheOperation::AddStrings(strings) => {
                let strings = strings.into_iter().collect();
                Some(told(Stored::Strings(cache.add_strings(&at, strings, ttl_seconds, now).await?)))
            }
            CacheOperation::RemoveStrings(strings) => {
                let strings = strings.into_iter().collect();
                Some(told(Stored::Strings(cache.remove_strings(&at, strings, now).await?)))
            }
        })
    });
    match result {
        Ok(value) => CacheAnswer::Value(value),
        Err(error) => {
            let error: store::error::StoreError = error;
            CacheAnswer::Failed(error.to_string())
        }
    }
}

fn told(value: Stored) -> CacheValue {
    match value {
        Stored::Json(value) => CacheValue::Json(value),
        Stored::Strings(strings) => CacheValue::Strings(strings.into_iter().collect()),
    }
}

fn stored(value: CacheValue) -> Stored {
    match value {
        CacheValue::Json(value) => Stored::Json(value),
        CacheValue::Strings(strings) => Stored::Strings(strings.into_iter().collect()),
    }
}
