//! [`Objects`] wherever an address points.

use async_trait::async_trait;
use model::object::SourceObject;

use crate::{
    error::StoreError,
    objects::{Body, FILE_BUCKET, Head, Listed, Objects, STDIN_BUCKET},
    objects_local::LocalObjects,
    objects_s3::S3Objects,
};

/// This machine and S3.
#[derive(Debug, Clone)]
pub struct AnyObjects {
    /// Paths and `-`.
    pub local: LocalObjects,
    /// `s3://`
    pub s3: S3Objects,
}

impl AnyObjects {
    fn at(&self, address: &str) -> &dyn Objects {
        if address.starts_with("s3://") { &self.s3 } else { &self.local }
    }
}

#[async_trait]
impl Objects for AnyObjects {
    async fn list(&self, address: &str) -> Result<Vec<Listed>, StoreError> {
        self.at(address).list(address).await
    }

    async fn head(&self, address: &str) -> Result<Head, StoreError> {
        self.at(address).head(address).await
    }

    async fn open(&self, object: &SourceObject) -> Result<Body, StoreError> {
        match object.bucket.as_str() {
            FILE_BUCKET | STDIN_BUCKET => self.local.open(object).await,
            _ => self.s3.open(object).await,
        }
    }
}
