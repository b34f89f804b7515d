//! What was said.

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

/// One spoken turn on its way into the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTurn {
    /// The call it belongs to.
    pub call_sid: CallSid,
    /// Who spoke.
    pub speaker: Speaker,
    /// What was said, as it came; not empty after trimming.
    pub message: String,
    /// When it was said.
    pub timestamp: UtcTime,
    /// The conversation the sender says it belongs to, when it says so.
    pub conversation_id: Option<String>,
}

/// Turns that were stored before migration 0010 have smaller numbers than this.
const FIRST_ID: i64 = 1 << 40;
/// How many turns a call may ever have, those that were removed again included.
pub const TURNS_PER_CALL: i64 = 1 << 22;

/// The `transcription_id` of a call's `nth` turn (the first is 1), counted over all that the call
/// ever had: 2^40 + `call_id` × 2^22 + `nth`. So it is unique in the whole ledger without a counter,
/// which would be a second written row for each turn. It stays below 2^52, and so exact as a JSON
/// number, for a thousand million calls; a database holds some millions. `store/turns.rs` has the
/// same formula in SQL.
#[must_use]
pub const fn transcription_id(call_id: i64, nth: i64) -> i64 {
    FIRST_ID
        .saturating_add(call_id.saturating_mul(TURNS_PER_CALL))
        .saturating_add(nth)
}

/// The `nth` of an id that [`transcription_id`] gave; `None` for any other id, and for one of
/// another call.
#[must_use]
pub fn nth_turn(call_id: i64, transcription_id: i64) -> Option<i64> {
    let nth = transcription_id.saturating_sub(self::transcription_id(call_id, 0));
    (1..TURNS_PER_CALL).contains(&nth).then_some(nth)
}

/// One stored turn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Turn {
    /// The turn's number in the whole ledger: unique for ever, below 2^53. It never changes, and the
    /// number of a turn that is gone is not given again. Later turns may have smaller numbers.
    pub transcription_id: i64,
    /// The turn's place in its conversation: 1, 2, 3 … without gap.
    pub sequence_number: i64,
    /// Who spoke.
    pub speaker: Speaker,
    /// What was said.
    pub message: String,
    /// When it was said.
    pub timestamp: StoredTime,
}
