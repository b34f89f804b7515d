//! Placing calls: on record first, then dialled, at most once.

use futures_util::{StreamExt, stream};

use super::settle::{WAITING_PER_REQUEST, apply_waiting, relink};
use crate::elevenlabs::{Client, DialOutcome, OutboundCall, Transport};
use crate::model::{CallSid, CallStatus, Driver, ExactTime, reason};
use crate::platform::config::Placing;
use crate::platform::log::{Level, Line};
use crate::platform::{RandomUnavailable, Runtime};
use crate::store::calls::{CallState, NewCall};
use crate::store::{Database, DatabaseError, Store};

/// How many dials of one request are open at once: a worker has six connections.
pub const MAX_OPEN_DIALS: usize = 6;

/// What became of one driver's call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Whose call it is.
    pub driver_id: i64,
    /// What is on record now.
    pub state: CallState,
    /// Whether this request recorded, and so dialled, it.
    pub created: bool,
    /// For people: what kept it from being placed, when this request saw that happen.
    pub failure: Option<String>,
}

/// Why nothing was dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceError {
    /// The rows could not be written.
    NotRecorded(DatabaseError),
    /// There were no random numbers for a dial token.
    NoToken(RandomUnavailable),
}

/// Places a call to each driver and tells, in their order, what became of it.
///
/// 1. All calls are recorded in one transaction. Until that is committed nothing is dialled.
/// 2. Those that this request recorded are dialled, each once, at most [`MAX_OPEN_DIALS`] at a
///    time. The others are on record already and are only reported.
/// 3. Each answer is written down as it comes. One driver's failure touches no other's call.
///
/// A worker that dies on the way leaves rows that nobody dials again; the reconciler settles
/// them.
///
/// # Errors
/// [`PlaceError`] when the rows could not be written; then nothing was dialled.
pub async fn place_calls<D: Database, R: Runtime, T: Transport>(
    store: &Store<D, R>,
    runtime: &R,
    elevenlabs: &Client<T>,
    settings: &Placing,
    requested_at: ExactTime,
    drivers: &[Driver],
) -> Result<Vec<Placed>, PlaceError> {
    let dial_token = dial_token(runtime).map_err(PlaceError::NoToken)?;
    let calls: Vec<_> = drivers
        .iter()
        .map(|driver| NewCall {
            call_sid: CallSid::new(driver.id, requested_at),
            driver_id: driver.id,
        })
        .collect();
    let recorded = store
        .create_call_with_call_sid(&calls, &dial_token, runtime.now())
        .await
        .map_err(PlaceError::NotRecorded)?;
    let desk = Desk {
        store,
        runtime,
        elevenlabs,
        settings,
        dial_token: &dial_token,
    };
    let mut placed: Vec<(usize, Placed)> = stream::iter(drivers.iter().zip(recorded).enumerate())
        .map(|(index, (driver, state))| async move { (index, desk.place(driver, state).await) })
        .buffer_unordered(MAX_OPEN_DIALS)
        .collect()
        .await;
    placed.sort_unstable_by_key(|(index, _)| *index);
    Ok(placed.into_iter().map(|(_, placed)| placed).collect())
}

fn dial_token(runtime: &impl Runtime) -> Result<String, RandomUnavailable> {
    Ok(format!("{:032x}", u128::from_be_bytes(runtime.random()?)))
}

/// What every dial of one request shares.
struct Desk<'a, D, R, T> {
    store: &'a Store<D, R>,
    runtime: &'a R,
    elevenlabs: &'a Client<T>,
    settings: &'a Placing,
    dial_token: &'a str,
}

impl<D, R, T> Clone for Desk<'_, D, R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D, R, T> Copy for Desk<'_, D, R, T> {}

impl<D: Database, R: Runtime, T: Transport> Desk<'_, D, R, T> {
    async fn place(self, driver: &Driver, state: CallState) -> Placed {
        let driver_id = driver.id.get();
        if !state.mine {
            return Placed {
                driver_id,
                state,
                created: false,
                failure: None,
            };
        }
        self.runtime.log(&Line {
            phone_last_four: Some(driver.phone_number.last_four().to_owned()),
            ..line("call_recorded", driver_id, &state)
        });
        let outcome = self.dial(driver, &state.call_sid).await;
        let failure = match &outcome {
            DialOutcome::Accepted { .. } => None,
            DialOutcome::Rejected { message, .. } => Some(message.clone()),
            DialOutcome::Unknown { .. } => Some(
                "ElevenLabs gave no clear answer, so the phone may be ringing; the call is not \
                 dialled again and is settled when ElevenLabs tells what became of it"
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
                // The row stays as it is, in progress without a conversation; the reconciler
                // finds out. The caller hears what is known: the answer was not written down.
                let line = line("answer_not_recorded", driver_id, &state);
                self.runtime.log(&Line {
                    level: Level::Error,
                    ..error.log(line)
                });
                Placed {
                    driver_id,
                    state: CallState {
                        status: CallStatus::Failed,
                        failure_reason: Some(reason::OUTCOME_UNKNOWN.to_owned()),
                        ..state
                    },
                    created: true,
                    failure: Some(failure.unwrap_or_else(|| {
                        "the call was placed, but ElevenLabs' answer could not be written down yet; \
                         it is settled when ElevenLabs tells what became of it"
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
    ) -> Result<CallState, DatabaseError> {
        let now = self.runtime.now();
        let (failure_reason, ended_at) = match outcome {
            DialOutcome::Accepted {
                conversation_id,
                telephony_call_sid,
            } => {
                let (mut state, events_wait) = self
                    .store
                    .update_conversation_id(
                        call_sid,
                        self.dial_token,
                        conversation_id,
                        telephony_call_sid.as_deref(),
                        now,
                    )
                    .await?;
                // Somebody was quicker, and claimed another one.
                if let Some(claimed) = &state.conversation_id
                    && state.claimed
                    && claimed != conversation_id
                    && relink(self.store, self.runtime, call_sid, claimed, conversation_id).await?
                {
                    state.conversation_id = Some(conversation_id.clone());
                }
                // The conversation was over before ElevenLabs answered.
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
            DialOutcome::Rejected { message, .. } => (reason::rejected(message), Some(now)),
            DialOutcome::Unknown { .. } => (reason::OUTCOME_UNKNOWN.to_owned(), None),
        };
        self.store
            .update_status_by_call_sid(call_sid, self.dial_token, &failure_reason, ended_at, now)
            .await
    }

    /// One line for what became of the dial. ElevenLabs' words are not in it: they may repeat
    /// the telephone number.
    fn log_outcome(&self, driver_id: i64, state: &CallState, outcome: &DialOutcome) {
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

fn line(event: &'static str, driver_id: i64, state: &CallState) -> Line {
    Line {
        call_sid: Some(state.call_sid.to_string()),
        conversation_id: state.conversation_id.clone(),
        driver_id: Some(driver_id),
        ..Line::new(event)
    }
}
