//! Whole conversations as the agent posts them: every turn is stored, in order, once.

use futures_util::future::join_all;
use serde_json::json;

use crate::ledger::{ANSWERS, test};
use crate::story::Story;

#[test]
fn a_call_from_dial_to_goodbye() {
    test(async |ledger| {
        let story = Story::begin(ledger, ANSWERS).await;
        assert_eq!(story.placed.status, 201, "{}", story.placed.text);
        let said = story.posted(ledger, 1).await;
        assert!(
            said.len() == 7 && said.iter().all(|turn| turn.answers == [201]),
            "{said:?}"
        );
        assert_eq!(story.read(ledger).await, story.transcript(ledger));
        for (stored, said) in ledger.turns(&story.conversation_id).iter().zip(&said) {
            assert_eq!(stored["timestamp"], said.timestamp);
        }
        let again = ledger.http.place(&[(story.driver, ANSWERS)]).await;
        let call = &again.body["calls"][0];
        assert_eq!((again.status, &call["created"]), (200, &json!(false)));
        assert_eq!(call["conversation_id"], story.conversation_id);
        assert_eq!(ledger.dials(&story.call_sid).len(), 1);
    });
}

#[test]
fn turns_ahead_of_the_dials_answer_find_their_call() {
    test(async |ledger| {
        // With the conversation's name, and without: then told to come back until the call had its conversation.
        join_all(["+15550100180", "+15550100181"].map(async |number| {
            let story = Story::begin(ledger, number).await;
            assert_eq!(story.placed.status, 201, "{number}: {}", story.placed.text);
            let said = story.posted(ledger, 1).await;
            for turn in &said {
                let (last, before) = turn.answers.split_last().unwrap();
                assert_eq!(*last, 201, "{number}: {said:?}");
                let told = number == "+15550100181" && before.iter().all(|status| *status == 400);
                assert!(before.is_empty() || told, "{number}: {said:?}");
            }
            assert_eq!(story.read(ledger).await, story.transcript(ledger));
        }))
        .await;
    });
}

#[test]
fn turns_that_come_three_times_at_once_are_stored_once() {
    test(async |ledger| {
        let story = Story::begin(ledger, "+15550100183").await;
        for turn in story.posted(ledger, 3).await {
            let mut answers = turn.answers.clone();
            answers.sort_unstable();
            assert_eq!(answers, [200, 200, 201], "{turn:?}");
        }
        assert_eq!(story.read(ledger).await, story.transcript(ledger));
    });
}

#[test]
fn all_turns_of_a_call_at_once_get_all_numbers() {
    test(async |ledger| {
        let story = Story::begin(ledger, "+15550100182").await;
        let said = story.posted(ledger, 1).await;
        assert!(said.iter().all(|turn| turn.answers == [201]), "{said:?}");
        // In whichever order they came, ElevenLabs' transcript puts them right.
        let numbers: Vec<_> = ledger.turns(&story.conversation_id);
        let numbers: Vec<_> = numbers
            .iter()
            .map(|turn| &turn["sequence_number"])
            .collect();
        assert_eq!(json!(numbers), json!([1, 2, 3, 4, 5, 6, 7]));
    });
}
