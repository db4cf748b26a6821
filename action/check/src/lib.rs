//! What a pull request is judged by: a loaded project and its diagnostics become all diagnostics, and these become text.
//!
//! Start at [`check`]; [`render`] turns its result into what a person or a program reads, [`RULES`] documents every id
//! that can occur in it. Nothing here does I/O, runs user code or knows where its output goes.

pub mod explain; // a rule's documentation as text
pub mod fix; // fixes applied to the texts of a project
pub mod render; // diagnostics as text, one module per output
pub mod rule; // what a rule is
pub mod rules; // all of them

mod check; // runs them over a project
mod columns; // which paths lead to columns
mod context; // what a rule sees: programs compiled, Python parsed
mod secret; // what looks like a secret
mod suppression; // comments that silence a rule on a line

mod python; // a detection's Python as a tree
mod vrl; // programs compiled, their diagnostics placed in their files

pub use check::check;
pub use python::{Read, RecordAccess, record_accesses};
pub use rule::Rule;
pub use rules::RULES;
