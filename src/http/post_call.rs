//! `POST /webhooks/elevenlabs/post-call`: ElevenLabs' own events.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::About;
use super::problem::Problem;
use super::{Answer, Incoming, Service, body};
use crate::elevenlabs::Transport;
use crate::elevenlabs::event::{Event, EventError};
use crate::elevenlabs::signature::Claim;
use crate::ledger::settle::Applied;
use crate::ledger::settle::receive_event;
use crate::platform::Runtime;
use crate::platform::config::{self, Settings};
use crate::store::Database;

/// Maximum length of the body, in bytes.
pub const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// The answer to an event that is durably stored.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EventReceived {
    #[schemars(with = "Applied")]
    status: &'static str,
}

impl<D: Database, R: Runtime + Clone, T: Transport, S: Settings> Service<D, R, T, S> {
    /// 1. Check the form and the time of the signature's header. Answer 503 if no secret is set,
    ///    401 if the header is wrong. The body is not read then.
    /// 2. Read the body (413), and check the signature over its raw bytes (401).
    /// 3. Read the event. Answer 400 if it is no event or names no conversation: a retry of the
    ///    same bytes would fail again.
    /// 4. Keep the event, and apply it if its call is on record. Ignore another agent's event.
    ///    Answer 200 in each case, because ElevenLabs counts any other status as a failure.
    /// 5. If the database did not keep the event, answer 500, which ElevenLabs retries where its
    ///    retries are switched on.
    pub(super) async fn post_call(&self, incoming: &mut impl Incoming) -> Result<Answer, Problem> {
        // 1. 503, 401.
        let secrets = config::webhook_secrets(&self.settings)?;
        let header = incoming.header("elevenlabs-signature").unwrap_or_default();
        let claim = Claim::read(&header, self.runtime.now()).ok_or(Problem::InvalidSignature)?;
        // 2. 413, 401.
        let body = body::receive(incoming, BODY_LIMIT).await?;
        if !claim.is_valid(&body, &secrets) {
            return Err(Problem::InvalidSignature);
        }
        // 3. 400.
        let body = body::text(body)?;
        let event = Event::parse(&body).map_err(|error| {
            Problem::invalid(match error {
                EventError::NoEvent => "The body is not an event. Send a JSON object with a type.",
                EventError::NoConversation => "The event's data has no conversation_id.",
            })
        })?;
        // 4. 200. If the setting cannot be read, every event counts as ours: an ignored event is
        //    lost.
        let agents = config::agents(&self.settings).unwrap_or_default();
        let ours = agents.may_own(event.agent_id.as_deref());
        let applied = receive_event(&self.store, &self.runtime, &event, &body, ours)
            .await
            // 5. 500.
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
