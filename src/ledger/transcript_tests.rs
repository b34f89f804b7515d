use super::arrange;
use crate::elevenlabs::conversation::ReportedTurn;
use crate::model::{Arrangement, Origin, Speaker, StoredTime, StoredTurn, UtcTime};

fn start() -> UtcTime {
    UtcTime::parse("2025-11-21T10:30:00Z").unwrap()
}

fn speaker(text: &str) -> (Speaker, &str) {
    match text.split_at(2) {
        ("A:", text) => (Speaker::Agent, text),
        (_, text) => (Speaker::Driver, text),
    }
}

/// Stored turns by second and text, ids from 101, in the order of their numbers.
fn stored(turns: &[(i64, &str)]) -> Vec<StoredTurn> {
    let mut all = Vec::new();
    for (number, (second, text)) in (1..).zip(turns) {
        let (speaker, message) = speaker(text);
        all.push(StoredTurn {
            id: 100 + number,
            sequence_number: number,
            speaker,
            message: message.to_owned(),
            original_text: None,
            timestamp: StoredTime::from(start().plus_millis(second * 1000)),
            origin: Origin::Posted,
        });
    }
    all
}

fn reported(turns: &[(i64, &str)]) -> Vec<ReportedTurn> {
    let read = |(second, text): &(i64, &str)| {
        let (speaker, message) = speaker(text);
        ReportedTurn {
            speaker,
            message: message.to_owned(),
            original_message: None,
            interrupted: false,
            offset_ms: second * 1000,
        }
    };
    turns.iter().map(read).collect()
}

/// The stored turns after the arrangement; what was inserted has id 0.
fn applied(stored: &[StoredTurn], arrangement: &Arrangement) -> Vec<StoredTurn> {
    let mut all = stored.to_vec();
    all.retain(|turn| !arrangement.removed.contains(&turn.sequence_number));
    for turn in &mut all {
        let mut moved = arrangement.moved.iter();
        if let Some((_, place)) = moved.find(|(old, _)| *old == turn.sequence_number) {
            turn.sequence_number = *place;
        }
        let mut rewritten = arrangement.rewritten.iter();
        if let Some(new) = rewritten.find(|new| new.sequence_number == turn.sequence_number) {
            turn.message.clone_from(&new.message);
            turn.origin = new.origin;
        }
    }
    for turn in &arrangement.inserted {
        all.push(StoredTurn {
            id: 0,
            sequence_number: turn.sequence_number,
            speaker: turn.speaker,
            message: turn.message.clone(),
            original_text: turn.original_text.clone(),
            timestamp: turn.timestamp.into(),
            origin: Origin::Transcript,
        });
    }
    all.sort_by_key(|turn| turn.sequence_number);
    let numbers: Vec<_> = all.iter().map(|turn| turn.sequence_number).collect();
    assert_eq!(
        numbers,
        (1..).take(all.len()).collect::<Vec<_>>(),
        "numbers run 1…n"
    );
    all
}

/// The ids and texts after arranging; arranging again must change nothing.
fn arranged(stored: &[StoredTurn], reported: &[ReportedTurn]) -> Vec<(i64, String)> {
    let after = applied(stored, &arrange(stored, reported, start()));
    let again = arrange(&after, reported, start());
    assert!(
        again.is_empty(),
        "the second time changes nothing: {again:?}"
    );
    let known = after
        .iter()
        .filter(|turn| turn.origin != Origin::Unreported);
    let known: Vec<_> = known.map(|turn| (turn.speaker, &turn.message)).collect();
    let said: Vec<_> = reported
        .iter()
        .map(|turn| (turn.speaker, &turn.message))
        .collect();
    assert_eq!(known, said, "the transcript is ElevenLabs' own");
    after
        .into_iter()
        .map(|turn| (turn.id, turn.message))
        .collect()
}

fn ids(arranged: &[(i64, String)]) -> Vec<i64> {
    arranged.iter().map(|(id, _)| *id).collect()
}

#[test]
fn what_is_equal_already_stays_untouched() {
    let turns = [(0, "A:Hello"), (4, "D:Hi"), (6, "A:Bye")];
    assert!(arrange(&stored(&turns), &reported(&turns), start()).is_empty());
    assert!(arrange(&[], &[], start()).is_empty());
}

#[test]
fn missing_turns_are_inserted_at_their_offset_and_stored_ones_keep_their_ids() {
    let stored = stored(&[(1, "A:Hello"), (9, "A:Bye")]);
    let reported = reported(&[(0, "A:Hello"), (4, "D:Hi"), (8, "A:Bye")]);
    let arrangement = arrange(&stored, &reported, start());
    assert_eq!(arrangement.moved, [(2, 3)]);
    let [inserted] = arrangement.inserted.as_slice() else {
        panic!("{arrangement:?}");
    };
    assert_eq!(inserted.timestamp.to_string(), "2025-11-21T10:30:04.000Z");
    assert_eq!(ids(&arranged(&stored, &reported)), [101, 0, 102]);
}

