//! The comparison: what was answered and what ElevenLabs did, beside what is on record.

use crate::audit::{Record, RecordedCall, RecordedTurn};
use crate::books::{Books, Conversation, Dial};
use crate::mix::{Ending, ending};
use crate::promised::{Note, Placement, Promised};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// What is wrong, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    DialledTwice,
    DialledOffTheRecord,
    CallLost,
    TurnLost,
    TurnTwice,
    StillInProgress,
    WrongEnding,
    WrongConversation,
    PlacedTwice,
    NeverDialled,
    WrongTranscript,
    Gap,
    WrongCount,
    NobodyAsked,
    SeenWhileRunning,
    List,
    EventWaits,
    Database,
    Alarm,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    pub kind: Kind,
    /// The call, mostly.
    pub about: String,
    pub what: String,
}

impl Discrepancy {
    pub fn new(kind: Kind, about: &str, what: impl Into<String>) -> Self {
        Self {
            kind,
            about: about.to_owned(),
            what: what.into(),
        }
    }
}

/// When the worker was killed.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    pub at: DateTime<Utc>,
    /// When it answered again.
    pub back: DateTime<Utc>,
}

/// How long a call may have been on record before it is dialled: 20 drivers, six at once, none of whose dials is
/// answered in time.
const UNTIL_DIALLED: TimeDelta = TimeDelta::seconds(60);

/// Everything that is wrong; nothing, when all is well.
pub fn compare(
    books: &Books,
    promised: &Promised,
    record: &Record,
    crashes: &[Crash],
) -> Vec<Discrepancy> {
    let mut found = Found(Vec::new());
    let mut dials: BTreeMap<&str, Vec<&Dial>> = BTreeMap::new();
    for dial in &books.dials {
        dials.entry(&dial.call_sid).or_default().push(dial);
    }
    // 1. What ElevenLabs was asked for: each call once, and none that is not on record.
    for (call_sid, dials) in &dials {
        if dials.len() > 1 {
            let what = format!("ElevenLabs was asked {} times to dial it", dials.len());
            found.add(Kind::DialledTwice, call_sid, what);
        }
        if !record.calls.contains_key(*call_sid) {
            let what = "ElevenLabs was asked to dial it, and it is not on record";
            found.add(Kind::DialledOffTheRecord, call_sid, what);
        }
    }
    // 2. What the clients were answered about placements.
    for (call_sid, placement) in &promised.placements {
        match record.calls.get(call_sid) {
            None => found.add(
                Kind::CallLost,
                call_sid,
                "was answered, and is not on record",
            ),
            Some(call) => found.placement(call_sid, placement, call),
        }
    }
    // 3. Each call on record.
    let mut notes: HashMap<&str, Vec<&Note>> = HashMap::new();
    for note in &promised.notes {
        notes.entry(&note.call_sid).or_default().push(note);
    }
    for (call_sid, call) in &record.calls {
        if !promised.asked.contains(call_sid) {
            found.add(
                Kind::NobodyAsked,
                call_sid,
                "is on record, and nobody asked for it",
            );
        }
        let dial = dials.get(call_sid.as_str()).and_then(|dials| dials.first());
        let conversation = dial
            .and_then(|dial| dial.conversation_id.as_ref())
            .and_then(|id| books.conversations.get(id));
        found.ending(call_sid, call, dial.copied(), crashes);
        let notes = notes.get(call_sid.as_str()).map_or(&[][..], Vec::as_slice);
        found.transcript(call_sid, call, conversation, notes);
    }
    found.0.extend(record.faults.iter().cloned());
    found.0.extend(promised.seen.iter().cloned());
    found.0
}

struct Found(Vec<Discrepancy>);

impl Found {
    fn add(&mut self, kind: Kind, about: &str, what: impl Into<String>) {
        self.0.push(Discrepancy::new(kind, about, what));
    }

    fn placement(&mut self, call_sid: &str, placement: &Placement, call: &RecordedCall) {
        if placement.created > 1 {
            let what = format!(
                "{} requests were told that they placed it",
                placement.created
            );
            self.add(Kind::PlacedTwice, call_sid, what);
        }
        for conversation in &placement.conversations {
            if call.conversation_id.as_ref() != Some(conversation) {
                let what = format!(
                    "was answered with {conversation}, and has {:?} on record",
                    call.conversation_id
                );
                self.add(Kind::WrongConversation, call_sid, what);
            }
        }
        let reason = call.failure_reason.as_deref().unwrap_or_default();
        if placement.rejected && !reason.starts_with("elevenlabs_rejected") {
            let what = format!("was answered as refused, and is {} {reason:?}", call.status);
            self.add(Kind::WrongEnding, call_sid, what);
        }
    }

