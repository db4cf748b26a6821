//! How a command ends. Scripts rely on the codes.

use std::process::ExitCode;

use check::render::printable;

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
        Err(error) => match error.downcast_ref::<Failure>() {
            Some(Failure::Input(_)) => ExitCode::from(2),
            Some(Failure::Environment(_)) | None => ExitCode::from(3),
        },
    }
}

/// What went wrong, for standard error. File names of a pull request may hold line breaks: further lines are indented
/// behind a bar, so that none of them is a workflow command or moves the cursor.
pub fn words(error: &anyhow::Error) -> String {
    printable::lines(&format!("{error:#}")).replace('\n', "\n  | ")
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
