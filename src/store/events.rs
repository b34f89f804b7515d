//! ElevenLabs' events: kept as they come, and those that wait to be applied.

use super::settlement::{Case, case, case_statements};
use super::{Database, DatabaseError, FromRow, ResultSet, Row, Statement, Store};
use crate::model::UtcTime;
use crate::platform::Runtime;

/// The types that are applied, for the searches by conversation: they make its unique index serve.
const APPLIED_TYPES: &str = "('post_call_transcription', 'call_initiation_failure')";

/// The longest text that is kept in a row; a row holds 2 MB.
const LONGEST_PAYLOAD: usize = 1_900_000;

/// What a received event is kept under.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// ElevenLabs' word for what happened.
    pub kind: &'a str,
    /// The conversation; empty where the event names none.
    pub conversation_id: &'a str,
    /// Unix seconds.
    pub timestamp: i64,
    /// The whole body, where it is worth keeping.
    pub payload: Option<&'a str>,
    /// `kept`, or `ignored` for a type that is never applied.
    pub outcome: &'a str,
    /// False for an event of another agent: it is kept only if its call is on record.
    pub ours: bool,
}

/// One event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// The row's number.
    pub id: i64,
    /// `kept` while it waits, else what became of it.
    pub outcome: String,
}

impl FromRow for KeptEvent {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            outcome: row.text("outcome")?,
        })
    }
}

/// An event that was taken from the line, without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    /// The row's number.
    pub id: i64,
    /// Its conversation.
    pub conversation_id: String,
    /// When it came.
    pub received_at: UtcTime,
    /// Whether it is kept whole.
    pub has_payload: bool,
    /// Whether it waits still; false when it expired.
    pub waits: bool,
}

impl FromRow for WaitingEvent {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            conversation_id: row.text("conversation_id")?,
            received_at: row.word("received_at", |text| UtcTime::parse(text).ok())?,
            has_payload: row.integer("has_payload")? == 1,
            waits: row.integer("waits")? == 1,
        })
    }
}

struct Payload {
    id: i64,
    payload: Option<String>,
}

impl FromRow for Payload {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            payload: row.optional_text("payload")?,
        })
    }
}

struct Outcome {
    outcome: String,
}

impl FromRow for Outcome {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        let outcome = row.text("outcome")?;
        Ok(Self { outcome })
    }
}

/// Whether events wait for the conversation of this parameter, as a condition.
pub(super) fn events_wait(parameter: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM elevenlabs_events WHERE conversation_id = {parameter} \
           AND type IN {APPLIED_TYPES} AND outcome = 'kept')"
    )
}

