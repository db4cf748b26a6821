//! Diagnostics become text here, one module per output, each a plain function over the same data.
//!
//! A new output is a new module beside these with a function from `&[Diagnostic]` to what is written. Escaping is the
//! output's own business: nothing before this point escapes.

pub mod json; // one documented object, for programs
pub mod terminal; // for people: message, excerpt with carets, help

// for GitHub
pub mod annotations; // of a check run
pub mod markdown; // a section of a comment or a job summary
pub mod sarif; // for code scanning
pub mod workflow_commands; // lines of a step's output

pub mod printable; // user text made safe and measurable for a terminal
pub mod repository; // where files of the project stand in their repository

mod excerpt; // lines of a file with a span marked
mod summary; // how many of what, in how many files
mod wording; // a diagnostic as plain paragraphs

pub use repository::Repository;
pub use summary::Summary;
