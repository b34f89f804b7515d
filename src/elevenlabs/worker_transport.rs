//! Sends requests to ElevenLabs by the fetch API: the effect `exchange` in `src/effects.js`.

use serde::Serialize;

use super::{ApiAnswer, ApiRequest, Transport, TransportError};
use crate::platform::effects::Effects;

/// The fetch API. It has no timeout, so the effect aborts the request when the time is over.
#[derive(Debug, Clone)]
pub struct FetchTransport {
    effects: Effects,
}

impl FetchTransport {
    /// A transport for the task of these effects.
    #[must_use]
    pub const fn new(effects: Effects) -> Self {
        Self { effects }
    }
}

#[derive(Serialize)]
struct Exchange<'a> {
    method: &'static str,
    url: &'a str,
    api_key: &'a str,
    body: Option<&'a str>,
    timeout_ms: u64,
}

impl Transport for FetchTransport {
    async fn send(&self, request: ApiRequest) -> Result<ApiAnswer, TransportError> {
        let exchange = Exchange {
            method: request.method,
            url: &request.url,
            api_key: &request.api_key,
            body: request.body.as_deref(),
            timeout_ms: u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let answer = self.effects.ask("exchange", &exchange).await.text();
        let answer = answer.map_err(TransportError::Broken)?;
        if answer == "timeout" {
            return Err(TransportError::Timeout);
        }
        let read = answer
            .split_once('\n')
            .and_then(|(status, body)| Some((status.parse().ok()?, body.to_owned())));
        match read {
            Some((status, body)) => Ok(ApiAnswer { status, body }),
            None => Err(TransportError::Broken(
                "the answer cannot be read".to_owned(),
            )),
        }
    }
}
