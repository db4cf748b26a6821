//! The nouns of matano: names, schemas, releases, records, matches and alerts, as plain data.
//!
//! Everything stands on this crate. Start at [`release::Release`], what a project is lowered to. Nothing here does I/O;
//! the clock is asked in one function only, [`time::Timestamp::now`].

pub mod alert;
pub mod delivery; // which alert goes to which destination
pub mod digest; // same content, same id
pub mod ecs; // the Elastic Common Schema
pub mod isolation; // what holds a worker, and what its detections were refused
pub mod name; // what things are called, checked once
pub mod nested; // rows as people write them
pub mod object; // raw objects, records, rejects
pub mod release; // the compiled form of a project
pub mod schema; // a table's columns as data; union and difference
pub mod staged; // Parquet files on their way into the lake
pub mod system; // the columns and tables that matano adds
pub mod time; // microseconds, UTC // rule matches and alerts
pub mod worker; // what a host and its Python worker say to each other
