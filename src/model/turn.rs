//! One spoken turn of a conversation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CallSid, StoredTime, UtcTime};

/// Who spoke. ElevenLabs calls the person on the phone `user`; the ledger says `driver`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The voice agent.
    Agent,
    /// The person who was phoned.
    Driver,
}

impl Speaker {
    /// Reads ElevenLabs' word for the speaker: `agent` or `user`.
    #[must_use]
    pub fn from_elevenlabs(role: &str) -> Option<Self> {
        match role {
            "agent" => Some(Self::Agent),
            "user" => Some(Self::Driver),
            _ => None,
        }
    }

    /// Reads the word of [`Speaker::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "agent" => Some(Self::Agent),
            "driver" => Some(Self::Driver),
            _ => None,
        }
    }

    /// The word in the database and in the API's answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Driver => "driver",
        }
    }
}

/// A spoken turn that a sender posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTurn {
    pub call_sid: CallSid,
    pub speaker: Speaker,
    /// The exact words, untrimmed. They are not blank.
    pub message: String,
    /// When the turn was spoken.
    pub timestamp: UtcTime,
    /// The conversation that the sender names, if it names one.
    pub conversation_id: Option<String>,
}

/// Turns that were stored before migration 0010 have smaller ids.
const FIRST_ID: i64 = 1 << 40;
/// Maximum number of turns that a call may ever have, removed turns included.
pub const TURNS_PER_CALL: i64 = 1 << 22;

/// The `transcription_id` of a call's `nth` turn: 2^40 + `call_id` × 2^22 + `nth`. The first turn is
/// 1, and removed turns count.
///
/// The id is unique in the whole ledger without a counter, which would be a second written row for
/// each turn. For 10^9 calls it stays below 2^52, so that it is exact as a JSON number; a database
/// holds some millions of calls. `store/turns.rs` has the same formula in SQL.
#[must_use]
pub const fn transcription_id(call_id: i64, nth: i64) -> i64 {
    FIRST_ID
        .saturating_add(call_id.saturating_mul(TURNS_PER_CALL))
        .saturating_add(nth)
}

/// The `nth` of an id that [`transcription_id`] made for this call; `None` for any other id.
#[must_use]
pub fn nth_turn(call_id: i64, transcription_id: i64) -> Option<i64> {
    let nth = transcription_id.saturating_sub(self::transcription_id(call_id, 0));
    (1..TURNS_PER_CALL).contains(&nth).then_some(nth)
}

/// One stored turn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Turn {
    /// The turn's id: unique in the whole ledger, below 2^53. It never changes, and the id of a
    /// removed turn is never used again. A later turn may have a smaller id.
    pub transcription_id: i64,
    /// The turn's place in its conversation: 1, 2, 3 … without gap. Evidence from ElevenLabs may
    /// renumber it.
    pub sequence_number: i64,
    pub speaker: Speaker,
    pub message: String,
    /// When the turn was spoken.
    pub timestamp: StoredTime,
}
