//! What the log says, and what neither the log nor an answer ever says.

use call_ledger::elevenlabs::{ApiAnswer, TransportError};
use serde_json::{Value, json};

use crate::support::sqlite::Fault::{AnswerLost, Refused};
use crate::support::sqlite::TRANSIENT;
use crate::support::world::{
    API_TOKEN, PLACE, TURN, World, dynamic_variables, place_body, request, sid, turn_body,
};

const SQL_IN_AN_ERROR: &str =
    "D1_ERROR: near \"SELECT secret FROM calls\": syntax error: SQLITE_ERROR";

/// Everything that can happen to calls and turns, once. Returns the bodies of all answers.
async fn a_whole_life(world: &World) -> Vec<String> {
    world.settings.set("WEBHOOK_TOKEN", "s3cret-webhook-token");
    world.settings.set("ELEVENLABS_API_KEY", "s3cret-key");
    world.script(|request| match dynamic_variables(request)["driver_id"].as_u64() {
        Some(1) => Err(TransportError::Broken("reset".to_owned())),
        Some(2) => Ok(ApiAnswer { status: 503, body: "<html>".to_owned() }),
        // ElevenLabs' words may repeat the number.
        Some(3) => Ok(ApiAnswer { status: 422, body: r#"{"detail":"+15550100003 is not verified"}"#.to_owned() }),
        Some(driver) => {
            let body = json!({ "success": true, "message": "", "conversation_id": format!("conv_{driver}") });
            Ok(ApiAnswer { status: 200, body: body.to_string() })
        }
        None => Err(TransportError::Timeout),
    });
    let mut bodies = Vec::new();
    for faults in [
        vec![],
        vec![],
        vec![Refused(SQL_IN_AN_ERROR)],
        vec![AnswerLost(TRANSIENT)],
        vec![Refused(TRANSIENT); 3],
    ] {
        world.database.fail_next(faults);
        bodies.push(world.post(PLACE, &place_body(&[1, 2, 3, 4])).await.text);
    }
    let mut wrong = place_body(&[5]);
    wrong["drivers"][0]["phoneNumber"] = json!("+15550100005 extension 7");
    bodies.push(world.post(PLACE, &wrong).await.text);
    let turn = turn_body(4, 1, "my s3cret words");
    let mut unlinked = turn_body(1, 1, "my s3cret words");
    unlinked["conversation_id"] = json!("conv_1");
    let mut conflicting = turn.clone();
    conflicting["conversation_id"] = json!("conv_other");
    let mut faulty = turn.clone();
    faulty["speaker"] = json!(1);
    let unknown = turn_body(99, 1, "my s3cret words");
    for body in [&turn, &turn, &unlinked, &conflicting, &unknown, &faulty] {
        for faults in [
            vec![Refused(SQL_IN_AN_ERROR)],
            vec![AnswerLost(TRANSIENT)],
            vec![],
        ] {
            world.database.fail_next(faults);
            let mut with_token = request("POST", TURN, body.to_string());
            with_token.headers[0].1 = "Bearer s3cret-webhook-token".to_owned();
            bodies.push(world.send(with_token).await.text);
        }
    }
    bodies.push(world.post(TURN, &turn).await.text);
    bodies.push(
        world
            .send(request("POST", TURN, "{\"message\":\"my s3cret words"))
            .await
            .text,
    );
    bodies.push(world.get("/health").await.text);
    bodies
}

/// The longest run of digits of the numbers of drivers 1 to 5, `+1555010000n`.
fn shows_a_number(text: &str) -> bool {
    (1..=5).any(|driver| text.contains(&format!("0{driver:04}")))
}

#[tokio::test]
async fn the_log_never_holds_words_tokens_keys_or_more_than_four_digits_of_a_number() {
    let world = World::new();
    a_whole_life(&world).await;
    let lines = world.runtime.lines.borrow();
    assert!(lines.len() > 30);
    for line in lines.iter().map(Value::to_string) {
        for secret in [
            "s3cret",
            API_TOKEN,
            "Ada",
            "hours_of_service",
            "is not verified",
            "Bearer",
        ] {
            assert!(!line.contains(secret), "{line}");
        }
        assert!(!shows_a_number(&line), "{line}");
    }
    assert!(lines.iter().any(|line| line["phone_last_four"] == "0004"));
}

#[tokio::test]
async fn no_answer_holds_sql_a_cause_or_a_secret() {
    let world = World::new();
    for body in a_whole_life(&world).await {
        for secret in [
            "s3cret",
            API_TOKEN,
            "SELECT",
            "INSERT",
            "D1_ERROR",
            "SQLITE",
            "calls.",
            "dial_token",
            "Network",
        ] {
            assert!(!body.contains(secret), "{body}");
        }
    }
}

#[tokio::test]
async fn every_request_has_one_line_with_what_it_asked_of_the_database() {
    let world = World::new();
    world.post(PLACE, &place_body(&[7])).await;
    world.post(TURN, &turn_body(7, 1, "Hello")).await;
    let lines = world.lines("request");
    assert_eq!(lines.len(), 2);
    for (line, route, trips) in [
        (&lines[0], "/driver_data/call-elevenlabs", 2),
        (&lines[1], "/webhooks/elevenlabs/transcription", 1),
    ] {
        assert_eq!(
            (&line["level"], &line["route"]),
            (&json!("info"), &json!(route))
        );
        assert_eq!(
            (&line["status"], &line["call_sid"]),
            (&json!(201), &json!(sid(7)))
        );
        assert_eq!(
            (&line["db_round_trips"], &line["db_retries"]),
            (&json!(trips), &json!(0))
        );
        assert_eq!(line["duration_ms"], 0);
        for field in ["request_id", "db_rows_read", "db_rows_written", "db_ms"] {
            assert!(!line[field].is_null(), "{field}: {line}");
        }
    }
    assert_eq!(
        (&lines[0]["driver_id"], &lines[0]["conversation_id"]),
        (&json!(7), &json!("conv_7"))
    );
}

#[tokio::test]
async fn the_duration_counts_the_pauses() {
    let world = World::new();
    world
        .database
        .fail_next([Refused(TRANSIENT), Refused(TRANSIENT)]);
    world.get("/health").await;
    let slept: u64 = world.runtime.slept.borrow().iter().sum();
    assert_eq!(world.lines("request")[0]["duration_ms"], slept);
}

#[tokio::test]
async fn a_servers_fault_is_an_error_line_with_its_cause_and_a_callers_fault_is_not() {
    let world = World::new();
    world.database.fail_next([Refused(SQL_IN_AN_ERROR)]);
    world.post(TURN, &turn_body(7, 1, "Hello")).await;
    world.post(TURN, &turn_body(7, 1, "Hello")).await;
    let lines = world.lines("request");
    assert_eq!(
        (&lines[0]["level"], &lines[0]["cause"]),
        (&json!("error"), &json!(SQL_IN_AN_ERROR))
    );
    assert_eq!(
        (&lines[0]["code"], &lines[0]["call_sid"]),
        (&json!("store_unavailable"), &json!(sid(7)))
    );
    assert_eq!(
        (&lines[1]["level"], lines[1].get("cause")),
        (&json!("info"), None)
    );
    assert_eq!(lines[1]["code"], "unknown_call_sid");
}
