//! Storing posted turns.

use super::events::any_waiting;
use super::links::link_by_turn;
pub use super::turn_rows::{CallOfTurn, Linked, SavedTurn};
use super::{Database, DatabaseError, NO_RESULT, Statement, Store};
use crate::model::{NewTurn, UtcTime};
use crate::platform::Runtime;

/// True if the posted turn (speaker `?2`, text `?3`, time `?4`) repeats the stored turn `t`.
/// `ledger::same_turn::compare` returns `Same::Repeat` for the same turns; a property test compares
/// the two.
macro_rules! same_turn {
    () => {
        "t.timestamp = ?4 AND t.speaker_type = ?2 AND (t.message_text = '' \
         OR (t.origin <> 'transcript' AND ?3 IN (t.message_text, t.original_text)))"
    };
}

/// The columns of [`SavedTurn`].
macro_rules! saved_turn {
    () => {
        " RETURNING id AS transcription_id, sequence_number, conversation_id, \
         (SELECT c.driver_id FROM calls c \
          WHERE c.conversation_id = call_transcriptions.conversation_id) AS driver_id"
    };
}

/// The id before the first turn's id of the call `c`. The same numbers as in
/// `model::transcription_id`.
macro_rules! ids_of_call {
    () => {
        "1099511627776 + c.id * 4194304"
    };
}

/// The greatest place in the conversation of the call `c`, or 0. SQLite reads one entry of the key.
macro_rules! last_place {
    () => {
        "COALESCE((SELECT MAX(t.sequence_number) FROM call_transcriptions t \
                   WHERE t.conversation_id = c.conversation_id), 0)"
    };
}

/// The greatest id of a call that retention has looked at, or NULL.
macro_rules! passed_by_retention {
    () => {
        "(SELECT cleared_to_id FROM retention_progress WHERE table_name = 'turns_of_calls')"
    };
}
pub(super) use passed_by_retention;

/// The condition by which the statements below recognise a repeat.
pub const SAME_TURN: &str = same_turn!();

/// Stores a turn. One statement, and so one transaction, finds the call and its conversation, refuses
/// a repeat, and takes the next sequence number.
///
/// - It stores nothing once ElevenLabs' transcript is stored. Then [`Store::take_place`] or
///   [`Store::insert_late_turn`] stores the turn.
/// - It stores nothing for a call that retention has passed, unless `?7` is 1. Such a call must be
///   marked in the same transaction, or the text would never be cleared.
/// - The turn's id is computed as in `model::transcription_id`, from the number of turns that the
///   call ever had: the removed and the stored ones.
/// - To find a repeat, it reads all turns of this conversation. An index would cost a second written
///   row for each turn, and D1 charges for a written row as much as for 1,000 read rows.
pub const SAVE_TRANSCRIPTION: &str = concat!(
    "INSERT INTO call_transcriptions \
       (id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
     SELECT ",
    ids_of_call!(),
    " + c.turns_removed + 1 + ",
    last_place!(),
    ", c.conversation_id, ?2, ?3, ?4, 1 + ",
    last_place!(),
    ", ?5 FROM calls c \
     WHERE c.call_sid = ?1 AND c.conversation_id IS NOT NULL AND c.transcript_revision = 0 \
       AND (?6 IS NULL OR c.conversation_id = ?6) \
       AND (?7 OR c.id > COALESCE(",
    passed_by_retention!(),
    ", 0)) \
       AND NOT EXISTS (SELECT 1 FROM call_transcriptions t \
                       WHERE t.conversation_id = c.conversation_id AND ",
    same_turn!(),
    ")",
    saved_turn!()
);

/// Marks a call that gets a text after retention has passed it, so that the text is cleared when it is
/// due.
const MARK_FOR_RETENTION: &str = concat!(
    "UPDATE calls SET turns_due_at = ?2 WHERE call_sid = ?1 AND turns_due_at IS NULL AND id <= ",
    passed_by_retention!()
);

/// The call of a turn (`?1`), and the call that has the conversation that the turn names (`?2`).
const CALL_OF_TURN: &str = "SELECT c.conversation_id, c.conversation_claimed AS claimed, \
       c.driver_id, c.transcript_revision, \
       (SELECT o.call_sid FROM calls o WHERE o.conversation_id = ?2) AS owner \
     FROM calls c WHERE c.call_sid = ?1";

/// The turns of that call that may be the posted turn: those that it repeats, and those of the same
/// speaker that are only in ElevenLabs' transcript.
const LIKE_TURNS: &str = concat!(
    "SELECT t.id, t.sequence_number, t.speaker_type AS speaker, t.message_text AS message, \
       t.original_text, t.timestamp, t.origin \
     FROM calls c JOIN call_transcriptions t ON t.conversation_id = c.conversation_id \
     WHERE c.call_sid = ?1 AND ((",
    same_turn!(),
    ") OR (t.origin = 'transcript' AND t.speaker_type = ?2)) ORDER BY t.sequence_number"
);

