//! Tells the caller when it will be known whether a phone rang.

use core::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::placed::Placed;
use crate::model::{CallStatus, FailureReason, UtcTime};

/// How often the reconciler runs: `crons` in `wrangler.toml`.
const RUN_EVERY: Duration = Duration::from_secs(5 * 60);

/// Says that it is not known yet whether a phone rang.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pending {
    /// What to do, for people.
    message: &'static str,
    /// When the reconciler will have asked ElevenLabs about the call, if it can and few others
    /// wait. Left out where `RECONCILE_AFTER_MINUTES` keeps the reconciler from asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    known_by: Option<UtcTime>,
}

impl Pending {
    /// `None` if a conversation or an outcome is on record, or if ElevenLabs accepted this request's
    /// dial.
    #[must_use]
    pub fn of(placed: &Placed, reconcile_after: Option<Duration>, now: UtcTime) -> Option<Self> {
        let state = &placed.state;
        let unclear = match state.status {
            CallStatus::InProgress => !placed.created,
            CallStatus::Failed => state.failure_reason == Some(FailureReason::OutcomeUnknown),
            CallStatus::Completed => false,
        };
        (unclear && state.conversation_id.is_none()).then(|| Self {
            message: "It is not known yet whether a phone rang. Send this request again, or read \
                      the call, after known_by. Place the call with a new timestamp only when it \
                      has failed with not_dialled, never_started or elevenlabs_rejected: before \
                      that the driver may be phoned twice.",
            known_by: reconcile_after.map(|after| {
                let asked_at = state.last_asked_at().time().unwrap_or(now);
                asked_at.plus(after).max(now).plus(RUN_EVERY)
            }),
        })
    }
}
