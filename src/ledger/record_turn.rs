//! Recording a spoken turn: once, and under the next number.

use crate::model::NewTurn;
use crate::platform::Runtime;
use crate::store::turns::SavedTurn;
use crate::store::{Database, DatabaseError, Store};

/// How often a turn is tried before giving up. Each further try follows from what another
/// request did in between, and a call can be linked only once, so this is never reached unless
/// the database contradicts itself.
const MAX_ROUNDS: usize = 4;

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
///    overtake ElevenLabs' answer to the outbound call.
///
/// # Errors
/// [`RecordError`]; then nothing changed, except that a lost answer of the database may hide
/// that the turn was stored. Sending it again is always right.
pub async fn record_turn<D: Database, R: Runtime>(
    store: &Store<D, R>,
    runtime: &R,
    turn: &NewTurn,
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
                store
                    .link_and_save_transcription(turn, named, runtime.now())
                    .await?
            }
            (Some(known), Some(named), _) if known != named => {
                return Err(RecordError::OtherConversation);
            }
            (Some(_), _, Some((transcription_id, sequence_number))) => {
                return Ok(Recorded::Repeat(SavedTurn {
                    transcription_id,
                    sequence_number,
                }));
            }
            // The call was linked between the two queries.
            (Some(_), _, None) => store.save_transcription(turn, runtime.now()).await?,
        };
    }
    Err(RecordError::Store(DatabaseError::new(
        "the turn could be neither stored nor found",
    )))
}
