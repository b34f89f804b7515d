//! Turns as they are stored, and what changes in them when ElevenLabs' transcript has come.

use serde::Serialize;

use super::{Speaker, StoredTime, UtcTime};

/// Where a stored turn comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It was posted as it was said.
    Posted,
    /// It so far stands only in ElevenLabs' transcript.
    Transcript,
    /// It was posted, but ElevenLabs' transcript does not have it.
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

/// A turn as it is stored, with what arranging needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTurn {
    /// Its number in the whole ledger.
    pub id: i64,
    /// Its place in the conversation.
    pub sequence_number: i64,
    /// Who spoke.
    pub speaker: Speaker,
    /// What was said; empty where the text was cleared.
    pub message: String,
    /// What was posted or meant, where that is something else.
    pub original_text: Option<String>,
    /// When.
    pub timestamp: StoredTime,
    /// Where it comes from.
    pub origin: Origin,
}

/// A turn to insert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InsertedTurn {
    /// Its place.
    pub sequence_number: i64,
    /// Who spoke.
    pub speaker: Speaker,
    /// What was said.
    pub message: String,
    /// What the agent meant to say, where it was interrupted.
    pub original_text: Option<String>,
    /// When.
    pub timestamp: UtcTime,
    /// Where it comes from.
    pub origin: Origin,
}

/// A stored turn that ElevenLabs has in other words or that turned out to be missing there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RewrittenTurn {
    /// Its place, after the moves.
    pub sequence_number: i64,
    /// Its text from now on.
    pub message: String,
    /// Its origin from now on.
    pub origin: Origin,
}

/// What has to change in the stored turns. Nothing, when they are as they should be.
///
/// Turns are named by their places, because that is what the table is ordered by. The places are
/// right while the call is as it was read: the first statement of a settlement makes sure of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// Stored turns that move: old and new place.
    pub moved: Vec<(i64, i64)>,
    /// Stored turns with another text or origin.
    pub rewritten: Vec<RewrittenTurn>,
    /// The old places of turns of an earlier version of ElevenLabs' transcript that nobody posted.
    pub removed: Vec<i64>,
    /// Turns that are missing.
    pub inserted: Vec<InsertedTurn>,
}

impl Arrangement {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moved.is_empty()
            && self.rewritten.is_empty()
            && self.removed.is_empty()
            && self.inserted.is_empty()
    }
}
