//! Stretches through as many workers as there may be; what they found is handed on in the order of the stretches.
//!
//! No worker gets far ahead of the one who takes the findings: a detection that fires on every row would fill the memory.

use std::{
    collections::{BTreeMap, VecDeque},
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
    /// What was found in stretches that were begun and not taken.
    found: BTreeMap<usize, VecDeque<Step>>,
    is_over: bool,
}

/// What a worker says of a stretch.
enum Step {
    /// Some of its findings.
    Found(Findings),
    /// Those were all.
    End(Result<(), HostError>),
}

/// How many pieces of a stretch may wait to be taken.
const WAITING: usize = 2;

/// Runs all stretches of so many files. `on` gets the findings of each, piece by piece, and may end it all.
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
        let _over = Over(&line);
        for _ in 0..workers {
            scope.spawn(|| line.work());
        }
        line.take_all(on)
    })
}

/// Ends the workers' waiting, also where the one who takes their findings panics.
struct Over<'a>(&'a Line<'a>);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
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
            let mut on = |found| self.put(at, Step::Found(found));
            let ended = catch_unwind(AssertUnwindSafe(|| seat.run(stretch, strikes, &mut on)));
            let ended = ended.unwrap_or_else(|_| Err(HostError::Worker("its thread panicked".to_owned())));
            if self.put(at, Step::End(ended)).is_break() {
                return;
            }
        }
    }

    /// Says something of a stretch, and waits while much of it is not taken.
    fn put(&self, at: usize, step: Step) -> ControlFlow<()> {
        let mut state = self.lock();
        state.found.entry(at).or_default().push_back(step);
        self.changed.notify_all();
        let waits =
            |state: &mut State| !state.is_over && state.found.get(&at).is_some_and(|steps| steps.len() > WAITING);
        let state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        if state.is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
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
            loop {
                match self.take(at) {
                    Step::Found(found) => {
                        if on(stretch, found).is_break() {
                            return Ok(());
                        }
                    }
                    Step::End(ended) => break ended?,
                }
            }
            let mut state = self.lock();
            state.taken += 1;
            state.found.remove(&at);
            drop(state);
            self.changed.notify_all();
        }
        Ok(())
    }

    /// What is said next of a stretch.
    fn take(&self, at: usize) -> Step {
        let mut state = self.lock();
        loop {
            if let Some(step) = state.found.get_mut(&at).and_then(VecDeque::pop_front) {
                self.changed.notify_all();
                return step;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
