//! [`Objects`] in S3, or in anything that speaks its protocol.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use model::object::SourceObject;
use opendal::{
    EntryMode, ErrorKind, Operator,
    layers::{RetryLayer, TimeoutLayer},
    services::S3,
};
use tokio_util::io::StreamReader;

use crate::{
    error::StoreError,
    objects::{Body, Head, Listed, Objects},
};

/// How the storage is reached. What is `None` comes from the environment and the files that AWS's own tools read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct S3Options {
    /// Another storage than AWS: `https://minio.example:9000`. Its buckets are addressed by path.
    pub endpoint: Option<String>,
    /// `eu-central-1`
    pub region: Option<String>,
    /// The id of an access key.
    pub access_key_id: Option<String>,
    /// Its secret.
    pub secret_access_key: Option<String>,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
    /// Without credentials, for public buckets.
    pub anonymous: bool,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, region, access_key_id: _, secret_access_key: _, session_token: _, anonymous } = self;
        let mut out = f.debug_struct("S3Options");
        out.field("endpoint", endpoint).field("region", region).field("anonymous", anonymous).finish_non_exhaustive()
    }
}

/// Buckets. The version of an object is its version id where the bucket keeps versions, else its ETag.
#[derive(Clone)]
pub struct S3Objects {
    options: S3Options,
    buckets: Arc<Mutex<BTreeMap<String, Operator>>>,
}

impl fmt::Debug for S3Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Objects").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How much is asked for at a time, and how many requests are in flight for one object.
const CHUNK_BYTES: usize = 8 << 20;
const IN_FLIGHT: usize = 4;

/// How long a request may take to begin with an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whoever asked will ask again later; only a hiccup is waited out here.
const FIRST_RETRY: Duration = Duration::from_millis(200);

impl S3Objects {
    /// Connects to nothing yet.
    pub fn new(options: S3Options) -> Self {
        Self { options, buckets: Arc::default() }
    }

    fn bucket(&self, name: &str) -> Result<Operator, StoreError> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(operator) = buckets.get(name) {
            return Ok(operator.clone());
        }
        let S3Options { endpoint, region, access_key_id, secret_access_key, session_token, anonymous } = &self.options;
        let mut builder = S3::default().bucket(name);
        builder = match endpoint {
            Some(endpoint) => builder.endpoint(endpoint),
            None => builder.enable_virtual_host_style(),
        };
        if let Some(region) = region {
            builder = builder.region(region);
        }
        if let Some(id) = access_key_id {
            builder = builder.access_key_id(id);
        }
        if let Some(secret) = secret_access_key {
            builder = builder.secret_access_key(secret);
        }
        if let Some(token) = session_token {
            builder = builder.session_token(token);
        }
        if *anonymous {
            builder = builder.skip_signature();
        }
        let operator = Operator::new(builder).map_err(failed("open", &format!("s3://{name}")))?;
        let operator = operator
            .layer(TimeoutLayer::new().with_timeout(PATIENCE).with_io_timeout(PATIENCE))
            .layer(RetryLayer::new().with_jitter().with_min_delay(FIRST_RETRY).with_max_times(4))
            .finish();
        buckets.insert(name.to_owned(), operator.clone());
        Ok(operator)
    }
}

#[async_trait]
impl Objects for S3Objects {
    async fn list(&self, address: &str) -> Result<Vec<Listed>, StoreError> {
        let (bucket, prefix) = parse(address)?;
        let operator = self.bucket(bucket)?;
        let mut entries = operator.lister_with(prefix).recursive(true).await.map_err(failed("list", address))?;
        let mut out = Vec::new();
        while let Some(entry) = entries.try_next().await.map_err(failed("list", address))? {
            // the markers that consoles make for folders have no content
            if entry.metadata().mode() == EntryMode::FILE {
                let address = format!("s3://{bucket}/{}", entry.path());
                out.push(Listed { address, size: entry.metadata().content_length() });
            }
        }
        if out.is_empty() {
            let problem = "expected an object or objects below this prefix, found none".to_owned();
            return Err(StoreError::Address { address: address.to_owned(), problem });
        }
        out.sort_by(|left, right| left.address.cmp(&right.address));
        Ok(out)
    }

