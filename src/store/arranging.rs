//! The statements that apply an [`Arrangement`] to a call's turns. They are part of the batch of a
//! settlement ([`Store::settle`](super::Store::settle)).

use super::gate::Guarded;
use super::settlement::{CallWithTurns, Settled};
use super::turns::STEP_BACK;
use super::{DatabaseError, Statement};
use crate::model::{Arrangement, TURNS_PER_CALL, UtcTime, nth_turn, transcription_id};

/// Maximum length of the JSON text of one parameter, in bytes and roughly. D1 takes 2 MB.
const CHUNK: usize = 500_000;

/// The ids of the inserted turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    call_id: i64,
    /// Number of turns that the call ever had, the removed ones included.
    had: i64,
    /// `calls.turns_removed` after the settlement.
    pub removed_after: i64,
}

impl Ids {
    /// Counts the call's turns. The greatest id of a turn counts too: versions from before migration
    /// 0010 remove turns without counting them in `turns_removed`.
    ///
    /// # Errors
    /// [`DatabaseError`] when the call would get more turns than there are ids for it.
    pub fn of(before: &CallWithTurns, settled: &Settled) -> Result<Self, DatabaseError> {
        let call_id = before.call.id;
        let number = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let there = number(before.turns.len());
        let nth = |turn| nth_turn(call_id, turn);
        let greatest = before.turns.iter().filter_map(|turn| nth(turn.id)).max();
        let counted = before.call.turns_removed.saturating_add(there);
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
            // = (had + inserted) - (there + inserted - removed)
            removed_after: had - there + removed,
        })
    }

    /// Pairs each inserted turn with its id.
    fn given<T>(self, inserted: &[T]) -> Vec<(i64, &T)> {
        let ids = (1..).map(|nth| transcription_id(self.call_id, self.had + nth));
        ids.zip(inserted).collect()
    }
}

/// Removes the turns of a conversation (`?1`) at these places (`?2`).
const REMOVE: &str = "DELETE FROM call_transcriptions WHERE conversation_id = ?1 \
     AND sequence_number IN (SELECT value FROM json_each(?2))";

/// Moves turns of a conversation (`?1`) from their old places to the negatives of their new ones
/// (`?2`, pairs).
const STEP_ASIDE: &str = "UPDATE call_transcriptions SET sequence_number = -j.place \
     FROM (SELECT json_extract(value, '$[0]') AS old, json_extract(value, '$[1]') AS place \
           FROM json_each(?2)) j \
     WHERE conversation_id = ?1 AND sequence_number = j.old";

/// Gives turns of a conversation (`?1`) another text or origin (`?2`). The first text that a turn
/// had stays in `original_text`.
const REWRITE: &str = "UPDATE call_transcriptions SET message_text = j.message, origin = j.origin, \
       original_text = CASE WHEN message_text = j.message THEN original_text \
         ELSE COALESCE(original_text, message_text) END \
     FROM (SELECT json_extract(value, '$.sequence_number') AS place, \
                  json_extract(value, '$.message') AS message, \
                  json_extract(value, '$.origin') AS origin FROM json_each(?2)) j \
     WHERE conversation_id = ?1 AND sequence_number = j.place";

/// Inserts turns into a conversation (`?1`): pairs of id and turn (`?2`), created at `?3`.
const INSERT: &str = "INSERT INTO call_transcriptions (id, conversation_id, speaker_type, message_text, \
       original_text, timestamp, sequence_number, created_at, origin) \
     SELECT json_extract(value, '$[0]'), ?1, json_extract(value, '$[1].speaker'), \
       json_extract(value, '$[1].message'), json_extract(value, '$[1].original_text'), \
       json_extract(value, '$[1].timestamp'), json_extract(value, '$[1].sequence_number'), \
       ?3, json_extract(value, '$[1].origin') \
     FROM json_each(?2) WHERE true";

/// Adds the statements that remove, move, rewrite and insert turns. They name a turn by its place.
///
/// # Errors
/// [`DatabaseError`] when a turn cannot be written as JSON.
pub(super) fn arrange(
    batch: &mut Guarded,
    conversation_id: &str,
    arrangement: &Arrangement,
    ids: &Ids,
    now: UtcTime,
) -> Result<(), DatabaseError> {
    let about = |sql: &'static str| Statement::new(sql).bind(conversation_id);
    for list in chunks(&arrangement.removed)? {
        batch.then(about(REMOVE).bind(list));
    }
    // The places of a conversation are unique after each row that SQLite writes. So two turns
    // cannot change places directly: each moves to the negative of its new place first.
    for list in chunks(&arrangement.moved)? {
        batch.then(about(STEP_ASIDE).bind(list));
    }
    if !arrangement.moved.is_empty() {
        batch.then(about(STEP_BACK));
    }
    // From here on places are the new ones.
    for list in chunks(&arrangement.rewritten)? {
        batch.then(about(REWRITE).bind(list));
    }
    for list in chunks(&ids.given(&arrangement.inserted))? {
        batch.then(about(INSERT).bind(list).bind(now));
    }
    Ok(())
}

/// Splits the items into JSON arrays of about [`CHUNK`] bytes, of at least one item each.
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
