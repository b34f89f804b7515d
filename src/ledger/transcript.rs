//! Makes the stored turns equal to ElevenLabs' own transcript.
//!
//! The rules, which `docs/architecture.md` repeats:
//!
//! 1. A stored turn and a reported turn are paired if speaker and words are the same
//!    (`same_turn::heard`). Of several equal texts ("Yes." "Yes.") those are paired whose times are
//!    closest, in their order.
//! 2. Of the rest, turns are paired where the agent was interrupted (`Same::CutShort`).
//! 3. The reported turns get ElevenLabs' order and text. A paired one keeps its id and its time. A
//!    missing one is inserted; its time is the start of the conversation plus its offset.
//! 4. A posted turn without a pair is kept, after the last turn that is not later. A turn that was only
//!    in an earlier version of ElevenLabs' transcript is removed.
//! 5. All turns are renumbered 1…n.

use std::collections::HashMap;

use super::same_turn::{Same, heard, words};
use crate::elevenlabs::conversation::ReportedTurn;
use crate::model::{
    Arrangement, InsertedTurn, Origin, RewrittenTurn, Speaker, StoredTurn, UtcTime,
};

/// Computes the changes that make the stored turns equal to ElevenLabs' transcript. `stored` is in the
/// order of its sequence numbers. The result is idempotent: a second run finds nothing to change.
#[must_use]
pub fn arrange(
    stored: &[StoredTurn],
    reported: &[ReportedTurn],
    started_at: UtcTime,
) -> Arrangement {
    if is_arranged(stored, reported) {
        return Arrangement::default();
    }
    let pairs = pair(stored, reported, started_at);
    let mut partner: HashMap<usize, &StoredTurn> = HashMap::new();
    let mut left: Vec<&StoredTurn> = Vec::new();
    let mut arrangement = Arrangement::default();
    for (stored, reported) in stored.iter().zip(pairs) {
        match reported {
            Some(reported) => {
                partner.insert(reported, stored);
            }
            None if stored.origin == Origin::Transcript => {
                arrangement.removed.push(stored.sequence_number);
            }
            None => left.push(stored),
        }
    }
    left.sort_unstable_by_key(|turn| (time(turn, started_at), turn.sequence_number));
    let mut left = left.into_iter().peekable();
    let mut place = 0;
    for (index, turn) in reported.iter().enumerate() {
        let inserted_at = started_at.plus_millis(turn.offset_ms);
        let partner = partner.get(&index).copied();
        let said_at = partner.map_or(inserted_at.as_millis(), |stored| time(stored, started_at));
        while let Some(earlier) = left.next_if(|turn| time(turn, started_at) < said_at) {
            place += 1;
            keep(
                &mut arrangement,
                earlier,
                place,
                &earlier.message,
                Origin::Unreported,
            );
        }
        place += 1;
        match partner {
            Some(stored) => {
                let origin = match stored.origin {
                    Origin::Unreported => Origin::Posted,
                    origin => origin,
                };
                keep(&mut arrangement, stored, place, &turn.message, origin);
            }
            None => arrangement.inserted.push(InsertedTurn {
                sequence_number: place,
                speaker: turn.speaker,
                message: turn.message.clone(),
                original_text: meant(turn),
                timestamp: inserted_at,
                origin: Origin::Transcript,
            }),
        }
    }
    for later in left {
        place += 1;
        keep(
            &mut arrangement,
            later,
            place,
            &later.message,
            Origin::Unreported,
        );
    }
    arrangement
}

/// The full text of an inserted turn, for [`compare`](super::same_turn::compare). If the agent was
/// interrupted and ElevenLabs does not send the full text, this is the text itself.
fn meant(turn: &ReportedTurn) -> Option<String> {
    let interrupted = turn.interrupted.then(|| turn.message.clone());
    turn.original_message.clone().or(interrupted)
}

/// Adds the changes that give a stored turn this place, text and origin.
fn keep(
    arrangement: &mut Arrangement,
    turn: &StoredTurn,
    place: i64,
    message: &str,
    origin: Origin,
) {
    if turn.sequence_number != place {
        arrangement.moved.push((turn.sequence_number, place));
    }
    if turn.message != message || turn.origin != origin {
        arrangement.rewritten.push(RewrittenTurn {
            sequence_number: place,
            message: message.to_owned(),
            origin,
        });
    }
}

/// Whether the stored turns, without unreported ones, already equal the reported turns.
fn is_arranged(stored: &[StoredTurn], reported: &[ReportedTurn]) -> bool {
    let numbered = stored
        .iter()
        .zip(1..)
        .all(|(turn, place)| turn.sequence_number == place);
    let mut known = stored
        .iter()
        .filter(|turn| turn.origin != Origin::Unreported);
    numbered
        && reported.iter().all(|turn| {
            known
                .next()
                .is_some_and(|known| heard(known, turn) == Same::Repeat)
        })
        && known.next().is_none()
}

