//! One call attempt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CallSid, StoredTime};

/// The status of a call. `completed` and `failed` are terminal: only evidence from ElevenLabs
/// changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// The call is recorded. The phone may be ringing, or the conversation may be going on.
    InProgress,
    /// The conversation took place and is over.
    Completed,
    /// There was no conversation, or it was cut off.
    Failed,
}

impl CallStatus {
    /// All statuses.
    pub const ALL: [Self; 3] = [Self::InProgress, Self::Completed, Self::Failed];

    /// The word in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Reads the word of [`CallStatus::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Prefix of the ids that [`unlinked`] makes.
const UNLINKED: &str = "unlinked_";

/// A placeholder for the conversation id of a call that has turns but no known conversation: a turn
/// claimed one, and ElevenLabs said that it belongs to another call. It is random, so that a
/// sender cannot guess it and name it in a turn.
#[must_use]
pub fn unlinked(random: [u8; 16]) -> String {
    format!("{UNLINKED}{:032x}", u128::from_be_bytes(random))
}

/// True for a placeholder of [`unlinked`]. ElevenLabs does not know it.
#[must_use]
pub fn is_unlinked(conversation_id: &str) -> bool {
    conversation_id.starts_with(UNLINKED)
}

/// One call as it is on record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Call {
    /// The id of the row. It never changes.
    pub id: i64,
    pub call_sid: CallSid,
    /// ElevenLabs' id of the conversation; `null` until it is known.
    pub conversation_id: Option<String>,
    /// `null` only on rows that are older than `call_sid`.
    pub driver_id: Option<i64>,
    pub status: CallStatus,
    /// Why the call failed; `null` if it did not.
    pub failure_reason: Option<String>,
    /// When the call was recorded, just before it was dialled.
    pub call_start_time: StoredTime,
    /// When the call ended; `null` until it is known.
    pub call_end_time: Option<StoredTime>,
    /// ElevenLabs' summary of the conversation; `null` if there is none.
    pub summary: Option<String>,
    /// When the row was written.
    pub created_at: StoredTime,
    /// When the row last changed.
    pub updated_at: StoredTime,
    /// The number of stored turns.
    pub turn_count: i64,
}
