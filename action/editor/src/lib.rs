//! A detections repo in an editor: diagnostics while typing, fixes, hover and completion, over the Language Server
//! Protocol.
//!
//! Start at [`serve`]. What the server needs of the machine it asks of a [`Host`]; nothing here reads files.

mod host; // what the server asks of the process that runs it
mod server; // messages in, messages out

// the project
mod analysis; // files -> what is known and what is wrong
mod worker; // analyses, beside the messages

// where things stand
mod address; // file URIs and paths
mod position; // lines and columns as the client counts them
mod python_place; // what a place in Python is
mod yaml_place; // what a place in YAML is, however broken the file

// what is shown
mod column; // what is known about a column or a table
mod completion; // what can be written at a place
mod fixes; // what mends a diagnostic
mod hover; // what stands at a place
mod publish; // diagnostics as the client wants them
mod schema; // the JSON Schemas, asked by path

pub use host::Host;
pub use lsp_server::Connection;
pub use server::{Ending, serve};

/// A connection over standard input and output, and the threads that keep it going.
pub fn stdio() -> (Connection, lsp_server::IoThreads) {
    Connection::stdio()
}
