//! Placing calls that ElevenLabs accepts.

use std::time::Duration;

use elevenlabs_simulator::{Outcome, Route};
use futures_util::future::join_all;
use serde_json::json;

use crate::http::{placing, sid};
use crate::ledger::{ANSWERS, test, until};
use crate::wrangler::project;

/// Answered after a quarter of `SLOW`.
const THINKS: &str = "+15550100171";

#[test]
fn a_call_is_placed_and_on_record_when_it_is_answered() {
    test(async |ledger| {
        let driver = ledger.driver();
        let reply = ledger.http.place(&[(driver, "(555) 010-0042")]).await;
        let row = ledger.call(&sid(driver)).unwrap();
        let dials = ledger.dials(&sid(driver));
        let conversation_id = dials[0].conversation_id.clone().unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(
            reply.body,
            json!({
                "timestamp": "2025-11-21T10:30:00.000Z",
                "calls": [{
                    "call_sid": format!("EL_{driver}_2025-11-21T10:30:00Z"), "driver_id": driver,
                    "conversation_id": conversation_id, "status": "in_progress", "created": true,
                }]
            })
        );
        assert_eq!(
            (&row["conversation_id"], &row["driver_id"]),
            (&json!(conversation_id), &json!(driver))
        );
        assert!(
            row["failure_reason"].is_null()
                && row["telephony_call_sid"]
                    .as_str()
                    .unwrap()
                    .starts_with("CA")
        );
    });
}

#[test]
fn elevenlabs_is_sent_what_the_agent_needs() {
    test(async |ledger| {
        let driver = ledger.driver();
        let body = json!({
            "timestamp": "2025-11-21T10:30:00Z",
            "drivers": [{
                "driverId": driver.to_string(), "driverName": "Åsa Ñandú 🚚", "phoneNumber": "1-555-010-0043",
                "violations": [
                    { "type": "hours_of_service", "description": "Drove 12 h", "occurredAt": "2025-11-21T09:00:00+01:00" },
                    { "type": "speeding" },
                ],
                "customRules": "Speak Spanish", "somethingElse": true,
            }],
        });
        assert_eq!(ledger.http.post_placing(&body).await.status, 201);
        let dials = ledger.dials(&sid(driver));
        assert_eq!((dials.len(), dials[0].route), (1, Route::Twilio));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&dials[0].raw_body).unwrap(),
            json!({
                "agent_id": "agent_dev", "agent_phone_number_id": "phnum_dev", "to_number": "+15550100043",
                "conversation_initiation_client_data": {
                    "user_id": sid(driver),
                    "dynamic_variables": {
                        "call_sid": sid(driver), "driver_id": driver, "driver_name": "Åsa Ñandú 🚚",
                        "violations": "1. hours_of_service: Drove 12 h (2025-11-21T08:00:00.000Z)\n2. speeding",
                        "violation_count": 2, "custom_rules": "Speak Spanish",
                    }
                }
            })
        );
    });
}

#[test]
fn one_instant_is_one_call_in_whatever_offset_it_is_written() {
    test(async |ledger| {
        let driver = ledger.driver();
        let mut body = placing(&[(driver, ANSWERS)]);
        for (timestamp, status) in [
            ("2025-11-21T10:30:00Z", 201),
            ("2025-11-21T10:30:00.000Z", 200),
            ("2025-11-21T10:30:00", 200),
            ("2025-11-21T05:30:00-05:00", 200),
            ("2025-11-21T16:00:00+05:30", 200),
            ("2025-11-22T00:15:00+13:45", 200),
        ] {
            body["timestamp"] = json!(timestamp);
            let reply = ledger.http.post_placing(&body).await;
            assert_eq!(
                (reply.status, &reply.body["calls"][0]["call_sid"]),
                (status, &json!(sid(driver))),
                "{timestamp}"
            );
            assert_eq!(reply.body["timestamp"], "2025-11-21T10:30:00.000Z");
        }
        assert_eq!(ledger.dials(&sid(driver)).len(), 1);

        body["timestamp"] = json!("2025-11-21T05:30:00.25-05:00");
        let reply = ledger.http.post_placing(&body).await;
        let fraction = json!(format!("EL_{driver}_2025-11-21T10:30:00.250Z"));
        assert_eq!(
            (reply.status, &reply.body["calls"][0]["call_sid"]),
            (201, &fraction)
        );
    });
}

