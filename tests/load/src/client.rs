//! Requests to the worker, measured, and repeated as a client with patience repeats them.

use crate::chance::Chance;
use crate::metrics::{Ended, Metrics, Route};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What the clients show when they place and read calls.
pub const API_TOKEN: &str = "load-api-token-51d2";

/// How long a client goes on repeating a request that found no answer. A restart of the worker takes less.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client of the worker.
#[derive(Clone)]
pub struct Client {
    url: String,
    http: reqwest::Client,
    pub metrics: Arc<Metrics>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub text: String,
    /// `null` when the body is no JSON.
    pub body: Value,
}

impl Client {
    pub fn new(url: &str, metrics: Arc<Metrics>) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            // The worker is on loopback; a proxy named in the environment could not reach it.
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            url: url.to_owned(),
            http,
            metrics,
        })
    }

    /// Gets once.
    pub async fn get(&self, route: Route, path: &str) -> Result<Reply, Ended> {
        self.get_as(route, path, "application/json").await
    }

    /// Gets once, in another form than JSON.
    pub async fn get_as(&self, route: Route, path: &str, form: &str) -> Result<Reply, Ended> {
        let request = self.http.get(format!("{}{path}", self.url));
        let request = request.bearer_auth(API_TOKEN).header("accept", form);
        self.send(route, request).await
    }

    /// Gets until there is an answer that is no 5xx; `None` when there is none within a client's patience.
    pub async fn get_well(&self, route: Route, path: &str, chance: &mut Chance) -> Option<Reply> {
        let mut again = Again::new();
        loop {
            match self.get(route, path).await {
                Ok(reply) if reply.status < 500 => return Some(reply),
                _ => again.pause(chance).await?,
            }
        }
    }

    /// Posts once; a client that waits no longer than `patience`.
    pub async fn post(
        &self,
        route: Route,
        path: &str,
        body: &Value,
        patience: Option<Duration>,
    ) -> Result<Reply, Ended> {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.bearer_auth(API_TOKEN).body(body.to_string());
        let request = match patience {
            Some(patience) => request.timeout(patience),
            None => request,
        };
        self.send(route, request).await
    }

    async fn send(&self, route: Route, request: reqwest::RequestBuilder) -> Result<Reply, Ended> {
        let began = Instant::now();
        let exchange = async {
            let response = request.send().await?;
            Ok((response.status().as_u16(), response.text().await?))
        };
        let exchanged = exchange.await.map_err(|error: reqwest::Error| {
            if error.is_timeout() {
                Ended::GivenUp
            } else if error.is_connect() {
                Ended::Refused
            } else {
                Ended::Cut
            }
        });
        let ended = match &exchanged {
            Ok((status, _)) => Ended::Status(*status),
            Err(ended) => *ended,
        };
        self.metrics.note(route, ended, began.elapsed());
        let (status, text) = exchanged?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Reply { status, text, body })
    }
}

/// Pauses between repeated requests: longer and longer, up to two seconds, each with some chance in it.
pub struct Again {
    began: Instant,
    pause_ms: u64,
}

impl Again {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            pause_ms: 100,
        }
    }

    /// Waits; `None` when patience is at its end.
    pub async fn pause(&mut self, chance: &mut Chance) -> Option<()> {
        if self.began.elapsed() > PATIENCE {
            return None;
        }
        let pause = self.pause_ms / 2 + chance.below(self.pause_ms);
        sleep(Duration::from_millis(pause)).await;
        self.pause_ms = (self.pause_ms * 2).min(2000);
        Some(())
    }
}

impl Reply {
    /// A text of the body.
    pub fn text_at(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }

    /// A list of the body; empty where there is none.
    pub fn list_at(&self, name: &str) -> &[Value] {
        let list = self.body.get(name).and_then(Value::as_array);
        list.map_or(&[], Vec::as_slice)
    }
}
