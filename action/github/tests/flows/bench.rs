use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use github::{
    Client, CommitSha, Connection, RepositoryName,
    pace::{Clock, Patience},
};
use github_server::{Flow, World, world::sha};
use model::time::Timestamp;

pub const REPOSITORY: &str = "acme/detections";
/// What the clocks of the client and of GitHub begin with.
const START: &str = "2026-02-03T04:05:06Z";
pub const BOT: &str = "github-actions[bot]";

/// A clock that a sleep moves.
pub struct StoppedClock {
    now: Mutex<Timestamp>,
    waits: Mutex<Vec<u64>>,
}

impl Default for StoppedClock {
    fn default() -> Self {
        Self { now: Mutex::new(START.parse().unwrap()), waits: Mutex::default() }
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut now = self.now.lock().unwrap();
        *now = now.plus_seconds(i64::try_from(duration.as_secs()).unwrap());
        self.waits.lock().unwrap().push(duration.as_secs());
        Box::pin(std::future::ready(()))
    }
}

/// A GitHub with one repository, and the clock that waits go by.
pub struct Bench {
    pub flow: Flow,
    clock: Arc<StoppedClock>,
}

impl Bench {
    pub fn new() -> Self {
        let mut world = World::with_repository(REPOSITORY);
        world.stopped_at = Some(START.parse().unwrap());
        Self { flow: Flow::start(world).unwrap(), clock: Arc::default() }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.flow.world()
    }

    pub fn client(&self) -> Client {
        self.client_with(Some("write-token"))
    }

    pub fn client_with(&self, token: Option<&str>) -> Client {
        let connection = Connection {
            api_url: self.flow.url().to_owned(),
            token: token.map(str::to_owned),
            repository: RepositoryName::parse(REPOSITORY).unwrap(),
        };
        Client::new(connection, Arc::clone(&self.clock) as Arc<dyn Clock>, Patience::default()).unwrap()
    }

    /// A pull request from a branch of the repository itself, at commit 2.
    pub fn pull(&self) -> u64 {
        self.world().open_pull(REPOSITORY, REPOSITORY, "change", &sha(2))
    }

    /// How long was waited, in seconds.
    pub fn waits(&self) -> Vec<u64> {
        self.clock.waits.lock().unwrap().clone()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Texts of all comments on a pull request.
    pub fn bodies(&self, number: u64) -> Vec<String> {
        let mut world = self.world();
        let comments = world.repository(REPOSITORY).comments.values();
        comments.filter(|comment| comment.issue == number).map(|comment| comment.body.clone()).collect()
    }
}

pub fn commit(number: u64) -> CommitSha {
    CommitSha::parse(&sha(number)).unwrap()
}