    fn ending(
        &mut self,
        call_sid: &str,
        call: &RecordedCall,
        dial: Option<&Dial>,
        crashes: &[Crash],
    ) {
        if call.status == "in_progress" {
            return self.add(Kind::StillInProgress, call_sid, "is still in progress");
        }
        let recorded_conversation = dial.and_then(|dial| dial.conversation_id.as_ref());
        if call.conversation_id.as_ref() != recorded_conversation {
            let what = format!(
                "has the conversation {:?}, and at ElevenLabs {recorded_conversation:?}",
                call.conversation_id
            );
            self.add(Kind::WrongConversation, call_sid, what);
        }
        let Some(dial) = dial else {
            if !died_before_dialling(call, crashes) {
                let what = format!(
                    "recorded at {} and never dialled, without a crash",
                    call.created_at
                );
                self.add(Kind::NeverDialled, call_sid, what);
            }
            return self.expect(
                call_sid,
                call,
                "never dialled",
                Ending::Failed("never_started"),
            );
        };
        let rang = dial.conversation_id.is_some();
        self.expect(call_sid, call, dial.number, ending(dial.number, rang));
    }

    fn expect(&mut self, call_sid: &str, call: &RecordedCall, course: &str, ending: Ending) {
        let reason = call.failure_reason.as_deref();
        let supposed = ["outcome_unknown", "never_started", "no_outcome"];
        let right = match (ending, call.status.as_str(), reason) {
            (Ending::Completed, "completed", None) => true,
            (Ending::Failed(expected), "failed", Some(reason)) => reason == expected,
            (Ending::Rejected, "failed", Some(reason)) => {
                reason.starts_with("elevenlabs_rejected") || reason == "never_started"
            }
            (Ending::BrokenOff, "failed", Some(reason)) => !supposed.contains(&reason),
            _ => false,
        };
        if !right {
            let what = format!(
                "({course}) is {} {reason:?} instead of {ending:?}",
                call.status
            );
            self.add(Kind::WrongEnding, call_sid, what);
        }
    }

    fn transcript(
        &mut self,
        call_sid: &str,
        call: &RecordedCall,
        conversation: Option<&Conversation>,
        notes: &[&Note],
    ) {
        let numbers: Vec<_> = call.turns.iter().map(|turn| turn.sequence_number).collect();
        if !(1..).zip(&numbers).all(|(place, number)| place == *number) {
            let what = format!("its turns are numbered {numbers:?}");
            self.add(Kind::Gap, call_sid, what);
        }
        if i64::try_from(call.turns.len()) != Ok(call.turn_count) {
            let what = format!(
                "turn_count {} of {} turns",
                call.turn_count,
                call.turns.len()
            );
            self.add(Kind::WrongCount, call_sid, what);
        }
        for note in notes {
            self.note(call_sid, call, note);
        }
        let is_note = |turn: &&RecordedTurn| notes.iter().any(|note| note.message == turn.message);
        let stored: Vec<_> = call.turns.iter().filter(|turn| !is_note(turn)).collect();
        let turns = conversation.map_or(&[][..], |conversation| &conversation.turns);
        self.posted(call_sid, call, conversation);
        if conversation.is_some_and(|conversation| !conversation.over) {
            return;
        }
        let same = |(stored, turn): (&&RecordedTurn, &crate::books::Turn)| {
            stored.speaker == turn.speaker && stored.message == turn.message
        };
        let differs = stored.len() != turns.len() || !stored.iter().zip(turns).all(same);
        if differs {
            let at = stored
                .iter()
                .zip(turns)
                .take_while(|pair| same((pair.0, pair.1)));
            let what = format!(
                "{} turns, {} at ElevenLabs; they part after turn {}",
                stored.len(),
                turns.len(),
                at.count()
            );
            self.add(Kind::WrongTranscript, call_sid, what);
        }
    }

