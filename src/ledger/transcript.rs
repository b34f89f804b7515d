//! Making the stored turns equal to ElevenLabs' own transcript.
//!
//! The rule, which `docs/architecture.md` repeats for its readers:
//!
//! 1. A stored turn and a reported one are the same when `same_turn::heard` says that the ledger has
//!    heard it: same speaker, same words. Of several equal texts ("Yes." "Yes.") the pairs are chosen so
//!    that their order is kept and their times lie closest together.
//! 2. What is left pairs where the agent was interrupted (`Same::CutShort`).
//! 3. Each reported turn takes its place in ElevenLabs' order, with ElevenLabs' text. A stored
//!    one keeps its id and its time; a missing one is inserted at the conversation's start plus
//!    its offset.
//! 4. A posted turn that ElevenLabs does not have is kept, after the last turn that is not later.
//!    One that nobody posted, of an earlier version of ElevenLabs' transcript, goes with it.
//! 5. All are numbered 1…n.

use std::collections::HashMap;

use super::same_turn::{Same, heard, words};
use crate::elevenlabs::conversation::ReportedTurn;
use crate::model::{
    Arrangement, InsertedTurn, Origin, RewrittenTurn, Speaker, StoredTurn, UtcTime,
};

/// What makes the stored turns equal to ElevenLabs' transcript of a conversation that began
/// then. `stored` is in the order of its numbers. Applied twice, the second time changes nothing.
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

/// What the agent meant to say, for a turn that is inserted. Where it was interrupted and
/// ElevenLabs does not tell, the text itself stands for that: it may be the beginning of more.
fn meant(turn: &ReportedTurn) -> Option<String> {
    let interrupted = turn.interrupted.then(|| turn.message.clone());
    turn.original_message.clone().or(interrupted)
}

/// A stored turn at this place, with this text and origin.
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

/// Whether the stored turns, unreported ones aside, are the reported ones already.
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

/// For each stored turn, the reported one it is.
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

/// Pairs of two equal texts' occurrences: as many as there can be, in order, with the least sum
/// of time differences.
fn closest(stored: &[Timed], reported: &[Timed]) -> Vec<(usize, usize)> {
    if stored.len() > reported.len() {
        let turned = closest(reported, stored);
        return turned.into_iter().map(|(a, b)| (b, a)).collect();
    }
    // Usually both have the same number, and then there is one way only. A text that is repeated
    // thousands of times with gaps is paired from the front instead of in quadratic time.
    if stored.len() == reported.len() || stored.len().saturating_mul(reported.len()) > 1_000_000 {
        let pairs = stored.iter().zip(reported);
        return pairs
            .map(|(stored, reported)| (stored.0, reported.0))
            .collect();
    }
    // Row i: the least cost of pairing the first i stored with the first j reported ones.
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

/// Pairs what is left where the agent was interrupted, each with the closest in the order.
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