fn time(turn: &StoredTurn, fallback: UtcTime) -> i64 {
    turn.timestamp.time().unwrap_or(fallback).as_millis()
}

/// Returns for each stored turn the index of the reported turn that it is paired with.
fn pair(
    stored: &[StoredTurn],
    reported: &[ReportedTurn],
    started_at: UtcTime,
) -> Vec<Option<usize>> {
    let mut pairs = vec![None; stored.len()];
    let mut groups: HashMap<(Speaker, String), (Vec<Timed>, Vec<Timed>)> = HashMap::new();
    for (index, turn) in stored.iter().enumerate() {
        let key = (turn.speaker, words(&turn.message));
        let timed = (index, time(turn, started_at));
        groups.entry(key).or_default().0.push(timed);
    }
    for (index, turn) in reported.iter().enumerate() {
        let key = (turn.speaker, words(&turn.message));
        if let Some((_, timed)) = groups.get_mut(&key) {
            timed.push((index, started_at.as_millis().saturating_add(turn.offset_ms)));
        }
    }
    let mut taken = vec![false; reported.len()];
    let mut take = |stored: usize, reported: usize| {
        if let (Some(slot), Some(flag)) = (pairs.get_mut(stored), taken.get_mut(reported)) {
            *slot = Some(reported);
            *flag = true;
        }
    };
    for (mut stored, reported) in groups.into_values() {
        stored.sort_unstable_by_key(|(index, time)| (*time, *index));
        for (stored, reported) in closest(&stored, &reported) {
            take(stored, reported);
        }
    }
    pair_interrupted(stored, reported, &mut pairs, &taken);
    pairs
}

/// A turn's index and its time in milliseconds.
type Timed = (usize, i64);

/// Pairs the occurrences of one text: as many pairs as possible, in order, with the least sum of time
/// differences.
fn closest(stored: &[Timed], reported: &[Timed]) -> Vec<(usize, usize)> {
    if stored.len() > reported.len() {
        let turned = closest(reported, stored);
        return turned.into_iter().map(|(a, b)| (b, a)).collect();
    }
    // If both sides have the same number, there is only one way. More than a million comparisons would
    // take too long, so such a text is paired from the front.
    if stored.len() == reported.len() || stored.len().saturating_mul(reported.len()) > 1_000_000 {
        let pairs = stored.iter().zip(reported);
        return pairs
            .map(|(stored, reported)| (stored.0, reported.0))
            .collect();
    }
    // Dynamic programming. Row i, column j: the least sum of time differences when the first i stored
    // turns are paired among the first j reported ones. `None` if i > j.
    let mut rows: Vec<Vec<Option<u64>>> = vec![vec![Some(0); reported.len() + 1]];
    for stored in stored {
        let mut row = vec![None];
        let above = rows.last().map_or(&[][..], Vec::as_slice);
        for (reported, above) in reported.iter().zip(above) {
            let paired = above.map(|cost| cost.saturating_add(stored.1.abs_diff(reported.1)));
            let skipped = row.last().copied().flatten();
            row.push([paired, skipped].into_iter().flatten().min());
        }
        rows.push(row);
    }
    let mut pairs = Vec::with_capacity(stored.len());
    let mut column = reported.len();
    for (index, stored) in stored.iter().enumerate().rev() {
        let cost = |column: usize| rows.get(index + 1)?.get(column).copied().flatten();
        while column > 1 && cost(column) == cost(column - 1) {
            column -= 1;
        }
        column = column.saturating_sub(1);
        pairs.extend(reported.get(column).map(|reported| (stored.0, reported.0)));
    }
    pairs
}

/// Pairs what is left where the agent was interrupted, each with the first stored turn that fits.
fn pair_interrupted(
    stored: &[StoredTurn],
    reported: &[ReportedTurn],
    pairs: &mut [Option<usize>],
    taken: &[bool],
) {
    let cut = reported
        .iter()
        .enumerate()
        .zip(taken)
        .filter(|((_, turn), taken)| {
            !**taken && (turn.interrupted || turn.original_message.is_some())
        });
    for ((index, turn), _) in cut {
        let found = stored
            .iter()
            .zip(pairs.iter_mut())
            .find(|(stored, pair)| pair.is_none() && heard(stored, turn) == Same::CutShort);
        if let Some((_, pair)) = found {
            *pair = Some(index);
        }
    }
}

#[cfg(test)]
#[path = "transcript_tests.rs"]
mod tests;
