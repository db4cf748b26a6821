//! The embedded target: the handlers that run in the cloud, wired in one process over one directory.
//!
//! Start at [`Embedded`], a directory that holds everything, and [`Session`], a process at work on it. [`Trial`] tries a
//! release without a target, [`sql`] asks the lake. Nothing here decides what is deployed: a plan is made and applied above.

mod error;
mod layout; // where everything lies
mod releases; // content-addressed releases and the pointer

mod flow; // objects in, rows, matches, alerts out
mod replay; // again, after a fix
mod report; // what a run did
mod schedule; // windows of time
mod scheduler; // scheduled detections
mod target; // the directory, opened
mod uploads; // enrichment tables that grow without a deploy

pub mod sql; // questions to the lake
mod table; // a table as DataFusion sees it
mod views; // columns under flat names
mod written; // answers as text

mod trial; // a release without a target

pub use columns::Misfit;
pub use detections::{
    Attempted, DetectionFailure, Evaluated, Evaluation, Found, IsolationPolicy, Printed, Refused, Rehearsed,
    SweptFailure,
};
pub use error::EmbeddedError;
pub use flow::{Clock, Session};
pub use lake_writer::Flush;
pub use layout::Layout;
pub use releases::{ReleaseError, Releases};
pub use replay::Replayed;
pub use report::{Ingested, Settled};
pub use schedule::Stretch;
pub use store::{
    alerts::{AlertFilter, DeadLetter, StoredAlert},
    ledger::Counts,
};
pub use target::{Embedded, Options};
pub use trial::{Python, Rehearsal, Remembered, Transformed, Trial, TrialAlert, TrialAttempt, TrialMocks, TrialRows};
