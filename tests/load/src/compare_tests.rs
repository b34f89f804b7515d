//! A small run in which all is well, and every way in which it could be otherwise: the comparison finds each.

use super::*;
use crate::books::Turn;

/// What the comparison is given.
struct Case {
    books: Books,
    promised: Promised,
    record: Record,
    crashes: Vec<Crash>,
}

const TALK: &str = "EL_1_2026-01-01T00:00:01Z";
const REFUSED: &str = "EL_2_2026-01-01T00:00:01Z";
const DEAD: &str = "EL_3_2026-01-01T00:00:01Z";
const CRASHED_AT: &str = "2026-01-01T10:00:00Z";

fn turn(id: i64, number: i64, speaker: &str, message: &str) -> RecordedTurn {
    RecordedTurn {
        id,
        sequence_number: number,
        speaker: speaker.into(),
        message: message.into(),
    }
}

fn call(status: &str, reason: Option<&str>, conversation: Option<&str>) -> RecordedCall {
    RecordedCall {
        conversation_id: conversation.map(str::to_owned),
        status: status.into(),
        failure_reason: reason.map(str::to_owned),
        created_at: "2026-01-01T09:59:50.000Z".into(),
        ..RecordedCall::default()
    }
}

/// A conversation with a repeated sentence and a turn of which ElevenLabs knows nothing; a call that was refused; and
/// one whose worker died before it was dialled.
fn well() -> Case {
    let said = |speaker, message: &str, id| Turn {
        speaker,
        message: message.into(),
        accepted: usize::from(id != 0),
        created: usize::from(id != 0),
        ids: [id].into_iter().filter(|id| *id != 0).collect(),
    };
    let conversation = Conversation {
        over: true,
        turns: vec![
            said("agent", "Are you parked?", 11),
            said("driver", "Yes.", 12),
            said("agent", "Fine.", 0),
            said("driver", "Yes.", 14),
        ],
    };
    let dial = |call_sid: &str, number, conversation: Option<&str>| Dial {
        call_sid: call_sid.into(),
        number,
        conversation_id: conversation.map(str::to_owned),
        abandoned: false,
    };
    let mut talk = call("completed", None, Some("conv_1"));
    talk.turns = vec![
        turn(11, 1, "agent", "Are you parked?"),
        turn(12, 2, "driver", "Yes."),
        turn(15, 3, "agent", "Nota bene 1"),
        turn(16, 4, "agent", "Fine."),
        turn(14, 5, "driver", "Yes."),
    ];
    talk.turn_count = 5;
    let at = CRASHED_AT.parse().unwrap();
    Case {
        books: Books {
            dials: vec![
                dial(TALK, "answered", Some("conv_1")),
                dial(REFUSED, "refused", None),
            ],
            conversations: [("conv_1".to_owned(), conversation)].into(),
        },
        promised: Promised {
            asked: [TALK, REFUSED, DEAD].map(str::to_owned).into(),
            placements: [
                (
                    TALK.to_owned(),
                    Placement {
                        created: 1,
                        conversations: ["conv_1".to_owned()].into(),
                        rejected: false,
                    },
                ),
                (
                    REFUSED.to_owned(),
                    Placement {
                        created: 1,
                        rejected: true,
                        ..Placement::default()
                    },
                ),
                (DEAD.to_owned(), Placement::default()),
            ]
            .into(),
            notes: vec![Note {
                call_sid: TALK.into(),
                speaker: "agent",
                message: "Nota bene 1".into(),
                accepted: true,
                created: 1,
                ids: [15].into(),
                unclear: false,
            }],
            seen: Vec::new(),
        },
        record: Record {
            calls: [
                (TALK.to_owned(), talk),
                (
                    REFUSED.to_owned(),
                    call("failed", Some("elevenlabs_rejected: no"), None),
                ),
                (DEAD.to_owned(), call("failed", Some("never_started"), None)),
            ]
            .into(),
            faults: Vec::new(),
        },
        crashes: vec![Crash { at, back: at }],
    }
}

impl Case {
    fn kinds(&self) -> Vec<Kind> {
        let found = compare(&self.books, &self.promised, &self.record, &self.crashes);
        let kinds: BTreeSet<_> = found.iter().map(|found| found.kind).collect();
        kinds.into_iter().collect()
    }

    fn call(&mut self, call_sid: &str) -> &mut RecordedCall {
        self.record.calls.get_mut(call_sid).unwrap()
    }

    fn said(&mut self, place: usize) -> &mut Turn {
        &mut self.books.conversations.get_mut("conv_1").unwrap().turns[place]
    }
}

fn assert_found(kinds: &[Kind], damage: impl FnOnce(&mut Case)) {
    let mut case = well();
    damage(&mut case);
    assert_eq!(case.kinds(), kinds);
}

#[test]
fn nothing_is_found_where_all_is_well() {
    assert_found(&[], |_| {});
}

#[test]
fn two_dials_are_found() {
    assert_found(&[Kind::DialledTwice], |case| {
        let again = case.books.dials[0].clone();
        case.books.dials.push(again);
    });
}

