//! Runs programs over one record.

use vrl::{
    compiler::{Context, ExpressionError, Target, state::RuntimeState},
    value::Value,
};

use crate::{Program, program::UTC};

/// How a program ended.
pub(crate) enum Ended {
    /// With the value of its last expression.
    Done(Value),
    /// With `abort`.
    Aborted,
    /// With an error, in words.
    Failed(String),
}

/// Runs a program; variables of the run before are gone.
pub(crate) fn run(program: &Program, target: &mut dyn Target, state: &mut RuntimeState) -> Ended {
    state.clear();
    let mut context = Context::new(target, state, &UTC);
    match program.vrl.resolve(&mut context) {
        Ok(value) | Err(ExpressionError::Return { value, .. }) => Ended::Done(value),
        Err(ExpressionError::Abort { .. }) => Ended::Aborted,
        Err(
            error @ (ExpressionError::Error { .. }
            | ExpressionError::Fallible { .. }
            | ExpressionError::Missing { .. }
            | ExpressionError::Break { .. }
            | ExpressionError::Interrupted),
        ) => Ended::Failed(error.to_string()),
    }
}
