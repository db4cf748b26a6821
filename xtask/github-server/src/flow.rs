//! A server for one test, in front of which stands a validating proxy where the environment names one.

use std::{
    env,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::{
    server::{Server, ServerError},
    world::World,
};

/// The proxy's address; the tests then talk to it instead of to the server.
pub const PROXY: &str = "MATANO_GITHUB_PROXY";

/// The port that the proxy expects the server at.
pub const PORT: &str = "MATANO_GITHUB_PORT";

/// A server with a world of its own. Behind a proxy there is one server, and one test at a time has it.
pub struct Flow {
    server: Either,
    url: String,
}

enum Either {
    Own(Server),
    Shared(&'static Server, #[expect(dead_code, reason = "held until the test ends")] MutexGuard<'static, ()>),
}

impl Flow {
    /// Starts a server, or takes the one behind the proxy.
    pub fn start(world: World) -> Result<Self, ServerError> {
        static SERVER: OnceLock<Server> = OnceLock::new();
        static TURN: Mutex<()> = Mutex::new(());
        let (Ok(proxy), Some(port)) = (env::var(PROXY), env::var(PORT).ok().and_then(|port| port.parse().ok())) else {
            let server = Server::start(world)?;
            return Ok(Self { url: server.url().to_owned(), server: Either::Own(server) });
        };
        // a test that failed in its turn has ended it
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if SERVER.get().is_none() {
            let started = Server::start_on(World::default(), port)?;
            // the turn is ours: nobody else has set it
            let _ = SERVER.set(started);
        }
        let server = SERVER.get().expect("it was set above");
        *server.world() = world;
        Ok(Self { server: Either::Shared(server, turn), url: proxy.trim_end_matches('/').to_owned() })
    }

    /// Where clients find the API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What there is, to look at and to change.
    pub fn world(&self) -> MutexGuard<'_, World> {
        match &self.server {
            Either::Own(server) => server.world(),
            Either::Shared(server, _) => server.world(),
        }
    }
}
