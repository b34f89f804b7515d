//! Spoken turns.

use super::events::any_waiting;
use super::{Database, DatabaseError, FromRow, Row, Statement, Store};
use crate::model::{CallSid, NewTurn, Origin, Speaker, StoredTurn, UtcTime};
use crate::platform::Runtime;

/// A turn's names once it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedTurn {
    /// Its number in the whole ledger.
    pub transcription_id: i64,
    /// Its place in the conversation.
    pub sequence_number: i64,
}

/// Why [`Store::save_transcription`] stored nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsaved {
    /// The call's conversation on record.
    pub conversation_id: Option<String>,
    /// The equal turn that is stored already.
    pub transcription_id: Option<i64>,
    /// That turn's place.
    pub sequence_number: Option<i64>,
    /// The call that has the conversation which the turn named.
    pub owner: Option<CallSid>,
    /// Where the equal turn comes from.
    pub origin: Option<Origin>,
    /// How often ElevenLabs' transcript was written; above 0 a turn is fitted into it.
    pub transcript_revision: i64,
}

/// What linking a call by one of its turns did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linked {
    /// The turn, if it was stored.
    pub saved: Option<SavedTurn>,
    /// Whether events of the conversation wait to be applied.
    pub events_wait: bool,
}

/// The turn in one statement: it finds the call and its conversation, refuses a repeat, and
/// takes the next number, all inside one transaction because it is one statement.
///
/// A repeat is the same conversation, speaker, time and text; a text that was cleared because
/// of its age counts as the same. Once ElevenLabs' transcript is stored the statement does
/// nothing: such a turn is fitted into it. Looking for it reads the turns of
/// this one conversation; an index for it would cost a third written row on every turn, and a
/// written row costs as much as a thousand read ones.
pub const SAVE_TRANSCRIPTION: &str = "INSERT INTO call_transcriptions \
       (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at) \
     SELECT c.conversation_id, ?2, ?3, ?4, \
       1 + COALESCE((SELECT MAX(t.sequence_number) FROM call_transcriptions t \
                     WHERE t.conversation_id = c.conversation_id), 0), ?5 \
     FROM calls c \
     WHERE c.call_sid = ?1 AND c.conversation_id IS NOT NULL AND c.transcript_revision = 0 \
       AND (?6 IS NULL OR c.conversation_id = ?6) \
       AND NOT EXISTS (SELECT 1 FROM call_transcriptions t \
                       WHERE t.conversation_id = c.conversation_id AND t.timestamp = ?4 \
                         AND t.speaker_type = ?2 AND t.message_text IN (?3, '')) \
     RETURNING id AS transcription_id, sequence_number";

const WHY_UNSAVED: &str = "SELECT c.conversation_id, c.transcript_revision, \
       t.id AS transcription_id, t.sequence_number, t.origin, \
       (SELECT o.call_sid FROM calls o WHERE o.conversation_id = ?5) AS owner \
     FROM calls c LEFT JOIN call_transcriptions t \
       ON t.conversation_id = c.conversation_id AND t.timestamp = ?4 \
      AND t.speaker_type = ?2 AND (t.message_text IN (?3, '') OR t.original_text = ?3) \
     WHERE c.call_sid = ?1 ORDER BY t.origin = 'transcript', t.sequence_number LIMIT 1";

/// A call takes the conversation that one of its turns names, unless it has one or another call
/// has that one.
const LINK: &str = "UPDATE calls SET conversation_id = ?2, conversation_claimed = ?4, updated_at = ?3 \
     WHERE call_sid = ?1 AND conversation_id IS NULL \
       AND NOT EXISTS (SELECT 1 FROM calls o WHERE o.conversation_id = ?2)";

impl FromRow for SavedTurn {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            transcription_id: row.integer("transcription_id")?,
            sequence_number: row.integer("sequence_number")?,
        })
    }
}

impl FromRow for StoredTurn {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.integer("id")?,
            sequence_number: row.integer("sequence_number")?,
            speaker: row.word("speaker", Speaker::parse)?,
            message: row.text("message")?,
            original_text: row.optional_text("original_text")?,
            timestamp: row.time("timestamp")?,
            origin: row.word("origin", Origin::parse)?,
        })
    }
}

impl FromRow for Unsaved {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            conversation_id: row.optional_text("conversation_id")?,
            transcription_id: row.optional_integer("transcription_id")?,
            sequence_number: row.optional_integer("sequence_number")?,
            owner: row.optional_text("owner")?.map(CallSid::from_text),
            origin: row
                .optional_text("origin")?
                .and_then(|word| Origin::parse(&word)),
            transcript_revision: row.integer("transcript_revision")?,
        })
    }
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Stores one turn under the next number, or nothing when it is a repeat or the call has no
    /// such conversation. One round trip, two written rows.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn save_transcription(
        &self,
        turn: &NewTurn,
        now: UtcTime,
    ) -> Result<Option<SavedTurn>, DatabaseError> {
        let result = self
            .run_one("save_transcription", save_statement(turn, now))
            .await?;
        Ok(result.rows()?.pop())
    }

    /// Links the call to this conversation where it has none, and stores the turn, both or
    /// neither. The link is `claimed` where anybody may post turns. One round trip.
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
        let link = Statement::new(LINK)
            .bind(turn.call_sid.as_str())
            .bind(conversation_id)
            .bind(now)
            .bind(i64::from(claimed));
        let save = save_statement(turn, now);
        let results = self
            .run(
                "link_and_save_transcription",
                &[link, save, any_waiting(conversation_id)],
            )
            .await?;
        let [_, saved, waiting] = results.as_slice() else {
            return Err(DatabaseError::new("the database answered without a result"));
        };
        Ok(Linked {
            saved: saved.rows()?.pop(),
            events_wait: waiting.has_rows(),
        })
    }

    /// Lets a posted turn take the place of one that so far stands only in ElevenLabs'
    /// transcript. Says `false` when another post took it first. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn claim_transcript_turn(
        &self,
        id: i64,
        turn: &NewTurn,
    ) -> Result<bool, DatabaseError> {
        let update = Statement::new(
            "UPDATE call_transcriptions SET origin = 'posted', timestamp = ?2, \
               original_text = CASE WHEN message_text = ?3 THEN original_text ELSE ?3 END \
             WHERE id = ?1 AND origin = 'transcript' RETURNING id",
        )
        .bind(id)
        .bind(turn.timestamp)
        .bind(turn.message.as_str());
        Ok(self
            .run_one("claim_transcript_turn", update)
            .await?
            .has_rows())
    }

    /// What stood in the way of a turn; `None` when the call is not on record. One round trip.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn why_unsaved(&self, turn: &NewTurn) -> Result<Option<Unsaved>, DatabaseError> {
        let select = Statement::new(WHY_UNSAVED)
            .bind(turn.call_sid.as_str())
            .bind(turn.speaker.as_str())
            .bind(turn.message.as_str())
            .bind(turn.timestamp)
            .bind(turn.conversation_id.as_deref());
        Ok(self.run_one("why_unsaved", select).await?.rows()?.pop())
    }
}

fn save_statement(turn: &NewTurn, now: UtcTime) -> Statement {
    Statement::new(SAVE_TRANSCRIPTION)
        .bind(turn.call_sid.as_str())
        .bind(turn.speaker.as_str())
        .bind(turn.message.as_str())
        .bind(turn.timestamp)
        .bind(now)
        .bind(turn.conversation_id.as_deref())
}
