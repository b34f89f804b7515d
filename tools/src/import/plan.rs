//! What an import would write: the older record compared with what is on record.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::faults::Lines;
use super::names::{OnRecord, assign};
use super::older::{Call, Turn};
use super::record::{Record, RecordedCall, RecordedTurn};
use super::time::Time;

/// What messages call the two files.
pub struct Files<'a> {
    /// The file of the calls.
    pub calls: &'a str,
    /// The file of the turns.
    pub turns: &'a str,
}

/// A turn with its place in the conversation, 1 for the first.
pub struct Placed<'a> {
    /// The turn.
    pub turn: &'a Turn,
    /// Its sequence number.
    pub number: u64,
}

/// What is to be written, and what is not.
#[derive(Default)]
pub struct Plan<'a> {
    /// Calls to write, by their old ids, with their names.
    pub calls: Vec<(&'a Call, &'a str)>,
    /// Turns to write, conversation by conversation in order.
    pub turns: Vec<Placed<'a>>,
    /// How many calls are on record.
    pub calls_there: usize,
    /// How many of these have another status or end on record.
    pub calls_moved_on: usize,
    /// How many turns are on record.
    pub turns_there: usize,
    /// How many of these belong to conversations whose transcript ElevenLabs has sent since.
    pub turns_replaced: usize,
    /// In how many conversations turns have got other numbers.
    pub renumbered: usize,
    /// Turns whose conversation no call has.
    pub homeless: Lines,
}

/// The names of the calls, or those that the database has to be asked about first.
///
/// # Errors
/// Names that the database has to be asked about.
pub fn names(calls: &[Call], record: &Record) -> Result<Vec<String>, Vec<String>> {
    let of_conversation = |call: &Call| record.of_conversation(call.conversation_id.as_deref()?);
    assign(
        calls,
        |call| of_conversation(call).map(|recorded| recorded.call_sid.clone()),
        |name, call| match record.named(name) {
            Some(recorded) if is_same(call, recorded) => OnRecord::SameCall,
            Some(_) => OnRecord::OtherCall,
            None if record.knows(name) => OnRecord::Free,
            None => OnRecord::NotAsked,
        },
    )
}

/// Whether a call without a name of its own is the one on record. Its conversation is not on record, or it would be
/// known by that.
fn is_same(call: &Call, recorded: &RecordedCall) -> bool {
    call.conversation_id.is_none() && conflicts(call, recorded).is_empty()
}

/// What cannot be different where it is the same call. Its status and its end may be: ElevenLabs may have reported since.
fn conflicts(call: &Call, recorded: &RecordedCall) -> Vec<String> {
    let mut faults = Vec::new();
    let driver = call.driver_id.map(|driver| driver as f64);
    if driver != recorded.driver_id {
        faults.push("driver_id".to_owned());
    }
    if !is_time(&recorded.call_start_time, call.start) {
        faults.push("call_start_time".to_owned());
    }
    // Without one in the file, the record may have learned it since.
    if call.conversation_id.is_some() && call.conversation_id != recorded.conversation_id {
        faults.push("conversation_id".to_owned());
    }
    faults
}

/// Whether this is how the database has the time, in any spelling.
fn is_time(stored: &str, time: Time) -> bool {
    Time::parse(stored).is_ok_and(|stored| stored.to_string() == time.to_string())
}

impl<'a> Plan<'a> {
    /// Compares the calls with the record. What contradicts it is noted as a fault.
    pub fn add_calls(
        &mut self,
        calls: &'a [Call],
        names: &'a [String],
        record: &Record,
        files: &Files<'_>,
        faults: &mut Lines,
    ) {
        let mut met = HashSet::new();
        for (call, name) in calls.iter().zip(names) {
            let conversation = call.conversation_id.as_deref();
            let owner = conversation.and_then(|conversation| record.of_conversation(conversation));
            if let Some(owner) = owner.filter(|owner| owner.call_sid != *name) {
                let sentence = format!(
                    "conversation_id is on record for the call {}: give this line that call_sid, or remove it",
                    owner.call_sid
                );
                faults.note(files.calls, call.line, sentence);
                continue;
            }
            let Some(recorded) = record.named(name) else {
                self.calls.push((call, name));
                continue;
            };
            let different = conflicts(call, recorded);
            if !different.is_empty() {
                let sentence = format!(
                    "the call {name} is on record with another {}: correct this line, or remove it",
                    different.join(", ")
                );
                faults.note(files.calls, call.line, sentence);
            } else if !met.insert(name) {
                let sentence =
                    format!("is the call {name}, as another line is: remove one of the two");
                faults.note(files.calls, call.line, sentence);
            } else {
                self.calls_there += 1;
                let ended = match (&recorded.call_end_time, call.end) {
                    (Some(stored), Some(end)) => is_time(stored, end),
                    (None, None) => true,
                    _ => false,
                };
                self.calls_moved_on += usize::from(!ended || recorded.status != call.status);
            }
        }
        self.calls.sort_by_key(|(call, _)| call.id);
    }

    /// Compares the turns with the record. What contradicts it is noted as a fault.
    pub fn add_turns(
        &mut self,
        conversations: &'a BTreeMap<String, Vec<Turn>>,
        recorded: &HashMap<String, Vec<RecordedTurn>>,
        record: &Record,
        files: &Files<'_>,
        faults: &mut Lines,
    ) {
        let new: HashSet<_> = self
            .calls
            .iter()
            .filter_map(|(call, _)| call.conversation_id.as_deref())
            .collect();
        for (conversation, turns) in conversations {
            let call = record.of_conversation(conversation);
            if call.is_none() && !new.contains(conversation.as_str()) {
                for turn in turns {
                    let sentence = format!("no call has the conversation {conversation:?}");
                    self.homeless.note(files.turns, turn.line, sentence);
                }
                continue;
            }
            if call.is_some_and(|call| call.transcript_revision > 0) {
                self.turns_there += turns.len();
                self.turns_replaced += turns.len();
                continue;
            }
            let there = recorded
                .get(conversation)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let there: HashMap<_, _> = there
                .iter()
                .map(|turn| (turn.sequence_number, turn))
                .collect();
            let mut renumbered = false;
            for (number, turn) in (1..).zip(turns) {
                renumbered |= u64::try_from(turn.number) != Ok(number);
                match there.get(&number) {
                    None if number > there.len() as u64 => {
                        self.turns.push(Placed { turn, number });
                    }
                    // Turns on record have no gaps, and the ids of new ones depend on it.
                    None => {
                        let sentence = format!(
                            "turn {number} of the conversation {conversation:?} was deleted from the record, and \
                             later ones were not: remove the lines of this conversation"
                        );
                        faults.note(files.turns, turn.line, sentence);
                    }
                    Some(stored) if is_equal(turn, stored) => self.turns_there += 1,
                    Some(_) => {
                        let sentence = format!(
                            "another turn is on record as number {number} of the conversation {conversation:?}: \
                             remove this line"
                        );
                        faults.note(files.turns, turn.line, sentence);
                    }
                }
            }
            self.renumbered += usize::from(renumbered);
        }
    }
}

/// Whether a turn on record is this one. A text that was cleared because of its age counts as the same.
fn is_equal(turn: &Turn, stored: &RecordedTurn) -> bool {
    stored.speaker_type == turn.speaker
        && is_time(&stored.timestamp, turn.time)
        && (stored.message_text == turn.message || stored.message_text.is_empty())
}
