//! A stand-in for the ElevenLabs voice-agent API, over HTTP on loopback.
//!
//! It checks outbound-call requests as strictly as the real service, plays a short conversation by posting its turns and its
//! post-call event to the worker, and lets the conversation be read back. As with test cards, the telephone number chooses what goes
//! wrong: see [`numbers`].
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use elevenlabs_simulator::{Config, Simulator};
//!
//! let simulator = Simulator::start("127.0.0.1:0", Config::test()).await?;
//! // Start the worker with ELEVENLABS_BASE_URL = simulator.url(), then tell the stand-in where it is:
//! simulator.set_worker_url("http://127.0.0.1:8787");
//! // … place calls through the worker …
//! simulator.wait_idle().await;
//! assert_eq!(simulator.calls().len(), 1);
//! # Ok(())
//! # }
//! ```

mod answers;
mod behaviour;
mod books;
mod config;
mod control;
mod conversation;
mod deliver;
mod events;
mod ids;
mod narration;
pub mod numbers;
mod outbound;
mod play;
mod reading;
mod refusals;
mod render;
mod script;
mod server;
mod signature;
mod untidy;
mod validate;
mod world;

pub use behaviour::Behaviour;
pub use books::{Delivery, DeliveryKind, Outcome, Route, SimCall};
pub use config::{Config, Retry};
pub use conversation::{Speaker, Status, Turn};
pub use signature::signature_header;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::JoinHandle;
use world::World;

/// The running stand-in. Dropping it ends everything it does.
pub struct Simulator {
    address: SocketAddr,
    world: Arc<World>,
    server: JoinHandle<()>,
}

impl Simulator {
    /// Listens on `address` (port 0 for a free one) and serves until dropped. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(address: impl ToSocketAddrs, config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let world = World::new(config).map_err(io::Error::other)?;
        let server = tokio::spawn(server::serve(listener, Arc::clone(&world)));
        Ok(Self {
            address,
            world,
            server,
        })
    }

    /// Where it listens, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets where turns and events are posted from now on. A trailing slash is dropped.
    pub fn set_worker_url(&self, url: &str) {
        self.world.books().worker_url = Some(url.trim_end_matches('/').to_owned());
    }

    /// Every request for an outbound call so far, accepted or refused, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<SimCall> {
        self.world.books().calls.clone()
    }

    /// How many requests for an outbound call there were.
    #[must_use]
    pub fn requests_total(&self) -> usize {
        self.world.books().calls.len()
    }

    /// The highest number of outbound-call requests open at once, since the start or the last reset.
    #[must_use]
    pub fn max_open(&self) -> usize {
        self.world.books().max_open
    }

    /// Starts counting [`Simulator::max_open`] anew.
    pub fn reset_max_open(&self) {
        let mut books = self.world.books();
        books.max_open = books.open;
    }

    /// Every turn of a conversation, said or still to be said, with the worker's answers to each; `None` for an unknown id.
    #[must_use]
    pub fn conversation(&self, id: &str) -> Option<Vec<Turn>> {
        self.world
            .conversation(id)
            .map(|conversation| conversation.turns)
    }

    /// Where a conversation stands.
    #[must_use]
    pub fn status(&self, id: &str) -> Option<Status> {
        self.world
            .conversation(id)
            .map(|conversation| conversation.status)
    }

    /// Every attempt to deliver a turn or an event, in the order the attempts ended.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.world.books().deliveries.clone()
    }

    /// Waits until no conversation is being played and no delivery is under way. A conversation that never ends by itself counts as
    /// played once its turns are posted.
    pub async fn wait_idle(&self) {
        self.world.wait_idle().await;
    }

    /// Ends a conversation, should it still go on, and delivers its event now, also where its number says never. Returns the last
    /// attempt; `None` for an unknown id.
    pub async fn deliver_now(&self, conversation_id: &str) -> Option<Delivery> {
        control::deliver_now(&self.world, conversation_id).await
    }

    /// Ends everything, and returns once nothing runs any more.
    pub async fn shutdown(mut self) {
        self.world.stop();
        self.server.abort();
        // The only error is the cancellation just asked for.
        let _ = (&mut self.server).await;
        self.world.wait_idle().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.world.stop();
        self.server.abort();
    }
}
