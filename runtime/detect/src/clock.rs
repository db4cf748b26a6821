use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use model::worker::{Function, Progress};

/// Watches calls from the timer's tick, so that a call itself costs nothing.
#[derive(Default)]
pub struct Clock {
    call: Duration,
    import: Duration,
    /// Of all rows of a file.
    run: Duration,
    /// Of the rows of this run.
    limit: Duration,
    /// The call seen at the last ticks, and since when.
    watched: Option<(u64, Instant)>,
    /// Ticks that each detection was met at since the run, or the last detection left out, began.
    met: HashMap<u32, u64>,
    began: Option<Instant>,
}

impl Clock {
    /// With these limits.
    pub fn new(call: Duration, import: Duration, run: Duration) -> Self {
        Self { call, import, run, limit: run, watched: None, met: HashMap::new(), began: None }
    }

    /// The time between ticks: a fraction of the shortest limit.
    pub fn tick(&self) -> Duration {
        (self.call.min(self.import).min(self.run) / 10).clamp(Duration::from_millis(5), Duration::from_millis(250))
    }

    /// A run begins.
    pub fn start(&mut self, now: Instant) {
        self.limit = self.run;
        self.begin(now);
    }

    /// It is about so many of all rows of a file, and has that much of the file's time; enough for two slow calls, though.
    pub fn share(&mut self, rows: u64, all: u64) {
        let share = self.run.mul_f64(rows as f64 / all.max(1) as f64);
        self.limit = share.max(self.call * 2).min(self.run);
    }

    fn begin(&mut self, now: Instant) {
        self.began = Some(now);
        self.met.clear();
        self.watched = None;
    }

    /// The limit of the call that is going on, where it is exceeded.
    pub fn overdue(&mut self, progress: Progress, now: Instant) -> Option<Duration> {
        let (detection, function) = progress.call.filter(|_| progress.busy)?;
        *self.met.entry(detection).or_default() += 1;
        let since = match self.watched {
            Some((sequence, since)) if sequence == progress.sequence => since,
            Some(_) | None => {
                self.watched = Some((progress.sequence, now));
                now
            }
        };
        let limit = if function == Function::Import { self.import } else { self.call };
        (now - since >= limit).then_some(limit)
    }

    /// The detection that took most of a run that takes too long. Asked for, it begins anew without it.
    pub fn slowest(&mut self, now: Instant) -> Option<u32> {
        if now - self.began? < self.limit {
            return None;
        }
        let slowest = self.met.iter().max_by_key(|(detection, ticks)| (**ticks, **detection)).map(|(name, _)| *name);
        self.begin(now);
        slowest
    }
}
