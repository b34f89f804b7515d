//! Calls that no event has settled.

use super::call_row::call_columns;
use super::{CallRow, Database, DatabaseError, Statement, Store};
use crate::model::{FailureReason, UtcTime};
use crate::platform::Runtime;

/// Sets `asked_at` (`?2`) of the unsettled call that waits longest, and reads the call. SQLite uses
/// the partial index `idx_calls_unsettled` only for exactly this condition.
pub const TAKE_UNSETTLED_CALL: &str = concat!(
    "UPDATE calls SET asked_at = ?2 WHERE id = \
       (SELECT id FROM calls \
        WHERE (status = 'in_progress' OR failure_reason = 'outcome_unknown') \
          AND COALESCE(asked_at, call_start_time) < ?1 \
        ORDER BY COALESCE(asked_at, call_start_time) LIMIT 1) \
     RETURNING ",
    call_columns!("calls")
);

impl<D: Database, R: Runtime> Store<D, R> {
    /// Takes the unsettled call that waits longest, and moves it to the end of the queue. A call
    /// waits since it was recorded or ElevenLabs was last asked about it; only one that waits since
    /// before this time is due. `None` when none is due. One round trip.
    ///
    /// Concurrent runs take different calls. If the answer is lost, the retry takes the next call,
    /// and the first one waits as if ElevenLabs had been asked about it.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn take_unsettled_call(
        &self,
        before: UtcTime,
        now: UtcTime,
    ) -> Result<Option<CallRow>, DatabaseError> {
        let update = Statement::new(TAKE_UNSETTLED_CALL).bind(before).bind(now);
        let taken = self.run_one("take_unsettled_call", update).await?;
        Ok(taken.rows()?.pop())
    }

    /// Fails a call that ElevenLabs said nothing about. Compare-and-swap: returns `false`, and
    /// changed nothing, if another request changed the call after it was read. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn fail_unsettled(
        &self,
        call: &CallRow,
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
