//! The server as an editor meets it: real JSON-RPC messages over a connection, a project in memory.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

mod client; // an editor
mod conversation; // how a conversation begins and ends, and what is refused
mod diagnostics; // what is wrong, as it is typed
mod help; // hover, completion, fixes
