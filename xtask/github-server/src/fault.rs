//! What can go wrong on purpose.

use serde_json::json;

use crate::{
    request::{Answer, Request},
    world::World,
};

/// What a request meets instead of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A status of the server's own trouble: 500, 502, 503.
    Broken {
        /// Which.
        status: u16,
    },
    /// The hour's requests are used up: 403 with `x-ratelimit-remaining: 0`.
    PrimaryLimit {
        /// Seconds until `x-ratelimit-reset`.
        resets_in: u64,
    },
    /// Too much at once.
    SecondaryLimit {
        /// 403 or 429.
        status: u16,
        /// The header `retry-after`, where it is sent.
        retry_after: Option<u64>,
    },
    /// The next request that writes does its work, and the answer is a 502: what a client cannot tell from work that was
    /// not done.
    LostAnswer,
}

impl Fault {
    /// Whether it meets this request.
    pub(crate) fn meets(&self, request: &Request) -> bool {
        match self {
            Self::LostAnswer => request.method != "GET",
            Self::Broken { .. } | Self::PrimaryLimit { .. } | Self::SecondaryLimit { .. } => true,
        }
    }

    /// What the client sees; `None` where the request goes through first.
    pub(crate) fn answer(&self, world: &World) -> Option<Answer> {
        match self {
            Self::Broken { status } => Some(Answer::error(*status, "Server Error")),
            Self::PrimaryLimit { resets_in } => {
                let reset = world.now().timestamp() + i64::try_from(*resets_in).unwrap_or(i64::MAX);
                let mut answer = Answer::error(403, "API rate limit exceeded for installation.");
                answer.header("x-ratelimit-limit", "1000");
                answer.header("x-ratelimit-remaining", "0");
                answer.header("x-ratelimit-reset", &reset.to_string());
                Some(answer)
            }
            Self::SecondaryLimit { status, retry_after } => {
                let message =
                    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
                let mut answer = Answer::error(*status, message);
                if let Some(seconds) = retry_after {
                    answer.header("retry-after", &seconds.to_string());
                }
                Some(answer)
            }
            Self::LostAnswer => None,
        }
    }

    /// What the client sees after the work was done.
    pub(crate) fn after(&self, answer: Answer) -> Answer {
        match self {
            Self::LostAnswer => Answer::json(502, json!({ "message": "Server Error" })),
            Self::Broken { .. } | Self::PrimaryLimit { .. } | Self::SecondaryLimit { .. } => answer,
        }
    }
}
