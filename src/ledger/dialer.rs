//! One dial: sends the outbound call to ElevenLabs once, and stores the answer.

use super::link::{Accepted, link_by_dial};
use super::placed::{Placed, line};
use super::settle::{WAITING_PER_REQUEST, apply_waiting};
use crate::elevenlabs::{Client, DialOutcome, OutboundCall, Transport};
use crate::model::{CallSid, CallStatus, Driver, FailureReason, reason};
use crate::platform::Runtime;
use crate::platform::config::Placing;
use crate::platform::log::{Level, Line};
use crate::store::{CallRow, Database, DatabaseError, Store};

/// What all dials of one request share.
#[derive(Debug)]
pub(super) struct Dialer<'a, D, R, T> {
    pub store: &'a Store<D, R>,
    pub runtime: &'a R,
    pub elevenlabs: &'a Client<T>,
    pub settings: &'a Placing,
    pub dial_token: &'a str,
}

impl<D: Database, R: Runtime, T: Transport> Dialer<'_, D, R, T> {
    /// Dials a call that this request recorded, and stores the outcome.
    pub async fn place(&self, driver: &Driver, state: CallRow) -> Placed {
        let driver_id = driver.id.get();
        let outcome = self.dial(driver, &state.call_sid).await;
        let failure = match &outcome {
            DialOutcome::Accepted { .. } => None,
            DialOutcome::Rejected { message, .. } => Some(message.clone()),
            DialOutcome::Unknown { .. } => Some(
                "ElevenLabs gave no clear answer, so the phone may be ringing. The call is not \
                 dialled again. It is settled when ElevenLabs reports the outcome."
                    .to_owned(),
            ),
        };
        match self.write_down(&state.call_sid, &outcome).await {
            Ok(state) => {
                self.log_outcome(driver_id, &state, &outcome);
                Placed {
                    driver_id,
                    state,
                    created: true,
                    failure,
                }
            }
            Err(error) => {
                // The row stays in progress without a conversation, and the reconciler asks ElevenLabs.
                // The caller gets the outcome as unknown, because the next read may say so too.
                let line = line("answer_not_recorded", driver_id, &state);
                self.runtime.log(&Line {
                    level: Level::Error,
                    ..error.log(line)
                });
                Placed {
                    driver_id,
                    state: CallRow {
                        status: CallStatus::Failed,
                        failure_reason: Some(FailureReason::OutcomeUnknown),
                        ..state
                    },
                    created: true,
                    failure: Some(failure.unwrap_or_else(|| {
                        "The call was placed, but ElevenLabs' answer could not be stored yet. The call \
                         is settled when ElevenLabs reports the outcome."
                            .to_owned()
                    })),
                }
            }
        }
    }

    async fn dial(&self, driver: &Driver, call_sid: &CallSid) -> DialOutcome {
        self.elevenlabs
            .start_call(OutboundCall {
                call_sid,
                driver,
                agent_id: &self.settings.agent_id,
                phone_number_id: &self.settings.phone_number_id,
                telephony: self.settings.telephony,
            })
            .await
    }

    async fn write_down(
        &self,
        call_sid: &CallSid,
        outcome: &DialOutcome,
    ) -> Result<CallRow, DatabaseError> {
        let now = self.runtime.now();
        let (failure_reason, ended_at) = match outcome {
            DialOutcome::Accepted {
                conversation_id,
                telephony_call_sid,
            } => {
                let accepted = Accepted {
                    call_sid,
                    dial_token: self.dial_token,
                    conversation_id,
                    telephony_call_sid: telephony_call_sid.as_deref(),
                };
                let (state, events_wait) =
                    link_by_dial(self.store, self.runtime, accepted, now).await?;
                // The conversation ended before ElevenLabs answered the dial, so its events wait.
                if events_wait {
                    apply_waiting(
                        self.store,
                        self.runtime,
                        conversation_id,
                        WAITING_PER_REQUEST,
                    )
                    .await;
                }
                return Ok(state);
            }
            DialOutcome::Rejected { message, .. } => (FailureReason::rejected(message), Some(now)),
            DialOutcome::Unknown { .. } => (FailureReason::OutcomeUnknown, None),
        };
        self.store
            .update_status_by_call_sid(call_sid, self.dial_token, &failure_reason, ended_at, now)
            .await
    }

    /// Logs the outcome of the dial, without ElevenLabs' words: they may contain the phone number.
    fn log_outcome(&self, driver_id: i64, state: &CallRow, outcome: &DialOutcome) {
        let event = match outcome {
            DialOutcome::Accepted { .. } => "call_dialled",
            DialOutcome::Rejected { .. } | DialOutcome::Unknown { .. } => "call_failed",
        };
        let mut line = line(event, driver_id, state);
        match outcome {
            DialOutcome::Accepted {
                conversation_id, ..
            } => {
                if state.conversation_id.as_ref() != Some(conversation_id) {
                    line.level = Level::Error;
                    line.code = Some("conversation_conflict".to_owned());
                }
            }
            DialOutcome::Rejected { status, .. } => {
                line.status = Some(*status);
                line.code = Some(reason::ELEVENLABS_REJECTED.to_owned());
            }
            DialOutcome::Unknown { status, cause } => {
                line.level = Level::Error;
                line.status = *status;
                line.code = Some(reason::OUTCOME_UNKNOWN.to_owned());
                line.cause = Some(cause.clone());
            }
        }
        self.runtime.log(&line);
    }
}
