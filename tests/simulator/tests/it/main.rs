//! The running stand-in, from outside: over HTTP, with a small receiver in the worker's place.
#![expect(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the message"
)]

mod answers;
mod control;
mod events;
mod program;
mod reading;
mod receiver;
mod turns;
mod validation;

use elevenlabs_simulator::{Config, Delivery, DeliveryKind, Simulator};
use receiver::Receiver;
use serde_json::{Value, json};
use std::time::Duration;

/// Test settings without the grace a real worker needs.
pub fn quick() -> Config {
    Config {
        grace: Duration::from_millis(5),
        ..Config::test()
    }
}

pub const KEY: &str = "dev-elevenlabs-key";

/// The stand-in and a receiver, connected.
pub struct Stage {
    pub simulator: Simulator,
    pub receiver: Receiver,
    pub client: reqwest::Client,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(quick(), |_| 201).await
    }

    pub async fn with(
        config: Config,
        answer: impl Fn(&receiver::Received) -> u16 + Send + Sync + 'static,
    ) -> Self {
        let receiver = Receiver::start(answer).await;
        let simulator = Simulator::start("127.0.0.1:0", config).await.unwrap();
        simulator.set_worker_url(&receiver.url);
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            simulator,
            receiver,
            client,
        }
    }

    pub async fn post(&self, path: &str, body: String) -> Result<Answered, reqwest::Error> {
        let request = self
            .client
            .post(format!("{}{path}", self.simulator.url()))
            .header("xi-api-key", KEY)
            .header("content-type", "application/json")
            .body(body);
        Answered::read(request.send().await?).await
    }

    /// Asks for a call to `number` over Twilio.
    pub async fn call(&self, number: &str) -> Result<Answered, reqwest::Error> {
        self.post(TWILIO, body(number).to_string()).await
    }

    pub async fn get(&self, path: &str) -> Answered {
        let request = self
            .client
            .get(format!("{}{path}", self.simulator.url()))
            .header("xi-api-key", KEY);
        Answered::read(request.send().await.unwrap()).await.unwrap()
    }

    /// Asks for a call, waits until everything is over, and returns the conversation as read back.
    pub async fn play(&self, number: &str) -> Value {
        let _ = self.call(number).await;
        self.simulator.wait_idle().await;
        let id = self.last_conversation();
        self.get(&format!("/v1/convai/conversations/{id}"))
            .await
            .json
    }

    pub fn last_conversation(&self) -> String {
        self.simulator
            .calls()
            .pop()
            .unwrap()
            .conversation_id
            .unwrap()
    }

    /// The log of deliveries of one kind, as (attempt, status).
    pub fn attempts(&self, kind: DeliveryKind) -> Vec<(u32, Option<u16>)> {
        let of_kind = |delivery: &Delivery| delivery.kind == kind;
        self.simulator
            .deliveries()
            .iter()
            .filter(|delivery| of_kind(delivery))
            .map(|delivery| (delivery.attempt, delivery.status))
            .collect()
    }
}

pub const TWILIO: &str = "/v1/convai/twilio/outbound-call";
pub const SIP: &str = "/v1/convai/sip-trunk/outbound-call";

/// A faultless request.
pub fn body(number: &str) -> Value {
    json!({
        "agent_id": "agent_dev",
        "agent_phone_number_id": "phnum_dev",
        "to_number": number,
        "telephony_call_config": { "ringing_timeout_secs": 60 },
        "conversation_initiation_client_data": {
            "user_id": "driver_7",
            "dynamic_variables": {
                "call_sid": "EL_7_2025-11-21T10:30:00Z", "driver_id": 7, "driver_name": "Ada Díaz",
                "violations": "drove 12 h without a break", "violation_count": 1, "custom_rules": "",
            },
        },
    })
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    /// `Null` where the body is not JSON.
    pub json: Value,
}

impl Answered {
    pub async fn read(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Ok(Self {
            status,
            headers,
            text,
            json,
        })
    }

    pub fn code(&self) -> (u16, &str) {
        (
            self.status,
            self.json["detail"]["code"].as_str().unwrap_or_default(),
        )
    }
}
