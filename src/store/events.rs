//! ElevenLabs' events: keeping them, and taking those that wait to be applied.

use super::payloads::{self, Payload};
use super::settlement::{CallWithTurns, call_with_turns, select_call_with_turns};
use super::{Database, DatabaseError, FromRow, ResultSet, Row, Statement, Store};
use crate::model::{EventOutcome, UtcTime};
use crate::platform::Runtime;

/// The types that are applied. With them, a search by conversation uses the table's unique index.
const APPLIED_TYPES: &str = "('post_call_transcription', 'call_initiation_failure')";

/// An event to keep. Its type, conversation and timestamp are its key.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// ElevenLabs' name for the type.
    pub kind: &'a str,
    /// Empty if the event names none.
    pub conversation_id: &'a str,
    /// Unix seconds.
    pub timestamp: i64,
    /// The whole body; `None` for an event that is ignored.
    pub payload: Option<&'a str>,
    /// `Kept`, or `Ignored` for a type that is never applied.
    pub outcome: EventOutcome,
    /// False for an event of another agent. Such an event is kept only if its call is on record.
    pub ours: bool,
}

/// An event on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    pub id: i64,

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

/// An event that was taken from the queue, without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    pub id: i64,
    pub conversation_id: String,
    /// When it was first delivered.
    pub received_at: UtcTime,
    /// Whether its payload is in the row or in a bucket that is bound.
    pub has_payload: bool,
    /// False if it expired just now.
    pub waits: bool,
    /// The key of the object that its row names.
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

/// An event that waits, and where its payload is.
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

/// The condition that events wait for the conversation of this parameter.
pub(super) fn events_wait(parameter: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM elevenlabs_events WHERE conversation_id = {parameter} \
           AND type IN {APPLIED_TYPES} AND outcome = 'kept')"
    )
}

/// Selects a row if events wait for this conversation.
pub(super) fn any_waiting(conversation_id: &str) -> Statement {
    Statement::new(format!(
        "SELECT id FROM elevenlabs_events WHERE conversation_id = ?1 AND type IN {APPLIED_TYPES} \
         AND outcome = 'kept' LIMIT 1"
    ))
    .bind(conversation_id)
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Keeps an event, and reads its row and its call. Idempotent. One round trip of the database.
    ///
    /// 1. Put the payload into the bucket, if one is bound. If the bucket fails, put it into the row.
    /// 2. Insert the row unless the event has one, and read the row and the call. The row is `None`
    ///    if the event is another agent's and no call on record has its conversation or its
    ///    `call_sid`. A claimed conversation does not count. One statement checks this and inserts, so
    ///    no other request can record a call in between.
    /// 3. Delete the object if the row does not name it: the event was kept before, with its payload
    ///    in the row or cleared; or the bucket's answer was lost.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries. The event may be kept nevertheless, so the object stays.
    pub async fn keep_event(
        &self,
        event: NewEvent<'_>,
        call_sid: Option<&str>,
        now: UtcTime,
    ) -> Result<(Option<KeptEvent>, Option<CallWithTurns>), DatabaseError> {
        // 1. Only the insert shows whether another agent's event is ignored. So its payload goes into
        //    the row: an event that is ignored costs no operation of the bucket.
        let object = event.payload.filter(|_| event.ours).and_then(|text| {
            let key = payloads::key(event.conversation_id, event.kind, event.timestamp);
            self.takes_payload(&key, text).then_some((key, text))
        });
        let in_bucket = match &object {
            Some((key, text)) => self.put_payload(key, text).await,
            None => false,
        };
        // 2. A payload that is too large for a row is left out. ElevenLabs has the transcript too.
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
        // 3. If this fails, the bucket's lifecycle rule removes the object later.
        if let Some((key, _)) = object
            && kept.as_ref().is_some_and(|kept| !kept.in_bucket)
        {
            let _ = self.delete_objects(&[key]).await;
        }
        Ok((kept, call_with_turns(results.get(2..).unwrap_or_default())?))
    }

    /// Reads at most `limit` waiting events of a conversation, the oldest first: their ids, and where
    /// their payloads are. One round trip.
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

    /// Reads an event's outcome. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn event_outcome(&self, id: i64) -> Result<Option<EventOutcome>, DatabaseError> {
        let select = Statement::new("SELECT outcome FROM elevenlabs_events WHERE id = ?1").bind(id);
        Ok(self.run_one("event_outcome", select).await?.rows()?.pop())
    }

    /// Gives a waiting event its final outcome without applying it, and clears its payload: its call
    /// is not in this ledger. Idempotent. One round trip, and a second one if its payload is in the
    /// bucket.
    ///
    /// 1. Update the row. It still names the object.
    /// 2. Delete the object, and then its name in the row.
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
        // Not RETURNING: in a retry after a lost answer the update changes no row.
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

    /// Takes the waiting events of one conversation, in the order of their delivery, and moves them
    /// to the end of the queue. It is the conversation that was not tried for the longest time, if
    /// that was before `tried_before`. Returns none when no conversation is due. One round trip.
    ///
    /// Events from before `expired_before` expire and lose their payload. If it is in the bucket,
    /// delete the object, and then its name in the row.
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
