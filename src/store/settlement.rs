//! Settling a call: reading it with its turns, and changing it in one transaction.

use super::arranging::{Ids, arrange};
use super::call_row::call_columns;
use super::gate::Guarded;
use super::links::confirm_by_settlement;
use super::turns::passed_by_retention;
use super::{CallRow, Database, DatabaseError, ResultSet, Statement, Store};
use crate::model::{
    Arrangement, CallStatus, FailureReason, Origin, StoredTime, StoredTurn, UtcTime,
};
use crate::platform::Runtime;

/// What settling reads of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallWithTurns {
    pub call: CallRow,
    /// In the order of their sequence numbers.
    pub turns: Vec<StoredTurn>,
}

/// The new values of a call's row. Other fields of [`CallRow`] stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub conversation_id: String,
    pub status: CallStatus,
    pub failure_reason: Option<FailureReason>,
    pub call_end_time: Option<StoredTime>,
    pub summary: Option<String>,
    pub telephony_call_sid: Option<String>,
    /// What changes in its turns. `None` if ElevenLabs sent no transcript.
    pub arrangement: Option<Arrangement>,
}

impl CallRow {
    /// The row's own values and this conversation, with no change of the turns. Judging starts from
    /// it.
    #[must_use]
    pub fn unchanged(&self, conversation_id: &str) -> Settled {
        Settled {
            conversation_id: conversation_id.to_owned(),
            status: self.status,
            failure_reason: self.failure_reason.clone(),
            call_end_time: self.call_end_time.clone(),
            summary: self.summary.clone(),
            telephony_call_sid: self.telephony_call_sid.clone(),
            arrangement: None,
        }
    }
}

/// The call of a conversation (`?1`), or else the call of this name (`?2`).
pub const SELECT_CALL: &str = concat!(
    "SELECT ",
    call_columns!("c"),
    " FROM calls c WHERE c.conversation_id = ?1 OR c.call_sid = ?2 \
     ORDER BY c.conversation_id IS ?1 DESC LIMIT 1"
);
/// The turns of a conversation, in order.
pub const SELECT_TURNS: &str = "SELECT id, sequence_number, speaker_type AS speaker, message_text AS message, \
       original_text, timestamp, origin \
     FROM call_transcriptions WHERE conversation_id = ?1 ORDER BY sequence_number";

pub(super) fn select_call_with_turns(
    conversation_id: Option<&str>,
    call_sid: Option<&str>,
) -> [Statement; 2] {
    let call = Statement::new(SELECT_CALL)
        .bind(conversation_id)
        .bind(call_sid);
    [call, Statement::new(SELECT_TURNS).bind(conversation_id)]
}

pub(super) fn call_with_turns(
    results: &[ResultSet],
) -> Result<Option<CallWithTurns>, DatabaseError> {
    let [call, turns] = results else {
        return Err(DatabaseError::new("the database answered without a result"));
    };
    let Some(call) = call.rows()?.pop() else {
        return Ok(None);
    };
    let turns = turns.rows()?;
    Ok(Some(CallWithTurns { call, turns }))
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Reads the call of this conversation, or else the call of this name. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn get_by_conversation_id(
        &self,
        conversation_id: &str,
        call_sid: Option<&str>,
    ) -> Result<Option<CallWithTurns>, DatabaseError> {
        let statements = select_call_with_turns(Some(conversation_id), call_sid);
        call_with_turns(&self.run("get_by_conversation_id", &statements).await?)
    }

    /// Writes `settled` into the call and its turns, and marks the event as applied, in one
    /// transaction and one round trip.
    ///
    /// Compare-and-swap: returns `false`, and changed nothing, if another request changed the call
    /// or its turns after `before` was read, or if the event no longer waits. Then read the call
    /// again and judge again.
    ///
    /// Idempotent: a retry after a lost answer finds the event applied or the call changed, and
    /// returns `false`; or it writes the same values again.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn settle(
        &self,
        before: &CallWithTurns,
        settled: &Settled,
        event_id: Option<i64>,
        now: UtcTime,
    ) -> Result<bool, DatabaseError> {
        let operation = "settle";
        let failed = |error: DatabaseError| error.during(operation);
        let ids = Ids::of(before, settled).map_err(failed)?;
        // 1. Compare-and-swap: update the call, only if it is unchanged since we read it.
        let mut batch = open(before, settled, &ids, event_id, now);
        // 2. Change its turns.
        if let Some(arrangement) = &settled.arrangement {
            let conversation_id = &settled.conversation_id;
            arrange(&mut batch, conversation_id, arrangement, &ids, now).map_err(failed)?;
        }
        // 3. Mark the event as applied.
        if let Some(event_id) = event_id {
            let applied =
                "UPDATE elevenlabs_events SET outcome = 'applied', applied_at = ?2 WHERE id = ?1";
            batch.then(Statement::new(applied).bind(event_id).bind(now));
        }
        // 4. Return whether the call was unchanged. If not, none of the statements changed anything.
        batch.commit(self, operation).await
    }
}