/// Makes one of some turns (`?1`, their ids) the posted one: the first that is still only in
/// ElevenLabs' transcript.
///
/// It changes nothing if another transcript was stored since the call was read (`?6`), or if the
/// posted turn was stored by another request.
const TAKE_PLACE: &str = concat!(
    "UPDATE call_transcriptions SET origin = 'posted', timestamp = ?4, \
       original_text = CASE WHEN message_text = ?3 THEN original_text ELSE ?3 END \
     WHERE conversation_id = ?5 AND sequence_number = \
         (SELECT t.sequence_number FROM call_transcriptions t JOIN json_each(?1) j ON j.value = t.id \
          WHERE t.conversation_id = ?5 AND t.origin = 'transcript' AND t.speaker_type = ?2 \
          ORDER BY j.key LIMIT 1) \
       AND (SELECT transcript_revision FROM calls WHERE conversation_id = ?5) = ?6 \
       AND NOT EXISTS (SELECT 1 FROM call_transcriptions t WHERE t.conversation_id = ?5 AND ",
    same_turn!(),
    ")",
    saved_turn!()
);

/// The compare of inserting a late turn: the call still has this conversation (`?5`) and this
/// transcript (`?6`), and no other request has stored the turn.
macro_rules! may_insert {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM calls o WHERE o.call_sid = ?1 AND o.conversation_id = ?5 \
                     AND o.transcript_revision = ?6) \
             AND NOT EXISTS (SELECT 1 FROM call_transcriptions t WHERE t.conversation_id = ?5 AND ",
            same_turn!(),
            ")"
        )
    };
}

/// Makes room for a late turn. Each turn that is later in time moves to the negative of its new place:
/// places are unique at all times, so it cannot move to a place that is still taken.
///
/// A cap on the cost, because the sender chooses a turn's time and each turn that moves is two written
/// rows: a late turn goes at most 50 places before the end. Once the conversation has 100 turns that
/// ElevenLabs does not have, it goes to the end.
const MAKE_ROOM: &str = concat!(
    "UPDATE call_transcriptions SET sequence_number = -1 - sequence_number \
     WHERE conversation_id = ?5 AND sequence_number > \
         (SELECT MAX(COALESCE(MAX(CASE WHEN t.timestamp <= ?4 THEN t.sequence_number END), 0), \
                     COUNT(*) - CASE WHEN SUM(t.origin = 'unreported') < 100 THEN 50 ELSE 0 END) \
          FROM call_transcriptions t WHERE t.conversation_id = ?5) \
       AND ",
    may_insert!()
);

/// Inserts the late turn at the first free place, under the id of the call's next turn.
///
/// The greatest id of the call counts too. Versions from before migration 0010 remove turns without
/// counting them in `turns_removed`.
const INSERT_LATE_TURN: &str = concat!(
    "INSERT INTO call_transcriptions (id, conversation_id, speaker_type, message_text, timestamp, \
       sequence_number, created_at, origin) \
     SELECT 1 + MAX(",
    ids_of_call!(),
    " + c.turns_removed + (SELECT COUNT(*) FROM call_transcriptions t WHERE t.conversation_id = ?5), \
         COALESCE((SELECT MAX(t.id) FROM call_transcriptions t \
                   WHERE t.conversation_id = ?5 AND t.id < 4194304 + ",
    ids_of_call!(),
    "), 0)), ?5, ?2, ?3, ?4, 1 + MAX(0, ",
    last_place!(),
    "), ?7, 'unreported' FROM calls c WHERE c.call_sid = ?1 AND ",
    may_insert!(),
    saved_turn!()
);

/// Moves the turns with negative places to their new places.
pub(super) const STEP_BACK: &str = "UPDATE call_transcriptions SET sequence_number = -sequence_number \
     WHERE conversation_id = ?1 AND sequence_number < 0";