/// Asks whether events wait for a conversation (`?1`).
pub(super) fn any_waiting(conversation_id: &str) -> Statement {
    Statement::new(format!(
        "SELECT id FROM elevenlabs_events WHERE conversation_id = ?1 AND type IN {APPLIED_TYPES} \
         AND outcome = 'kept' LIMIT 1"
    ))
    .bind(conversation_id)
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Keeps an event unless it is kept already, and reads its row and its call. One round trip.
    ///
    /// No row is `None`: the event is another agent's, and no call on record has its conversation
    /// or its `call_sid`. A conversation that only a turn claimed does not count. The statement
    /// that checks this also inserts, so no call can be recorded in between.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries; the event may be kept nevertheless.
    pub async fn keep_event(
        &self,
        event: NewEvent<'_>,
        call_sid: Option<&str>,
        now: UtcTime,
    ) -> Result<(Option<KeptEvent>, Option<Case>), DatabaseError> {
        let payload = event.payload.filter(|text| text.len() <= LONGEST_PAYLOAD);
        let insert = Statement::new(
            "INSERT INTO elevenlabs_events \
               (type, conversation_id, event_timestamp, payload, received_at, tried_at, outcome) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?5, ?6 \
             WHERE ?7 OR EXISTS (SELECT 1 FROM calls WHERE call_sid = ?8 \
                                 OR (conversation_id = ?2 AND NOT conversation_claimed)) \
             ON CONFLICT DO NOTHING",
        )
        .bind(event.kind)
        .bind(event.conversation_id)
        .bind(event.timestamp)
        .bind(payload)
        .bind(now)
        .bind(event.outcome)
        .bind(i64::from(event.ours))
        .bind(call_sid);
        let select = Statement::new(
            "SELECT id, outcome FROM elevenlabs_events \
             WHERE conversation_id = ?2 AND type = ?1 AND event_timestamp = ?3",
        )
        .bind(event.kind)
        .bind(event.conversation_id)
        .bind(event.timestamp);
        let known = Some(event.conversation_id).filter(|id| !id.is_empty());
        let [call, turns] = case_statements(known, call_sid);
        let operation = "keep_event";
        let results = self.run(operation, &[insert, select, call, turns]).await?;
        let kept = results.get(1).map(ResultSet::rows).transpose()?;
        let kept = kept.and_then(|mut rows: Vec<KeptEvent>| rows.pop());
        if kept.is_none() && event.ours {
            return Err(DatabaseError::new("the event was not kept").during(operation));
        }
        Ok((kept, case(results.get(2..).unwrap_or_default())?))
    }

    /// So many waiting events of a conversation with their payloads, oldest first. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn waiting_events(
        &self,
        conversation_id: &str,
        limit: i64,
    ) -> Result<Vec<(i64, Option<String>)>, DatabaseError> {
        let select = Statement::new(format!(
            "SELECT id, payload FROM elevenlabs_events WHERE conversation_id = ?1 \
             AND type IN {APPLIED_TYPES} AND outcome = 'kept' ORDER BY id LIMIT ?2"
        ))
        .bind(conversation_id)
        .bind(limit);
        let rows: Vec<Payload> = self.run_one("waiting_events", select).await?.rows()?;
        Ok(rows.into_iter().map(|row| (row.id, row.payload)).collect())
    }

    /// What became of an event. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn event_outcome(&self, id: i64) -> Result<Option<String>, DatabaseError> {
        let select = Statement::new("SELECT outcome FROM elevenlabs_events WHERE id = ?1").bind(id);
        let mut rows: Vec<Outcome> = self.run_one("event_outcome", select).await?.rows()?;
        Ok(rows.pop().map(|row| row.outcome))
    }

    /// Ends an event's wait without applying it, as `ignored` or `expired`, and clears its payload:
    /// it belongs to a call that is not in this ledger. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn finish_event(
        &self,
        id: i64,
        outcome: &'static str,
        now: UtcTime,
    ) -> Result<(), DatabaseError> {
        let update = Statement::new(
            "UPDATE elevenlabs_events SET outcome = ?2, tried_at = ?3, payload = NULL \
             WHERE id = ?1 AND outcome = 'kept'",
        )
        .bind(id)
        .bind(outcome)
        .bind(now);
        self.run_one("finish_event", update).await?;
        Ok(())
    }

    /// Takes the conversation whose waiting events were not tried for the longest time, if that was
    /// before a time, and moves all its events to the end of the line. Those that were received
    /// before another time expire, and lose their payload. In the order they came; none when no
    /// conversation waits. One round trip.
    ///
    /// If the answer is lost, the retry takes the next conversation, and the first one waits for
    /// another run.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn take_waiting_events(
        &self,
        tried_before: UtcTime,
        expired_before: UtcTime,
        now: UtcTime,
    ) -> Result<Vec<WaitingEvent>, DatabaseError> {
        let update = Statement::new(format!(
            "UPDATE elevenlabs_events SET tried_at = ?3, \
               outcome = CASE WHEN received_at < ?2 THEN 'expired' ELSE outcome END, \
               payload = CASE WHEN received_at < ?2 THEN NULL ELSE payload END \
             WHERE conversation_id = (SELECT conversation_id FROM elevenlabs_events \
                 WHERE outcome = 'kept' AND tried_at < ?1 ORDER BY tried_at LIMIT 1) \
               AND type IN {APPLIED_TYPES} AND outcome = 'kept' \
             RETURNING id, conversation_id, received_at, payload IS NOT NULL AS has_payload, \
               outcome = 'kept' AS waits"
        ))
        .bind(tried_before)
        .bind(expired_before)
        .bind(now);
        let taken = self.run_one("take_waiting_events", update).await?;
        let mut events: Vec<WaitingEvent> = taken.rows()?;
        events.sort_unstable_by_key(|event| event.id);
        Ok(events)
    }
}
