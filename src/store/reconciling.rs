//! Calls that no event has settled.

use super::{Database, DatabaseError, FromRow, Row, Statement, Store};
use crate::model::{CallSid, CallStatus, FailureReason, Link, StoredTime, UtcTime};
use crate::platform::Runtime;

/// A call that is in progress, or whose dial got no clear answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledCall {
    /// The row's number.
    pub id: i64,
    /// The call's name.
    pub call_sid: CallSid,
    /// Its conversation.
    pub conversation_id: Option<String>,
    /// True if the conversation id came from an unauthenticated turn and ElevenLabs has not
    /// confirmed it.
    pub claimed: bool,
    /// Where it stands.
    pub status: CallStatus,
    /// Why it failed, as far as supposed.
    pub failure_reason: Option<FailureReason>,
    /// When it was recorded.
    pub call_start_time: StoredTime,
}

impl UnsettledCall {
    /// The call's conversation, and whether it is confirmed.
    #[must_use]
    pub fn link(&self) -> Link<'_> {
        Link::new(self.conversation_id.as_deref(), self.claimed)
    }
}

/// Marks the call that waits longest to be asked about as asked (`?2`), and reads it. The condition
/// is that of the partial index `idx_calls_unsettled`, word for word.
pub const TAKE_UNSETTLED_CALL: &str = "UPDATE calls SET asked_at = ?2 WHERE id = \
       (SELECT id FROM calls \
        WHERE (status = 'in_progress' OR failure_reason = 'outcome_unknown') \
          AND COALESCE(asked_at, call_start_time) < ?1 \
        ORDER BY COALESCE(asked_at, call_start_time) LIMIT 1) \
     RETURNING id, call_sid, conversation_id, status, failure_reason, call_start_time, \
       conversation_claimed AS claimed";

impl FromRow for UnsettledCall {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            call_sid: row.call_sid()?,
            conversation_id: row.optional_text("conversation_id")?,
            claimed: row.integer("claimed")? == 1,
            status: row.word("status", CallStatus::parse)?,
            failure_reason: row.failure_reason()?,
            call_start_time: row.time("call_start_time")?,
        })
    }
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Takes the unsettled call that waits longest since it was recorded, or last asked about, if
    /// that was before a time, and moves it to the end of the line. `None` when none is due. One
    /// round trip.
    ///
    /// Two runs at once take different calls. If the answer is lost, the retry takes the next
    /// call, and the first one waits as if ElevenLabs had been asked about it.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn take_unsettled_call(
        &self,
        before: UtcTime,
        now: UtcTime,
    ) -> Result<Option<UnsettledCall>, DatabaseError> {
        let update = Statement::new(TAKE_UNSETTLED_CALL).bind(before).bind(now);
        let taken = self.run_one("take_unsettled_call", update).await?;
        Ok(taken.rows()?.pop())
    }

    /// Fails a call for lack of evidence, if it still is as it was read. Says whether it did. One
    /// round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn fail_unsettled(
        &self,
        call: &UnsettledCall,
        failure_reason: &FailureReason,
        now: UtcTime,
    ) -> Result<bool, DatabaseError> {
        let update = Statement::new(
            "UPDATE calls SET status = 'failed', failure_reason = ?2, \
               call_end_time = COALESCE(call_end_time, ?3), updated_at = ?3 \
             WHERE id = ?1 AND status = ?4 AND failure_reason IS ?5 AND conversation_id IS ?6 \
             RETURNING id",
        )
        .bind(call.id)
        .bind(failure_reason)
        .bind(now)
        .bind(call.status.as_str())
        .bind(call.failure_reason.as_ref())
        .bind(call.conversation_id.as_deref());
        Ok(self.run_one("fail_unsettled", update).await?.has_rows())
    }
}
