//! A receiver in the worker's place: keeps what it is sent, and answers what the test says.

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One request.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub json: Value,
    /// Whether the length was announced.
    pub length_known: bool,
}

type Answer = dyn Fn(&Received) -> u16 + Send + Sync;

pub struct Receiver {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    server: JoinHandle<()>,
}

impl Receiver {
    pub async fn start(answer: impl Fn(&Received) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let (answer, log): (Arc<Answer>, _) = (Arc::new(answer), Arc::clone(&received));
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                tokio::spawn(async move {
                    let service = service_fn(|request| serve(request, &answer, &log));
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            url,
            received,
            server,
        }
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn turns(&self) -> Vec<Received> {
        self.at("/webhooks/elevenlabs/transcription")
    }

    pub fn events(&self) -> Vec<Received> {
        self.at("/webhooks/elevenlabs/post-call")
    }

    fn at(&self, path: &str) -> Vec<Received> {
        self.received()
            .into_iter()
            .filter(|request| request.path == path)
            .collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    request: Request<Incoming>,
    answer: &Arc<Answer>,
    log: &Mutex<Vec<Received>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let length_known = body.size_hint().exact().is_some();
    let bytes = body.collect().await.unwrap().to_bytes();
    let received = Received {
        path: head.uri.path().into(),
        headers: head.headers,
        json: serde_json::from_slice(&bytes).unwrap_or_default(),
        bytes,
        length_known,
    };
    log.lock().unwrap().push(received.clone());
    let mut response = Response::new(Full::from("{}"));
    *response.status_mut() = answer(&received).try_into().unwrap();
    Ok(response)
}
