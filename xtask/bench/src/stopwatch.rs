//! Time that was used, and the least of several rounds.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use anyhow::Result;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The processor time of the calling thread: others on the machine do not count.
    Thread,
    /// The clock on the wall.
    Clock,
}

/// The least time of each way.
#[derive(Debug, Default)]
pub struct Best(BTreeMap<&'static str, Duration>);

impl Best {
    /// Runs a way once more, and returns what it returns.
    pub fn run<T>(&mut self, name: &'static str, span: Span, way: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Moment::now(span);
        let out = way()?;
        let took = start.elapsed();
        let best = self.0.entry(name).or_insert(took);
        *best = took.min(*best);
        Ok(out)
    }

    /// The least time of a way; zero where it did not run.
    pub fn of(&self, name: &str) -> Duration {
        self.0.get(name).copied().unwrap_or_default()
    }
}

struct Moment {
    clock: Instant,
    thread: Option<Duration>,
}

impl Moment {
    fn now(span: Span) -> Self {
        let thread = match span {
            Span::Thread => thread_time(),
            Span::Clock => None,
        };
        Self { clock: Instant::now(), thread }
    }

    fn elapsed(&self) -> Duration {
        match (self.thread, thread_time()) {
            (Some(start), Some(end)) => end.saturating_sub(start),
            (Some(_) | None, Some(_) | None) => self.clock.elapsed(),
        }
    }
}

/// Nanoseconds on a processor, as Linux counts them; `None` elsewhere, where the clock has to do.
fn thread_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
