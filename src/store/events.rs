//! ElevenLabs' events: kept as they come, and those that wait to be applied.

use super::payloads::{self, Payload};
use super::settlement::{CallWithTurns, call_with_turns, select_call_with_turns};
use super::{Database, DatabaseError, FromRow, ResultSet, Row, Statement, Store};
use crate::model::{EventOutcome, UtcTime};
use crate::platform::Runtime;

/// The types that are applied, for the searches by conversation: they make its unique index serve.
const APPLIED_TYPES: &str = "('post_call_transcription', 'call_initiation_failure')";

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
    /// `Kept`, or `Ignored` for a type that is never applied.
    pub outcome: EventOutcome,
    /// False for an event of another agent: it is kept only if its call is on record.
    pub ours: bool,
}

/// One event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// The row's number.
    pub id: i64,
    /// What became of it so far.
    pub outcome: EventOutcome,
    /// Whether the row names an object of the bucket.
    in_bucket: bool,
}

impl FromRow for KeptEvent {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            outcome: row.word("outcome", EventOutcome::parse)?,
            in_bucket: row.integer("payload_in_bucket")? == 1,
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
    /// Whether its payload can be read.
    pub has_payload: bool,
    /// Whether it waits still; false when it expired.
    pub waits: bool,
    /// The object that its row names.
    object: Option<String>,
}

impl FromRow for WaitingEvent {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        let conversation_id = row.text("conversation_id")?;
        let (kind, time) = (row.text("type")?, row.integer("event_timestamp")?);
        let in_bucket = row.integer("payload_in_bucket")? == 1;
        Ok(Self {
            id: row.integer("id")?,
            object: in_bucket.then(|| payloads::key(&conversation_id, &kind, time)),
            conversation_id,
            received_at: row.word("received_at", |text| UtcTime::parse(text).ok())?,
            has_payload: row.integer("has_payload")? == 1,
            waits: row.integer("waits")? == 1,
        })
    }
}

/// An event that waits, with the place of its payload.
struct Waiting {
    id: i64,
    payload: Payload,
}

impl FromRow for Waiting {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            payload: Payload::from_row(row)?,
        })
    }
}

impl FromRow for EventOutcome {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        row.word("outcome", Self::parse)
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
    /// 1. Put the payload into the bucket, if one is bound. If the bucket fails, the row takes it.
    /// 2. Insert the row, and read what is on record. No row is `None`: the event is another agent's,
    ///    and no call on record has its conversation or its `call_sid`. A conversation that only a
    ///    turn claimed does not count. The statement that checks this also inserts, so no call can be
    ///    recorded in between.
    /// 3. Delete the object if the row on record does not name it: the event was kept before, and its
    ///    payload is in the row or was cleared; or the bucket's answer was lost.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries; the event may be kept nevertheless. Then the object stays,
    /// because the row may name it.
    pub async fn keep_event(
        &self,
        event: NewEvent<'_>,
        call_sid: Option<&str>,
        now: UtcTime,
    ) -> Result<(Option<KeptEvent>, Option<CallWithTurns>), DatabaseError> {
        // 1. Another agent's event may be ignored, which shows only with its row. Its payload goes
        //    into the row, so that what is ignored costs no operation of the bucket.
        let object = event.payload.filter(|_| event.ours).and_then(|text| {
            let key = payloads::key(event.conversation_id, event.kind, event.timestamp);
            self.takes_payload(&key, text).then_some((key, text))
        });
        let in_bucket = match &object {
            Some((key, text)) => self.put_payload(key, text).await,
            None => false,
        };
        // 2.
        let payload = event.payload.filter(|_| !in_bucket);
        let insert = Statement::new(
            "INSERT INTO elevenlabs_events \
               (type, conversation_id, event_timestamp, payload, received_at, tried_at, outcome, payload_in_bucket) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?5, ?6, ?9 \
             WHERE ?7 OR EXISTS (SELECT 1 FROM calls WHERE call_sid = ?8 \
                                 OR (conversation_id = ?2 AND NOT conversation_claimed)) \
             ON CONFLICT DO NOTHING",
        )
        .bind(event.kind)
        .bind(event.conversation_id)
        .bind(event.timestamp)
        .bind(payload.filter(|text| text.len() <= payloads::LONGEST_IN_ROW))
        .bind(now)
        .bind(event.outcome.as_str())
        .bind(i64::from(event.ours))
        .bind(call_sid)
        .bind(i64::from(in_bucket));
        let select = Statement::new(
            "SELECT id, outcome, payload_in_bucket FROM elevenlabs_events \
             WHERE conversation_id = ?2 AND type = ?1 AND event_timestamp = ?3",
        )
        .bind(event.kind)
        .bind(event.conversation_id)
        .bind(event.timestamp);
        let known = Some(event.conversation_id).filter(|id| !id.is_empty());
        let [call, turns] = select_call_with_turns(known, call_sid);
        let operation = "keep_event";
        let results = self.run(operation, &[insert, select, call, turns]).await?;
        let kept = results.get(1).map(ResultSet::rows).transpose()?;
        let kept = kept.and_then(|mut rows: Vec<KeptEvent>| rows.pop());
        if kept.is_none() && event.ours {
            return Err(DatabaseError::new("the event was not kept").during(operation));
        }
        // 3. If this fails, the object stays until the bucket's own rule removes it.
        if let Some((key, _)) = object
            && kept.as_ref().is_some_and(|kept| !kept.in_bucket)
        {
            let _ = self.delete_objects(&[key]).await;
        }
        Ok((kept, call_with_turns(results.get(2..).unwrap_or_default())?))
    }

