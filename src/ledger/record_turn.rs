//! Records a spoken turn once, under the next number of its conversation.

use super::same_turn::{Same, compare};
use super::settle::{WAITING_PER_REQUEST, apply_waiting};
use crate::model::{By, NewTurn, Step, StoredTurn, decide};
use crate::platform::Runtime;
use crate::store::turns::{CallOfTurn, SavedTurn};
use crate::store::{Database, DatabaseError, Store};

/// Maximum attempts. We retry when another request changed the call after we read it.
const MAX_ROUNDS: usize = 5;
/// Maximum number of places in a transcript that are tried for one turn. A text that is said often,
/// such as "Yes.", fits many places.
const MOST_PLACES: usize = 100;

/// Who sent a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnSource {
    /// The route needs no token: the sender is unauthenticated.
    Open,
    /// The sender sent the token.
    Token,
}

impl From<TurnSource> for By {
    fn from(source: TurnSource) -> Self {
        match source {
            TurnSource::Open => Self::OpenTurn,
            TurnSource::Token => Self::TokenTurn,
        }
    }
}

/// A turn that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// This request stored it.
    New(SavedTurn),
    /// It was stored before. The ids are those of the first request.
    Repeat(SavedTurn),
}

/// Why a turn is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordError {
    /// No call has this `call_sid`.
    UnknownCall,
    /// The call has no conversation, and the turn names none.
    NotLinked,
    /// The call has another conversation than the turn names.
    OtherConversation,
    /// The conversation that the turn names is another call's.
    ConversationTaken,
    /// The database failed.
    Store(DatabaseError),
}

impl From<DatabaseError> for RecordError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error)
    }
}

/// What to do with a turn that the first statement did not store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan<'a> {
    /// The turn is stored already. Answer with its ids.
    Repeat(SavedTurn),
    /// The turn is in ElevenLabs' transcript. Take the first of these places that no other posted turn
    /// has taken.
    TakePlace {
        /// The ids of the turns in the transcript, the best match first.
        places: Vec<i64>,
        /// The conversation on record.
        conversation_id: &'a str,
        /// The version of the transcript that has these turns.
        transcript_revision: i64,
    },
    /// The turn is not in ElevenLabs' transcript. Insert it by its time.
    Insert {
        /// The conversation on record.
        conversation_id: &'a str,
        /// The version of the transcript that does not have it.
        transcript_revision: i64,
    },
    /// Give the call this conversation, and store the turn.
    Link {
        /// The conversation that the turn names.
        conversation_id: &'a str,
        /// True if the sender is unauthenticated.
        claimed: bool,
    },
    /// Store the turn under the next number.
    Append,
    /// Do not store the turn.
    Refuse(RecordError),
}

/// Decides what to do with a turn. `found` is the call and the stored turns that may be the same.
#[must_use]
pub fn plan<'a>(found: Option<&'a CallOfTurn>, turn: &'a NewTurn, by: By) -> Plan<'a> {
    let Some(found) = found else {
        return Plan::Refuse(RecordError::UnknownCall);
    };
    if let Some(named) = turn.conversation_id.as_deref() {
        match decide(found.link(), named, by) {
            Step::Keep => {}
            Step::Claim | Step::Confirm if found.owner.is_some() => {
                return Plan::Refuse(RecordError::ConversationTaken);
            }
            step @ (Step::Claim | Step::Confirm) => {
                return Plan::Link {
                    conversation_id: named,
                    claimed: step == Step::Claim,
                };
            }
            Step::Replace(_) | Step::Disown | Step::Refuse => {
                return Plan::Refuse(RecordError::OtherConversation);
            }
        }
    }
    let Some(known) = found.conversation_id.as_deref() else {
        return Plan::Refuse(RecordError::NotLinked);
    };
    let mut places = Vec::new();
    for stored in &found.turns {
        match compare(stored, turn) {
            Same::Repeat => {
                return Plan::Repeat(SavedTurn {
                    transcription_id: stored.id,
                    sequence_number: stored.sequence_number,
                    conversation_id: known.to_owned(),
                    driver_id: found.driver_id,
                });
            }
            same @ (Same::Heard | Same::CutShort) => {
                places.push((same, distance(stored, turn), stored.id));
            }
            Same::No => {}
        }
    }
    if found.transcript_revision == 0 {
        return Plan::Append;
    }
    if places.is_empty() {
        return Plan::Insert {
            conversation_id: known,
            transcript_revision: found.transcript_revision,
        };
    }
    // Equal words before cut ones (`Heard` is less than `CutShort`), and the closest in time first.
    places.sort_by_key(|(same, distance, _)| (*same, *distance));
    places.truncate(MOST_PLACES);
    Plan::TakePlace {
        places: places.into_iter().map(|(_, _, id)| id).collect(),
        conversation_id: known,
        transcript_revision: found.transcript_revision,
    }
}

