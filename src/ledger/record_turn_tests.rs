use super::{Plan, RecordError, plan};
use crate::model::{By, CallSid, NewTurn, Origin, Speaker, StoredTime, StoredTurn, UtcTime};
use crate::store::turns::{CallOfTurn, SavedTurn};

fn time(second: i64) -> UtcTime {
    let start = UtcTime::parse("2025-11-21T10:30:00Z").unwrap();
    start.plus_millis(second * 1000)
}

fn turn(named: Option<&str>) -> NewTurn {
    NewTurn {
        call_sid: CallSid::from_text("EL_1_1"),
        speaker: Speaker::Driver,
        message: "Yes.".to_owned(),
        timestamp: time(5),
        conversation_id: named.map(str::to_owned),
    }
}

/// A turn of the conversation at its place, with id 100 and that.
fn stored(place: i64, origin: Origin, second: i64, message: &str) -> StoredTurn {
    StoredTurn {
        id: 100 + place,
        sequence_number: place,
        speaker: Speaker::Driver,
        message: message.to_owned(),
        original_text: None,
        timestamp: StoredTime::from(time(second)),
        origin,
    }
}

fn call(known: Option<&str>, owner: Option<&str>, revision: i64) -> CallOfTurn {
    CallOfTurn {
        conversation_id: known.map(str::to_owned),
        claimed: false,
        driver_id: Some(7),
        owner: owner.map(CallSid::from_text),
        transcript_revision: revision,
        turns: Vec::new(),
    }
}

#[test]
fn the_call_and_the_conversation_that_the_turn_names_decide_first() {
    let known = Some("conv_1");
    let own = Some("EL_1_1");
    let insert = Plan::Insert {
        conversation_id: "conv_1",
        transcript_revision: 2,
    };
    let link = Plan::Link {
        conversation_id: "conv_1",
        claimed: true,
    };
    for (found, named, expected) in [
        (None, None, Plan::Refuse(RecordError::UnknownCall)),
        (None, known, Plan::Refuse(RecordError::UnknownCall)),
        (
            Some(call(None, None, 0)),
            None,
            Plan::Refuse(RecordError::NotLinked),
        ),
        (Some(call(None, None, 0)), known, link),
        (
            Some(call(None, Some("EL_2_2"), 0)),
            known,
            Plan::Refuse(RecordError::ConversationTaken),
        ),
        (
            Some(call(known, None, 0)),
            Some("conv_2"),
            Plan::Refuse(RecordError::OtherConversation),
        ),
        (
            Some(call(known, None, 2)),
            Some("conv_2"),
            Plan::Refuse(RecordError::OtherConversation),
        ),
        (Some(call(known, None, 0)), None, Plan::Append),
        (Some(call(known, own, 0)), known, Plan::Append),
        (Some(call(known, None, 2)), None, insert.clone()),
        (Some(call(known, own, 2)), known, insert),
    ] {
        let turn = turn(named);
        assert_eq!(
            plan(found.as_ref(), &turn, By::OpenTurn),
            expected,
            "{found:?}, {named:?}"
        );
    }
}

#[test]
fn a_conversation_that_a_turn_with_the_token_names_is_no_claim() {
    for (by, claimed) in [(By::OpenTurn, true), (By::TokenTurn, false)] {
        let (found, turn) = (call(None, None, 0), turn(Some("conv_1")));
        let conversation_id = "conv_1";
        let link = Plan::Link {
            conversation_id,
            claimed,
        };
        assert_eq!(plan(Some(&found), &turn, by), link);
    }
}

#[test]
fn the_turns_like_it_decide_next() {
    use Origin::{Posted, Transcript, Unreported};
    let repeat = |place| {
        Plan::Repeat(SavedTurn {
            transcription_id: 100 + place,
            sequence_number: place,
            conversation_id: "conv_1".to_owned(),
            driver_id: Some(7),
        })
    };
    let take = |places: &[i64]| Plan::TakePlace {
        places: places.to_vec(),
        conversation_id: "conv_1",
        transcript_revision: 1,
    };
    let insert = Plan::Insert {
        conversation_id: "conv_1",
        transcript_revision: 1,
    };
    for (revision, turns, expected) in [
        (0, vec![stored(1, Posted, 5, "Yes.")], repeat(1)),
        (0, vec![stored(1, Posted, 6, "Yes.")], Plan::Append),
        (1, vec![stored(2, Unreported, 5, "Yes.")], repeat(2)),
        // What is posted already counts more than a free place.
        (
            1,
            vec![
                stored(1, Transcript, 5, "Yes."),
                stored(2, Posted, 5, "Yes."),
            ],
            repeat(2),
        ),
        (
            1,
            vec![stored(1, Transcript, 5, "Yes."), stored(2, Posted, 5, "")],
            repeat(2),
        ),
        // The closest place first, then the others.
        (
            1,
            vec![
                stored(1, Transcript, 1, "Yes."),
                stored(2, Transcript, 7, " Yes. "),
                stored(3, Transcript, 4, "Yes."),
                stored(4, Transcript, 5, "No."),
            ],
            take(&[103, 102, 101]),
        ),
        (
            1,
            vec![
                stored(1, Transcript, 5, "No."),
                stored(2, Posted, 6, "Yes."),
            ],
            insert,
        ),
    ] {
        let mut found = call(Some("conv_1"), None, revision);
        found.turns = turns;
        let turn = turn(None);
        assert_eq!(
            plan(Some(&found), &turn, By::OpenTurn),
            expected,
            "{:?}",
            found.turns
        );
    }
}

#[test]
fn all_words_come_before_the_beginning_of_words() {
    let mut turn = turn(None);
    turn.speaker = Speaker::Agent;
    turn.message = "You drove twelve hours.".to_owned();
    let mut found = call(Some("conv_1"), None, 1);
    for (place, second, message) in [(1, 5, "You drove..."), (2, 60, "You drove twelve hours.")] {
        found.turns.push(StoredTurn {
            speaker: Speaker::Agent,
            original_text: Some(message.to_owned()),
            ..stored(place, Origin::Transcript, second, message)
        });
    }
    let planned = plan(Some(&found), &turn, By::OpenTurn);
    assert!(matches!(planned, Plan::TakePlace { places, .. } if places == [102, 101]));
}
