//! Whether two turns are the same turn. This file is the only one that decides it.
//!
//! A turn reaches the ledger in two ways. The agent posts each turn when it is said, and may retry. Later
//! ElevenLabs reports the whole transcript, with its own spelling and its own times.
//!
//! [`Same::Repeat`] of a posted turn also exists in SQL: the clause `SAME_TURN` in `store/turns.rs`
//! makes the insert idempotent. `tests/properties/same_turn.rs` compares it with [`compare`].

use crate::elevenlabs::conversation::ReportedTurn;
use crate::model::{NewTurn, Origin, Speaker, StoredTurn};

/// In which way a stored turn and another turn are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Same {
    /// They are equal. Nothing changes.
    Repeat,
    /// They have the same words, but different white space.
    Heard,
    /// The agent was interrupted: the shorter text is the beginning of the longer one.
    CutShort,
    /// They are two turns.
    No,
}

/// Compares a stored turn with a posted one.
///
/// | the stored turn | time | words | |
/// |---|---|---|---|
/// | was posted | equal | equal to its text or its original text, byte for byte | `Repeat` |
/// | was cleared by retention | equal | any, because the text is gone | `Repeat` |
/// | was posted | different | any | `No`: an agent may say the same words twice |
/// | is only in ElevenLabs' transcript | any | equal except for white space | `Heard` |
/// | is only there, and the agent was interrupted | any | begin with its words | `CutShort` |
///
/// Turns of different speakers are never the same. Times are compared as stored, in milliseconds.
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
    // An interrupted turn without the agent's full text has the same text in both columns.
    let cut = stored.original_text.as_ref() == Some(&stored.message);
    if cut && is_cut_short(stored.speaker, &words(&stored.message), &said) {
        return Same::CutShort;
    }
    Same::No
}

/// Compares a stored turn with one of ElevenLabs' transcript. Times are not compared, because
/// ElevenLabs has its own. Of equal texts `transcript::arrange` pairs the closest in time.
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

/// The words of a text: single blanks between them, and U+FFFD for U+0000 as in [`ReportedTurn`].
/// Transcribers add and drop white space, so two texts with equal words are [`Same::Heard`].
#[must_use]
pub fn words(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace('\0', "\u{fffd}")
}

/// Whether the agent was interrupted after `cut` when it said `whole`. Marks of the interruption at
/// the end of `cut`, such as `…`, are ignored.
fn is_cut_short(speaker: Speaker, cut: &str, whole: &str) -> bool {
    let cut = cut.trim_end_matches(['.', '…', '-', '–', '—', ' ']);
    speaker == Speaker::Agent && !cut.is_empty() && whole.starts_with(cut)
}

#[cfg(test)]
#[path = "same_turn_tests.rs"]
mod tests;
