//! Calls that were placed although ElevenLabs' answer does not tell: later evidence links them.

use elevenlabs_simulator::Outcome;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::http::sid;
use crate::ledger::{DIAL_TIMEOUT, test, until};
use crate::refusals::{call, outcome_line};

/// No clear answer, although a phone rings. Its turns name the conversation.
const UNCLEAR_THOUGH_PLACED: [&str; 4] = [
    "+15550100151",
    "+15550100161",
    "+15550100170",
    "+15550100190",
];

#[test]
fn a_call_that_was_placed_without_a_clear_answer_finds_its_conversation() {
    test(async |ledger| {
        let cases = UNCLEAR_THOUGH_PLACED.map(async |number| {
            let driver = ledger.driver();
            let reply = ledger.http.place(&[(driver, number)]).await;
            let dials = ledger.dials(&sid(driver));
            let conversation_id = json!(dials[0].conversation_id);
            // Whether the first turn is faster than the answer is anybody's guess.
            match call(&reply)["status"].as_str().unwrap() {
                "failed" => {
                    assert_eq!(
                        (reply.status, &call(&reply)["error"]["code"]),
                        (502, &json!("outcome_unknown"))
                    );
                    assert_eq!(call(&reply)["conversation_id"], Value::Null);
                }
                status => {
                    assert!(
                        ["in_progress", "completed"].contains(&status),
                        "{number}: {}",
                        reply.text
                    );
                    assert_eq!(
                        (reply.status, &call(&reply)["conversation_id"]),
                        (201, &conversation_id)
                    );
                }
            }
            let linked = || {
                ledger
                    .call(&sid(driver))
                    .filter(|row| row["conversation_id"] == conversation_id)
            };
            until("the conversation that the turns name", linked).await;

            let again = ledger.http.place(&[(driver, number)]).await;
            assert_eq!(
                (again.status, &call(&again)["created"]),
                (200, &json!(false)),
                "{}",
                again.text
            );
            assert_eq!(call(&again)["conversation_id"], conversation_id);
            assert_eq!(
                call(&again)["error"],
                Value::Null,
                "there is a conversation: {}",
                again.text
            );
            assert_eq!(ledger.dials(&sid(driver)).len(), 1, "{number}");
        });
        join_all(cases).await;
    });
}

#[test]
fn a_dial_that_takes_too_long_is_given_up() {
    test(async |ledger| {
        let driver = ledger.driver();
        let reply = ledger.http.place(&[(driver, "+15550100170")]).await;
        // The first turn came long before, and told the conversation.
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!(ledger.dials(&sid(driver)).len(), 1);
        let line = outcome_line(ledger, driver).await;
        assert_eq!(
            (&line["code"], &line["cause"]),
            (
                &json!("outcome_unknown"),
                &json!("no answer within the timeout")
            )
        );
        let line = ledger.line(reply.request_id()).await;
        let waited = u128::from(line["duration_ms"].as_u64().unwrap());
        assert!(waited >= DIAL_TIMEOUT.as_millis(), "{line}");
        let hung_up = || {
            ledger
                .dials(&sid(driver))
                .pop()
                .filter(|dial| dial.outcome == Outcome::Abandoned)
        };
        until("the dial given up", hung_up).await;
    });
}
