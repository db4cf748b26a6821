//! Time that was used, and the least of several rounds.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The processor time of the calling thread: others on the machine do not count.
    Thread,
    /// The processor time of this process and those that it has started.
    Processes,
    /// The processor time of the busiest of the processes that this one has started: what the clock says where each has a
    /// processor to itself.
    BusiestChild,
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
    span: Span,
    clock: Instant,
    processor: Option<Times>,
}

/// Processor times by process, or all under one name.
type Times = BTreeMap<String, Duration>;

impl Moment {
    fn now(span: Span) -> Self {
        Self { span, clock: Instant::now(), processor: processor_times(span) }
    }

    fn elapsed(&self) -> Duration {
        let (Some(start), Some(end)) = (&self.processor, processor_times(self.span)) else {
            return self.clock.elapsed();
        };
        let took = end.iter().map(|(process, end)| end.saturating_sub(start.get(process).copied().unwrap_or_default()));
        match self.span {
            Span::BusiestChild => took.max().unwrap_or_default(),
            Span::Thread | Span::Processes | Span::Clock => took.sum(),
        }
    }
}

/// Times on processors, as Linux counts them; `None` elsewhere, where the clock has to do.
fn processor_times(span: Span) -> Option<Times> {
    match span {
        Span::Clock => None,
        Span::Thread => Some(Times::from([(String::new(), time_of(Path::new("/proc/thread-self"))?)])),
        Span::BusiestChild => children(),
        Span::Processes => {
            let mut all = children()?;
            all.insert(String::new(), threads(Path::new("/proc/self"))?.iter().filter_map(|one| time_of(one)).sum());
            Some(all)
        }
    }
}

fn children() -> Option<Times> {
    let mut out = Times::new();
    for thread in threads(Path::new("/proc/self"))? {
        for child in fs::read_to_string(thread.join("children")).ok()?.split_whitespace() {
            // one that has just ended has no time any more
            let threads = threads(&Path::new("/proc").join(child)).unwrap_or_default();
            out.insert(child.to_owned(), threads.iter().filter_map(|thread| time_of(thread)).sum());
        }
    }
    Some(out)
}

fn threads(process: &Path) -> Option<Vec<PathBuf>> {
    fs::read_dir(process.join("task")).ok()?.map(|thread| Some(thread.ok()?.path())).collect()
}

/// Nanoseconds of one thread.
fn time_of(thread: &Path) -> Option<Duration> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