    /// So many waiting events of a conversation, oldest first, with the places of their payloads. One
    /// round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn waiting_events(
        &self,
        conversation_id: &str,
        limit: i64,
    ) -> Result<Vec<(i64, Payload)>, DatabaseError> {
        let columns = payloads::COLUMNS;
        let select = Statement::new(format!(
            "SELECT id, {columns} FROM elevenlabs_events WHERE conversation_id = ?1 \
             AND type IN {APPLIED_TYPES} AND outcome = 'kept' ORDER BY id LIMIT ?2"
        ))
        .bind(conversation_id)
        .bind(limit);
        let rows: Vec<Waiting> = self.run_one("waiting_events", select).await?.rows()?;
        Ok(rows.into_iter().map(|row| (row.id, row.payload)).collect())
    }

    /// What became of an event. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn event_outcome(&self, id: i64) -> Result<Option<EventOutcome>, DatabaseError> {
        let select = Statement::new("SELECT outcome FROM elevenlabs_events WHERE id = ?1").bind(id);
        Ok(self.run_one("event_outcome", select).await?.rows()?.pop())
    }

    /// Ends an event's wait without applying it, as `Ignored` or `Expired`, and clears its payload:
    /// it belongs to a call that is not in this ledger. One round trip, and another one if its payload
    /// is in the bucket.
    ///
    /// 1. Finish the row. It still names the object.
    /// 2. Delete the object, and then its name.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn finish_event(
        &self,
        id: i64,
        outcome: EventOutcome,
        now: UtcTime,
    ) -> Result<(), DatabaseError> {
        let update = Statement::new(
            "UPDATE elevenlabs_events SET outcome = ?2, tried_at = ?3, payload = NULL \
             WHERE id = ?1 AND outcome = 'kept'",
        )
        .bind(id)
        .bind(outcome.as_str())
        .bind(now);
        let operation = "finish_event";
        if self.database.bucket().is_none() {
            self.run_one(operation, update).await?;
            return Ok(());
        }
        // Read in a statement of its own: after a lost answer the update changes nothing more.
        let columns = payloads::COLUMNS;
        let named = Statement::new(format!(
            "SELECT {columns} FROM elevenlabs_events \
             WHERE id = ?1 AND outcome = ?2 AND payload_in_bucket = 1"
        ))
        .bind(id)
        .bind(outcome.as_str());
        // 1.
        let results = self.run(operation, &[update, named]).await?;
        // 2.
        if let Some(named) = results.last() {
            for payload in named.rows()? {
                self.drop_payload(id, payload).await;
            }
        }
        Ok(())
    }

    /// Takes the conversation whose waiting events were not tried for the longest time, if that was
    /// before a time, and moves all its events to the end of the line. Those that were received
    /// before another time expire, and lose their payload. In the order they came; none when no
    /// conversation waits. One round trip.
    ///
    /// If the answer is lost, the retry takes the next conversation, and the first one waits for
    /// another run. If an expired event was in the bucket, its object is deleted, and then its name.
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
             RETURNING id, conversation_id, type, event_timestamp, received_at, payload_in_bucket, \
               payload IS NOT NULL OR (payload_in_bucket AND ?4) AS has_payload, \
               outcome = 'kept' AS waits"
        ))
        .bind(tried_before)
        .bind(expired_before)
        .bind(now)
        .bind(i64::from(self.database.bucket().is_some()));
        let taken = self.run_one("take_waiting_events", update).await?;
        let mut events: Vec<WaitingEvent> = taken.rows()?;
        events.sort_unstable_by_key(|event| event.id);
        if self.database.bucket().is_some() {
            for event in events.iter_mut().filter(|event| !event.waits) {
                if let Some(key) = event.object.take() {
                    self.drop_payload(event.id, Payload::Object(key)).await;
                }
            }
        }
        Ok(events)
    }
}