/// The compare of a settlement: the call is as it was read, and the event still waits.
const UNCHANGED: &str = concat!(
    // No other transcript was stored.
    "transcript_revision = ?10",
    // No other settlement, dial or reconciler run changed the status or the reason.
    " AND status = ?11 AND failure_reason IS ?12",
    // The call still has the same conversation, or still none.
    " AND conversation_id IS ?13",
    // No turn was stored. Turns are never deleted outside a settlement.
    " AND (SELECT COUNT(*) FROM call_transcriptions t WHERE t.conversation_id = ?9) = ?14",
    // No posted turn took the place of one that was only in ElevenLabs' transcript. That changes a
    // row, not their number.
    " AND (SELECT COUNT(*) FROM call_transcriptions t \
           WHERE t.conversation_id = ?9 AND t.origin = 'transcript') = ?15",
    // No other delivery of the event was applied.
    " AND (?16 IS NULL OR (SELECT outcome FROM elevenlabs_events WHERE id = ?16) = 'kept')"
);

/// What every settlement writes into the call.
const SET: &str = concat!(
    "status = ?1, failure_reason = ?2, call_end_time = ?3, summary = ?4, telephony_call_sid = ?5",
    // The reconciler counts a settlement as ElevenLabs' latest answer about the call.
    ", updated_at = ?6, asked_at = ?6",
    ", transcript_revision = ?7, turns_removed = ?8"
);

/// Written only where turns change. Retention looks at each call once; a call that it has passed
/// gets a due date, so that it clears the new texts too.
const SET_DUE: &str = concat!(
    ", turns_due_at = CASE WHEN id <= ",
    passed_by_retention!(),
    " THEN COALESCE(turns_due_at, ?6) ELSE turns_due_at END"
);

/// The first statement of a settlement.
fn open(
    before: &CallWithTurns,
    settled: &Settled,
    ids: &Ids,
    event_id: Option<i64>,
    now: UtcTime,
) -> Guarded {
    let call = &before.call;
    let arrangement = settled.arrangement.as_ref();
    let mut set = String::from(SET);
    set.push_str(confirm_by_settlement(call.conversation_id.is_some()));
    if arrangement.is_some_and(|arrangement| !arrangement.is_empty()) {
        set.push_str(SET_DUE);
    }
    let revision = call.transcript_revision + i64::from(arrangement.is_some());
    let unposted = |turn: &&StoredTurn| turn.origin == Origin::Transcript;
    Guarded::open(call.id, &set, UNCHANGED, |update| {
        update
            .bind(settled.status.as_str())
            .bind(settled.failure_reason.as_ref())
            .bind(settled.call_end_time.as_ref().map(StoredTime::as_stored))
            .bind(settled.summary.as_deref())
            .bind(settled.telephony_call_sid.as_deref())
            .bind(now)
            .bind(revision)
            .bind(ids.removed_after)
            .bind(settled.conversation_id.as_str())
            .bind(call.transcript_revision)
            .bind(call.status.as_str())
            .bind(call.failure_reason.as_ref())
            .bind(call.conversation_id.as_deref())
            .bind(count(before.turns.len()))
            .bind(count(before.turns.iter().filter(unposted).count()))
            .bind(event_id)
    })
}

/// A number of rows as SQL has it.
fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
