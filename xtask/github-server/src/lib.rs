//! A GitHub that keeps its state in memory and answers over HTTP: for tests of the Action, and for the demo.
//!
//! Start at [`Server::start`]; arrange what is there through [`Server::world`]. Answers have the shapes of GitHub's own
//! OpenAPI description, which `cargo xtask test` holds with a validating proxy in front. Only what the Action uses is
//! here. Nothing leaves 127.0.0.1.

pub mod world; // what there is: repositories, pull requests, comments, check runs

mod answer; // one request to one answer, by route
mod fault; // what can go wrong on purpose
mod flow; // a server for one test
mod page; // pages and the header `Link`
mod request; // a request as the answers see it
mod server; // HTTP on a free port
mod shape; // the world as GitHub writes it in JSON

pub use fault::Fault;
pub use flow::{Flow, PORT, PROXY};
pub use request::Seen;
pub use server::{Server, ServerError};
pub use world::{Access, World};
