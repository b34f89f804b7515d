//! Calls that no event has settled.

use super::{Database, DatabaseError, FromRow, Row, Statement, Store};
use crate::model::{CallSid, CallStatus, StoredTime, UtcTime};
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
    /// Whether only a turn that needed no token named it.
    pub claimed: bool,
    /// Where it stands.
    pub status: CallStatus,
    /// Why it failed, as far as supposed.
    pub failure_reason: Option<String>,
    /// When it was recorded.
    pub call_start_time: StoredTime,
}

/// The calls that wait longest to be asked about. The condition is that of the partial index
/// `idx_calls_unsettled`, word for word.
pub const UNSETTLED_CALLS: &str = "SELECT id, call_sid, conversation_id, status, failure_reason, call_start_time, \
       conversation_claimed AS claimed \
     FROM calls \
     WHERE (status = 'in_progress' OR failure_reason = 'outcome_unknown') \
       AND COALESCE(asked_at, call_start_time) < ?1 \
     ORDER BY COALESCE(asked_at, call_start_time) LIMIT ?2";

impl FromRow for UnsettledCall {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            call_sid: row.call_sid()?,
            conversation_id: row.optional_text("conversation_id")?,
            claimed: row.integer("claimed")? == 1,
            status: row.word("status", CallStatus::parse)?,
            failure_reason: row.optional_text("failure_reason")?,
            call_start_time: row.time("call_start_time")?,
        })
    }
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// The unsettled calls that were recorded, or last asked about, before a time; those that
    /// wait longest first. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn unsettled_calls(
        &self,
        before: UtcTime,
        limit: i64,
    ) -> Result<Vec<UnsettledCall>, DatabaseError> {
        let select = Statement::new(UNSETTLED_CALLS).bind(before).bind(limit);
        self.run_one("unsettled_calls", select).await?.rows()
    }

    /// Notes that ElevenLabs is asked about a call now, so that others come first next time. One
    /// round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn mark_asked(&self, id: i64, now: UtcTime) -> Result<(), DatabaseError> {
        let update = Statement::new("UPDATE calls SET asked_at = ?2 WHERE id = ?1")
            .bind(id)
            .bind(now);
        self.run_one("mark_asked", update).await?;
        Ok(())
    }

    /// Fails a call for lack of evidence, if it still is as it was read. Says whether it did. One
    /// round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn fail_unsettled(
        &self,
        call: &UnsettledCall,
        failure_reason: &'static str,
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
        .bind(call.failure_reason.as_deref())
        .bind(call.conversation_id.as_deref());
        Ok(self.run_one("fail_unsettled", update).await?.has_rows())
    }
}