    async fn head(&self, address: &str) -> Result<Head, StoreError> {
        let (bucket, key) = parse(address)?;
        let found = self.bucket(bucket)?.stat(key).await.map_err(failed("read", address))?;
        // buckets without versions answer `null`
        let version = found.version().filter(|version| *version != "null").or(found.etag());
        let version = version.ok_or_else(|| StoreError::Objects {
            action: "read",
            url: address.to_owned(),
            problem: "the storage gave neither a version nor an ETag".to_owned(),
            retryable: false,
        })?;
        Ok(Head {
            object: SourceObject {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                version: version.to_owned(),
                size: found.content_length(),
            },
            content_encoding: found.content_encoding().map(str::to_owned),
            content_type: found.content_type().map(str::to_owned),
        })
    }

    async fn open(&self, object: &SourceObject) -> Result<Body, StoreError> {
        let url = object.uri();
        let operator = self.bucket(&object.bucket)?;
        let reader = operator.reader_with(&object.key).chunk(CHUNK_BYTES).concurrent(IN_FLIGHT);
        // an ETag stands in quotes, a version id does not
        let reader = match object.version.starts_with('"') || object.version.starts_with("W/") {
            true => reader.if_match(&object.version),
            false => reader.version(&object.version),
        };
        let reader = reader.await.map_err(failed("read", &url))?;
        let bytes = reader.into_bytes_stream(0..object.size).await.map_err(failed("read", &url))?;
        Ok(Body::Stream(Box::new(StreamReader::new(bytes.map_err(final_error)))))
    }
}

/// OpenDAL calls most errors "interrupted", on which every reader of the standard library tries again, for ever.
fn final_error(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => io::Error::other(error),
        _ => error,
    }
}

/// Bucket and key or prefix.
fn parse(address: &str) -> Result<(&str, &str), StoreError> {
    let rest = address.strip_prefix("s3://").unwrap_or_default();
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        let problem = "expected `s3://bucket/key`".to_owned();
        return Err(StoreError::Address { address: address.to_owned(), problem });
    }
    Ok((bucket, key))
}

fn failed(action: &'static str, url: &str) -> impl FnOnce(opendal::Error) -> StoreError + use<> {
    let url = url.to_owned();
    move |error| {
        let problem = match error.kind() {
            ErrorKind::NotFound => "there is no such object".to_owned(),
            ErrorKind::PermissionDenied => "access is denied: check the credentials and the bucket's policy".to_owned(),
            ErrorKind::ConditionNotMatch => "it was replaced since it was listed: read it again".to_owned(),
            // its context may hold headers of the request
            kind => format!("{kind}: {}", error.message()),
        };
        let retryable = error.is_temporary() || matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Unexpected);
        StoreError::Objects { action, url, problem, retryable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_at_the_bucket() {
        assert_eq!(parse("s3://b/a/b c+d.gz").unwrap(), ("b", "a/b c+d.gz"));
        assert_eq!(parse("s3://b").unwrap(), ("b", ""));
        for address in ["s3://", "s3:///k", "b/k"] {
            assert!(parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_failed_read_ends_a_reader() {
        let failure = || io::Error::new(io::ErrorKind::Interrupted, "replaced");
        let mut tries = 0;
        let mut reader = io::BufReader::new(Failing(|| {
            tries += 1;
            final_error(failure())
        }));
        assert!(io::Read::read_to_end(&mut reader, &mut Vec::new()).is_err());
        drop(reader);
        assert_eq!(tries, 1);
    }

    /// Fails as told.
    struct Failing<F>(F);

    impl<F: FnMut() -> io::Error> io::Read for Failing<F> {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0())
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = Some("hunter2".to_owned());
        let options = S3Options { secret_access_key: secret.clone(), session_token: secret, ..S3Options::default() };
        assert!(!format!("{:?}", S3Objects::new(options)).contains("hunter2"));
    }
}
