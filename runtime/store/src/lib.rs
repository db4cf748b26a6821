//! The outside world: alerts and deliveries, what detections remember, secrets, HTTP.
//!
//! One trait for each thing, and for each trait a twin that needs nothing but a directory: SQLite files of this machine.
//! Nothing here decides anything; times are parameters.

pub mod alerts; // alerts and what is on its way to destinations
mod alerts_outbox;
pub mod alerts_sqlite; // alerts in a file
pub mod cache; // what detections remember
pub mod cache_sqlite; // ... in a file
pub mod error; // what can go wrong
pub mod http; // requests to destinations
pub mod ledger; // what was read, staged, committed and seen
pub mod ledger_owner; // which processes are alive
pub mod ledger_sqlite; // ... in a file
pub mod objects; // raw objects
pub mod objects_any; // ... wherever an address points
pub mod objects_local; // ... on this machine
pub mod objects_s3; // ... in buckets
pub mod schedule; // how far scheduled detections have come
pub mod secrets; // by destination and key
mod sqlite; // one file, opened one way
pub mod staging; // Parquet files between transform and commit
