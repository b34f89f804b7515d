//! Settling a call: what is on record of it, and the one transaction that changes it.

use super::arranging::{Ids, turn_statements};
use super::turns::passed_by_retention;
use super::{Database, DatabaseError, FromRow, ResultSet, Row, Statement, Store};
use crate::model::{Arrangement, CallSid, CallStatus, Origin, StoredTime, StoredTurn, UtcTime};
use crate::platform::Runtime;

/// A call with its turns, as settling reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What is on record of the call.
    pub call: CaseCall,
    /// Its turns in order.
    pub turns: Vec<StoredTurn>,
}

/// What is on record of a call that may be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseCall {
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
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// When it was recorded.
    pub call_start_time: StoredTime,
    /// When it was over.
    pub call_end_time: Option<StoredTime>,
    /// ElevenLabs' summary.
    pub summary: Option<String>,
    /// The telephone provider's name for it.
    pub telephony_call_sid: Option<String>,
    /// How often ElevenLabs' transcript was written.
    pub transcript_revision: i64,
    /// How many turns were removed; with those that are there, all that it ever had.
    pub turns_removed: i64,
}

/// What a call becomes. Fields of [`CaseCall`] that are not here stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its conversation.
    pub conversation_id: String,
    /// Where it stands.
    pub status: CallStatus,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// When it was over.
    pub call_end_time: Option<StoredTime>,
    /// ElevenLabs' summary.
    pub summary: Option<String>,
    /// The telephone provider's name for it.
    pub telephony_call_sid: Option<String>,
    /// What changes in its turns; `None` where ElevenLabs sent no transcript.
    pub arrangement: Option<Arrangement>,
}

impl CaseCall {
    /// The call as it is, with this conversation and its turns untouched: what a change starts from.
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

/// The call of a conversation, or else of a name, with its turns.
pub const CASE_CALL: &str = "SELECT c.id, c.call_sid, c.conversation_id, c.status, c.failure_reason, \
       c.call_start_time, c.call_end_time, c.summary, c.telephony_call_sid, c.transcript_revision, \
       c.turns_removed, c.conversation_claimed AS claimed \
     FROM calls c WHERE c.conversation_id = ?1 OR c.call_sid = ?2 \
     ORDER BY c.conversation_id IS ?1 DESC LIMIT 1";
/// The turns of a conversation in order.
pub const CASE_TURNS: &str = "SELECT id, sequence_number, speaker_type AS speaker, message_text AS message, \
       original_text, timestamp, origin \
     FROM call_transcriptions WHERE conversation_id = ?1 ORDER BY sequence_number";

impl FromRow for CaseCall {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            call_sid: row.call_sid()?,
            conversation_id: row.optional_text("conversation_id")?,
            claimed: row.integer("claimed")? == 1,
            status: row.word("status", CallStatus::parse)?,
            failure_reason: row.optional_text("failure_reason")?,
            call_start_time: row.time("call_start_time")?,
            call_end_time: row.optional_time("call_end_time")?,
            summary: row.optional_text("summary")?,
            telephony_call_sid: row.optional_text("telephony_call_sid")?,
            transcript_revision: row.integer("transcript_revision")?,
            turns_removed: row.integer("turns_removed")?,
        })
    }
}

pub(super) fn case_statements(
    conversation_id: Option<&str>,
    call_sid: Option<&str>,
) -> [Statement; 2] {
    let call = Statement::new(CASE_CALL)
        .bind(conversation_id)
        .bind(call_sid);
    [call, Statement::new(CASE_TURNS).bind(conversation_id)]
}

