//! Raw objects in, staged files out: claims each object, runs its log source's transform over it, stages the files and
//! records all of it in the ledger.
//!
//! Start at [`Transformer::process`]. Every object has its own fate, and none fails its neighbours. Whatever happens, also
//! a kill at any step, an object's rows are staged once: see [`store::ledger`].

mod attempt;
mod route; // which log source an object belongs to
mod sources; // the transforms of a release // one try at one object

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use futures::{StreamExt as _, stream};
use model::{
    name::LogSourceName,
    object::{ObjectId, SourceObject},
    staged::ObjectReport,
    time::Timestamp,
};
use store::{ledger::Ledger, objects::Objects, staging::Staging};
use transform::TransformError;

pub use route::{RouteError, Routes};
pub use sources::{Sources, SourcesError};

/// Asks for the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Called at each step with its name; an answer of `true` stops there, as a crash would. For tests.
pub type Failpoint = Arc<dyn Fn(&'static str) -> bool + Send + Sync>;

/// The steps at which a [`Failpoint`] is called, in order.
pub const STEPS: [&str; 4] =
    ["transform: claimed", "transform: rows written", "transform: files staged", "transform: recorded"];

/// An object to be transformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it stands, see [`store::objects`].
    pub address: String,
    /// Its log source, where the caller knows; else its bucket and key decide.
    pub source: Option<LogSourceName>,
}

/// What became of a request.
#[derive(Debug)]
pub enum Fate {
    /// Its rows are staged.
    Done {
        /// What became of its records.
        report: ObjectReport,
        /// Whether that happened now, or before.
        when: When,
    },
    /// No log source takes it. Nothing was recorded.
    NoSource(SourceObject),
    /// Somebody else has it, until then.
    Busy {
        /// The object.
        object: SourceObject,
        /// When its lease ends.
        until: Timestamp,
    },
    /// It failed, and may be asked for again.
    Again(AttemptError),
    /// It failed for good and was put aside with the reason.
    Dead {
        /// The object.
        object: SourceObject,
        /// The last error.
        reason: String,
    },
}

/// Whether something was done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// By this call.
    Now,
    /// By an earlier one.
    Before,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The outside world.
    #[error(transparent)]
    Store(#[from] store::error::StoreError),
    /// The transform.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// A directory for the files could not be made.
    #[error("cannot create `{}`: {source}", path.display())]
    Workspace {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log source that the caller names is not in the release.
    #[error("log source `{0}` is not in the release")]
    UnknownSource(LogSourceName),
    /// A failpoint of a test.
    #[error("stopped at failpoint `{0}`")]
    Failpoint(&'static str),
}

impl AttemptError {
    /// Whether another attempt may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Transform(error) => error.is_retryable(),
            Self::Workspace { .. } | Self::Failpoint(_) => true,
            Self::UnknownSource(_) => false,
        }
    }
}

/// How much work is done at a time, and for how long objects are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Objects that are transformed at the same time.
    pub workers: usize,
    /// How long an object is held before others may take it over; prolonged while it is worked on.
    pub lease_seconds: u32,
    /// After so many failures an object is put aside.
    pub max_attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { workers, lease_seconds: 60, max_attempts: 5 }
    }
}

/// The handler. Clones share everything.
#[derive(Clone)]
pub struct Transformer {
    /// What was read before.
    pub ledger: Arc<dyn Ledger>,
    /// Where objects are.
    pub objects: Arc<dyn Objects>,
    /// Where files go.
    pub staging: Arc<dyn Staging>,
    /// What is done with them.
    pub sources: Arc<Sources>,
    /// This process, for leases.
    pub owner: String,
    /// How much at a time.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
    /// For tests.
    pub failpoint: Option<Failpoint>,
    /// What this process is at: its own leases do not keep it from claiming an object twice.
    pub(crate) in_flight: Arc<Mutex<BTreeSet<ObjectId>>>,
}

impl Transformer {
    /// With default limits; the fields can be changed.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        objects: Arc<dyn Objects>,
        staging: Arc<dyn Staging>,
        sources: Arc<Sources>,
        owner: impl Into<String>,
        clock: Clock,
    ) -> Self {
        Self {
            ledger,
            objects,
            staging,
            sources,
            owner: owner.into(),
            limits: Limits::default(),
            clock,
            failpoint: None,
            in_flight: Arc::default(),
        }
    }

    /// Transforms objects, several at a time. Each fate is handed to `on` when it is known; they come in no order.
    pub async fn process(&self, requests: Vec<Request>, mut on: impl FnMut(Request, Fate)) {
        let attempts = stream::iter(requests).map(|request| async move {
            let fate = self.one(&request).await;
            (request, fate)
        });
        // one more than there are workers, so that the next object is claimed and opened in the meantime
        let mut attempts = std::pin::pin!(attempts.buffer_unordered(self.limits.workers.max(1) + 1));
        while let Some((request, fate)) = attempts.next().await {
            on(request, fate);
        }
    }

    /// Transforms objects and returns their fates, in no order.
    pub async fn process_all(&self, requests: Vec<Request>) -> Vec<(Request, Fate)> {
        let mut out = Vec::with_capacity(requests.len());
        self.process(requests, |request, fate| out.push((request, fate))).await;
        out
    }
}
