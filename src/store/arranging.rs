//! The statements that make a call's turns what an [`Arrangement`] says. They stand between the first
//! and the last statement of a settlement (`settlement.rs`), and each works only while the call
//! carries the negative revision that the first one sets.

use super::settlement::{Case, Settled};
use super::turns::STEP_BACK;
use super::{DatabaseError, Statement};
use crate::model::{Arrangement, TURNS_PER_CALL, UtcTime, nth_turn, transcription_id};

/// About how long the JSON text of one parameter gets, in bytes.
const CHUNK: usize = 500_000;

/// Which ids the inserted turns get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    call_id: i64,
    /// How many turns the call has had so far.
    had: i64,
    /// `calls.turns_removed` after the settlement: with the turns that are there then, it is again
    /// all that the call ever had.
    pub removed_after: i64,
}

impl Ids {
    /// The greatest id of the turns counts as well, for a call that an older version has settled
    /// since migration 0010: that version removes turns without counting them.
    ///
    /// # Errors
    /// [`DatabaseError`] when the call would have had more turns than there are ids for it.
    pub fn of(case: &Case, settled: &Settled) -> Result<Self, DatabaseError> {
        let call_id = case.call.id;
        let number = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let there = number(case.turns.len());
        let nth = |turn| nth_turn(call_id, turn);
        let greatest = case.turns.iter().filter_map(|turn| nth(turn.id)).max();
        let counted = case.call.turns_removed.saturating_add(there);
        let had = counted.max(greatest.unwrap_or(0));
        let (mut inserted, mut removed) = (0, 0);
        if let Some(arrangement) = &settled.arrangement {
            inserted = number(arrangement.inserted.len());
            removed = number(arrangement.removed.len());
        }
        if had.saturating_add(inserted) >= TURNS_PER_CALL {
            return Err(DatabaseError::new("the call has had too many turns"));
        }
        Ok(Self {
            call_id,
            had,
            // had + inserted, less the turns that are there afterwards.
            removed_after: had - there + removed,
        })
    }

    /// The inserted turns, each with its id.
    fn given<T>(self, inserted: &[T]) -> Vec<(i64, &T)> {
        let ids = (1..).map(|nth| transcription_id(self.call_id, self.had + nth));
        ids.zip(inserted).collect()
    }
}

/// The statements that remove, move, rewrite and insert turns. A turn is named by its place.
pub(super) fn turn_statements(
    call_id: i64,
    gate: i64,
    settled: &Settled,
    arrangement: &Arrangement,
    ids: &Ids,
    now: UtcTime,
) -> Result<Vec<Statement>, DatabaseError> {
    let mut statements = Vec::new();
    let conversation_id = settled.conversation_id.as_str();
    let gated = |sql: &'static str, list: String| {
        Statement::new(sql)
            .bind(call_id)
            .bind(gate)
            .bind(conversation_id)
            .bind(list)
    };
    for list in chunks(&arrangement.removed)? {
        statements.push(gated(
            "DELETE FROM call_transcriptions WHERE conversation_id = ?3 \
               AND sequence_number IN (SELECT value FROM json_each(?4)) \
               AND (SELECT transcript_revision FROM calls WHERE id = ?1) = ?2",
            list,
        ));
    }
    // The places of a conversation are unique at every moment, so what moves first steps aside,
    // to the negative of its new place.
    for list in chunks(&arrangement.moved)? {
        statements.push(gated(
            "UPDATE call_transcriptions SET sequence_number = -j.place \
             FROM (SELECT json_extract(value, '$[0]') AS old, json_extract(value, '$[1]') AS place \
                   FROM json_each(?4)) j \
             WHERE conversation_id = ?3 AND sequence_number = j.old \
               AND (SELECT transcript_revision FROM calls WHERE id = ?1) = ?2",
            list,
        ));
    }
    if !arrangement.moved.is_empty() {
        statements.push(Statement::new(STEP_BACK).bind(conversation_id));
    }
    for list in chunks(&arrangement.rewritten)? {
        statements.push(gated(
            "UPDATE call_transcriptions SET message_text = j.message, origin = j.origin, \
               original_text = CASE WHEN message_text = j.message THEN original_text \
                 ELSE COALESCE(original_text, message_text) END \
             FROM (SELECT json_extract(value, '$.sequence_number') AS place, \
                          json_extract(value, '$.message') AS message, \
                          json_extract(value, '$.origin') AS origin FROM json_each(?4)) j \
             WHERE conversation_id = ?3 AND sequence_number = j.place \
               AND (SELECT transcript_revision FROM calls WHERE id = ?1) = ?2",
            list,
        ));
    }
    for list in chunks(&ids.given(&arrangement.inserted))? {
        let insert = gated(
            "INSERT INTO call_transcriptions (id, conversation_id, speaker_type, message_text, \
               original_text, timestamp, sequence_number, created_at, origin) \
             SELECT json_extract(value, '$[0]'), ?3, json_extract(value, '$[1].speaker'), \
               json_extract(value, '$[1].message'), json_extract(value, '$[1].original_text'), \
               json_extract(value, '$[1].timestamp'), json_extract(value, '$[1].sequence_number'), \
               ?5, json_extract(value, '$[1].origin') \
             FROM json_each(?4) WHERE (SELECT transcript_revision FROM calls WHERE id = ?1) = ?2",
            list,
        );
        statements.push(insert.bind(now));
    }
    Ok(statements)
}

/// The items as JSON arrays of about [`CHUNK`] bytes each.
fn chunks<T: serde::Serialize>(items: &[T]) -> Result<Vec<String>, DatabaseError> {
    let mut chunks: Vec<String> = Vec::new();
    for item in items {
        let text = serde_json::to_string(item)
            .map_err(|error| DatabaseError::new(format!("turns as JSON: {error}")))?;
        match chunks.last_mut() {
            Some(chunk) if chunk.len() + text.len() < CHUNK => {
                chunk.push(',');
                chunk.push_str(&text);
            }
            _ => chunks.push(format!("[{text}")),
        }
    }
    for chunk in &mut chunks {
        chunk.push(']');
    }
    Ok(chunks)
}
