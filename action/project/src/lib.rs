//! Turns the files of a detections repo into a typed project, every mistake told at its line, and the project into a
//! release.
//!
//! Start at [`load`] and [`lower`]. Nothing here does I/O: the caller reads the checkout into a [`FileSet`].

// files -> project -> release
mod load;
mod lower;

// what a project is
pub mod file_set; // the checkout as data
pub mod program; // VRL and SQL with the way back to its lines
pub mod project; // what a project means
pub mod spec; // what users may write

// what is said about it
pub mod diagnostic; // what is wrong and where
pub mod rules; // what a project is held to

// how it is read
pub mod attack; // MITRE ATT&CK as data
pub mod conform; // a document held against its schema
pub mod json_schema; // the schemas, also for editors
pub mod managed; // what comes with matano
mod matano_only; // keys of the original that have no effect
pub mod schedule; // rate(...) and cron(...)
pub mod source; // text, lines and columns
pub mod text_map; // from a block scalar's text back into the file
pub mod yaml; // YAML with positions

pub use crate::{
    diagnostic::{Diagnostic, Level, Pos, Related, Span},
    file_set::FileSet,
    load::load,
    lower::lower,
    program::{Fragment, Kind, VrlProgram},
    project::{Detection, Enrichment, LogSource, Project, Table},
    yaml::Doc,
};
