//! The part of ElevenLabs' API that the ledger uses.
//!
//! Requests and answers are plain Rust. [`Transport`] sends the bytes: the worker uses the fetch API,
//! tests have their own.

pub mod conversation;
pub mod event;
mod lenient;
pub mod lookup;
mod outbound;
pub mod signature;
mod transport;
pub mod worker_transport;

pub use outbound::{DialOutcome, OutboundCall};
pub use transport::{ApiAnswer, ApiRequest, Transport, TransportError};

use core::cell::Cell;
use core::fmt;
use core::time::Duration;

/// Access to one ElevenLabs workspace.
#[derive(Clone)]
pub struct Client<T> {
    transport: T,
    /// Scheme and host, without a slash at the end.
    base_url: String,
    api_key: String,
    timeout: Duration,
    requests: Cell<u32>,
}

/// Shows no key.
impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.base_url)
    }
}

impl<T: Transport> Client<T> {
    /// A client for the workspace of this key.
    pub fn new(transport: T, base_url: &str, api_key: String, timeout: Duration) -> Self {
        Self {
            transport,
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_key,
            timeout,
            requests: Cell::default(),
        }
    }

    /// Number of requests sent so far. Cloudflare limits the requests of one invocation.
    pub fn requests(&self) -> u32 {
        self.requests.get()
    }

    async fn send(
        &self,
        method: &'static str,
        path: &str,
        body: Option<String>,
    ) -> Result<ApiAnswer, TransportError> {
        let request = ApiRequest {
            method,
            url: format!("{}{path}", self.base_url),
            api_key: self.api_key.clone(),
            body,
            timeout: self.timeout,
        };
        self.requests.set(self.requests.get().saturating_add(1));
        self.transport.send(request).await
    }
}
