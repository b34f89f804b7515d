//! Recording a spoken turn: once, and under the next number.

use super::settle::{WAITING_PER_REQUEST, apply_waiting};
use super::transcript::{has_words, insert_by_time};
use crate::model::{NewTurn, Origin, StoredTurn};
use crate::platform::Runtime;
use crate::store::settlement::Settled;
use crate::store::turns::SavedTurn;
use crate::store::{Database, DatabaseError, Store};

/// How often a turn is tried before giving up. Each further try follows from what another
/// request did to the same call in between.
const MAX_ROUNDS: usize = 40;

/// A turn that is in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was stored now.
    New(SavedTurn),
    /// It was stored before; these are the first one's names.
    Repeat(SavedTurn),
}

/// Why a turn is not in the ledger.
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
    /// The database did not do it.
    Store(DatabaseError),
}

impl From<DatabaseError> for RecordError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error)
    }
}

/// Stores the turn under its conversation's next number.
///
/// 1. One statement does it, for a turn that is new and whose call has its conversation.
/// 2. Only when that stored nothing is the database asked why.
/// 3. A call without a conversation takes the one that the turn names: the first turn can
///    overtake ElevenLabs' answer to the outbound call. Where `anybody` may post turns that is
///    a claim, which ElevenLabs' own word outweighs.
/// 4. Once ElevenLabs' transcript is stored a late turn takes its own place in it, and one that
///    the transcript does not have is kept, in its place by time.
///
/// # Errors
/// [`RecordError`]; then nothing changed, except that a lost answer of the database may hide
/// that the turn was stored. Sending it again is always right.
pub async fn record_turn<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    turn: &NewTurn,
    anybody: bool,
) -> Result<Recorded, RecordError> {
    let mut saved = store.save_transcription(turn, runtime.now()).await?;
    for _ in 0..MAX_ROUNDS {
        if let Some(saved) = saved {
            return Ok(Recorded::New(saved));
        }
        let found = store.why_unsaved(turn).await?;
        let found = found.ok_or(RecordError::UnknownCall)?;
        let stored = found.transcription_id.zip(found.sequence_number);
        saved = match (&found.conversation_id, &turn.conversation_id, stored) {
            (None, None, _) => return Err(RecordError::NotLinked),
            (None, Some(_), _) if found.owner.is_some() => {
                return Err(RecordError::ConversationTaken);
            }
            (None, Some(named), _) => {
                let now = runtime.now();
                let linked = store.link_and_save_transcription(turn, named, anybody, now);
                let linked = linked.await?;
                if linked.events_wait {
                    apply_waiting(store, runtime, named, WAITING_PER_REQUEST).await;
                }
                linked.saved
            }
            (Some(known), Some(named), _) if known != named => {
                return Err(RecordError::OtherConversation);
            }
            (Some(_), _, Some((transcription_id, sequence_number))) => {
                let saved = SavedTurn {
                    transcription_id,
                    sequence_number,
                };
                // One that stood only in ElevenLabs' transcript is taken, so that no other is.
                if found.origin != Some(Origin::Transcript)
                    || store
                        .claim_transcript_turn(saved.transcription_id, turn)
                        .await?
                {
                    return Ok(Recorded::Repeat(saved));
                }
                None
            }
            (Some(known), _, None) if found.transcript_revision > 0 => {
                if let Some(recorded) = fit(store, runtime, turn, known).await? {
                    return Ok(recorded);
                }
                pause(runtime).await;
                None
            }
            // The call was linked between the two queries.
            (Some(_), _, None) => store.save_transcription(turn, runtime.now()).await?,
        };
    }
    Err(RecordError::Store(DatabaseError::new(
        "the turn could be neither stored nor found",
    )))
}

/// Lets other late turns of the same call go first, for up to a tenth of a second.
async fn pause(runtime: &impl Runtime) {
    let millis = runtime
        .random()
        .map_or(50, |bits| u64::from(bits[0]) * 100 / 255);
    runtime.sleep(millis).await;
}

/// Finds a late turn's place among the turns of a settled call. `None` when another request
/// changed them meanwhile.
async fn fit<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    turn: &NewTurn,
    conversation_id: &str,
) -> Result<Option<Recorded>, DatabaseError> {
    let Some(case) = store.get_by_conversation_id(conversation_id, None).await? else {
        return Ok(None);
    };
    let said_at = turn.timestamp.as_millis();
    // An equal turn may have taken its place since the database was asked for one.
    let mut posted = case.turns.iter();
    let equal = posted.find(|stored| {
        let words = [Some(&stored.message), stored.original_text.as_ref()];
        stored.origin != Origin::Transcript
            && stored.speaker == turn.speaker
            && stored.timestamp.time() == Some(turn.timestamp)
            && words.contains(&Some(&turn.message))
    });
    if let Some(stored) = equal {
        return Ok(Some(Recorded::Repeat(SavedTurn {
            transcription_id: stored.id,
            sequence_number: stored.sequence_number,
        })));
    }
    let distance = |stored: &&StoredTurn| {
        let time = stored.timestamp.time();
        time.map_or(u64::MAX, |time| time.as_millis().abs_diff(said_at))
    };
    let waiting = case
        .turns
        .iter()
        .filter(|stored| stored.origin == Origin::Transcript)
        .filter(|stored| has_words(stored, turn.speaker, &turn.message))
        .min_by_key(distance);
    if let Some(place) = waiting {
        let claimed = store.claim_transcript_turn(place.id, turn).await?;
        return Ok(claimed.then_some(Recorded::Repeat(SavedTurn {
            transcription_id: place.id,
            sequence_number: place.sequence_number,
        })));
    }
    let settled = Settled {
        arrangement: Some(insert_by_time(
            &case.turns,
            turn.speaker,
            &turn.message,
            turn.timestamp,
        )),
        ..case.call.unchanged(conversation_id)
    };
    if !store.settle(&case, &settled, None, runtime.now()).await? {
        return Ok(None);
    }
    let stored = store.why_unsaved(turn).await?;
    Ok(stored.and_then(|stored| {
        Some(Recorded::New(SavedTurn {
            transcription_id: stored.transcription_id?,
            sequence_number: stored.sequence_number?,
        }))
    }))
}