impl<D: Database, R: Runtime> Store<D, R> {
    /// Stores a turn under the next sequence number. `None`, and nothing changed, when it is a repeat
    /// or the call cannot take it this way. One round trip, one written row.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn save_transcription(
        &self,
        turn: &NewTurn,
        now: UtcTime,
    ) -> Result<Option<SavedTurn>, DatabaseError> {
        let result = self
            .run_one("save_transcription", save_statement(turn, false, now))
            .await?;
        Ok(result.rows()?.pop())
    }

    /// The same, also for a call that retention has passed. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn save_and_mark_transcription(
        &self,
        turn: &NewTurn,
        now: UtcTime,
    ) -> Result<Option<SavedTurn>, DatabaseError> {
        let statements = [mark_statement(turn, now), save_statement(turn, true, now)];
        let results = self.run("save_and_mark_transcription", &statements).await?;
        match results.as_slice() {
            [_, saved] => Ok(saved.rows()?.pop()),
            _ => Err(DatabaseError::new(NO_RESULT)),
        }
    }

    /// Links the call to this conversation if it has none, and stores the turn, in one transaction.
    /// One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn link_and_save_transcription(
        &self,
        turn: &NewTurn,
        conversation_id: &str,
        claimed: bool,
        now: UtcTime,
    ) -> Result<Linked, DatabaseError> {
        let link = link_by_turn(&turn.call_sid, conversation_id, claimed, now);
        let (mark, save) = (mark_statement(turn, now), save_statement(turn, true, now));
        let results = self
            .run(
                "link_and_save_transcription",
                &[link, mark, save, any_waiting(conversation_id)],
            )
            .await?;
        let [_, _, saved, waiting] = results.as_slice() else {
            return Err(DatabaseError::new(NO_RESULT));
        };
        Ok(Linked {
            saved: saved.rows()?.pop(),
            events_wait: waiting.has_rows(),
        })
    }

    /// Makes one of these turns the posted one: the first that is still only in ElevenLabs'
    /// transcript. Compare-and-swap: `None`, and nothing changed, when no such turn is left, another
    /// request stored the turn, or another transcript was stored. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn take_place(
        &self,
        turn: &NewTurn,
        conversation_id: &str,
        transcript_revision: i64,
        places: &[i64],
    ) -> Result<Option<SavedTurn>, DatabaseError> {
        let places = serde_json::to_string(places)
            .map_err(|error| DatabaseError::new(format!("places as JSON: {error}")))?;
        let update = bind_turn(Statement::new(TAKE_PLACE).bind(places), turn)
            .bind(conversation_id)
            .bind(transcript_revision);
        Ok(self.run_one("take_place", update).await?.rows()?.pop())
    }

    /// Inserts a turn that ElevenLabs does not have into a stored transcript, after the last turn
    /// that is not later. Compare-and-swap: `None`, and nothing changed, when another request stored
    /// the turn, or another transcript was stored. One round trip.
    ///
    /// Concurrent late turns do not conflict: each finds its place in its own transaction.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn insert_late_turn(
        &self,
        turn: &NewTurn,
        conversation_id: &str,
        transcript_revision: i64,
        now: UtcTime,
    ) -> Result<Option<SavedTurn>, DatabaseError> {
        let about = |sql: &'static str| {
            bind_turn(Statement::new(sql).bind(turn.call_sid.as_str()), turn)
                .bind(conversation_id)
                .bind(transcript_revision)
        };
        let statements = [
            mark_statement(turn, now),
            about(MAKE_ROOM),
            about(INSERT_LATE_TURN).bind(now),
            Statement::new(STEP_BACK).bind(conversation_id),
        ];
        match self.run("insert_late_turn", &statements).await?.as_slice() {
            [_, _, saved, _] => Ok(saved.rows()?.pop()),
            _ => Err(DatabaseError::new(NO_RESULT)),
        }
    }

    /// Reads a turn's call and the turns that may be the same one. `None` when the call is not on
    /// record. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn call_of_turn(&self, turn: &NewTurn) -> Result<Option<CallOfTurn>, DatabaseError> {
        let call = Statement::new(CALL_OF_TURN)
            .bind(turn.call_sid.as_str())
            .bind(turn.conversation_id.as_deref());
        let turns = bind_turn(
            Statement::new(LIKE_TURNS).bind(turn.call_sid.as_str()),
            turn,
        );
        let results = self.run("call_of_turn", &[call, turns]).await?;
        let [call, turns] = results.as_slice() else {
            return Err(DatabaseError::new(NO_RESULT));
        };
        let call: Option<CallOfTurn> = call.rows()?.pop();
        let turns = turns.rows()?;
        Ok(call.map(|call| CallOfTurn { turns, ..call }))
    }
}

/// Binds the parameters of [`SAME_TURN`]: speaker `?2`, text `?3`, time `?4`.
fn bind_turn(statement: Statement, turn: &NewTurn) -> Statement {
    statement
        .bind(turn.speaker.as_str())
        .bind(turn.message.as_str())
        .bind(turn.timestamp)
}

fn save_statement(turn: &NewTurn, passed_too: bool, now: UtcTime) -> Statement {
    let statement = Statement::new(SAVE_TRANSCRIPTION).bind(turn.call_sid.as_str());
    bind_turn(statement, turn)
        .bind(now)
        .bind(turn.conversation_id.as_deref())
        .bind(i64::from(passed_too))
}

fn mark_statement(turn: &NewTurn, now: UtcTime) -> Statement {
    Statement::new(MARK_FOR_RETENTION)
        .bind(turn.call_sid.as_str())
        .bind(now)
}