pub(super) fn case(results: &[ResultSet]) -> Result<Option<Case>, DatabaseError> {
    let [call, turns] = results else {
        return Err(DatabaseError::new("the database answered without a result"));
    };
    let Some(call) = call.rows()?.pop() else {
        return Ok(None);
    };
    let turns = turns.rows()?;
    Ok(Some(Case { call, turns }))
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// The call that has this conversation, or else this name. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn get_by_conversation_id(
        &self,
        conversation_id: &str,
        call_sid: Option<&str>,
    ) -> Result<Option<Case>, DatabaseError> {
        let statements = case_statements(Some(conversation_id), call_sid);
        case(&self.run("get_by_conversation_id", &statements).await?)
    }

    /// Makes the call what `settled` says, its turns included, and marks the event as applied,
    /// all in one transaction and one round trip. Says `false`, and changed nothing, when the
    /// call or its turns are no longer what `case` says, or the event no longer waits: then read it again and judge anew.
    ///
    /// Between the first and the last statement the revision is negative. Nobody sees that, and
    /// each statement between them does its work only then, so that repeating all of it after a
    /// lost answer does nothing.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn settle(
        &self,
        case: &Case,
        settled: &Settled,
        event_id: Option<i64>,
        now: UtcTime,
    ) -> Result<bool, DatabaseError> {
        let call = &case.call;
        let gate = -(call.transcript_revision + 1);
        let ids = Ids::of(case, settled)?;
        let mut statements = vec![open_statement(case, settled, &ids, gate, event_id, now)];
        if let Some(arrangement) = &settled.arrangement {
            let arranged = turn_statements(call.id, gate, settled, arrangement, &ids, now)?;
            statements.extend(arranged);
        }
        if let Some(event_id) = event_id {
            statements.push(
                Statement::new(
                    "UPDATE elevenlabs_events SET outcome = 'applied', applied_at = ?3 \
                     WHERE id = ?1 AND (SELECT transcript_revision FROM calls WHERE id = ?2) = ?4",
                )
                .bind(event_id)
                .bind(call.id)
                .bind(now)
                .bind(gate),
            );
        }
        let revision = call.transcript_revision + i64::from(settled.arrangement.is_some());
        statements.push(
            Statement::new(
                "UPDATE calls SET transcript_revision = ?2 \
                 WHERE id = ?1 AND transcript_revision = ?3 RETURNING id",
            )
            .bind(call.id)
            .bind(revision)
            .bind(gate),
        );
        let results = self.run("settle", &statements).await?;
        Ok(results.last().is_some_and(ResultSet::has_rows))
    }
}

/// The first statement of settling: it changes the call if that and its turns are still what was
/// judged. A call that retention has passed is marked when its turns change, so that their texts are
/// cleared when their time has come.
fn open_statement(
    case: &Case,
    settled: &Settled,
    ids: &Ids,
    gate: i64,
    event_id: Option<i64>,
    now: UtcTime,
) -> Statement {
    let call = &case.call;
    // Setting the column costs its index even where the value stays.
    let unlinked = call.conversation_id.is_none();
    let link = unlinked.then_some("conversation_id = ?12, ");
    let link = link.unwrap_or_default();
    let changed = settled.arrangement.as_ref();
    let arranged = changed.is_some_and(|arrangement| !arrangement.is_empty());
    let due = arranged.then_some(concat!(
        "turns_due_at = CASE WHEN id <= ",
        passed_by_retention!(),
        " THEN COALESCE(turns_due_at, ?8) ELSE turns_due_at END, "
    ));
    let due = due.unwrap_or_default();
    let sql = format!(
        "UPDATE calls SET {link}{due}conversation_claimed = 0, transcript_revision = ?2, status = ?3, failure_reason = ?4, \
           call_end_time = ?5, summary = ?6, telephony_call_sid = ?7, updated_at = ?8, asked_at = ?8, turns_removed = ?16 \
         WHERE id = ?1 AND transcript_revision = ?9 AND status = ?10 AND failure_reason IS ?11 \
           AND conversation_id IS ?13 \
           AND (SELECT COUNT(*) FROM call_transcriptions t WHERE t.conversation_id = ?12) = ?14 \
           AND (SELECT COUNT(*) FROM call_transcriptions t \
                WHERE t.conversation_id = ?12 AND t.origin = 'transcript') = ?17 \
           AND (?15 IS NULL OR (SELECT outcome FROM elevenlabs_events WHERE id = ?15) = 'kept')"
    );
    let unposted = |turn: &&StoredTurn| turn.origin == Origin::Transcript;
    Statement::new(sql)
        .bind(call.id)
        .bind(gate)
        .bind(settled.status.as_str())
        .bind(settled.failure_reason.as_deref())
        .bind(settled.call_end_time.as_ref().map(StoredTime::as_stored))
        .bind(settled.summary.as_deref())
        .bind(settled.telephony_call_sid.as_deref())
        .bind(now)
        .bind(call.transcript_revision)
        .bind(call.status.as_str())
        .bind(call.failure_reason.as_deref())
        .bind(settled.conversation_id.as_str())
        .bind(call.conversation_id.as_deref())
        .bind(count(case.turns.len()))
        .bind(event_id)
        .bind(ids.removed_after)
        .bind(count(case.turns.iter().filter(unposted).count()))
}

/// A number of rows as SQL has it.
fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
