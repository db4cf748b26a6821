//! What a pull request shows, through GitHub's API: a check run, one comment, approvals, an issue about drift.
//!
//! Start at [`Client`]; each noun of GitHub is a module with functions over it. What is said is made of plain data by pure
//! functions; only [`Client`] sends requests. The environment, files and the clock are the caller's.

pub mod approval; // who agrees to deletions
pub mod artifact; // what an untrusted run left behind
pub mod check_run; // all findings, on a commit
pub mod comment; // the one comment of a pull request
pub mod event; // what started a workflow
pub mod issue; // the one issue about drift
pub mod pace; // when a request is sent again
pub mod page; // what a comment or a summary says
pub mod pull_request; // the API's word on a pull request
pub mod report; // what one run found out, as data

mod client; // requests to one repository
mod error; // why GitHub did not do what it was asked
mod repository; // names that GitHub gives

pub use client::{Client, Connection};
pub use error::GithubError;
pub use event::Event;
pub use repository::{CommitSha, NameError, RepositoryName};
