//! Placing calls that ElevenLabs refuses, or that it answers in no way that tells.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::http::{Reply, sid};
use crate::ledger::{ANSWERS, Ledger, test};

/// The number, and what is kept as the reason.
const REFUSED: [(&str, &str); 5] = [
    (
        "+15550100100",
        "HTTP 400 error: Unable to create record: The number is unverified",
    ),
    ("+15550100101", "Invalid API key."),
    (
        "+15550100102",
        "The API key lacks the permission convai_write.",
    ),
    (
        "+15550100103",
        "body.to_number: Value error, this number cannot be called",
    ),
    ("+15550100129", "Too many conversations are open at once."),
];

/// The number, and the status that ElevenLabs answers, if any.
const UNCLEAR: [(&str, Option<u16>); 5] = [
    ("+15550100150", Some(500)),
    ("+15550100160", None),
    ("+15550100191", Some(200)),
    ("+15550100192", Some(307)),
    ("+15550100216", Some(500)),
];

/// The only call in a reply.
pub fn call(reply: &Reply) -> &Value {
    assert_eq!(
        reply.body["calls"].as_array().map(Vec::len),
        Some(1),
        "{}",
        reply.text
    );
    &reply.body["calls"][0]
}

/// The line that tells what became of a dial.
pub async fn outcome_line(ledger: &Ledger, driver: i64) -> Value {
    ledger
        .lines(&[&sid(driver), "\"call_failed\""], 1)
        .await
        .remove(0)
}

#[test]
fn a_refusal_is_on_record_with_its_reason_and_is_not_tried_again() {
    test(async |ledger| {
        let cases = REFUSED.map(async |(number, words)| {
            let driver = ledger.driver();
            let reply = ledger.http.place(&[(driver, number)]).await;
            let row = ledger.call(&sid(driver)).unwrap();
            assert_eq!(reply.status, 502, "{number}: {}", reply.text);
            let expected = json!({
                "call_sid": sid(driver), "driver_id": driver, "conversation_id": null, "status": "failed",
                "created": true, "error": { "code": "elevenlabs_rejected", "message": words },
            });
            assert_eq!(call(&reply), &expected, "{number}");
            assert_eq!((&row["status"], &row["conversation_id"]), (&json!("failed"), &json!(null)), "{number}");
            assert_eq!(row["failure_reason"], format!("elevenlabs_rejected: {words}"));
            assert!(row["call_end_time"].as_str() >= row["call_start_time"].as_str(), "{row}");
            let line = outcome_line(ledger, driver).await;
            assert_eq!((&line["code"], &line["level"]), (&json!("elevenlabs_rejected"), &json!("info")), "{line}");
            assert_eq!(line["cause"], Value::Null, "{line}");

            let again = ledger.http.place(&[(driver, number)]).await;
            assert_eq!((again.status, &call(&again)["created"]), (200, &json!(false)), "{}", again.text);
            assert_eq!(call(&again)["error"]["code"], "elevenlabs_rejected");
            assert!(call(&again)["error"]["message"].as_str().unwrap().ends_with(words), "{}", again.text);
            assert_eq!(ledger.call(&sid(driver)).unwrap(), row, "a repetition changes nothing");
            assert_eq!(ledger.dials(&sid(driver)).len(), 1, "{number}");
        });
        join_all(cases).await;
    });
}

#[test]
fn an_answer_that_does_not_tell_is_an_unknown_outcome_and_is_not_tried_again() {
    test(async |ledger| {
        let cases = UNCLEAR.map(async |(number, status)| {
            let driver = ledger.driver();
            let reply = ledger.http.place(&[(driver, number)]).await;
            let row = ledger.call(&sid(driver)).unwrap();
            assert_eq!(
                (reply.status, &call(&reply)["created"]),
                (502, &json!(true)),
                "{number}: {}",
                reply.text
            );
            assert_eq!(call(&reply)["error"]["code"], "outcome_unknown");
            assert_eq!(
                (
                    &row["status"],
                    &row["failure_reason"],
                    &row["conversation_id"],
                    &row["call_end_time"]
                ),
                (
                    &json!("failed"),
                    &json!("outcome_unknown"),
                    &json!(null),
                    &json!(null)
                ),
                "{number}"
            );
            let line = outcome_line(ledger, driver).await;
            assert_eq!(
                (&line["code"], &line["level"]),
                (&json!("outcome_unknown"), &json!("error")),
                "{line}"
            );
            assert_eq!(line["status"], json!(status), "{number}: {line}");

            let again = ledger.http.place(&[(driver, number)]).await;
            assert_eq!(
                (again.status, &call(&again)["created"]),
                (200, &json!(false)),
                "{}",
                again.text
            );
            assert_eq!(call(&again)["error"]["code"], "outcome_unknown");
            assert_eq!(ledger.dials(&sid(driver)).len(), 1, "{number}");
        });
        join_all(cases).await;
    });
}

#[test]
fn mixed_outcomes_are_told_one_by_one() {
    test(async |ledger| {
        let old = ledger.driver();
        assert_eq!(ledger.http.place(&[(old, ANSWERS)]).await.status, 201);
        let (new, refused, unclear) = (ledger.driver(), ledger.driver(), ledger.driver());
        let drivers = [
            (refused, "+15550100100"),
            (old, ANSWERS),
            (unclear, "+15550100160"),
            (new, "+15550100001"),
        ];
        let reply = ledger.http.place(&drivers).await;
        assert_eq!(reply.status, 207, "{}", reply.text);
        let told: Vec<_> = reply.body["calls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|call| {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                (
                    call["driver_id"].as_i64().unwrap(),
                    call["created"] == true,
                    text(&call["error"]["code"]),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (refused, true, Some("elevenlabs_rejected".to_owned())),
                (old, false, None),
                (unclear, true, Some("outcome_unknown".to_owned())),
                (new, true, None),
            ]
        );
        // All of it again: everything is on record, whatever became of it.
        assert_eq!(ledger.http.place(&drivers).await.status, 200);
        for (driver, _) in drivers {
            assert_eq!(ledger.dials(&sid(driver)).len(), 1);
        }
        // Some on record and none placed is mixed as well.
        let fresh = ledger.driver();
        assert_eq!(
            ledger
                .http
                .place(&[(old, ANSWERS), (fresh, "+15550100100")])
                .await
                .status,
            207
        );
    });
}
