//! ElevenLabs' events: what they make of a call, and of its transcription.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::http::turn;
use crate::ledger::{ANSWERS, test};
use crate::story::Story;

/// The status codes and the words that were answered to the events.
fn answers(events: &[elevenlabs_simulator::Delivery]) -> Vec<(u16, Value)> {
    let answer = |event: &elevenlabs_simulator::Delivery| {
        let body: Value = serde_json::from_str(&event.answer).unwrap();
        let word = ["code", "status"].map(|field| body[field].clone());
        let word = word.into_iter().find(Value::is_string).unwrap();
        (event.status.unwrap(), word)
    };
    events.iter().map(answer).collect()
}

/// The event was taken in. Whether by then the answer of its own dial was stored, and who of the two applied it, is a
/// matter of luck when much goes on at once.
fn assert_taken(number: &str, answers: &[(u16, Value)]) {
    let words = ["applied", "already_applied", "kept"];
    let taken = matches!(answers, [(200, Value::String(word))] if words.contains(&word.as_str()));
    assert!(taken, "{number}: {answers:?}");
}

#[test]
fn a_conversation_that_took_place_completes_its_call() {
    test(async |ledger| {
        // Answered; all turns at once; each three times; the first ahead of the dial's answer, with and without a name;
        // the event late; the turns lost, all or half of them; edited, untidy, anonymous, and 3000 of them.
        let numbers = [
            ANSWERS,
            "+15550100182",
            "+15550100183",
            "+15550100180",
            "+15550100181",
            "+15550100203",
            "+15550100205",
            "+15550100206",
            "+15550100207",
            "+15550100210",
            "+15550100212",
            "+15550100213",
        ];
        join_all(numbers.map(async |number| {
            let story = Story::begin(ledger, number).await;
            let events = story.events(ledger, 1).await;
            assert_taken(number, &answers(&events));
            story.assert_settled(ledger, "completed", None).await;
            let row = story.row(ledger);
            assert!(
                row["summary"]
                    .as_str()
                    .is_some_and(|summary| summary.len() > 20),
                "{number}: {row}"
            );
            assert!(
                row["telephony_call_sid"]
                    .as_str()
                    .unwrap()
                    .starts_with("CA"),
                "{number}"
            );
        }))
        .await;
    });
}

#[test]
fn a_call_that_reached_nobody_fails_with_the_reason() {
    test(async |ledger| {
        let cases = [
            ("+15550100186", "busy", 0),
            ("+15550100187", "no-answer", 0),
            ("+15550100188", "voicemail", 1),
            ("+15550100189", "The language model could not be reached", 2),
        ];
        join_all(cases.map(async |(number, reason, turns)| {
            let story = Story::begin(ledger, number).await;
            let events = story.events(ledger, 1).await;
            assert_taken(number, &answers(&events));
            story.assert_settled(ledger, "failed", Some(reason)).await;
            assert_eq!(
                ledger.turns(&story.conversation_id).len(),
                turns,
                "{number}"
            );
        }))
        .await;
    });
}

#[test]
fn a_call_without_a_clear_answer_is_completed_by_its_event() {
    test(async |ledger| {
        let numbers = [
            "+15550100151",
            "+15550100161",
            "+15550100170",
            "+15550100190",
        ];
        join_all(numbers.map(async |number| {
            let story = Story::begin(ledger, number).await;
            let events = story.events(ledger, 1).await;
            assert_taken(number, &answers(&events));
            story.assert_settled(ledger, "completed", None).await;
        }))
        .await;
    });
}

#[test]
fn an_event_that_comes_twice_is_applied_once() {
    test(async |ledger| {
        let story = Story::begin(ledger, "+15550100200").await;
        let events = story.events(ledger, 2).await;
        assert_eq!(
            answers(&events),
            [(200, json!("applied")), (200, json!("already_applied"))]
        );
        story.assert_settled(ledger, "completed", None).await;
        let before = (story.row(ledger), ledger.turns(&story.conversation_id));
        // And once more, much later.
        let again = ledger
            .simulator
            .deliver_now(&story.conversation_id)
            .await
            .unwrap();
        assert_eq!(again.status, Some(200), "{again:?}");
        let (mut row, turns) = (story.row(ledger), ledger.turns(&story.conversation_id));
        // In another second it is another event, and settles the call to the same once more.
        for column in ["asked_at", "updated_at", "transcript_revision"] {
            row[column] = before.0[column].clone();
        }
        assert_eq!((row, turns), before);
    });
}

