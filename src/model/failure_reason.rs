//! Why a call failed.

use std::borrow::Cow;

/// The codes of the reasons that the ledger itself gives.
pub mod reason {
    /// See [`FailureReason::OutcomeUnknown`](super::FailureReason::OutcomeUnknown).
    pub const OUTCOME_UNKNOWN: &str = "outcome_unknown";
    /// See [`FailureReason::Rejected`](super::FailureReason::Rejected).
    pub const ELEVENLABS_REJECTED: &str = "elevenlabs_rejected";
    /// See [`FailureReason::NeverStarted`](super::FailureReason::NeverStarted).
    pub const NEVER_STARTED: &str = "never_started";
    /// See [`FailureReason::NoOutcome`](super::FailureReason::NoOutcome).
    pub const NO_OUTCOME: &str = "no_outcome";
    /// See [`FailureReason::NotDialled`](super::FailureReason::NotDialled).
    pub const NOT_DIALLED: &str = "not_dialled";

    /// Maximum number of characters of ElevenLabs' own words in a reason.
    pub const LONGEST: usize = 500;

    /// The first [`LONGEST`] characters of ElevenLabs' own words. U+0000 becomes U+FFFD: SQLite
    /// cannot read an export that has one.
    #[must_use]
    pub fn cut(words: &str) -> String {
        let storable = |letter| if letter == '\0' { '\u{fffd}' } else { letter };
        words.chars().take(LONGEST).map(storable).collect()
    }
}

/// Why a call failed. The database and the API hold it as [text](FailureReason::text).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureReason {
    /// ElevenLabs refused the dial, in these words. `None` after retention has cleared them.
    Rejected(Option<String>),
    /// The dial got no answer, a 5xx or a broken connection: the phone may have rung.
    OutcomeUnknown,
    /// ElevenLabs has no conversation for the call: it was recorded, and no phone rang.
    NeverStarted,
    /// ElevenLabs named no outcome within a day.
    NoOutcome,
    /// The request that recorded the call ended before it dialled: no phone rang.
    NotDialled,
    /// ElevenLabs' own words for what happened, such as `busy` or `no-answer`.
    Reported(String),
}

impl FailureReason {
    /// What the ledger assumes while ElevenLabs has said nothing. A later answer of ElevenLabs
    /// replaces it.
    pub const SUPPOSED: [Self; 3] = [Self::OutcomeUnknown, Self::NeverStarted, Self::NoOutcome];

    /// Whether the reason is one of [`FailureReason::SUPPOSED`].
    #[must_use]
    pub fn is_supposed(&self) -> bool {
        Self::SUPPOSED.contains(self)
    }

    /// The reason of a dial that ElevenLabs refused in these words, [cut](reason::cut).
    #[must_use]
    pub fn rejected(words: &str) -> Self {
        Self::Rejected(Some(reason::cut(words)))
    }

    /// ElevenLabs' own words for what happened. Words that are one of the ledger's codes are
    /// `unknown`: a code says what the ledger knows, such as that no phone rang.
    #[must_use]
    pub fn reported(words: &str) -> Self {
        match Self::parse(words) {
            Self::Reported(words) => Self::Reported(words),
            _ => Self::Reported("unknown".to_owned()),
        }
    }

    /// The code of a reason that the ledger itself gives; `None` for ElevenLabs' own words.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Rejected(_) => Some(reason::ELEVENLABS_REJECTED),
            Self::OutcomeUnknown => Some(reason::OUTCOME_UNKNOWN),
            Self::NeverStarted => Some(reason::NEVER_STARTED),
            Self::NoOutcome => Some(reason::NO_OUTCOME),
            Self::NotDialled => Some(reason::NOT_DIALLED),
            Self::Reported(_) => None,
        }
    }

    /// The text in the database and in the API: the code, and the words of a refusal after a colon
    /// and a blank; or ElevenLabs' own words.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match (self, self.code()) {
            (Self::Rejected(Some(words)), Some(code)) => format!("{code}: {words}").into(),
            (Self::Reported(words), _) => words.into(),
            (_, code) => code.unwrap_or_default().into(),
        }
    }

    /// Reads [`FailureReason::text`]. What is not the text of another reason is
    /// [`FailureReason::Reported`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            reason::OUTCOME_UNKNOWN => Self::OutcomeUnknown,
            reason::NEVER_STARTED => Self::NeverStarted,
            reason::NO_OUTCOME => Self::NoOutcome,
            reason::NOT_DIALLED => Self::NotDialled,
            reason::ELEVENLABS_REJECTED => Self::Rejected(None),
            _ => {
                let after_code = text.strip_prefix(reason::ELEVENLABS_REJECTED);
                after_code
                    .and_then(|rest| rest.strip_prefix(": "))
                    .map_or_else(
                        || Self::Reported(text.to_owned()),
                        |words| Self::Rejected(Some(words.to_owned())),
                    )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FailureReason, reason};

    #[test]
    fn elevenlabs_words_never_pass_for_a_code_of_the_ledger() {
        for code in ["not_dialled", "outcome_unknown", "elevenlabs_rejected: no"] {
            let unknown = FailureReason::Reported("unknown".to_owned());
            assert_eq!(FailureReason::reported(code), unknown);
        }
        let busy = FailureReason::Reported("busy".to_owned());
        assert_eq!(FailureReason::reported("busy"), busy);
    }

    #[test]
    fn words_are_cut_and_have_no_character_that_breaks_an_export() {
        assert_eq!(super::reason::cut("a\0b"), "a\u{fffd}b");
        assert_eq!(super::reason::cut(&"é".repeat(501)), "é".repeat(500));
    }

    #[test]
    fn every_text_is_read_as_its_reason_and_written_back() {
        let words = |text: &str| Some(text.to_owned());
        let reported = |text: &str| FailureReason::Reported(text.to_owned());
        for (text, reason) in [
            ("outcome_unknown", FailureReason::OutcomeUnknown),
            ("never_started", FailureReason::NeverStarted),
            ("no_outcome", FailureReason::NoOutcome),
            ("not_dialled", FailureReason::NotDialled),
            ("elevenlabs_rejected", FailureReason::Rejected(None)),
            ("elevenlabs_rejected: ", FailureReason::Rejected(words(""))),
            (
                "elevenlabs_rejected: no: 4",
                FailureReason::Rejected(words("no: 4")),
            ),
            ("elevenlabs_rejected:no", reported("elevenlabs_rejected:no")),
            ("busy", reported("busy")),
            ("", reported("")),
        ] {
            assert_eq!(FailureReason::parse(text), reason);
            assert_eq!(reason.text(), text);
        }
    }

    #[test]
    fn the_words_of_a_refusal_are_cut() {
        let refused = FailureReason::rejected(&"ü".repeat(reason::LONGEST + 1));
        let words = "ü".repeat(reason::LONGEST);
        assert_eq!(refused.text(), format!("elevenlabs_rejected: {words}"));
    }
}
