//! One HTTP exchange with ElevenLabs.

use core::fmt;
use core::future::Future;
use core::time::Duration;

/// A request to ElevenLabs' API.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The absolute URL.
    pub url: String,
    /// The value of the `xi-api-key` header.
    pub api_key: String,
    /// The JSON body, if any.
    pub body: Option<String>,
    /// Maximum time until the whole answer has arrived.
    pub timeout: Duration,
}

/// Does not show the key or the body.
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

/// Why there is no answer. In both cases it is unknown whether the request arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportError {
    /// No whole answer arrived within the timeout.
    Timeout,
    /// The connection failed or broke, with the runtime's message.
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

/// Sends one request to ElevenLabs and returns the answer. It never retries: the outbound call has no
/// idempotency key, so a retry is a second phone call. It does not follow redirects.
pub trait Transport {
    /// Sends the request once.
    ///
    /// # Errors
    /// [`TransportError`] if no whole answer arrived.
    fn send(&self, request: ApiRequest) -> impl Future<Output = Result<ApiAnswer, TransportError>>;
}

impl<T: Transport> Transport for &T {
    fn send(&self, request: ApiRequest) -> impl Future<Output = Result<ApiAnswer, TransportError>> {
        (**self).send(request)
    }
}
