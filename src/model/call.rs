//! One call attempt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CallSid, StoredTime};

/// Where a call stands. `completed` and `failed` are terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// Recorded, perhaps ringing, perhaps talking.
    InProgress,
    /// The conversation took place and is over.
    Completed,
    /// There was no conversation, or it broke off.
    Failed,
}

impl CallStatus {
    /// All statuses, in the order of a call's life.
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

/// How the stand-in for a conversation begins, see [`unlinked`].
const UNLINKED: &str = "unlinked_";

/// A stand-in for the conversation of a call that has turns but whose conversation is not known:
/// a turn named one, and ElevenLabs said that it is another call's. Random, so that nobody can
/// name it beforehand.
#[must_use]
pub fn unlinked(random: [u8; 16]) -> String {
    format!("{UNLINKED}{:032x}", u128::from_be_bytes(random))
}

/// Whether this is such a stand-in. ElevenLabs is not asked about it.
#[must_use]
pub fn is_unlinked(conversation_id: &str) -> bool {
    conversation_id.starts_with(UNLINKED)
}

/// One call as it is on record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Call {
    /// The row's number; it never changes.
    pub id: i64,
    /// The call's name.
    pub call_sid: CallSid,
    /// ElevenLabs' name for the conversation, once known.
    pub conversation_id: Option<String>,
    /// The driver; `null` only on rows older than the ledger's names for calls.
    pub driver_id: Option<i64>,
    /// Where it stands.
    pub status: CallStatus,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// When the call was recorded, just before it was dialled.
    pub call_start_time: StoredTime,
    /// When it was over, as far as known.
    pub call_end_time: Option<StoredTime>,
    /// ElevenLabs' summary of the conversation.
    pub summary: Option<String>,
    /// When the row was written.
    pub created_at: StoredTime,
    /// When the row last changed.
    pub updated_at: StoredTime,
    /// How many turns are stored.
    pub turn_count: i64,
}