/// The difference of the times of two turns, in milliseconds.
fn distance(stored: &StoredTurn, turn: &NewTurn) -> u64 {
    let said_at = turn.timestamp.as_millis();
    let time = stored.timestamp.time();
    time.map_or(u64::MAX, |time| time.as_millis().abs_diff(said_at))
}

/// Stores the turn under its conversation's next number.
///
/// 1. Store it by one statement. That succeeds if the turn is new, its call has a conversation, and
///    ElevenLabs' transcript is not stored yet.
/// 2. If the statement stored nothing, read the call and the stored turns that may be the same.
/// 3. Decide by [`plan`].
/// 4. Execute the plan. A call without a conversation takes the one that the turn names, because the
///    first turn may arrive before ElevenLabs' answer to the dial. If the sender is unauthenticated
///    ([`TurnSource::Open`]), that is a claim, which ElevenLabs can correct. If ElevenLabs' transcript
///    is stored, the turn is late: it takes its place in the transcript, or is inserted by its time.
/// 5. If another request changed the call meanwhile, go back to 2.
///
/// The operation is idempotent: the sender can always retry.
///
/// # Errors
/// [`RecordError`]. Nothing changed, except that the database may have stored the turn and lost its
/// answer.
pub async fn record_turn<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    turn: &NewTurn,
    source: TurnSource,
) -> Result<Recorded, RecordError> {
    // 1.
    if let Some(saved) = store.save_transcription(turn, runtime.now()).await? {
        return Ok(Recorded::New(saved));
    }
    for _ in 0..MAX_ROUNDS {
        // 2.
        let found = store.call_of_turn(turn).await?;
        // 3.
        let plan = plan(found.as_ref(), turn, source.into());
        // 4.
        if let Some(recorded) = execute(store, runtime, turn, plan).await? {
            return Ok(recorded);
        }
    }
    Err(RecordError::Store(DatabaseError::new(
        "the call changed on every try to store the turn",
    )))
}

/// Executes the plan. Returns `None` if another request changed the call meanwhile.
async fn execute<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    turn: &NewTurn,
    plan: Plan<'_>,
) -> Result<Option<Recorded>, RecordError> {
    let now = runtime.now();
    let saved = match plan {
        Plan::Refuse(error) => return Err(error),
        Plan::Repeat(saved) => return Ok(Some(Recorded::Repeat(saved))),
        Plan::TakePlace {
            places,
            conversation_id,
            transcript_revision,
        } => {
            let taken = store.take_place(turn, conversation_id, transcript_revision, &places);
            return Ok(taken.await?.map(Recorded::Repeat));
        }
        Plan::Insert {
            conversation_id,
            transcript_revision,
        } => {
            store
                .insert_late_turn(turn, conversation_id, transcript_revision, now)
                .await?
        }
        Plan::Link {
            conversation_id,
            claimed,
        } => {
            let linked = store
                .link_and_save_transcription(turn, conversation_id, claimed, now)
                .await?;
            if linked.events_wait {
                apply_waiting(store, runtime, conversation_id, WAITING_PER_REQUEST).await;
            }
            linked.saved
        }
        Plan::Append => store.save_and_mark_transcription(turn, now).await?,
    };
    Ok(saved.map(Recorded::New))
}

#[cfg(test)]
#[path = "record_turn_tests.rs"]
mod tests;
