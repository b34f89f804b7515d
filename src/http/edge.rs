//! The Workers runtime's requests and responses, by their JavaScript names: the wrappers around
//! them would be a twentieth of the bundle.

use core::fmt;

use worker::js_sys::{Reflect, Uint8Array, global};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{
    Headers, ReadableStream, ReadableStreamDefaultReader, Request, Response, ResponseInit,
};

use super::{Answer, BodyError, Incoming};
use crate::ledger::place_calls::Caller;

/// A request of the Workers runtime.
#[derive(Debug)]
pub struct EdgeRequest {
    request: Request,
    headers: Headers,
    /// What follows scheme and host, the fragment left out.
    path_and_query: String,
}

impl EdgeRequest {
    /// The request as it came.
    #[must_use]
    pub fn new(request: Request) -> Self {
        // Split by hand: a URL parser alone would be a tenth of the bundle, and the runtime has
        // written this one out by the URL standard.
        let url = request.url();
        let url = url.split('#').next().unwrap_or_default();
        let host_on = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path_and_query = host_on.find('/').and_then(|at| host_on.get(at..));
        Self {
            headers: request.headers(),
            path_and_query: path_and_query.unwrap_or("/").to_owned(),
            request,
        }
    }
}

impl Incoming for EdgeRequest {
    fn method(&self) -> String {
        self.request.method()
    }

    fn path(&self) -> String {
        let path = self.path_and_query.split('?').next();
        path.unwrap_or_default().to_owned()
    }

    fn query(&self) -> String {
        let query = self.path_and_query.split_once('?');
        query.map_or_else(String::new, |(_, query)| query.to_owned())
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).ok().flatten()
    }

    fn caller(&self) -> Caller {
        if self.request.signal().aborted() {
            Caller::Gone
        } else if signal_tells() {
            Caller::Connected
        } else {
            Caller::Unknown
        }
    }

    async fn body(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let announced = self
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(BodyError::TooLarge);
        }
        // A chunked body may be longer than a length that is announced as well (RFC 9112, 6.3).
        let chunked = self.header("transfer-encoding").is_some();
        match announced {
            // The runtime takes no more bytes than announced: HTTP/1.1 ends the body there, and
            // HTTP/2 resets the stream.
            Some(length) if length <= AT_ONCE && !chunked => {
                whole(&self.request).await.map_err(|error| broken(&error))
            }
            _ => match self.request.body() {
                Some(stream) => read_up_to(limit, &stream).await,
                None => Ok(Vec::new()),
            },
        }
    }
}

/// Whether the runtime aborts a request's signal when its sender hangs up. Without this
/// compatibility flag there is a signal as well, but it stays as it is.
fn signal_tells() -> bool {
    let path = ["Cloudflare", "compatibilityFlags", "enable_request_signal"];
    let mut value = JsValue::from(global());
    for name in path {
        value = Reflect::get(&value, &JsValue::from_str(name)).unwrap_or_default();
    }
    value.is_truthy()
}

/// The longest announced body that is read in one piece, in bytes. That is quicker than a stream,
/// but the runtime then holds the body a second time.
const AT_ONCE: usize = 256 * 1024;

async fn whole(request: &Request) -> Result<Vec<u8>, JsValue> {
    let buffer = JsFuture::from(request.array_buffer()?).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// Reads a body chunk by chunk, and stops at the chunk that exceeds the limit. Memory for the body
/// grows with what has arrived, and never beyond the limit: a chunk is copied only if it fits.
async fn read_up_to(limit: usize, stream: &ReadableStream) -> Result<Vec<u8>, BodyError> {
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut body = Vec::new();
    while let Some(chunk) = chunk(&reader).await.map_err(|error| broken(&error))? {
        let length = chunk.length() as usize;
        let needed = body.len() + length;
        if needed > limit {
            // The answer does not wait until the sender has heard of it.
            let _ = reader.cancel();
            return Err(BodyError::TooLarge);
        }
        if needed > body.capacity() {
            // Doubled as usual, but not beyond the limit.
            let capacity = needed.max((2 * body.capacity()).min(limit));
            body.reserve_exact(capacity - body.len());
        }
        let start = body.len();
        body.resize(needed, 0);
        if let Some(free) = body.get_mut(start..) {
            chunk.copy_to(free);
        }
    }
    Ok(body)
}

/// The next chunk; `None` at the end.
async fn chunk(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, JsValue> {
    let read = JsFuture::from(reader.read()).await?;
    let chunk = Reflect::get(&read, &JsValue::from_str("value"))?;
    if chunk.is_undefined() {
        return Ok(None);
    }
    Ok(Some(chunk.dyn_into()?))
}

fn broken(error: &JsValue) -> BodyError {
    let message = Reflect::get(error, &JsValue::from_str("message")).ok();
    let message = message.and_then(|message| message.as_string());
    BodyError::Broken(message.unwrap_or_else(|| "no reason given".to_owned()))
}

/// The runtime did not take a response.
#[derive(Debug, Clone, Copy)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime refused the response")
    }
}

impl core::error::Error for Refused {}

impl From<JsValue> for Refused {
    fn from(_: JsValue) -> Self {
        Self
    }
}

impl Answer {
    /// The runtime's response.
    ///
    /// # Errors
    /// [`Refused`] when the runtime refuses a header.
    pub fn into_response(self) -> Result<Response, Refused> {
        let headers = Headers::new()?;
        for (name, value) in &self.headers {
            headers.set(name, value)?;
        }
        let init = ResponseInit::new();
        init.set_status(self.status);
        init.set_headers(&headers);
        let mut body = self.body.into_bytes();
        let response = Response::new_with_opt_u8_array_and_init(Some(&mut body), &init);
        Ok(response?)
    }
}
