//! The Workers runtime's requests and responses.

use futures_util::StreamExt;
use worker::{Headers, Request, Response, ResponseBuilder};

use super::{Answer, BodyError, Incoming};

/// A request of the Workers runtime.
#[derive(Debug)]
pub struct EdgeRequest(pub Request);

impl Incoming for EdgeRequest {
    fn method(&self) -> String {
        self.0.method().to_string()
    }

    fn path(&self) -> String {
        self.0.path()
    }

    fn query(&self) -> String {
        // Not through `Request::url`: its parser alone would be a tenth of the bundle.
        let url = self.0.inner().url();
        let url = url.split('#').next().unwrap_or_default();
        url.split_once('?')
            .map_or_else(String::new, |(_, query)| query.to_owned())
    }

    fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name).ok().flatten()
    }

    async fn body(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let broken = |error: worker::Error| BodyError::Broken(error.to_string());
        let announced = self
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        match announced {
            Some(length) if length > limit => Err(BodyError::TooLarge),
            // The runtime holds a sender to the length it announced.
            Some(_) => self.0.bytes().await.map_err(broken),
            None if self.0.inner().body().is_none() => Ok(Vec::new()),
            None => {
                let mut stream = self.0.stream().map_err(broken)?;
                let mut body = Vec::new();
                while let Some(chunk) = stream.next().await {
                    body.extend_from_slice(&chunk.map_err(broken)?);
                    if body.len() > limit {
                        return Err(BodyError::TooLarge);
                    }
                }
                Ok(body)
            }
        }
    }
}

impl Answer {
    /// The runtime's response.
    ///
    /// # Errors
    /// [`worker::Error`] when the runtime refuses a header.
    pub fn into_response(self) -> worker::Result<Response> {
        let headers = Headers::new();
        for (name, value) in &self.headers {
            headers.set(name, value)?;
        }
        let response = ResponseBuilder::new()
            .with_status(self.status)
            .with_headers(headers);
        Ok(response.fixed(self.body.into_bytes()))
    }
}
