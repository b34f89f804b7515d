//! Placing calls: what ElevenLabs' answers make of them.

use call_ledger::elevenlabs::{ApiAnswer, TransportError};
use serde_json::{Value, json};

use crate::support::world::{PLACE, World, body_of, dynamic_variables, place_body, sid};

type Answered = Result<ApiAnswer, TransportError>;

fn answer(status: u16, body: impl Into<String>) -> Answered {
    Ok(ApiAnswer {
        status,
        body: body.into(),
    })
}

fn accepted(conversation_id: &str) -> Answered {
    let body = json!({ "success": true, "message": "Success", "conversation_id": conversation_id, "callSid": "CA1" });
    answer(200, body.to_string())
}

fn refused() -> Answered {
    let body = json!({ "success": false, "message": "unverified", "conversation_id": null, "callSid": null });
    answer(200, body.to_string())
}

/// ElevenLabs answers each driver in its own way.
fn world_where(answers: impl Fn(u64) -> Answered + 'static) -> World {
    let world = World::new();
    world.script(move |request| answers(dynamic_variables(request)["driver_id"].as_u64().unwrap()));
    world
}

/// Status, reason, conversation and end of driver 7's call.
fn on_record(world: &World) -> Value {
    let columns = "status, failure_reason, conversation_id, call_end_time";
    world
        .database
        .query(&format!("SELECT {columns} FROM calls WHERE driver_id = 7"))[0]
        .clone()
}

#[tokio::test]
async fn one_drivers_failure_leaves_the_others() {
    let world = world_where(|driver| match driver {
        1 => refused(),
        2 => Err(TransportError::Timeout),
        _ => accepted(&format!("conv_{driver}")),
    });
    let reply = world.post(PLACE, &place_body(&[1, 2, 3, 4])).await;
    assert_eq!(reply.status, 207);
    assert_eq!(world.dialled().len(), 4);
    for (driver, status, conversation) in [
        (1, "failed", Value::Null),
        (2, "failed", Value::Null),
        (3, "in_progress", json!("conv_3")),
        (4, "in_progress", json!("conv_4")),
    ] {
        assert_eq!(world.call(&sid(driver), "status"), status);
        assert_eq!(world.call(&sid(driver), "conversation_id"), conversation);
    }
}

#[tokio::test]
async fn the_status_tells_whether_all_some_or_none_were_placed() {
    // Driver 1 to 9 are accepted, 10 and up are refused.
    for (before, request, status) in [
        (vec![], vec![1], 201),
        (vec![], vec![1, 2], 201),
        (vec![1], vec![1], 200),
        (vec![1, 2], vec![2, 1], 200),
        (vec![10], vec![10], 200),
        (vec![1, 10], vec![1, 10], 200),
        (vec![1], vec![1, 2], 207),
        (vec![], vec![1, 10], 207),
        (vec![1], vec![1, 10], 207),
        (vec![10], vec![10, 1], 207),
        (vec![], vec![10], 502),
        (vec![], vec![10, 11], 502),
    ] {
        let world = world_where(|driver| match driver {
            10.. => refused(),
            _ => accepted(&format!("conv_{driver}")),
        });
        if !before.is_empty() {
            world.post(PLACE, &place_body(&before)).await;
        }
        let reply = world.post(PLACE, &place_body(&request)).await;
        assert_eq!(reply.status, status, "{request:?} after {before:?}");
    }
}

