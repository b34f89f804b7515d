//! Stored turns, and how they change so that they equal ElevenLabs' transcript.

use serde::Serialize;

use super::{Speaker, StoredTime, UtcTime};

/// Where a stored turn comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A sender posted it while it was spoken.
    Posted,
    /// Only ElevenLabs' transcript has it so far.
    Transcript,
    /// A sender posted it, but ElevenLabs' transcript does not have it.
    Unreported,
}

impl Origin {
    /// Reads the word in the database.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "posted" => Some(Self::Posted),
            "transcript" => Some(Self::Transcript),
            "unreported" => Some(Self::Unreported),
            _ => None,
        }
    }
}

/// A stored turn, with the columns that arranging needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTurn {
    /// Its `transcription_id`.
    pub id: i64,
    /// Its place in the conversation: 1, 2, 3 …
    pub sequence_number: i64,
    pub speaker: Speaker,
    /// The words; empty if retention has cleared them.
    pub message: String,
    /// The words that were posted or meant, if they differ from the message.
    pub original_text: Option<String>,
    pub timestamp: StoredTime,
    pub origin: Origin,
}

/// A turn to insert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InsertedTurn {
    pub sequence_number: i64,
    pub speaker: Speaker,
    pub message: String,
    /// What the agent meant to say, if it was interrupted.
    pub original_text: Option<String>,
    pub timestamp: UtcTime,
    pub origin: Origin,
}

/// A new text or origin of a stored turn: ElevenLabs has it in other words, or does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RewrittenTurn {
    /// Its place, after the moves.
    pub sequence_number: i64,
    pub message: String,
    pub origin: Origin,
}

/// The changes to the stored turns. It is empty if the stored turns equal the transcript.
///
/// It names turns by their places, because the table is ordered by them. The places are valid only
/// if the call is unchanged since it was read. The first statement of a settlement checks that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// Turns to move: old and new place.
    pub moved: Vec<(i64, i64)>,
    /// Turns to rewrite.
    pub rewritten: Vec<RewrittenTurn>,
    /// Turns to delete, by their old places: an earlier version of ElevenLabs' transcript had them,
    /// and no sender posted them.
    pub removed: Vec<i64>,
    /// Turns to insert.
    pub inserted: Vec<InsertedTurn>,
}

impl Arrangement {
    /// True if there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moved.is_empty()
            && self.rewritten.is_empty()
            && self.removed.is_empty()
            && self.inserted.is_empty()
    }
}
