//! When to try again.

/// Twice as long each time, from `first_seconds` up to `most_seconds`, `attempts` times in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first attempt.
    pub first_seconds: u32,
    /// After any attempt.
    pub most_seconds: u32,
    /// After so many, a delivery is a dead letter.
    pub attempts: u32,
}

impl Default for Backoff {
    /// Some seventeen hours in all, which is longer than most outages.
    fn default() -> Self {
        Self { first_seconds: 5, most_seconds: 3600, attempts: 26 }
    }
}

impl Backoff {
    /// Seconds to wait after this attempt (the first is 1), or `None` after the last. `jitter`, from 0 to 1, takes away up
    /// to half, so that what failed together doesn't come back together.
    pub fn after(self, attempt: u32, jitter: f64) -> Option<i64> {
        if attempt >= self.attempts {
            return None;
        }
        let doubled = 1_u64.checked_shl(attempt.saturating_sub(1).min(32)).unwrap_or(u64::MAX);
        let full = doubled.saturating_mul(u64::from(self.first_seconds)).min(u64::from(self.most_seconds)) as f64;
        Some((full * (1.0 - jitter.clamp(0.0, 1.0) / 2.0)).ceil() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_end() {
        let backoff = Backoff { first_seconds: 5, most_seconds: 30, attempts: 6 };
        let waits: Vec<_> = (1..=6).map(|attempt| backoff.after(attempt, 0.0)).collect();
        assert_eq!(waits, [Some(5), Some(10), Some(20), Some(30), Some(30), None]);
        assert_eq!(Backoff { attempts: u32::MAX, ..backoff }.after(u32::MAX - 1, 0.0), Some(30));
    }

    #[test]
    fn jitter_takes_away_up_to_half() {
        let backoff = Backoff { first_seconds: 10, most_seconds: 100, attempts: 3 };
        assert_eq!(backoff.after(1, 1.0), Some(5));
        assert_eq!(backoff.after(1, 0.5), Some(8));
    }
}
