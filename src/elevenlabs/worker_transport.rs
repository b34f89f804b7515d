//! ElevenLabs through the Workers fetch API.

use futures_util::future::{Either, select};
use worker::js_sys::{self, JsString};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{
    AbortController, AbortSignal, Headers, Request, RequestInit, RequestRedirect, Response,
    WorkerGlobalScope,
};

use super::{ApiAnswer, ApiRequest, Transport, TransportError};

/// The fetch API, by its JavaScript names: the wrapper around them brings serialisers that
/// are a twentieth of the bundle.
///
/// It has no timeout of its own, so a delay races it and aborts it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FetchTransport;

impl Transport for FetchTransport {
    async fn send(&self, request: ApiRequest) -> Result<ApiAnswer, TransportError> {
        let abort = AbortController::new().map_err(|error| broken(&error))?;
        let signal = abort.signal();
        let exchange = Box::pin(exchange(&request, &signal));
        match select(exchange, worker::Delay::from(request.timeout)).await {
            Either::Left((answer, _)) => answer.map_err(|error| broken(&error)),
            Either::Right(((), _)) => {
                abort.abort();
                Err(TransportError::Timeout)
            }
        }
    }
}

async fn exchange(request: &ApiRequest, signal: &AbortSignal) -> Result<ApiAnswer, JsValue> {
    let headers = Headers::new()?;
    headers.set("xi-api-key", &request.api_key)?;
    headers.set("accept", "application/json")?;
    let init = RequestInit::new();
    init.set_method(request.method);
    // A redirect would send the same call twice.
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(signal));
    if let Some(body) = &request.body {
        headers.set("content-type", "application/json")?;
        init.set_body(&JsValue::from_str(body));
    }
    init.set_headers(&headers);
    let outbound = Request::new_with_str_and_init(&request.url, &init)?;
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let response = JsFuture::from(scope.fetch_with_request(&outbound)).await?;
    let response: Response = response.unchecked_into();
    let status = response.status();
    let body = JsFuture::from(response.text()?).await?;
    Ok(ApiAnswer {
        status,
        body: body.as_string().unwrap_or_default(),
    })
}

fn broken(error: &JsValue) -> TransportError {
    let text = error.dyn_ref::<js_sys::Error>().map(js_sys::Error::message);
    TransportError::Broken(text.map_or_else(
        || "no reason given".to_owned(),
        |text: JsString| text.into(),
    ))
}
