//! Staged files to rule matches: shows every row to every detection of its table, in Python processes started for it.
//!
//! Start at [`Host`]: it starts workers (a `python3` each, with the extension module of the crate `detect`), gives them a
//! release's detections ([`Host::load`]) and files ([`Host::detect`]). Whatever a detection does, raise, hang, print, exit,
//! crash or eat memory, becomes a [`DetectionFailure`] and never costs another detection or another row its turn.
//!
//! Workers have an empty environment, a directory of their own, limits on memory and files, and walls around them: on
//! Linux by the operating system ([`Host::isolation`] says which stand), everywhere by Python itself, which also tells
//! what detections tried ([`Refused`]).

mod error;

mod python; // the interpreter and the extension module

mod unpack; // a release's Python files, laid out for import

mod process; // one worker: start, talk, notice its end

mod blame; // what a worker died of, and whose fault it was

mod loaded; // a release's detections, and the workers that know them

mod stretch; // rows of one file through one worker, over its dead body if need be

mod cache; // what detections remember

mod failure; // what went wrong with a detection

mod resolve; // what a detection's code and its YAML say, as a rule match

mod report; // what came of some files

mod summary; // what workers found, folded into that

mod line; // many stretches through all workers, in order

mod attempt; // tests: a few rows to one detection, every row to every detection

mod host; // all of it

pub use attempt::{Attempt, Attempted, Found, Rehearsal, RehearsalTable, Rehearsed, SweptFailure};
pub use cache::CacheAccess;
pub use error::HostError;
pub use failure::DetectionFailure;
pub use host::{Host, HostConfig, IsolationPolicy};
pub use python::locate_module;
pub use report::{DetectReport, Evaluated, Evaluation, FileReport, Outcome, Printed, Refused};
pub use resolve::Identity;
pub use unpack::MODULE;
