//! `POST /webhooks/elevenlabs/post-call`: ElevenLabs' own events.

use serde::Serialize;

use super::answer::About;
use super::problem::Problem;
use super::record_turn::read_body;
use super::{Answer, Incoming, Service};
use crate::elevenlabs::Transport;
use crate::elevenlabs::event::{Event, EventError};
use crate::elevenlabs::signature;
use crate::json::into_text;
#[cfg(not(target_arch = "wasm32"))]
use crate::ledger::settle::Applied;
use crate::ledger::settle::receive_event;
use crate::platform::Runtime;
use crate::platform::config::{self, Settings};
use crate::store::Database;

/// The longest body, in bytes.
pub const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// The answer to an event that is durably stored.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct EventReceived {
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Applied"))]
    status: &'static str,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// 1. Who may: whoever signs with the secret (401), and nobody while it is not set (503).
    ///    The signature covers the raw bytes, so it is checked before anything is read (413).
    /// 2. What came: an event. One that cannot be read, or does not say what it is about, would
    ///    not become better by a repeat (400).
    /// 3. Kept, and applied where its call is on record: always 200, because ElevenLabs takes
    ///    anything else for a failure. A database that did not keep it is one (500).
    pub(super) async fn post_call(&self, incoming: &mut impl Incoming) -> Result<Answer, Problem> {
        let secrets = config::webhook_secrets(&self.settings)?;
        let header = incoming.header("elevenlabs-signature").unwrap_or_default();
        let body = read_body(incoming, BODY_LIMIT).await?;
        if !signature::is_valid(&header, &body, &secrets, self.runtime.now()) {
            return Err(Problem::InvalidSignature);
        }
        let body = into_text(body).ok_or_else(|| Problem::invalid("The body is not UTF-8."))?;
        let event = Event::parse(&body).map_err(|error| {
            Problem::invalid(match error {
                EventError::NoEvent => "The body is no event: a JSON object with a type.",
                EventError::NoConversation => "The event's data has no conversation_id.",
            })
        })?;
        let applied = receive_event(&self.store, &self.runtime, &event, &body)
            .await
            .map_err(|cause| Problem::StoreUnavailable {
                call_sid: None,
                cause,
            })?;
        let status = applied.as_str();
        Ok(Answer::json(200, &EventReceived { status }).about(About {
            conversation_id: Some(event.conversation_id).filter(|id| !id.is_empty()),
            code: Some(status),
            ..About::default()
        }))
    }
}
