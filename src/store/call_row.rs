//! A row of `calls`, as every decision about a call reads it. Only the lists read other columns:
//! `model::Call` is what the API shows.

use super::{DatabaseError, FromRow, Row};
use crate::model::{CallSid, CallStatus, FailureReason, Link, StoredTime};

/// What is on record of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    pub id: i64,
    /// Unique, like the id.
    pub call_sid: CallSid,
    /// At most one call has a conversation.
    pub conversation_id: Option<String>,
    /// True if the conversation id came from an unauthenticated turn and ElevenLabs has not
    /// confirmed it.
    pub claimed: bool,
    /// Changes back from failed only if the failure was [supposed](FailureReason::is_supposed).
    pub status: CallStatus,
    /// `None` unless the call failed.
    pub failure_reason: Option<FailureReason>,
    /// When the call was recorded.
    pub call_start_time: StoredTime,
    pub call_end_time: Option<StoredTime>,
    /// When the reconciler last asked ElevenLabs about the call, or an event settled it.
    pub asked_at: Option<StoredTime>,
    /// ElevenLabs' summary.
    pub summary: Option<String>,
    /// The telephone provider's name for the call.
    pub telephony_call_sid: Option<String>,
    /// Number of times that a transcript of ElevenLabs was stored.
    pub transcript_revision: i64,
    /// Number of turns that were removed. With the stored ones it is the number of all turns that
    /// the call ever had.
    pub turns_removed: i64,
    /// The random token of the request that recorded the call.
    pub dial_token: Option<String>,
}

/// The columns of [`CallRow`], from the table or the alias of this name.
macro_rules! call_columns {
    ($table:literal) => {
        concat!(
            $table,
            ".id, ",
            $table,
            ".call_sid, ",
            $table,
            ".conversation_id, ",
            $table,
            ".conversation_claimed, ",
            $table,
            ".status, ",
            $table,
            ".failure_reason, ",
            $table,
            ".call_start_time, ",
            $table,
            ".call_end_time, ",
            $table,
            ".asked_at, ",
            $table,
            ".summary, ",
            $table,
            ".telephony_call_sid, ",
            $table,
            ".transcript_revision, ",
            $table,
            ".turns_removed, ",
            $table,
            ".dial_token"
        )
    };
}
pub(super) use call_columns;

impl FromRow for CallRow {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            call_sid: row.call_sid()?,
            conversation_id: row.optional_text("conversation_id")?,
            claimed: row.integer("conversation_claimed")? == 1,
            status: row.word("status", CallStatus::parse)?,
            failure_reason: row.failure_reason()?,
            call_start_time: row.time("call_start_time")?,
            call_end_time: row.optional_time("call_end_time")?,
            asked_at: row.optional_time("asked_at")?,
            summary: row.optional_text("summary")?,
            telephony_call_sid: row.optional_text("telephony_call_sid")?,
            transcript_revision: row.integer("transcript_revision")?,
            turns_removed: row.integer("turns_removed")?,
            dial_token: row.optional_text("dial_token")?,
        })
    }
}

impl CallRow {
    /// The call's conversation, and whether it is confirmed.
    #[must_use]
    pub fn link(&self) -> Link<'_> {
        Link::new(self.conversation_id.as_deref(), self.claimed)
    }

    /// Whether the request with this dial token recorded the call. Only that request may dial it.
    #[must_use]
    pub fn is_recorded_by(&self, dial_token: &str) -> bool {
        self.dial_token.as_deref() == Some(dial_token)
    }

    /// When ElevenLabs was last asked about the call, or else when it was recorded.
    #[must_use]
    pub fn last_asked_at(&self) -> &StoredTime {
        self.asked_at.as_ref().unwrap_or(&self.call_start_time)
    }
}