#[tokio::test]
async fn a_refused_call_has_failed_for_elevenlabs_own_reason() {
    for (answered, words) in [
        (refused(), "unverified"),
        (
            answer(401, r#"{"detail":{"status":"x","message":"No API key"}}"#),
            "No API key",
        ),
        (answer(404, r#"{"detail":"Not Found"}"#), "Not Found"),
        (
            answer(
                422,
                r#"{"detail":[{"loc":["body","to_number"],"msg":"Field required"}]}"#,
            ),
            "body.to_number: Field required",
        ),
        (answer(429, "<html>"), "HTTP 429"),
    ] {
        let world = world_where(move |_| answered.clone());
        let reply = world.post(PLACE, &place_body(&[7])).await;
        assert_eq!(reply.status, 502);
        assert_eq!(
            reply.body["calls"][0],
            json!({
                "call_sid": sid(7), "driver_id": 7, "conversation_id": null, "status": "failed",
                "created": true, "error": { "code": "elevenlabs_rejected", "message": words },
            })
        );
        assert_eq!(
            on_record(&world),
            json!({
                "status": "failed", "failure_reason": format!("elevenlabs_rejected: {words}"),
                "conversation_id": null, "call_end_time": "2025-11-21T10:30:01.000Z",
            })
        );
    }
}

#[tokio::test]
async fn a_refused_call_is_not_dialled_again() {
    let world = world_where(|_| refused());
    world.post(PLACE, &place_body(&[7])).await;
    world.elevenlabs_accepts();
    let reply = world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(reply.status, 200);
    let call = &reply.body["calls"][0];
    assert_eq!(
        (&call["status"], &call["created"]),
        (&json!("failed"), &json!(false))
    );
    assert_eq!(call["error"]["code"], "elevenlabs_rejected");
    assert!(
        call["error"]["message"]
            .as_str()
            .unwrap()
            .contains("unverified")
    );
    assert_eq!(world.dialled().len(), 1);
}

#[tokio::test]
async fn a_call_of_unclear_outcome_has_failed_and_is_never_dialled_again() {
    for answered in [
        Err(TransportError::Timeout),
        Err(TransportError::Broken("connection reset".to_owned())),
        answer(500, r#"{"detail":"Internal"}"#),
        answer(503, ""),
        answer(307, ""),
        answer(200, "<html>"),
        answer(200, ""),
        answer(
            200,
            r#"{"success":true,"message":"","conversation_id":null,"callSid":null}"#,
        ),
        answer(
            200,
            r#"{"success":true,"message":"","conversation_id":"","callSid":"CA1"}"#,
        ),
        answer(200, r#"{"conversation_id":"conv_7"}"#),
    ] {
        let shown = format!("{answered:?}");
        let world = world_where(move |_| answered.clone());
        let reply = world.post(PLACE, &place_body(&[7])).await;
        assert_eq!(reply.status, 502, "{shown}");
        let call = &reply.body["calls"][0];
        assert_eq!(
            (&call["status"], &call["conversation_id"]),
            (&json!("failed"), &Value::Null)
        );
        assert_eq!(call["error"]["code"], "outcome_unknown", "{shown}");
        assert!(
            call["error"]["message"]
                .as_str()
                .unwrap()
                .contains("may be ringing")
        );
        let row = json!({
            "status": "failed", "failure_reason": "outcome_unknown", "conversation_id": null, "call_end_time": null,
        });
        assert_eq!(on_record(&world), row, "{shown}");
        world.elevenlabs_accepts();
        for _ in 0..2 {
            let again = world.post(PLACE, &place_body(&[7])).await;
            assert_eq!(
                (again.status, &again.body["calls"][0]["created"]),
                (200, &json!(false))
            );
            assert_eq!(again.body["calls"][0]["error"]["code"], "outcome_unknown");
        }
        assert_eq!(world.dialled().len(), 1, "{shown}");
    }
}

#[tokio::test]
async fn a_very_long_reason_is_kept_in_part() {
    let words = "é".repeat(10_000);
    let body = json!({ "detail": words }).to_string();
    let world = world_where(move |_| answer(400, body.clone()));
    world.post(PLACE, &place_body(&[7])).await;
    let kept = format!("elevenlabs_rejected: {}", "é".repeat(500));
    assert_eq!(on_record(&world)["failure_reason"], kept);
}

#[tokio::test]
async fn both_telephony_routes_are_dialled_and_name_the_telephone_call() {
    for (route, key, url) in [
        (
            None,
            "callSid",
            "http://elevenlabs.test/v1/convai/twilio/outbound-call",
        ),
        (
            Some("twilio"),
            "callSid",
            "http://elevenlabs.test/v1/convai/twilio/outbound-call",
        ),
        (
            Some("sip-trunk"),
            "sip_call_id",
            "http://elevenlabs.test/v1/convai/sip-trunk/outbound-call",
        ),
    ] {
        let world = World::new();
        if let Some(route) = route {
            world.settings.set("ELEVENLABS_TELEPHONY", route);
        }
        let body = json!({ "success": true, "message": "", "conversation_id": "conv_7", key: "telephone-1" });
        world.script(move |_| answer(200, body.to_string()));
        assert_eq!(world.post(PLACE, &place_body(&[7])).await.status, 201);
        assert_eq!(world.elevenlabs.requests.borrow()[0].url, url);
        assert_eq!(world.call(&sid(7), "telephony_call_sid"), "telephone-1");
        assert_eq!(world.call(&sid(7), "conversation_id"), "conv_7");
    }
}

#[tokio::test]
async fn each_step_of_a_placement_has_a_log_line() {
    let world = world_where(|driver| match driver {
        1 => accepted("conv_1"),
        2 => refused(),
        _ => answer(503, ""),
    });
    world.post(PLACE, &place_body(&[1, 2, 3])).await;
    assert_eq!(world.lines("call_recorded").len(), 3);
    let dialled = &world.lines("call_dialled")[0];
    assert_eq!(dialled["call_sid"], sid(1));
    assert_eq!(dialled["conversation_id"], "conv_1");
    assert_eq!(dialled["driver_id"], 1);
    let failed = world.lines("call_failed");
    let of = |driver: u32| {
        failed
            .iter()
            .find(|line| line["driver_id"] == driver)
            .unwrap()
    };
    assert_eq!(
        (&of(2)["code"], &of(2)["status"]),
        (&json!("elevenlabs_rejected"), &json!(200))
    );
    assert_eq!(
        (&of(3)["code"], &of(3)["status"]),
        (&json!("outcome_unknown"), &json!(503))
    );
    assert_eq!(
        body_of(&world.elevenlabs.requests.borrow()[0])["to_number"],
        "+15550100001"
    );
}