#[test]
fn the_call_is_on_record_while_elevenlabs_is_still_thinking() {
    test(async |ledger| {
        let driver = ledger.driver();
        let drivers = [(driver, THINKS)];
        let placing = ledger.http.place(&drivers);
        let looking = async {
            let thinking = || {
                ledger
                    .dials(&sid(driver))
                    .pop()
                    .filter(|dial| dial.outcome == Outcome::Open)
            };
            until("the dial", thinking).await;
            ledger.call(&sid(driver)).unwrap()
        };
        let (reply, row) = tokio::join!(placing, looking);
        assert_eq!(
            (&row["status"], &row["conversation_id"]),
            (&json!("in_progress"), &json!(null))
        );
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!(
            ledger.call(&sid(driver)).unwrap()["conversation_id"],
            reply.body["calls"][0]["conversation_id"]
        );
    });
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_unfinished() {
    test(async |ledger| {
        let driver = ledger.driver();
        let drivers = [(driver, THINKS)];
        let impatient =
            tokio::time::timeout(Duration::from_millis(300), ledger.http.place(&drivers));
        assert!(
            impatient.await.is_err(),
            "the number answers too soon for this test"
        );
        let linked = || {
            ledger.call(&sid(driver))?["conversation_id"]
                .as_str()
                .map(str::to_owned)
        };
        let linked = until("the conversation on record", linked).await;
        assert_eq!(ledger.dials(&sid(driver))[0].conversation_id, Some(linked));
        assert_eq!(ledger.http.place(&drivers).await.status, 200);
        assert_eq!(ledger.dials(&sid(driver)).len(), 1);
    });
    // `wrangler dev` keeps a hang-up to itself. At the edge it cancels the request, unless the build forbids that.
    let glue = std::fs::read_to_string(project().join("build/index.js")).unwrap();
    assert!(
        glue.contains("waitUntil("),
        "src/entry.js does not wait for what it began"
    );
}

#[test]
fn twenty_drivers_are_dialled_six_at_a_time() {
    test(async |ledger| {
        let drivers: Vec<_> = (0..20).map(|_| (ledger.driver(), THINKS)).collect();
        let placing = ledger.http.place(&drivers);
        let mut open_at_once = 0;
        let mut recorded_at_first = None;
        let watching = async {
            loop {
                let dials = ledger.simulator.calls();
                let dials = dials.iter().filter(|dial| {
                    dial.outcome == Outcome::Open
                        && drivers
                            .iter()
                            .any(|(id, _)| dial.call_sid == Some(sid(*id)))
                });
                open_at_once = open_at_once.max(dials.count());
                if open_at_once > 0 && recorded_at_first.is_none() {
                    let rows = drivers
                        .iter()
                        .filter(|(id, _)| ledger.call(&sid(*id)).is_some());
                    recorded_at_first = Some(rows.count());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let reply = tokio::select! {
            reply = placing => reply,
            () = watching => unreachable!("it watches for ever"),
        };
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!((open_at_once, recorded_at_first), (6, Some(20)));
        let placed = reply.body["calls"].as_array().unwrap();
        for ((driver, _), call) in drivers.iter().zip(placed) {
            assert_eq!(
                (&call["driver_id"], &call["call_sid"]),
                (&json!(driver), &json!(sid(*driver)))
            );
            let dials = ledger.dials(&sid(*driver));
            assert_eq!(
                (dials.len(), json!(dials[0].conversation_id)),
                (1, call["conversation_id"].clone())
            );
        }
        assert_eq!(placed.len(), 20);
    });
}

#[test]
fn of_equal_requests_at_once_one_dials() {
    test(async |ledger| {
        let driver = ledger.driver();
        // Its conversation never ends, so that nothing else changes the call meanwhile.
        let drivers = [(driver, "+15550100209")];
        let replies = join_all((0..10).map(|_| ledger.http.place(&drivers))).await;
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(
            statuses.iter().filter(|status| **status == 201).count(),
            1,
            "{statuses:?}"
        );
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            9,
            "{statuses:?}"
        );
        for reply in &replies {
            let call = &reply.body["calls"][0];
            assert_eq!(
                (&call["status"], &call["created"]),
                (&json!("in_progress"), &json!(reply.status == 201))
            );
        }
        assert_eq!(ledger.dials(&sid(driver)).len(), 1);
        assert_eq!(
            ledger
                .rows(
                    "SELECT id FROM calls WHERE driver_id = ?1",
                    &[&driver.to_string()]
                )
                .len(),
            1
        );
    });
}
