//! Whether two turns are the same turn. Every part of the ledger that asks this asks here.
//!
//! A turn reaches the ledger in two ways. The agent posts it when it is said, and may post it more
//! than once. ElevenLabs reports it in the transcript of the whole conversation, which may spell it
//! otherwise and has its own time for it.
//!
//! [`Same::Repeat`] of a posted turn also exists as one clause of SQL, `SAME_TURN` in
//! `store/turns.rs`: the statement that stores a turn refuses a repeat by itself.
//! `tests/properties/same_turn.rs` holds the clause to [`compare`].

use crate::elevenlabs::conversation::ReportedTurn;
use crate::model::{NewTurn, Origin, Speaker, StoredTurn};

/// How a stored turn and another one are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Same {
    /// The very same: nothing has to change.
    Repeat,
    /// The same words, white space aside.
    Heard,
    /// The agent meant to say the longer text and was interrupted: the shorter one is how far it came.
    CutShort,
    /// Two turns.
    No,
}

/// How a posted turn is the stored one.
///
/// | the stored turn | time | words | |
/// |---|---|---|---|
/// | was posted | equal | equal to the letter, to its text or its original text | `Repeat` |
/// | was cleared by age | equal | any: they are gone | `Repeat` |
/// | was posted | another | any | `No`: an agent may say the same words twice |
/// | stands only in ElevenLabs' transcript | any | equal, white space aside | `Heard` |
/// | stands only there, and the agent was interrupted | any | begin with it | `CutShort` |
///
/// The speaker is always the same. Times are compared as they are stored, in milliseconds.
#[must_use]
pub fn compare(stored: &StoredTurn, posted: &NewTurn) -> Same {
    if stored.speaker != posted.speaker {
        return Same::No;
    }
    let reported_only = stored.origin == Origin::Transcript;
    let texts = [Some(&stored.message), stored.original_text.as_ref()];
    let mut texts = texts.into_iter().flatten();
    let cleared = stored.message.is_empty();
    if stored.timestamp.as_stored() == posted.timestamp.to_string()
        && (cleared || (!reported_only && texts.clone().any(|text| *text == posted.message)))
    {
        return Same::Repeat;
    }
    if !reported_only || cleared {
        return Same::No;
    }
    let said = words(&posted.message);
    if texts.any(|text| words(text) == said) {
        return Same::Heard;
    }
    // Where ElevenLabs does not tell what the agent meant, its text stands in both columns.
    let cut = stored.original_text.as_ref() == Some(&stored.message);
    if cut && is_cut_short(stored.speaker, &words(&stored.message), &said) {
        return Same::CutShort;
    }
    Same::No
}

/// How a turn of ElevenLabs' transcript is the stored one. Times do not count: ElevenLabs' are its
/// own. Of several equal texts `transcript::arrange` pairs those that lie closest together.
#[must_use]
pub fn heard(stored: &StoredTurn, reported: &ReportedTurn) -> Same {
    if stored.speaker != reported.speaker {
        return Same::No;
    }
    if stored.message == reported.message {
        return Same::Repeat;
    }
    let posted = words(&stored.message);
    let heard = words(&reported.message);
    if posted == heard {
        return Same::Heard;
    }
    let meant = reported.original_message.as_deref();
    let is_meant = reported.speaker == Speaker::Agent && meant.map(words).as_ref() == Some(&posted);
    if is_meant || (reported.interrupted && is_cut_short(reported.speaker, &heard, &posted)) {
        return Same::CutShort;
    }
    Same::No
}

/// A text's words: without the white space that transcribers add or drop, and with U+0000 as
/// [`ReportedTurn`] has it. Two texts of one speaker are [`Same::Heard`] when these are equal.
#[must_use]
pub fn words(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace('\0', "\u{fffd}")
}

/// Whether a text is as far as the agent came with a longer one. It may end in a mark of the
/// interruption, which does not count.
fn is_cut_short(speaker: Speaker, cut: &str, whole: &str) -> bool {
    let cut = cut.trim_end_matches(['.', '…', '-', '–', '—', ' ']);
    speaker == Speaker::Agent && !cut.is_empty() && whole.starts_with(cut)
}

#[cfg(test)]
#[path = "same_turn_tests.rs"]
mod tests;
