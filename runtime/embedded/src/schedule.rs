//! When scheduled detections come due: windows that touch and never overlap, so every row is in exactly one.

use std::str::FromStr as _;

use croner::Cron;
use model::{release::Cadence, time::Timestamp};

/// A stretch of time, its start included and its end not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

/// A cron text that this code cannot read: a release of another version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schedule `{cron}` cannot be read: {problem}")]
pub struct CadenceError {
    cron: String,
    problem: String,
}

/// The latest moment not after `time` at which a window ends and the next begins.
pub fn boundary(cadence: &Cadence, time: Timestamp) -> Result<Timestamp, CadenceError> {
    match cadence {
        Cadence::Every(seconds) => {
            let length = i64::try_from(seconds.get()).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            let start = time.micros().div_euclid(length).saturating_mul(length);
            Ok(Timestamp::from_micros(start).unwrap_or(Timestamp::MIN))
        }
        Cadence::Cron(text) => {
            let cron = parse(text)?;
            let found = cron.find_previous_occurrence(&time.to_datetime(), true);
            let found = found.map_err(|error| unreadable(text, &error.to_string()))?;
            Timestamp::try_from(found).map_err(|error| unreadable(text, &error.to_string()))
        }
    }
}

/// The whole windows from `start` on that end at `until` or before, oldest first.
pub fn windows(cadence: &Cadence, start: Timestamp, until: Timestamp) -> Result<Vec<Stretch>, CadenceError> {
    let mut out = Vec::new();
    let mut at = start;
    loop {
        let end = next(cadence, at)?;
        if end > until || end <= at {
            return Ok(out);
        }
        out.push(Stretch { start: at, end });
        at = end;
    }
}

/// The first boundary after `time`.
fn next(cadence: &Cadence, time: Timestamp) -> Result<Timestamp, CadenceError> {
    match cadence {
        Cadence::Every(seconds) => {
            let length = i64::try_from(seconds.get()).unwrap_or(i64::MAX);
            Ok(boundary(cadence, time)?.plus_seconds(length))
        }
        Cadence::Cron(text) => {
            let found = parse(text)?.find_next_occurrence(&time.to_datetime(), false);
            let found = found.map_err(|error| unreadable(text, &error.to_string()))?;
            Timestamp::try_from(found).map_err(|error| unreadable(text, &error.to_string()))
        }
    }
}

fn parse(text: &str) -> Result<Cron, CadenceError> {
    Cron::from_str(text).map_err(|error| unreadable(text, &error.to_string()))
}

fn unreadable(cron: &str, problem: &str) -> CadenceError {
    CadenceError { cron: cron.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn every(seconds: u64) -> Cadence {
        Cadence::Every(NonZeroU64::new(seconds).unwrap())
    }

    fn ends(cadence: &Cadence, start: &str, until: &str) -> Vec<String> {
        let windows = windows(cadence, time(start), time(until)).unwrap();
        assert!(windows.windows(2).all(|pair| pair[0].end == pair[1].start));
        windows.iter().map(|window| window.end.to_string()[..16].to_owned()).collect()
    }

    #[test]
    fn missed_windows_are_caught_up_one_by_one() {
        let found = ends(&every(3600), "2026-01-01T00:00:00Z", "2026-01-01T03:59:59Z");
        assert_eq!(found, ["2026-01-01T01:00", "2026-01-01T02:00", "2026-01-01T03:00"]);
    }

    #[test]
    fn a_window_that_has_not_ended_is_not_run() {
        assert!(ends(&every(3600), "2026-01-01T00:00:00Z", "2026-01-01T00:59:59Z").is_empty());
        assert_eq!(ends(&every(3600), "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z").len(), 1);
    }

    #[test]
    fn cron_windows_reach_from_one_due_time_to_the_next() {
        let nightly = Cadence::Cron("30 2 * * *".to_owned());
        assert_eq!(boundary(&nightly, time("2026-01-02T01:00:00Z")).unwrap(), time("2026-01-01T02:30:00Z"));
        assert_eq!(boundary(&nightly, time("2026-01-02T02:30:00Z")).unwrap(), time("2026-01-02T02:30:00Z"));
        let found = ends(&nightly, "2026-01-01T02:30:00Z", "2026-01-03T12:00:00Z");
        assert_eq!(found, ["2026-01-02T02:30", "2026-01-03T02:30"]);
    }

    #[test]
    fn boundaries_of_a_rate_are_counted_from_the_epoch() {
        assert_eq!(boundary(&every(900), time("2026-01-01T00:14:59Z")).unwrap(), time("2026-01-01T00:00:00Z"));
    }
}
