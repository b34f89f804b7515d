//! What became of an event of ElevenLabs.

/// What became of an event. All but `Kept` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOutcome {
    /// It waits to be applied.
    Kept,
    /// Its call is what it says.
    Applied,
    /// It says nothing that the ledger keeps, or it belongs to a call of another ledger.
    Ignored,
    /// It waited for its call for too long.
    Expired,
}

impl EventOutcome {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::Expired => "expired",
        }
    }

    /// Reads the word of [`EventOutcome::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Kept, Self::Applied, Self::Ignored, Self::Expired]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}
