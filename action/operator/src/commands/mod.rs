//! One module a command.

pub mod action;
pub mod alerts;
pub mod check;
pub mod deploy;
pub mod destroy;
pub mod explain;
pub mod info;
pub mod ingest;
pub mod init;
pub mod lsp;
pub mod plan;
pub mod query;
pub mod replay;
pub mod run;
pub mod settled;
pub mod test;
