//! Reading calls and transcriptions, each in one round trip.

use super::calls::CALL_COLUMNS;
use super::{Database, DatabaseError, FromRow, Param, Row, Statement, Store};
use crate::model::{Call, CallSid, CallStatus, DriverId, Turn, UtcTime};
use crate::platform::Runtime;

/// Which calls a list shows. A call has to match all that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFilter {
    pub status: Option<CallStatus>,
    pub driver_id: Option<DriverId>,
    /// Only calls that started at this time or later.
    pub from: Option<UtcTime>,
    /// Only calls that started before this time.
    pub to: Option<UtcTime>,
    /// Only calls after this place in the list.
    pub after: Option<Position>,
}

/// A call's place in the list: its start time as it is stored, and its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// As it is stored.
    pub call_start_time: String,
    pub id: i64,
}

/// The transcription of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcription {
    pub call_sid: CallSid,
    pub conversation_id: Option<String>,
    /// Its turns in order.
    pub turns: Vec<Turn>,
}

struct Heading {
    call_sid: CallSid,
    conversation_id: Option<String>,
}

impl FromRow for Heading {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            call_sid: row.call_sid()?,
            conversation_id: row.optional_text("conversation_id")?,
        })
    }
}

/// The statement of the list. Every filter has an index that ends in the start time and the id. So
/// SQLite reads the list in the order of one index and sorts nothing.
#[must_use]
pub fn list_statement(filter: &CallFilter, limit: i64) -> Statement {
    let mut conditions = Vec::new();
    let mut params: Vec<Param> = Vec::new();
    let mut condition = |sql: &str, values: Vec<Param>| {
        let mut sql = sql.to_owned();
        for value in values {
            params.push(value);
            sql = sql.replacen("??", &format!("?{}", params.len()), 1);
        }
        conditions.push(sql);
    };
    if let Some(driver_id) = filter.driver_id {
        condition("c.driver_id = ??", vec![driver_id.get().into()]);
    }
    if let Some(status) = filter.status {
        // One driver has few calls. The `+` keeps SQLite from using the index of the status.
        let column = if filter.driver_id.is_some() {
            "+c.status"
        } else {
            "c.status"
        };
        condition(&format!("{column} = ??"), vec![status.as_str().into()]);
    }
    if let Some(from) = filter.from {
        condition("c.call_start_time >= ??", vec![from.into()]);
    }
    if let Some(to) = filter.to {
        condition("c.call_start_time < ??", vec![to.into()]);
    }
    if let Some(after) = &filter.after {
        let time = Param::from(after.call_start_time.as_str());
        condition(
            "(c.call_start_time, c.id) < (??, ??)",
            vec![time, after.id.into()],
        );
    }
    let conditions = if conditions.is_empty() {
        String::new()
    } else {
        format!("WHERE {} ", conditions.join(" AND "))
    };
    params.push(limit.into());
    Statement {
        sql: format!(
            "SELECT {CALL_COLUMNS} FROM calls c {conditions}\
             ORDER BY c.call_start_time DESC, c.id DESC LIMIT ?{}",
            params.len()
        )
        .into(),
        params,
    }
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Calls, newest first. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn list_calls(
        &self,
        filter: &CallFilter,
        limit: i64,
    ) -> Result<Vec<Call>, DatabaseError> {
        self.run_one("list_calls", list_statement(filter, limit))
            .await?
            .list()
    }

    /// A call's turns in order, or `None` when the call is not on record. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn transcription(
        &self,
        call_sid: &CallSid,
    ) -> Result<Option<Transcription>, DatabaseError> {
        let heading =
            Statement::new("SELECT call_sid, conversation_id FROM calls WHERE call_sid = ?1")
                .bind(call_sid.as_str());
        let turns = Statement::new(
            "SELECT t.id AS transcription_id, t.sequence_number, t.speaker_type AS speaker, \
                    t.message_text AS message, t.timestamp \
             FROM calls c JOIN call_transcriptions t ON t.conversation_id = c.conversation_id \
             WHERE c.call_sid = ?1 ORDER BY t.sequence_number",
        )
        .bind(call_sid.as_str());
        let results = self.run("transcription", &[heading, turns]).await?;
        let [heading, turns] = results.as_slice() else {
            return Err(DatabaseError::new("the database answered without a result"));
        };
        let Some(heading) = heading.rows::<Heading>()?.pop() else {
            return Ok(None);
        };
        Ok(Some(Transcription {
            call_sid: heading.call_sid,
            conversation_id: heading.conversation_id,
            turns: turns.list()?,
        }))
    }
}
