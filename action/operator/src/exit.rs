//! How a command ends. Scripts rely on the codes.

use std::process::ExitCode;

use check::render::printable;
use serde_json::{Value, json};

/// How a command ended without failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is well: 0.
    Fine,
    /// It worked and found something that a person must look at: 1.
    Findings,
}

/// A failure that knows its exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The user's input is broken: 2.
    #[error("{0}")]
    Input(String),
    /// Configuration or environment: 3.
    #[error("{0}")]
    Environment(String),
}

/// The process's exit code.
pub fn code(result: &anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(error) => ExitCode::from(kind(error).1),
    }
}

/// What went wrong, for standard error. File names of a pull request may hold line breaks: further lines are indented
/// behind a bar, so that none of them is a workflow command or moves the cursor.
pub fn words(error: &anyhow::Error) -> String {
    printable::lines(&format!("{error:#}")).replace('\n', "\n  | ")
}

/// A word for programs, and the exit code.
fn kind(error: &anyhow::Error) -> (&'static str, u8) {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Input(_)) => ("input", 2),
        Some(Failure::Environment(_)) | None => ("environment", 3),
    }
}

/// A failure, for `--output json`.
pub fn document(error: &anyhow::Error) -> Value {
    let (kind, exit_code) = kind(error);
    failure(kind, &format!("{error:#}"), exit_code.into())
}

/// A command line that is wrong, for `--output json`.
pub fn usage(error: &clap::Error) -> Value {
    // without the usage, which is for people
    let message = error.render().to_string();
    let message = message.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    failure("usage", message, error.exit_code())
}

fn failure(kind: &str, message: &str, exit_code: i32) -> Value {
    json!({ "error": { "kind": kind, "message": message, "exit_code": exit_code } })
}

/// Broken input, as an error.
pub fn input(message: impl Into<String>) -> anyhow::Error {
    Failure::Input(message.into()).into()
}

/// Configuration or environment, as an error.
pub fn environment(message: impl Into<String>) -> anyhow::Error {
    Failure::Environment(message.into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_become_a_workflow_command() {
        let error = input("the file name `a\n::error::forged\u{1b}[2J` is not UTF-8: rename it");
        assert_eq!(words(&error), "the file name `a\n  | ::error::forged␛[2J` is not UTF-8: rename it");
    }
}
