//! Runs detections in real Python processes with the real module, `libdetect.so`, which cargo builds because this crate
//! names `detect` among its dev-dependencies.

#![allow(clippy::unwrap_used)] // every function here is a test or serves one

mod case; // a release, a file and a host, from a few lines

mod matches; // what a match says

#[cfg(target_os = "linux")]
mod isolation; // what they can't reach, whatever they try

mod misbehaviour; // what detections do wrong, and who pays for it

mod modules; // what detections import

mod records; // rows as dictionaries

mod rehearsal; // tests: a few rows to one detection

mod scheduled; // rows of queries

mod workers; // processes, releases, and how many
