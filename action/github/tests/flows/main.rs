//! The client against a GitHub that keeps its state, over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod approval; // who may agree to deletions
mod artifact; // what an untrusted run left
mod bench; // a GitHub, a client and a clock
mod check_run; // all findings, in batches
mod comment; // one comment, whatever happens
mod issue; // one issue about drift
mod pull_request; // the API's word
mod trouble; // limits, broken servers, wrong tokens
