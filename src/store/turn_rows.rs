//! The rows that the statements about turns return.

use super::{DatabaseError, FromRow, Row};
use crate::model::{CallSid, Link, Origin, Speaker, StoredTurn};

/// A turn that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedTurn {
    /// Unique in the ledger.
    pub transcription_id: i64,
    /// Its place in the conversation, from 1.
    pub sequence_number: i64,
    pub conversation_id: String,
    pub driver_id: Option<i64>,
}

/// The call of a turn that [`save_transcription`](super::Store::save_transcription) did not store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOfTurn {
    pub conversation_id: Option<String>,
    /// True if the conversation id came from an unauthenticated turn and ElevenLabs has not
    /// confirmed it.
    pub claimed: bool,
    pub driver_id: Option<i64>,
    /// The call that has the conversation that the turn names.
    pub owner: Option<CallSid>,
    /// Number of times that a transcript of ElevenLabs was stored. Above 0, a late turn is fitted
    /// into the transcript.
    pub transcript_revision: i64,
    /// The stored turns that may be the same turn, in the order of their places.
    pub turns: Vec<StoredTurn>,
}

impl CallOfTurn {
    /// The call's conversation, and whether it is confirmed.
    #[must_use]
    pub fn link(&self) -> Link<'_> {
        Link::new(self.conversation_id.as_deref(), self.claimed)
    }
}

/// The result of linking a call by one of its turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    pub saved: Option<SavedTurn>,
    pub events_wait: bool,
}

impl FromRow for SavedTurn {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            transcription_id: row.integer("transcription_id")?,
            sequence_number: row.integer("sequence_number")?,
            conversation_id: row.text("conversation_id")?,
            driver_id: row.optional_integer("driver_id")?,
        })
    }
}

impl FromRow for StoredTurn {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            sequence_number: row.integer("sequence_number")?,
            speaker: row.word("speaker", Speaker::parse)?,
            message: row.text("message")?,
            original_text: row.optional_text("original_text")?,
            timestamp: row.time("timestamp")?,
            origin: row.word("origin", Origin::parse)?,
        })
    }
}

impl FromRow for CallOfTurn {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            conversation_id: row.optional_text("conversation_id")?,
            claimed: row.integer("claimed")? == 1,
            driver_id: row.optional_integer("driver_id")?,
            owner: row.optional_text("owner")?.map(CallSid::from_text),
            transcript_revision: row.integer("transcript_revision")?,
            turns: Vec::new(),
        })
    }
}
