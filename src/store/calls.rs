//! Writing calls before and after their dial, and reading one.

use super::call_row::call_columns;
use super::{CallRow, Database, DatabaseError, ResultSet, Statement, Store};
use crate::model::{Call, CallSid, DriverId, FailureReason, UtcTime};
use crate::platform::Runtime;

/// The columns of [`Call`], from `calls c`. Sequence numbers run 1…n without gap, so the greatest one
/// is the number of turns. SQLite reads it from the end of an index, without a scan.
pub(super) const CALL_COLUMNS: &str = "c.id, c.call_sid, c.conversation_id, c.driver_id, c.status, \
    c.failure_reason, c.call_start_time, c.call_end_time, c.summary, c.created_at, c.updated_at, \
    COALESCE((SELECT MAX(t.sequence_number) FROM call_transcriptions t \
              WHERE t.conversation_id = c.conversation_id), 0) AS turn_count";

/// A call about to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// Unique: it makes recording idempotent.
    pub call_sid: CallSid,
    /// The driver to phone.
    pub driver_id: DriverId,
}

/// Whether a failure is one of [`FailureReason::SUPPOSED`].
pub(super) const IS_SUPPOSED: &str =
    "failure_reason IN ('outcome_unknown', 'never_started', 'no_outcome')";

impl<D: Database, R: Runtime> Store<D, R> {
    /// Records the calls that are not on record yet, as `in_progress` without a conversation.
    /// Returns the rows of all calls, in the order of `calls`. One round trip.
    ///
    /// A row keeps the `dial_token` of the request that recorded it. So the request knows its own
    /// rows, after a retry and in a race with an equal request.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries. Then the request must not dial.
    pub async fn create_call_with_call_sid(
        &self,
        calls: &[NewCall],
        dial_token: &str,
        now: UtcTime,
    ) -> Result<Vec<CallRow>, DatabaseError> {
        let operation = "create_call_with_call_sid";
        let failed = |message: String| DatabaseError::new(message).during(operation);
        let list: Vec<_> = calls
            .iter()
            .map(|call| (&call.call_sid, call.driver_id))
            .collect();
        let list = serde_json::to_string(&list)
            .map_err(|error| failed(format!("calls as JSON: {error}")))?;
        let insert = Statement::new(
            "INSERT INTO calls (call_sid, driver_id, call_start_time, status, dial_token, created_at, updated_at) \
             SELECT json_extract(j.value, '$[0]'), json_extract(j.value, '$[1]'), ?2, 'in_progress', ?3, ?2, ?2 \
             FROM json_each(?1) j WHERE true ORDER BY j.key \
             ON CONFLICT (call_sid) DO NOTHING",
        )
        .bind(list.clone())
        .bind(now)
        .bind(dial_token);
        let select = Statement::new(concat!(
            "SELECT ",
            call_columns!("c"),
            " FROM json_each(?1) j JOIN calls c ON c.call_sid = json_extract(j.value, '$[0]') \
             ORDER BY j.key"
        ))
        .bind(list);
        let results = self.run(operation, &[insert, select]).await?;
        let recorded: Vec<CallRow> = match results.get(1) {
            Some(rows) => rows.rows()?,
            None => Vec::new(),
        };
        if recorded.len() == calls.len() {
            Ok(recorded)
        } else {
            Err(failed(format!(
                "{} of {} calls are on record",
                recorded.len(),
                calls.len()
            )))
        }
    }

