//! One HTTP exchange with ElevenLabs.

use core::fmt;
use core::future::Future;
use core::time::Duration;

/// A request to ElevenLabs' API.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The whole address.
    pub url: String,
    /// The value of the `xi-api-key` header.
    pub api_key: String,
    /// The JSON body, if any.
    pub body: Option<String>,
    /// How long to wait for the whole answer.
    pub timeout: Duration,
}

/// Shows neither key nor body.
impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiRequest({} {})", self.method, self.url)
    }
}

/// What ElevenLabs answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Why there is no answer. Whether the request arrived is unknown in either case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportError {
    /// Nothing came within the timeout.
    Timeout,
    /// The connection could not be made or broke; with the runtime's words.
    Broken(String),
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no answer within the timeout"),
            Self::Broken(cause) => write!(f, "the connection broke: {cause}"),
        }
    }
}

/// Carries one request to ElevenLabs and its answer back. It never repeats a request: the
/// outbound call has no idempotency key, so a repeat is a second phone call. It follows no
/// redirect either.
pub trait Transport {
    /// Sends the request once.
    ///
    /// # Errors
    /// [`TransportError`] when no whole answer came.
    fn send(&self, request: ApiRequest) -> impl Future<Output = Result<ApiAnswer, TransportError>>;
}

impl<T: Transport> Transport for &T {
    fn send(&self, request: ApiRequest) -> impl Future<Output = Result<ApiAnswer, TransportError>> {
        (**self).send(request)
    }
}