    /// Each turn that was answered 2xx is stored, once, under the id it was given, with ElevenLabs' words for it.
    fn posted(&mut self, call_sid: &str, call: &RecordedCall, conversation: Option<&Conversation>) {
        let mut taken: BTreeSet<i64> = BTreeSet::new();
        let turns = conversation.map_or(&[][..], |conversation| &conversation.turns);
        for (place, turn) in (1..).zip(turns).filter(|(_, turn)| turn.accepted > 0) {
            let name = format!("turn {place} (answered 2xx {} times)", turn.accepted);
            if turn.created > 1 {
                let what = format!("{name} was stored anew {} times", turn.created);
                self.add(Kind::TurnTwice, call_sid, what);
            }
            if turn.ids.len() > 1 {
                let what = format!("{name} was given the ids {:?}", turn.ids);
                self.add(Kind::TurnTwice, call_sid, what);
            }
            // An answer that broke off after its status names none; then the words alone have to be there.
            let Some(id) = turn.ids.first() else {
                let same = |stored: &&RecordedTurn| {
                    stored.speaker == turn.speaker && stored.message == turn.message
                };
                if !call.turns.iter().any(|stored| same(&stored)) {
                    let what = format!("{name} is not in the transcription");
                    self.add(Kind::TurnLost, call_sid, what);
                }
                continue;
            };
            let stored = call.turns.iter().find(|stored| stored.id == *id);
            match stored {
                None => {
                    let what = format!("{name} is not in the transcription: id {id}");
                    self.add(Kind::TurnLost, call_sid, what);
                }
                Some(stored)
                    if stored.speaker != turn.speaker || stored.message != turn.message =>
                {
                    let what = format!("{name} has other words under its id {id}");
                    self.add(Kind::WrongTranscript, call_sid, what);
                }
                Some(_) if !taken.insert(*id) => {
                    let what = format!("{name} shares its id {id} with another turn");
                    self.add(Kind::TurnLost, call_sid, what);
                }
                Some(_) => {}
            }
        }
    }

    /// A turn that ElevenLabs does not have.
    fn note(&mut self, call_sid: &str, call: &RecordedCall, note: &Note) {
        let stored: Vec<_> = call
            .turns
            .iter()
            .filter(|turn| turn.message == note.message && turn.speaker == note.speaker)
            .map(|turn| turn.id)
            .collect();
        if note.accepted && stored.is_empty() {
            let what = format!(
                "the turn {:?} was answered 2xx and is not there",
                note.message
            );
            self.add(Kind::TurnLost, call_sid, what);
        }
        if stored.len() > 1 || note.created > 1 || note.ids.len() > 1 {
            let what = format!(
                "the turn {:?} stands there {} times; {} times 201; its ids {:?}",
                note.message,
                stored.len(),
                note.created,
                note.ids
            );
            self.add(Kind::TurnTwice, call_sid, what);
        }
        if !note.accepted && !note.unclear && !stored.is_empty() {
            let what = format!("the turn {:?} was refused and is there", note.message);
            self.add(Kind::WrongTranscript, call_sid, what);
        }
    }
}

/// Whether a crash came between recording this call and dialling it.
fn died_before_dialling(call: &RecordedCall, crashes: &[Crash]) -> bool {
    let Ok(created_at) = call.created_at.parse::<DateTime<Utc>>() else {
        return false;
    };
    crashes
        .iter()
        .any(|crash| created_at <= crash.back && created_at >= crash.at - UNTIL_DIALLED)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DialledTwice => "dialled twice",
            Self::DialledOffTheRecord => "dialled off the record",
            Self::CallLost => "a call that was answered is lost",
            Self::TurnLost => "a turn that was answered 2xx is lost",
            Self::TurnTwice => "a turn is stored twice",
            Self::StillInProgress => "still in progress",
            Self::WrongEnding => "another ending than ElevenLabs tells",
            Self::WrongConversation => "another conversation than ElevenLabs tells",
            Self::PlacedTwice => "said to be placed twice",
            Self::NeverDialled => "never dialled",
            Self::WrongTranscript => "another transcript than ElevenLabs'",
            Self::Gap => "sequence numbers with a gap",
            Self::WrongCount => "wrong count of turns",
            Self::NobodyAsked => "nobody asked for this call",
            Self::SeenWhileRunning => "seen by a client while calls were placed",
            Self::List => "lists and calls disagree",
            Self::EventWaits => "an event was never applied",
            Self::Database => "the database is damaged",
            Self::Alarm => "the worker broke down by itself",
        })
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
