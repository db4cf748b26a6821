//! Columns to rule matches, in Python: the extension module `matano_detect`, which a `python3` started as a child loads.
//!
//! Start at `python/worker.py`, which makes the child a worker, and at [`Worker`], which carries out its host's orders:
//! rows of a Parquet file become records, dictionaries whose columns are decoded when a detection first touches them, and
//! every record is shown to every detection. The words both sides speak are [`model::worker`]'s; the host is the crate
//! `detections`. Nothing here is linked into a program: an interpreter loads it by path, and only its own tests depend on
//! it. It never opens a connection or starts a process, and lets no detection do so.

mod error;

mod tree; // a file's columns, struct by struct

mod window; // a column of a stretch of rows, decoded at first touch

mod habits; // what detections ask for row after row

mod value; // one value as Python has it

mod row; // where a record's items come from, row after row

mod record; // a row as a dictionary that fills itself

mod method; // what is called so often that it goes straight to the interpreter

mod enrichment; // tables to look values up in

mod json; // what a detection returns, as JSON

mod pipe; // frames from and to the host

mod progress; // which call is going on, for whoever finds the body

mod isolation; // what the operating system keeps from detections

#[cfg(target_os = "linux")]
mod system_calls; // of which one part are system calls

mod clock; // which call takes too long

mod functions; // what a detection's module defines, and calling it

mod fired; // what a detection says about a row it fired on

mod calls; // one call after the other, for the loop in Python

mod run; // every row to every detection

mod attempt; // a few rows to one detection, with stand-ins for what it uses

mod worker; // orders in, reports out

pub use error::FileError;
pub use worker::Worker;

/// The module as Python sees it.
#[pyo3::pymodule(name = "matano_detect")]
mod module {
    use pyo3::prelude::*;

    /// Serves the host at the other end of standard input and output. Does not return before the host is done.
    #[pyfunction]
    fn main(py: Python<'_>) -> PyResult<()> {
        super::worker::main(py)
    }

    #[pymodule_export]
    use super::enrichment::EnrichmentTable;
    #[pymodule_export]
    use super::record::LazyDict;
    #[pymodule_export]
    use super::worker::Worker;
}
