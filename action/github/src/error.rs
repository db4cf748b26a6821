//! Why GitHub did not do what it was asked.

/// One request that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GithubError {
    /// There was no answer.
    #[error("{request}: GitHub could not be reached: {problem}")]
    Unreachable {
        /// `GET /repos/acme/detections/pulls/1`
        request: String,
        /// What went wrong.
        problem: String,
    },
    /// GitHub has trouble of its own.
    #[error(
        "{request}: GitHub answered {status} {attempts} times: see https://www.githubstatus.com and run the job again"
    )]
    Broken {
        /// What was asked.
        request: String,
        /// 500, 502, 503, 504.
        status: u16,
        /// How often it was tried.
        attempts: u32,
    },
    /// Too many requests, and the wait is longer than a job should take.
    #[error(
        "{request}: GitHub's rate limit is used up; it asks to wait {seconds} s, longer than a job waits: run it again then"
    )]
    RateLimited {
        /// What was asked.
        request: String,
        /// How long GitHub wants to be left alone.
        seconds: u64,
    },
    /// 401.
    #[error("{request}: the token was revoked or is wrong: give the job a `token` that is valid until it ends")]
    Unauthorized {
        /// What was asked.
        request: String,
    },
    /// 403 that no waiting mends.
    #[error("{request}: the token may not do this ({message}): give the job the permission")]
    Forbidden {
        /// What was asked.
        request: String,
        /// GitHub's words.
        message: String,
    },
    /// 404 or 410: not there, or not to be seen with this token.
    #[error("{request}: not found, or not visible to the token")]
    NotFound {
        /// What was asked.
        request: String,
    },
    /// GitHub does not take the request.
    #[error("{request}: GitHub answered {status}: {message}")]
    Refused {
        /// What was asked.
        request: String,
        /// 409, 422 and the like.
        status: u16,
        /// GitHub's words.
        message: String,
    },
    /// The answer is not what GitHub documents.
    #[error("{request}: the answer is not understood: {problem}")]
    Answer {
        /// What was asked.
        request: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The answer is larger than it may be.
    #[error("{request}: the answer has more than {limit} bytes")]
    TooLarge {
        /// What was asked.
        request: String,
        /// How many it may have.
        limit: usize,
    },
    /// The client cannot be made.
    #[error("{0}")]
    Configuration(String),
}

impl GithubError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::RateLimited { .. } => true,
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Answer { .. }
            | Self::TooLarge { .. }
            | Self::Configuration(_) => false,
        }
    }

    /// Whether the token is good, but not for this: that of a fork's pull request may only read.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Forbidden { .. })
    }

    /// Whether what was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
