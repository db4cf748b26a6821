//! Stretches through as many workers as there may be; what they found is handed on in the order of the stretches.
//!
//! No worker gets far ahead of the one who takes the findings: a detection that fires on every row would fill the memory.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::{
    error::HostError,
    loaded::Loaded,
    stretch::{Findings, Seat, Stretch, Strikes},
};

struct Line<'a> {
    loaded: &'a Loaded,
    stretches: &'a [Stretch],
    strikes: Vec<Strikes>,
    /// How many stretches may be begun before the first of them is taken.
    ahead: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    begun: usize,
    taken: usize,
    done: BTreeMap<usize, Result<Findings, HostError>>,
    is_over: bool,
}

/// Runs all stretches of so many files. `on` gets the findings of each, and may end it all.
pub fn run(
    loaded: &Loaded,
    stretches: &[Stretch],
    files: usize,
    on: &mut dyn FnMut(&Stretch, Findings) -> ControlFlow<()>,
) -> Result<(), HostError> {
    let workers = loaded.workers().min(stretches.len());
    let strikes = (0..files).map(|_| Strikes::default()).collect();
    let (state, changed) = (Mutex::default(), Condvar::new());
    let line = Line { loaded, stretches, strikes, ahead: workers + 1, state, changed };
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| line.work());
        }
        let result = line.take_all(on);
        line.lock().is_over = true;
        line.changed.notify_all();
        result
    })
}

impl Line<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One worker's share.
    fn work(&self) {
        let mut seat = Seat::new(self.loaded);
        while let Some((at, stretch)) = self.next() {
            let strikes = &self.strikes[stretch.file];
            let found = catch_unwind(AssertUnwindSafe(|| seat.run(stretch, strikes)));
            let found = found.unwrap_or_else(|_| Err(HostError::Worker("its thread panicked".to_owned())));
            self.lock().done.insert(at, found);
            self.changed.notify_all();
        }
    }

    /// The next stretch, once it may be begun.
    fn next(&self) -> Option<(usize, &Stretch)> {
        let waits = |state: &mut State| !state.is_over && state.begun >= state.taken + self.ahead;
        let mut state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        let at = state.begun;
        let stretch = self.stretches.get(at).filter(|_| !state.is_over)?;
        state.begun += 1;
        Some((at, stretch))
    }

    fn take_all(&self, on: &mut dyn FnMut(&Stretch, Findings) -> ControlFlow<()>) -> Result<(), HostError> {
        for (at, stretch) in self.stretches.iter().enumerate() {
            let waits = |state: &mut State| !state.done.contains_key(&at);
            let mut state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
            let found = state.done.remove(&at);
            drop(state);
            if let Some(found) = found
                && on(stretch, found?).is_break()
            {
                return Ok(());
            }
            self.lock().taken += 1;
            self.changed.notify_all();
        }
        Ok(())
    }
}
