//! What the stand-in remembers: requests, conversations and deliveries.

use crate::conversation::Conversation;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The two outbound-call routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// `/v1/convai/twilio/outbound-call`
    Twilio,
    /// `/v1/convai/sip-trunk/outbound-call`
    SipTrunk,
}

/// How a request for an outbound call ended, as seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// Still open.
    Open,
    /// Answered.
    Answered {
        /// The HTTP status code.
        status: u16,
    },
    /// The connection was cut from here, on purpose.
    Cut,
    /// The caller went away before it was answered.
    Abandoned,
}

/// One request for an outbound call, accepted or refused.
#[derive(Debug, Clone, Serialize)]
pub struct SimCall {
    /// When its body had arrived.
    pub at: DateTime<Utc>,
    /// Over which route.
    pub route: Route,
    /// The number to call, where the body had one.
    pub to_number: Option<String>,
    /// The dynamic variable `call_sid`, where the body had one.
    pub call_sid: Option<String>,
    /// The body's `user_id`.
    pub user_id: Option<String>,
    /// The body's dynamic variables.
    pub dynamic_variables: Map<String, Value>,
    /// The conversation this request created, whether or not the answer told it. `None` means: no phone rang.
    pub conversation_id: Option<String>,
    /// The name of the number's behaviour, see [`crate::numbers`].
    pub behaviour: &'static str,
    /// How the request ended.
    pub outcome: Outcome,
    /// The body as it came.
    pub raw_body: String,
}

/// What was delivered to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryKind {
    /// One spoken turn.
    Turn,
    /// The transcript after the call.
    PostCallTranscription,
    /// Nobody was reached.
    CallInitiationFailure,
    /// The recording after the call.
    PostCallAudio,
    /// An event of a type nobody has heard of.
    UnknownEvent,
}

/// One attempt to deliver a turn or an event.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// When the attempt ended.
    pub at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What was sent.
    pub kind: DeliveryKind,
    /// About which conversation.
    pub conversation_id: String,
    /// About which call, where known.
    pub call_sid: Option<String>,
    /// Which turn, counted from 0.
    pub turn: Option<usize>,
    /// Which attempt at delivering this, counted from 1.
    pub attempt: u32,
    /// The status code received; `None` when there was no answer.
    pub status: Option<u16>,
    /// The answer's body, or why there was none.
    pub answer: String,
}

/// All of it, behind one lock.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub worker_url: Option<String>,
    pub calls: Vec<SimCall>,
    pub conversations: Vec<Conversation>,
    by_id: HashMap<String, usize>,
    pub deliveries: Vec<Delivery>,
    pub open: usize,
    pub max_open: usize,
}

impl Books {
    pub fn add(&mut self, mut conversation: Conversation) {
        conversation.seq = self.conversations.len();
        self.by_id.insert(conversation.id.clone(), conversation.seq);
        self.conversations.push(conversation);
    }

    pub fn conversation(&self, id: &str) -> Option<&Conversation> {
        self.by_id
            .get(id)
            .and_then(|seq| self.conversations.get(*seq))
    }

    pub fn conversation_mut(&mut self, id: &str) -> Option<&mut Conversation> {
        self.by_id
            .get(id)
            .and_then(|seq| self.conversations.get_mut(*seq))
    }
}
