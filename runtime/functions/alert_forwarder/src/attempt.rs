//! How one try to deliver ended.

use model::name::DestinationName;
use store::{
    alerts::Leased,
    error::StoreError,
    http::{HttpResponse, RetryAfter},
    secrets::Secret,
};

use crate::World;

/// How one try ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Attempt {
    /// The destination has it.
    Done,
    /// It may work later.
    Again {
        /// What was wrong.
        reason: String,
        /// What the destination asked for.
        not_before: Option<RetryAfter>,
    },
    /// It will not work until someone changes something.
    Dead(String),
}

impl Attempt {
    /// May work later, with nothing said about when.
    pub fn again(reason: impl Into<String>) -> Self {
        Self::Again { reason: reason.into(), not_before: None }
    }
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() { Self::again(error.to_string()) } else { Self::Dead(error.to_string()) }
    }
}

/// One delivery on its way.
pub(crate) struct Sender<'a> {
    pub world: &'a World,
    pub leased: &'a Leased,
    pub name: &'a DestinationName,
}

impl Sender<'_> {
    /// A secret that the destination can't do without.
    pub async fn secret(&self, key: &str) -> Result<Secret, Attempt> {
        self.world.secrets.get(self.name, key).await.map_err(Attempt::from)
    }

    /// A secret that the destination may have.
    pub async fn secret_if_given(&self, key: &str) -> Result<Option<Secret>, Attempt> {
        self.world.secrets.find(self.name, key).await.map_err(Attempt::from)
    }
}

/// What a status other than success means for the same request later on.
pub(crate) fn of_status(response: &HttpResponse) -> Attempt {
    let HttpResponse { status, retry_after, body: _ } = response;
    let reason = format!("answered {status}{}", excerpt(response));
    match status {
        // too early, time-out, and too many requests pass; other 4xx are about the request
        408 | 425 | 429 | 500..=599 => Attempt::Again { reason, not_before: *retry_after },
        _ => Attempt::Dead(reason),
    }
}

/// The beginning of the answer, for the reader of a dead letter.
fn excerpt(response: &HttpResponse) -> String {
    let text = String::from_utf8_lossy(&response.body);
    let text = alert::plain::clip(&alert::plain::line(text.trim()), 200);
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