    /// Fails those calls that have this dial token, with `not_dialled`. Returns the rows of all
    /// calls, in the order of `call_sids`, without those that are not on record. Idempotent. One
    /// round trip.
    ///
    /// Only the request that made the token may do this, and only for calls that it has not
    /// dialled and will not dial. Then no phone rang. A conversation in such a row does not mean
    /// that one did: a turn named it.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn fail_undialled(
        &self,
        call_sids: &[&CallSid],
        dial_token: &str,
        now: UtcTime,
    ) -> Result<Vec<CallRow>, DatabaseError> {
        let operation = "fail_undialled";
        let list = serde_json::to_string(call_sids).map_err(|error| {
            DatabaseError::new(format!("calls as JSON: {error}")).during(operation)
        })?;
        let update = Statement::new(
            "UPDATE calls SET status = 'failed', failure_reason = 'not_dialled', \
               call_end_time = ?3, updated_at = ?3 \
             WHERE call_sid IN (SELECT value FROM json_each(?1)) AND dial_token = ?2 \
               AND status = 'in_progress'",
        )
        .bind(list.clone())
        .bind(dial_token)
        .bind(now);
        let select = Statement::new(concat!(
            "SELECT ",
            call_columns!("c"),
            " FROM json_each(?1) j JOIN calls c ON c.call_sid = j.value ORDER BY j.key"
        ))
        .bind(list);
        let results = self.run(operation, &[update, select]).await?;
        results
            .get(1)
            .map_or_else(|| Ok(Vec::new()), ResultSet::rows)
    }

    /// Records that this dial failed, and returns the row. One round trip.
    ///
    /// If the call got a conversation or was settled while the dial was open, nothing changes: the
    /// phone rang. A supposed failure is replaced by this one.
    ///
    /// `ended_at` is the time of the failure, or `None` if the phone may still ring.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries, or when the row has another dial token.
    pub async fn update_status_by_call_sid(
        &self,
        call_sid: &CallSid,
        dial_token: &str,
        failure_reason: &FailureReason,
        ended_at: Option<UtcTime>,
        now: UtcTime,
    ) -> Result<CallRow, DatabaseError> {
        let update = Statement::new(format!(
            "UPDATE calls SET status = 'failed', failure_reason = ?3, call_end_time = ?4, updated_at = ?5 \
             WHERE call_sid = ?1 AND dial_token = ?2 AND conversation_id IS NULL \
               AND (status = 'in_progress' OR {IS_SUPPOSED})",
        ))
        .bind(call_sid.as_str())
        .bind(dial_token)
        .bind(failure_reason)
        .bind(ended_at)
        .bind(now);
        let statements = [update, own_state(call_sid, dial_token)];
        let operation = "update_status_by_call_sid";
        let results = self.run(operation, &statements).await?;
        let state = results
            .get(1)
            .map_or_else(|| Ok(Vec::new()), ResultSet::rows);
        only_state(operation, state?)
    }

    /// One call, or `None` when it is not on record. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn get_by_call_sid(&self, call_sid: &CallSid) -> Result<Option<Call>, DatabaseError> {
        let select = Statement::new(format!(
            "SELECT {CALL_COLUMNS} FROM calls c WHERE c.call_sid = ?1"
        ))
        .bind(call_sid.as_str());
        Ok(self.run_one("get_by_call_sid", select).await?.list()?.pop())
    }
}

/// Reads the row of a call with this dial token.
fn own_state(call_sid: &CallSid, dial_token: &str) -> Statement {
    Statement::new(concat!(
        "SELECT ",
        call_columns!("c"),
        " FROM calls c WHERE c.call_sid = ?1 AND c.dial_token = ?2"
    ))
    .bind(call_sid.as_str())
    .bind(dial_token)
}

pub(super) fn only_state<T>(
    operation: &'static str,
    mut states: Vec<T>,
) -> Result<T, DatabaseError> {
    states.pop().ok_or_else(|| {
        let message = "the call's row is not the one this dial recorded";
        DatabaseError::new(message).during(operation)
    })
}

#[cfg(test)]
mod tests {
    use super::IS_SUPPOSED;
    use crate::model::FailureReason;

    #[test]
    fn the_statements_know_every_supposed_failure() {
        let list = FailureReason::SUPPOSED.map(|reason| format!("'{}'", reason.text()));
        let list = list.join(", ");
        assert_eq!(IS_SUPPOSED, format!("failure_reason IN ({list})"));
    }
}
