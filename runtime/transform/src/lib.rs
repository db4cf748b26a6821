//! Turns raw objects into rows: bytes -> records -> VRL -> columns -> staged Parquet files.
//!
//! Start at [`SourceTransform`], which does all of it for the objects of one log source, or at [`compile`], which is what
//! a pull request's programs are checked with. A record that becomes no row becomes a reject with its bytes and the
//! reason; nothing is dropped unless a program says `abort`. Nothing here speaks to a network, and programs cannot reach
//! anything but their record and the enrichment tables.

mod error;

pub mod decode; // bytes as stored -> plain bytes
pub mod frame; // plain bytes -> records

mod diagnostic; // what the VRL compiler says, as data
mod enrichment; // tables to look values up in
mod expand; // expand programs that are nothing but a path
mod fit; // what can never be what its column holds
mod functions; // what programs may call
mod program; // compile programs

mod event; // what a program sees
mod json; // JSON text as values of VRL
mod reading; // which table an object is for, and what its records look like
mod run; // run a program over one record
mod slots; // programs over slots instead of trees

mod rejects; // rejects as rows
mod row; // what a transform left, as a row
mod staging; // rows to files by partition

mod source; // a log source of a release
mod worker; // what one thread needs of its own

mod pipeline; // all of it, for one object

pub use diagnostic::{VrlDiagnostic, VrlDiagnostics, VrlLabel, VrlSeverity};
pub use enrichment::{EnrichmentTables, LookupTable, static_rows};
pub use error::TransformError;
pub use fit::NeverFits;
pub use frame::{Body, Hints, Item, Limits, ReadSummary, Shape, read_records};
pub use pipeline::{SourceTransform, TransformOutput};
pub use program::{Program, ProgramKind, ResultKind, compile};
pub use slots::runs_over_slots;