#[test]
fn a_dial_off_the_record_and_a_lost_call_are_found() {
    assert_found(&[Kind::DialledOffTheRecord, Kind::CallLost], |case| {
        case.record.calls.remove(REFUSED);
    });
    assert_found(&[Kind::CallLost], |case| {
        case.record.calls.remove(DEAD);
    });
}

#[test]
fn a_lost_turn_is_found() {
    let all = [
        Kind::TurnLost,
        Kind::WrongTranscript,
        Kind::Gap,
        Kind::WrongCount,
    ];
    assert_found(&all, |case| {
        case.call(TALK).turns.remove(1);
    });
    // Also when all that is left is numbered and counted anew.
    assert_found(&[Kind::TurnLost], |case| {
        let call = case.call(TALK);
        call.turns.remove(2);
        call.turn_count = 4;
        for (place, turn) in (1..).zip(&mut call.turns) {
            turn.sequence_number = place;
        }
    });
    // Also when the answer broke off before it named an id.
    assert_found(&[Kind::TurnLost, Kind::WrongTranscript], |case| {
        case.said(0).ids.clear();
        case.call(TALK).turns[0].message = "Are you there?".into();
    });
    assert_found(&[], |case| case.said(0).ids.clear());
    // And when another turn of the same words stands in its place.
    assert_found(&[Kind::TurnLost], |case| case.call(TALK).turns[1].id = 99);
}

#[test]
fn a_turn_stored_twice_is_found() {
    assert_found(&[Kind::TurnTwice], |case| case.said(0).created = 2);
    assert_found(&[Kind::TurnTwice], |case| {
        case.said(0).ids.insert(99);
    });
    assert_found(&[Kind::TurnTwice], |case| {
        let call = case.call(TALK);
        call.turns.push(turn(17, 6, "agent", "Nota bene 1"));
        call.turn_count = 6;
    });
    assert_found(&[Kind::WrongTranscript], |case| {
        let call = case.call(TALK);
        call.turns.push(turn(17, 6, "driver", "Yes."));
        call.turn_count = 6;
    });
}

#[test]
fn other_words_and_another_order_are_found() {
    assert_found(&[Kind::WrongTranscript], |case| {
        case.call(TALK).turns[0].message = "Are you parked".into();
    });
    assert_found(&[Kind::WrongTranscript], |case| {
        case.call(TALK).turns[3].speaker = "driver".into();
    });
    assert_found(&[Kind::WrongTranscript], |case| {
        let turns = &mut case.call(TALK).turns;
        turns.swap(0, 1);
        turns[0].sequence_number = 1;
        turns[1].sequence_number = 2;
    });
    assert_found(&[Kind::WrongTranscript], |case| {
        let note = &mut case.promised.notes[0];
        note.accepted = false;
        note.created = 0;
    });
}

#[test]
fn another_ending_is_found() {
    assert_found(&[Kind::StillInProgress], |case| {
        case.call(TALK).status = "in_progress".into();
    });
    assert_found(&[Kind::WrongEnding], |case| {
        let call = case.call(TALK);
        call.status = "failed".into();
        call.failure_reason = Some("no_outcome".into());
    });
    assert_found(&[Kind::WrongEnding], |case| {
        case.call(REFUSED).failure_reason = Some("never_started".into());
    });
    assert_found(&[Kind::WrongEnding], |case| {
        case.call(DEAD).failure_reason = Some("outcome_unknown".into());
    });
}

#[test]
fn another_conversation_is_found() {
    assert_found(&[Kind::WrongConversation], |case| {
        case.call(TALK).conversation_id = Some("conv_2".into());
    });
    assert_found(&[Kind::WrongConversation], |case| {
        case.call(DEAD).conversation_id = Some("conv_2".into());
    });
}

#[test]
fn a_call_never_dialled_is_found_where_no_crash_excuses_it() {
    assert_found(&[Kind::NeverDialled], |case| case.crashes.clear());
    assert_found(&[Kind::NeverDialled], |case| {
        case.call(DEAD).created_at = "2026-01-01T09:58:00.000Z".into();
    });
}

#[test]
fn what_nobody_asked_for_and_what_was_said_twice_is_found() {
    assert_found(&[Kind::NobodyAsked], |case| {
        case.promised.asked.remove(DEAD);
    });
    assert_found(&[Kind::PlacedTwice], |case| {
        case.promised.placements.get_mut(TALK).unwrap().created = 2;
    });
    assert_found(&[Kind::List], |case| {
        case.record.faults = vec![Discrepancy::new(Kind::List, TALK, "twice")];
    });
    assert_found(&[Kind::SeenWhileRunning], |case| {
        case.promised.seen = vec![Discrepancy::new(Kind::SeenWhileRunning, TALK, "gap")];
    });
}

#[test]
fn a_refusal_lost_with_its_worker_may_end_as_never_started() {
    assert_found(&[], |case| {
        case.call(REFUSED).failure_reason = Some("never_started".into());
        case.promised.placements.get_mut(REFUSED).unwrap().rejected = false;
    });
}
