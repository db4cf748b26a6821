//! The transforms of a release, compiled.

use std::{collections::BTreeMap, sync::Arc};

use model::{name::LogSourceName, release::Release};
use transform::{SourceTransform, TransformError};

use crate::{RouteError, Routes};

/// What is done with objects under one release.
pub struct Sources {
    /// Which object is whose.
    pub routes: Routes,
    transforms: BTreeMap<LogSourceName, Arc<SourceTransform>>,
}

/// A release that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// A pattern.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A program.
    #[error(transparent)]
    Transform(#[from] TransformError),
}

impl Sources {
    /// Of a release, uploads to enrichment tables included; `compile` makes the transform of each source, see [`SourceTransform::compile`].
    pub fn new(
        release: &Release,
        mut compile: impl FnMut(&LogSourceName) -> Result<SourceTransform, TransformError>,
    ) -> Result<Self, SourcesError> {
        let mut transforms = BTreeMap::new();
        for name in release.sources().into_keys() {
            let transform = compile(&name)?;
            transforms.insert(name, Arc::new(transform));
        }
        Ok(Self { routes: Routes::new(release)?, transforms })
    }

    /// The transform of a log source.
    pub fn get(&self, name: &LogSourceName) -> Option<&Arc<SourceTransform>> {
        self.transforms.get(name)
    }
}