#[test]
fn an_event_that_overtakes_the_dials_answer_finds_its_call() {
    test(async |ledger| {
        let story = Story::begin(ledger, "+15550100201").await;
        let call = &story.placed.body["calls"][0];
        assert_eq!(story.placed.status, 201, "{}", story.placed.text);
        assert_eq!(
            (&call["status"], &call["created"]),
            (&json!("completed"), &json!(true))
        );
        assert_eq!(call["conversation_id"], story.conversation_id);
        let events = story.events(ledger, 1).await;
        assert_eq!(answers(&events), [(200, json!("applied"))]);
        story.assert_settled(ledger, "completed", None).await;
    });
}

#[test]
fn turns_that_come_after_the_event_are_stored_once() {
    test(async |ledger| {
        let story = Story::begin(ledger, "+15550100204").await;
        let said = story.posted(ledger, 1).await;
        let late = &said[said.len() - 2..];
        assert!(
            late.iter().all(|turn| turn.answers == [200]),
            "stored by the event: {late:?}"
        );
        story.assert_settled(ledger, "completed", None).await;
        // Posted again, each is known.
        for (number, turn) in (1..).zip(&said) {
            let body = json!({
                "call_sid": story.call_sid, "speaker": turn.speaker, "message": turn.message, "timestamp": turn.timestamp,
            });
            let again = ledger.http.turn(&body).await;
            assert_eq!(
                (again.status, &again.body["sequence_number"]),
                (200, &json!(number)),
                "{}",
                again.text
            );
        }
        assert_eq!(story.read(ledger).await, story.transcript(ledger));
    });
}

#[test]
fn a_late_turn_that_elevenlabs_does_not_have_is_kept_in_its_place() {
    test(async |ledger| {
        let story = Story::begin(ledger, ANSWERS).await;
        story.events(ledger, 1).await;
        let said = story.said(ledger);
        let mut late = turn(&story.call_sid, 0, "and one more thing");
        // Right after the third.
        late["timestamp"] = json!(said[2].timestamp.replace('Z', "999Z"));
        let reply = ledger.http.turn(&late).await;
        assert_eq!(
            (reply.status, &reply.body["sequence_number"]),
            (201, &json!(4)),
            "{}",
            reply.text
        );
        let mut read = story.read(ledger).await;
        let numbers: Vec<_> = read.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(read.remove(3).2, late["message"].as_str().unwrap());
        let words = |lines: &[crate::story::Line]| {
            lines.iter().map(|line| line.2.clone()).collect::<Vec<_>>()
        };
        assert_eq!(words(&read), words(&story.transcript(ledger)));
        assert_eq!(ledger.http.turn(&late).await.status, 200);
        assert_eq!(story.row(ledger)["status"], "completed");
    });
}

#[test]
fn a_wrong_signature_changes_nothing() {
    test(async |ledger| {
        let story = Story::begin(ledger, "+15550100208").await;
        let events = story.events(ledger, 2).await;
        assert_eq!(
            answers(&events),
            [(401, json!("invalid_signature")), (200, json!("applied"))]
        );
        story.assert_settled(ledger, "completed", None).await;
    });
}

#[test]
fn other_events_are_ignored_and_nothing_of_them_is_kept() {
    test(async |ledger| {
        let story = Story::begin(ledger, "+15550100211").await;
        let events = story.events(ledger, 3).await;
        let ignored = (200, json!("ignored"));
        assert_eq!(
            answers(&events),
            [ignored.clone(), (200, json!("applied")), ignored]
        );
        story.assert_settled(ledger, "completed", None).await;
        let sql = "SELECT type, outcome, payload IS NULL AS empty FROM elevenlabs_events WHERE conversation_id = ?1 ORDER BY id";
        let kept = ledger.rows(sql, &[&story.conversation_id]);
        let row =
            |kind: &str, outcome: &str| json!({ "type": kind, "outcome": outcome, "empty": 1 });
        assert_eq!(kept[0], row("conversation_mood_changed", "ignored"));
        assert_eq!(kept[2], row("post_call_audio", "ignored"));
        assert_eq!((kept.len(), &kept[1]["outcome"]), (3, &json!("applied")));
    });
}
