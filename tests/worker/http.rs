//! Requests to the worker and what comes back.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::ledger::{API_TOKEN, SPOKEN};
use crate::wrangler::PATIENCE;

pub const PLACE: &str = "/driver_data/call-elevenlabs";
pub const TURN: &str = "/webhooks/elevenlabs/transcription";

/// The time of every request to place calls, unless a test is about times.
pub const REQUESTED_AT: &str = "2025-11-21T10:30:00Z";

/// The name of the call that [`Http::place`] places to this driver.
pub fn sid(driver: i64) -> String {
    format!("EL_{driver}_{REQUESTED_AT}")
}

/// A client of the worker.
pub struct Http {
    url: String,
    client: Client,
    request_ids: Mutex<HashSet<String>>,
}

/// A request about to be sent.
pub struct Request<'a> {
    http: &'a Http,
    builder: RequestBuilder,
}

/// A response, read.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// `null` when the body is no JSON.
    pub body: Value,
}

impl Http {
    pub fn new(url: &str) -> Self {
        // The worker is on loopback; a proxy named in the environment could not reach it.
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            url: url.to_owned(),
            client,
            request_ids: Mutex::default(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> Request<'_> {
        let builder = self.client.request(method, format!("{}{path}", self.url));
        Request {
            http: self,
            builder,
        }
    }

    pub fn post(&self, path: &str) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// Gets with the API token.
    pub async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path)
            .bearer(API_TOKEN)
            .send()
            .await
    }

    /// Asks for calls to these drivers at these numbers.
    pub async fn place(&self, drivers: &[(i64, &str)]) -> Reply {
        self.post_placing(&placing(drivers)).await
    }

    /// Asks for calls with this body.
    pub async fn post_placing(&self, body: &Value) -> Reply {
        self.post(PLACE).bearer(API_TOKEN).json(body).send().await
    }

    /// Posts a turn.
    pub async fn turn(&self, turn: &Value) -> Reply {
        self.post(TURN).json(turn).send().await
    }

    /// Posts a turn as these bytes.
    pub async fn turn_bytes(&self, body: impl Into<Vec<u8>>) -> Reply {
        self.post(TURN).body(body).send().await
    }

    /// Posts a body in chunks, without announcing its length. The answer's status.
    pub async fn post_chunked(&self, path: &str, body: Vec<u8>) -> u16 {
        self.exchange(path, "Transfer-Encoding: chunked\r\n", move |stream| {
            send_chunked(stream, &body)
        })
        .await
    }

    /// Sends a head with these header lines, and no body whatever they say. The request is open for as long as the
    /// connection.
    pub fn open(&self, path: &str, lines: &str) -> TcpStream {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"
        )
        .unwrap();
        stream
    }

    /// Posts a head with these header lines, and then what `send` writes. The answer's status.
    pub async fn exchange(
        &self,
        path: &str,
        lines: &str,
        send: impl FnOnce(&mut TcpStream) -> std::io::Result<()> + Send + 'static,
    ) -> u16 {
        self.try_exchange(path, lines, send)
            .await
            .unwrap_or_else(|answer| panic!("no answer: {answer:?}"))
    }

    /// The same where the answer may be lost: a server that hangs up before it has read everything
    /// resets the connection, and the answer with it. What came instead.
    pub async fn try_exchange(
        &self,
        path: &str,
        lines: &str,
        send: impl FnOnce(&mut TcpStream) -> std::io::Result<()> + Send + 'static,
    ) -> Result<u16, String> {
        let host = self.url.trim_start_matches("http://").to_owned();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n");
        let exchange = move || {
            let mut stream = TcpStream::connect(&host).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            // A server may answer, and hang up, before it has read everything.
            let _ = send(&mut stream);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let status = answer
                .strip_prefix("HTTP/1.1 ")
                .and_then(|rest| rest.get(..3)?.parse().ok());
            status.ok_or(answer)
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }
}

pub fn send_chunked(stream: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
    for chunk in body.chunks(10_000) {
        write!(stream, "{:x}\r\n", chunk.len())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

impl Request<'_> {
    pub fn bearer(mut self, token: &str) -> Self {
        self.builder = self.builder.bearer_auth(token);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.builder = self.builder.body(body.into());
        self
    }

    /// Sends it. Every response of the worker names its request, each another.
    pub async fn send(self) -> Reply {
        let response = self.builder.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let reply = Reply {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        };
        if let Some(id) = reply.header("x-request-id") {
            let new = self.http.request_ids.lock().unwrap().insert(id.to_owned());
            assert!(new, "two responses with the id {id}");
        }
        reply
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn request_id(&self) -> &str {
        self.header("x-request-id")
            .unwrap_or_else(|| panic!("no X-Request-Id: {self:?}"))
    }

    /// Asserts a problem response with this status and code.
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, &self.body["code"]),
            (status, &json!(code)),
            "{}",
            self.text
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text
        );
        assert_eq!(self.body["status"], status, "{}", self.text);
        for field in ["type", "title", "detail"] {
            assert!(
                self.body[field]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{field}: {}",
                self.text
            );
        }
    }

    /// The fields that a response finds fault with.
    pub fn faulty_fields(&self) -> Vec<&str> {
        let errors = self.body["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("no errors: {}", self.text));
        errors
            .iter()
            .map(|error| error["field"].as_str().unwrap())
            .collect()
    }
}

/// The body of a request to place calls.
pub fn placing(drivers: &[(i64, &str)]) -> Value {
    let driver = |(id, number): &(i64, &str)| {
        json!({
            "driverId": id, "driverName": "Ada Diaz", "phoneNumber": number,
            "violations": [{ "type": "hours_of_service", "description": "Drove 12 h" }],
        })
    };
    json!({ "timestamp": REQUESTED_AT, "drivers": drivers.iter().map(driver).collect::<Vec<_>>() })
}

/// A turn of a call, said so many seconds after the request.
pub fn turn(call_sid: &str, second: u32, words: &str) -> Value {
    json!({
        "call_sid": call_sid, "speaker": if second.is_multiple_of(2) { "agent" } else { "user" },
        "message": format!("{SPOKEN} {words}"),
        "timestamp": format!("2025-11-21T10:{:02}:{:02}Z", 31 + second / 60, second % 60),
    })
}
