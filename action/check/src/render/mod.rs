//! Diagnostics become text here, one module per output, each a plain function over the same data.
//!
//! A new output (workflow commands, SARIF, a check run) is a new module beside these with a function from
//! `&[Diagnostic]` to what is written. Escaping is the output's own business: nothing before this point escapes.

pub mod json; // one documented object, for programs
pub mod terminal; // for people: message, excerpt with carets, help

mod excerpt; // lines of a file with a span marked
mod printable; // user text made safe and measurable for a terminal
mod summary; // how many of what, in how many files

pub use summary::Summary;
