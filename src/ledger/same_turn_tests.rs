use super::{Same, compare, heard};
use crate::elevenlabs::conversation::ReportedTurn;
use crate::model::{CallSid, NewTurn, Origin, Speaker, StoredTime, StoredTurn, UtcTime};
use Origin::{Posted, Transcript, Unreported};
use Speaker::{Agent, Driver};

fn time(text: &str) -> UtcTime {
    UtcTime::parse(text).unwrap()
}

fn stored(origin: Origin, message: &str, original_text: Option<&str>) -> StoredTurn {
    StoredTurn {
        id: 1,
        sequence_number: 1,
        speaker: Agent,
        message: message.to_owned(),
        original_text: original_text.map(str::to_owned),
        timestamp: StoredTime::from(time("2025-11-21T10:30:05Z")),
        origin,
    }
}

fn posted(speaker: Speaker, message: &str, timestamp: &str) -> NewTurn {
    NewTurn {
        call_sid: CallSid::from_text("EL_1_1"),
        speaker,
        message: message.to_owned(),
        timestamp: time(timestamp),
        conversation_id: None,
    }
}

const THEN: &str = "2025-11-21T10:30:05Z";
const LATER: &str = "2025-11-21T10:30:06Z";

#[test]
fn a_posted_turn_is_compared_by_speaker_time_and_words() {
    let cut = Some("You drove...");
    for (origin, message, original, said, at, same) in [
        // What was posted is known by its very words, old or new, and its time.
        (Posted, "Hello", None, "Hello", THEN, Same::Repeat),
        (Unreported, "Hello", None, "Hello", THEN, Same::Repeat),
        (Posted, "Hello", Some("Helo"), "Helo", THEN, Same::Repeat),
        (Posted, "Hello", None, "Hello ", THEN, Same::No),
        (Posted, "Hello", None, "hello", THEN, Same::No),
        (Posted, "Hello", None, "Hello", LATER, Same::No),
        (Unreported, "Hello", None, "Hello", LATER, Same::No),
        // Finer than a millisecond there is no difference.
        (
            Posted,
            "Hello",
            None,
            "Hello",
            "2025-11-21T10:30:05.000999Z",
            Same::Repeat,
        ),
        (
            Posted,
            "Hello",
            None,
            "Hello",
            "2025-11-21T10:30:05.001Z",
            Same::No,
        ),
        // A cleared text could have been any.
        (Posted, "", None, "Hello", THEN, Same::Repeat),
        (Transcript, "", None, "Hello", THEN, Same::Repeat),
        (Posted, "", None, "Hello", LATER, Same::No),
        (Transcript, "", None, "Hello", LATER, Same::No),
        // A place in the transcript is taken by its words, whatever the time.
        (Transcript, "Hello", None, "Hello", THEN, Same::Heard),
        (Transcript, "Hello", None, " Hello\n", LATER, Same::Heard),
        (
            Transcript,
            "Hel...",
            Some("Hello  Ada"),
            "Hello Ada",
            LATER,
            Same::Heard,
        ),
        (Transcript, "a\u{fffd}b", None, "a\0b", LATER, Same::Heard),
        (
            Transcript,
            "You drove...",
            cut,
            "You drove twelve hours.",
            LATER,
            Same::CutShort,
        ),
        (
            Transcript,
            "You drove...",
            None,
            "You drove twelve hours.",
            LATER,
            Same::No,
        ),
        (
            Transcript,
            "...",
            Some("..."),
            "You drove twelve hours.",
            LATER,
            Same::No,
        ),
        (Transcript, "Hello", None, "Bye", LATER, Same::No),
    ] {
        let turn = stored(origin, message, original);
        let found = compare(&turn, &posted(Agent, said, at));
        assert_eq!(
            found, same,
            "{origin:?} {message:?} {original:?}: {said:?} {at}"
        );
        let other = compare(&turn, &posted(Driver, said, at));
        assert_eq!(other, Same::No, "another speaker: {said:?}");
    }
}

#[test]
fn a_reported_turn_is_compared_by_speaker_and_words() {
    for (message, said, meant, interrupted, same) in [
        ("Hello", "Hello", None, false, Same::Repeat),
        ("Hello", "Hello", None, true, Same::Repeat),
        (" Hello\n Ada", "Hello Ada", None, false, Same::Heard),
        ("Hello Ada", "Hello...", None, true, Same::CutShort),
        ("Hello Ada", "Hello...", None, false, Same::No),
        (
            "Hello  Ada",
            "Hel",
            Some("Hello Ada"),
            false,
            Same::CutShort,
        ),
        ("Hello Ada", "...", None, true, Same::No),
        ("Hello", "Bye", None, true, Same::No),
    ] {
        let mut turn = stored(Posted, message, None);
        let mut reported = ReportedTurn {
            speaker: Agent,
            message: said.to_owned(),
            original_message: meant.map(str::to_owned),
            interrupted,
            offset_ms: 0,
        };
        assert_eq!(heard(&turn, &reported), same, "{message:?}: {reported:?}");
        reported.speaker = Driver;
        assert_eq!(heard(&turn, &reported), Same::No, "another speaker");
        // Only an agent is interrupted.
        turn.speaker = Driver;
        let expected = if same == Same::CutShort {
            Same::No
        } else {
            same
        };
        assert_eq!(
            heard(&turn, &reported),
            expected,
            "{message:?}: {reported:?}"
        );
    }
}
