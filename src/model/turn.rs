//! What was said.

use serde::Serialize;

use super::{CallSid, StoredTime, UtcTime};

/// Who spoke. ElevenLabs calls the person on the phone `user`; the ledger says `driver`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
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

/// One stored turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Turn {
    /// The turn's number in the whole ledger; it never changes.
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
