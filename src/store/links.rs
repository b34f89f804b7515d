//! Which conversation a call has: the one file that writes `conversation_id` and
//! `conversation_claimed`. `model::decide` says what is to be written, and by whom. Every statement
//! here is a compare-and-swap: it writes only while the row still is what that decision was for.

use super::call_row::call_columns;
use super::calls::{IS_SUPPOSED, only_state};
use super::events::events_wait;
use super::{CallRow, Database, DatabaseError, FromRow, ResultSet, Row, Statement, Store};
use crate::model::{CallSid, UtcTime};
use crate::platform::Runtime;

/// A [`CallRow`], and whether events of the conversation wait.
struct Dialled {
    call: CallRow,
    events_wait: bool,
}

impl FromRow for Dialled {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            call: CallRow::from_row(row)?,
            events_wait: row.integer("events_wait")? == 1,
        })
    }
}

/// Gives a call the conversation that one of its turns names, `claimed` or confirmed. Does nothing
/// if the call has a conversation, or another call has this one.
pub(super) fn link_by_turn(
    call_sid: &CallSid,
    conversation_id: &str,
    claimed: bool,
    now: UtcTime,
) -> Statement {
    Statement::new(
        "UPDATE calls SET conversation_id = ?2, conversation_claimed = ?4, updated_at = ?3 \
         WHERE call_sid = ?1 AND conversation_id IS NULL \
           AND NOT EXISTS (SELECT 1 FROM calls o WHERE o.conversation_id = ?2)",
    )
    .bind(call_sid.as_str())
    .bind(conversation_id)
    .bind(now)
    .bind(i64::from(claimed))
}

/// Confirms the conversation of parameter `?9`: a part of the `SET` clause with which a settlement
/// begins. The settlement checks in the same statement that the call is still as it was read.
pub(super) const fn confirm_by_settlement(has_conversation: bool) -> &'static str {
    if has_conversation {
        // The id stays the same. D1 bills an index entry for each indexed column in `SET`, even if
        // its value stays the same.
        ", conversation_claimed = 0"
    } else {
        ", conversation_id = ?9, conversation_claimed = 0"
    }
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Writes down the conversation that ElevenLabs named in its answer to this dial. Returns what
    /// is on record now, and whether events of that conversation wait. One round trip.
    ///
    /// A conversation that the call has stays; if it is only claimed, [`Store::relink`] replaces it.
    /// So does the conversation of another call. A failure that was only supposed while the dial was
    /// open is taken back, because ElevenLabs accepted the call.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries, or when the row is not this dial's.
    pub async fn update_conversation_id(
        &self,
        call_sid: &CallSid,
        dial_token: &str,
        conversation_id: &str,
        telephony_call_sid: Option<&str>,
        now: UtcTime,
    ) -> Result<(CallRow, bool), DatabaseError> {
        // A statement of its own: to set a column costs a write in each of its indexes, even if the
        // value stays the same.
        let take_back = Statement::new(format!(
            "UPDATE calls SET status = 'in_progress', failure_reason = NULL, call_end_time = NULL \
             WHERE call_sid = ?1 AND dial_token = ?2 AND status = 'failed' AND {IS_SUPPOSED}"
        ))
        .bind(call_sid.as_str())
        .bind(dial_token);
        // One UPDATE links, confirms and reads. 20 calls need 40 statements for their dials, and the
        // free plan allows 50 for a request.
        let events_wait = events_wait("?3");
        let update = Statement::new(format!(
            "UPDATE calls SET \
               conversation_id = CASE WHEN conversation_id IS NULL AND NOT EXISTS \
                 (SELECT 1 FROM calls other WHERE other.conversation_id = ?3) THEN ?3 ELSE conversation_id END, \
               conversation_claimed = conversation_claimed AND conversation_id IS NOT NULL AND conversation_id <> ?3, \
               telephony_call_sid = COALESCE(telephony_call_sid, ?4), updated_at = ?5 \
             WHERE call_sid = ?1 AND dial_token = ?2 \
             RETURNING {}, {events_wait} AS events_wait",
            call_columns!("calls"),
        ))
        .bind(call_sid.as_str())
        .bind(dial_token)
        .bind(conversation_id)
        .bind(telephony_call_sid)
        .bind(now);
        let operation = "update_conversation_id";
        let results = self.run(operation, &[take_back, update]).await?;
        let dialled: Vec<Dialled> = results
            .get(1)
            .map_or_else(|| Ok(Vec::new()), ResultSet::rows)?;
        let dialled = only_state(operation, dialled)?;
        Ok((dialled.call, dialled.events_wait))
    }

    /// Replaces a claimed conversation by the one that ElevenLabs named for the call, and moves the
    /// call's turns to it. Returns whether the call has it now. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn relink(
        &self,
        call_sid: &CallSid,
        claimed: &str,
        conversation_id: &str,
        now: UtcTime,
    ) -> Result<bool, DatabaseError> {
        self.move_claim(call_sid, claimed, conversation_id, false, now)
            .await
    }

    /// Replaces a claimed conversation that is another call's by a stand-in, and moves the call's
    /// turns to it. The stand-in is a claim too. Returns whether the call has it now. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn disown(
        &self,
        call_sid: &CallSid,
        claimed: &str,
        stand_in: &str,
        now: UtcTime,
    ) -> Result<bool, DatabaseError> {
        self.move_claim(call_sid, claimed, stand_in, true, now)
            .await
    }

    /// Changes the call and its turns in one transaction. A retry after a lost answer changes nothing
    /// more, even if another call has claimed the old conversation since.
    async fn move_claim(
        &self,
        call_sid: &CallSid,
        claimed: &str,
        conversation_id: &str,
        still_claimed: bool,
        now: UtcTime,
    ) -> Result<bool, DatabaseError> {
        let bound = |sql: &'static str| {
            Statement::new(sql)
                .bind(call_sid.as_str())
                .bind(claimed)
                .bind(conversation_id)
        };
        let statements = [
            // Turns refer to their call by the conversation. Between the next two statements they
            // refer to none, so the database checks that at the end of the transaction.
            Statement::new("PRAGMA defer_foreign_keys = on"),
            bound(
                "UPDATE calls SET conversation_id = ?3, conversation_claimed = ?5, updated_at = ?4 \
                 WHERE call_sid = ?1 AND conversation_id = ?2 AND conversation_claimed \
                   AND NOT EXISTS (SELECT 1 FROM calls other WHERE other.conversation_id = ?3)",
            )
            .bind(now)
            .bind(i64::from(still_claimed)),
            // The turns move only if the call has moved and no other call has the old conversation:
            // in a retry they would be that call's turns.
            bound(
                "UPDATE call_transcriptions SET conversation_id = ?3 WHERE conversation_id = ?2 \
                   AND EXISTS (SELECT 1 FROM calls WHERE call_sid = ?1 AND conversation_id = ?3) \
                   AND NOT EXISTS (SELECT 1 FROM calls other WHERE other.conversation_id = ?2)",
            ),
            Statement::new("SELECT 1 FROM calls WHERE call_sid = ?1 AND conversation_id = ?2")
                .bind(call_sid.as_str())
                .bind(conversation_id),
        ];
        let results = self.run("move_claim", &statements).await?;
        Ok(results.last().is_some_and(ResultSet::has_rows))
    }
}
