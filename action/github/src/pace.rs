//! When a request is sent again, and after how long: decided from an answer's status and headers.
//!
//! <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately>

use std::{future::Future, pin::Pin, time::Duration};

use model::time::Timestamp;

/// The time, and waiting for it to pass.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Comes back when so much time has passed.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// How much trouble is borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often a request is sent.
    pub attempts: u32,
    /// The longest single wait; a limit that lasts longer is an error.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempts: 5, longest_wait: Duration::from_secs(180) }
    }
}

/// What an answer's headers say about the next request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// `retry-after`, in seconds.
    pub retry_after: Option<u64>,
    /// `x-ratelimit-remaining`
    pub remaining: Option<u64>,
    /// `x-ratelimit-reset`, in seconds since the Unix epoch.
    pub reset: Option<i64>,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Take it as it is.
    Take,
    /// Send the request again after so long: GitHub has trouble.
    Again(Duration),
    /// Send the request again after so long: it was one too many.
    Limited(Duration),
}

/// GitHub asks for a minute at least where it does not say how long a secondary limit lasts.
const SECONDARY: Duration = Duration::from_secs(60);

/// Decides from the status, the headers and what the body says; `attempt` counts from 1.
pub fn next(status: u16, limits: Limits, message: &str, attempt: u32, now: Timestamp) -> Next {
    match status {
        500 | 502 | 503 | 504 => Next::Again(backoff(attempt)),
        403 | 429 => {
            let secondary = status == 429 || message.contains("rate limit");
            match limits {
                Limits { retry_after: Some(seconds), .. } => Next::Limited(Duration::from_secs(seconds)),
                Limits { remaining: Some(0), reset: Some(reset), .. } => Next::Limited(until(reset, now)),
                Limits { .. } if secondary => Next::Limited(SECONDARY.saturating_mul(1 << (attempt - 1).min(6))),
                Limits { .. } => Next::Take,
            }
        }
        _ => Next::Take,
    }
}

/// 1, 2, 4, 8 seconds ...
pub fn backoff(attempt: u32) -> Duration {
    Duration::from_secs(1 << attempt.saturating_sub(1).min(6))
}

/// One second more, because the reset is written in whole ones.
fn until(reset: i64, now: Timestamp) -> Duration {
    let seconds = reset.saturating_sub(now.micros().div_euclid(1_000_000)).saturating_add(1);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn seconds(next: Next) -> Option<u64> {
        match next {
            Next::Take => None,
            Next::Again(wait) | Next::Limited(wait) => Some(wait.as_secs()),
        }
    }

    #[test]
    fn trouble_of_the_server_is_tried_again_with_growing_waits() {
        let waits: Vec<_> = (1..=4).map(|attempt| seconds(next(502, Limits::default(), "", attempt, NOW))).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(8)]);
        assert_eq!(next(501, Limits::default(), "", 1, NOW), Next::Take);
    }

    #[test]
    fn a_primary_limit_is_waited_for_until_its_reset() {
        let limits = Limits { remaining: Some(0), reset: Some(90), retry_after: None };
        assert_eq!(
            next(403, limits, "API rate limit exceeded", 1, NOW.plus_seconds(60)),
            Next::Limited(Duration::from_secs(31))
        );
        // a reset in the past is over
        assert_eq!(seconds(next(403, limits, "", 1, NOW.plus_seconds(600))), Some(0));
    }

    #[test]
    fn retry_after_wins_and_a_secondary_limit_without_it_is_a_minute() {
        let limits = Limits { retry_after: Some(7), remaining: Some(0), reset: Some(900) };
        assert_eq!(seconds(next(429, limits, "", 1, NOW)), Some(7));
        let message = "You have exceeded a secondary rate limit.";
        assert_eq!(seconds(next(403, Limits::default(), message, 1, NOW)), Some(60));
        assert_eq!(seconds(next(403, Limits::default(), message, 2, NOW)), Some(120));
    }

    #[test]
    fn a_missing_permission_is_not_waited_for() {
        let limits = Limits { remaining: Some(900), reset: Some(900), retry_after: None };
        assert_eq!(next(403, limits, "Resource not accessible by integration", 1, NOW), Next::Take);
    }
}
