//! Runs programs over one record.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use vrl::{
    compiler::{
        ExpressionError, Target,
        runtime::{ExecutionControl, Runtime, Terminate},
    },
    value::Value,
};

use crate::{Program, program::UTC};

/// How a program ended.
pub(crate) enum Ended {
    /// With the value of its last expression.
    Done(Value),
    /// With `abort`.
    Aborted,
    /// With an error, in words, or because it would not end.
    Failed(String),
}

/// Expressions that a program may evaluate for one record, or for one object where it expands one: a thousand times what the
/// longest managed program needs, and some seconds of work. Counted and not timed, so that a record fares the same everywhere.
const STEPS: u64 = 100_000_000;

/// For programs whose single steps are slow. Far beyond the time that so many ordinary steps take.
const TIME: Duration = Duration::from_secs(60);

/// How many steps go by between two looks at the clock.
const STEPS_BETWEEN_LOOKS: u64 = 1 << 16;

/// Runs a program; variables of the run before are gone.
pub(crate) fn run(program: &Program, target: &mut dyn Target, runtime: &mut Runtime) -> Ended {
    run_within(program, target, runtime, STEPS)
}

fn run_within(program: &Program, target: &mut dyn Target, runtime: &mut Runtime, steps: u64) -> Ended {
    runtime.clear();
    let mut patience = Patience { steps: 0, limit: steps, since: None };
    match runtime.resolve_with_control(target, &program.vrl, &UTC, &mut patience) {
        Ok(value) => Ended::Done(value),
        Err(Terminate::Abort(ExpressionError::Abort { .. })) => Ended::Aborted,
        Err(Terminate::Abort(error) | Terminate::Error(error)) => Ended::Failed(error.to_string()),
        Err(Terminate::Interrupted) => {
            Ended::Failed(format!("the program was stopped after {} steps: does it loop over a loop?", patience.steps))
        }
    }
}

/// Ends when a program has had enough.
struct Patience {
    steps: u64,
    limit: u64,
    /// Since the first look at the clock: most programs end before.
    since: Option<Instant>,
}

impl ExecutionControl for Patience {
    fn checkpoint(&mut self) -> ControlFlow<()> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_BETWEEN_LOOKS)
            && self.since.get_or_insert_with(Instant::now).elapsed() > TIME
        {
            return ControlFlow::Break(());
        }
        if self.steps > self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use vrl::{compiler::TargetValue, value::Secrets};

    use super::*;
    use crate::{EnrichmentTables, ProgramKind, compile};

    /// How a program ends within so many steps, over an event with a hundred numbers.
    fn end(program: &str, steps: u64) -> Ended {
        let program = compile(program, ProgramKind::EnrichmentTransform, &EnrichmentTables::none(), None).unwrap();
        let numbers: Value = (0..100).map(Value::Integer).collect::<Vec<_>>().into();
        let value = Value::Object([("json".into(), numbers)].into());
        let mut target = TargetValue { value, metadata: Value::Object(Default::default()), secrets: Secrets::new() };
        run_within(&program, &mut target, &mut Runtime::default(), steps)
    }

    /// Each loop inside another makes a hundred times as many steps of it.
    fn nested(loops: usize) -> String {
        let mut program = "n = n + 1".to_owned();
        for depth in 0..loops {
            program = format!("for_each(array!(.json)) -> |_i{depth}, _v{depth}| {{ {program} }}");
        }
        format!("n = 0\n{program}\n.n = n")
    }

    #[test]
    fn a_program_that_would_not_end_is_stopped() {
        // ten to the sixteenth steps
        let Ended::Failed(error) = end(&nested(8), 100_000) else { panic!("it ended") };
        assert!(error.contains("stopped after 100001 steps"), "{error}");
        assert!(matches!(end(&nested(2), 100_000), Ended::Done(_)));
    }

    #[test]
    fn a_program_can_not_catch_that_it_is_stopped() {
        let program = format!("x, err = to_int({{ {}\n .json[0] }})", nested(8));
        assert!(matches!(end(&program, 100_000), Ended::Failed(error) if error.contains("stopped after")));
    }
}
