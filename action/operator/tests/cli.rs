//! The program as a user runs it: real files, real Python, a real lake, in a directory of its own for each test.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod cli {
    pub mod action; // the jobs of the Action, against a GitHub that keeps its state
    pub mod bad_input; // whatever comes in, every record is accounted for
    pub mod editor; // the language server on standard input and output
    pub mod enrichment; // tables that are looked up, and uploads to them
    pub mod fixing; // check --fix
    pub mod journey; // from init to an answer in SQL
    pub mod mistakes; // what check, plan and deploy say and refuse
    pub mod outputs; // what check writes for GitHub
    pub mod processes; // two at once, and killed ones
    pub mod replay; // rejects again, after a fix
    pub mod repo; // a detections repo in a temporary directory
    pub mod testing; // what tests can say, and what comes of it
    #[cfg(target_os = "linux")]
    pub mod trust; // what detections cannot reach, and what is told of it
}