#[test]
fn turns_that_arrived_out_of_order_are_put_in_order() {
    let stored = stored(&[(6, "A:Bye"), (0, "A:Hello"), (4, "D:Hi")]);
    let reported = reported(&[(0, "A:Hello"), (4, "D:Hi"), (6, "A:Bye")]);
    assert_eq!(ids(&arranged(&stored, &reported)), [102, 103, 101]);
}

#[test]
fn a_repeated_sentence_pairs_with_the_closest_occurrence() {
    let said = reported(&[(2, "D:Yes."), (5, "A:Sure?"), (8, "D:Yes."), (20, "D:Yes.")]);
    let one = stored(&[(5, "A:Sure?"), (9, "D:Yes.")]);
    assert_eq!(ids(&arranged(&one, &said)), [0, 101, 102, 0]);
    let two = stored(&[(2, "D:Yes."), (19, "D:Yes.")]);
    assert_eq!(ids(&arranged(&two, &said)), [101, 0, 0, 102]);
    // The same instant for both: their order is kept.
    let ties = stored(&[(2, "D:Yes."), (2, "D:Yes.")]);
    assert_eq!(
        ids(&arranged(&ties, &reported(&[(2, "D:Yes."), (2, "D:Yes.")]))),
        [101, 102]
    );
}

#[test]
fn white_space_makes_no_difference_and_elevenlabs_spelling_stays() {
    let arranged = arranged(
        &stored(&[(0, "A: Hello\n  Ada ")]),
        &reported(&[(0, "A:Hello Ada")]),
    );
    assert_eq!(arranged, [(101, "Hello Ada".to_owned())]);
}

#[test]
fn a_turn_the_agent_was_interrupted_in_is_one_turn() {
    let posted = stored(&[
        (0, "A:You drove twelve hours without a break."),
        (3, "D:Wait"),
    ]);
    let mut said = reported(&[(0, "A:You drove twelve..."), (3, "D:Wait")]);
    said[0].interrupted = true;
    let expected = [
        (101, "You drove twelve...".to_owned()),
        (102, "Wait".to_owned()),
    ];
    assert_eq!(arranged(&posted, &said), expected);
    said[0].interrupted = false;
    said[0].original_message = Some("You drove twelve hours without a break.".to_owned());
    assert_eq!(arranged(&posted, &said), expected);
}

#[test]
fn turns_elevenlabs_does_not_have_are_kept_in_their_place_by_time() {
    let stored = stored(&[
        (0, "A:Hello"),
        (2, "D:(cough)"),
        (4, "D:Hi"),
        (99, "D:Late"),
    ]);
    let reported = reported(&[(0, "A:Hello"), (4, "D:Hi"), (6, "A:Bye")]);
    let after = arranged(&stored, &reported);
    assert_eq!(ids(&after), [101, 102, 103, 0, 104]);
    // Of two equal posts where ElevenLabs has one, the farther is the one to keep apart.
    let doubled = self::stored(&[(0, "A:Hello"), (3, "D:Hi"), (4, "D:Hi")]);
    assert_eq!(ids(&arranged(&doubled, &reported)), [101, 102, 103, 0]);
}

#[test]
fn a_conversation_without_turns_keeps_what_was_posted() {
    assert_eq!(ids(&arranged(&stored(&[(0, "A:Hello")]), &[])), [101]);
    assert_eq!(ids(&arranged(&[], &reported(&[(0, "A:Hello")]))), [0]);
}

#[test]
fn any_mixture_ends_equal_and_stays_so() {
    // A small linear congruential generator: the same mixtures on every run.
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    let texts = [
        "A:Yes.",
        "D:Yes.",
        "A:Hello  there",
        "A:Hello there",
        "D:No",
        "A:Hel",
        "A:Hello there Ada",
    ];
    for _ in 0..5_000 {
        let mut mixture = |most: usize| -> Vec<(i64, &str)> {
            let length = next(most);
            (0..length)
                .map(|_| (i64::try_from(next(12)).unwrap(), texts[next(texts.len())]))
                .collect()
        };
        let stored = stored(&mixture(8));
        let mut reported = reported(&mixture(8));
        reported.sort_by_key(|turn| turn.offset_ms);
        for turn in &mut reported {
            turn.interrupted = turn.message == "Hel";
        }
        let before = stored.len();
        let after = arranged(&stored, &reported);
        assert_eq!(
            after.iter().filter(|(id, _)| *id != 0).count(),
            before,
            "nothing is lost"
        );
    }
}
