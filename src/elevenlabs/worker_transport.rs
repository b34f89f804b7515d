//! ElevenLabs through the Workers fetch API.

use futures_util::future::{Either, select};
use worker::wasm_bindgen::JsValue;
use worker::{
    AbortController, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect,
};

use super::{ApiAnswer, ApiRequest, Transport, TransportError};

/// The fetch API. It has no timeout of its own, so a delay races it and aborts it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FetchTransport;

impl Transport for FetchTransport {
    async fn send(&self, request: ApiRequest) -> Result<ApiAnswer, TransportError> {
        let abort = AbortController::default();
        let signal = abort.signal();
        let exchange = Box::pin(exchange(&request, &signal));
        match select(exchange, Delay::from(request.timeout)).await {
            Either::Left((answer, _)) => {
                answer.map_err(|error| TransportError::Broken(error.to_string()))
            }
            Either::Right(((), _)) => {
                abort.abort();
                Err(TransportError::Timeout)
            }
        }
    }
}

async fn exchange(request: &ApiRequest, signal: &worker::AbortSignal) -> worker::Result<ApiAnswer> {
    let headers = Headers::new();
    headers.set("xi-api-key", &request.api_key)?;
    headers.set("accept", "application/json")?;
    let mut init = RequestInit::new();
    init.with_method(Method::from(request.method.to_owned()))
        // A redirect would send the same call twice.
        .with_redirect(RequestRedirect::Manual);
    if let Some(body) = &request.body {
        headers.set("content-type", "application/json")?;
        init.with_body(Some(JsValue::from_str(body)));
    }
    init.with_headers(headers);
    let fetch = Fetch::Request(Request::new_with_init(&request.url, &init)?);
    let mut response = fetch.send_with_signal(signal).await?;
    Ok(ApiAnswer {
        status: response.status_code(),
        body: response.text().await?,
    })
}
