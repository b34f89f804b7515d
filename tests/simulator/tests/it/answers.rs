//! What the outbound-call request is answered, number by number.

use crate::{SIP, Stage, TWILIO, body, quick};
use elevenlabs_simulator::{Config, Outcome, Route, Status};
use std::time::{Duration, Instant};

/// Waiting short enough for a test.
fn brisk() -> Config {
    Config {
        slow: Duration::from_millis(200),
        ring: Duration::from_millis(60),
        ..quick()
    }
}

#[tokio::test]
async fn accepted_on_both_routes() {
    let stage = Stage::with(brisk(), |_| 201).await;
    let twilio = stage.call("+15551234567").await.unwrap();
    assert_eq!(twilio.status, 200);
    assert_eq!(
        (&twilio.json["success"], &twilio.json["message"]),
        (&true.into(), &"Success".into())
    );
    let id = twilio.json["conversation_id"].as_str().unwrap();
    assert!(id.starts_with("conv_") && id.len() == 31);
    assert!(twilio.json["callSid"].as_str().unwrap().starts_with("CA"));

    let before = Instant::now();
    let sip = stage
        .post(SIP, body("+15551234567").to_string())
        .await
        .unwrap();
    assert!(
        before.elapsed() >= Duration::from_millis(60),
        "the SIP route answers at pick-up only"
    );
    assert!(
        sip.json["sip_call_id"]
            .as_str()
            .unwrap()
            .starts_with("SCL_")
    );
    assert_ne!(sip.json["conversation_id"], id);

    let calls = stage.simulator.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(
        (calls[0].route, calls[1].route),
        (Route::Twilio, Route::SipTrunk)
    );
    assert_eq!(calls[0].conversation_id.as_deref(), Some(id));
    assert_eq!(
        calls[0].call_sid.as_deref(),
        Some("EL_7_2025-11-21T10:30:00Z")
    );
    assert_eq!(calls[0].user_id.as_deref(), Some("driver_7"));
    assert_eq!(calls[0].dynamic_variables["driver_id"], 7);
    assert_eq!(calls[0].outcome, Outcome::Answered { status: 200 });
    assert_eq!(calls[0].raw_body, body("+15551234567").to_string());
}

#[tokio::test]
async fn refusals_place_nothing() {
    let stage = Stage::new().await;
    let refused = stage.call("+15550100100").await.unwrap();
    assert_eq!(
        (refused.status, &refused.json["success"]),
        (200, &false.into())
    );
    assert!(
        refused.json["message"]
            .as_str()
            .unwrap()
            .contains("Unable to create record")
    );
    assert!(refused.json["conversation_id"].is_null() && refused.json["callSid"].is_null());
    let refused = stage
        .post(SIP, body("+15550100100").to_string())
        .await
        .unwrap();
    assert!(refused.json["success"] == false && refused.json["sip_call_id"].is_null());

    for (number, expected) in [
        ("+15550100101", (400, "invalid_api_key")),
        ("+15550100102", (401, "missing_permissions")),
        ("+15550100129", (429, "concurrent_limit_exceeded")),
        ("+15550100150", (500, "internal_error")),
        ("+15550100216", (500, "internal_error")),
    ] {
        let answered = stage.call(number).await.unwrap();
        assert_eq!(answered.code(), expected, "{number}");
        assert_eq!(
            answered.headers.contains_key("retry-after"),
            expected.0 == 429,
            "{number}"
        );
    }
    assert_eq!(
        stage.call("+15550100103").await.unwrap().json["detail"][0]["type"],
        "value_error"
    );

    let page = stage.call("+15550100191").await.unwrap();
    assert!(page.status == 200 && page.text.contains("<title>") && page.json.is_null());
    let redirect = stage.call("+15550100192").await.unwrap();
    assert_eq!(
        (
            redirect.status,
            redirect.headers["location"].to_str().unwrap()
        ),
        (307, TWILIO)
    );

    assert!(stage.call("+15550100160").await.is_err());
    stage.simulator.wait_idle().await;
    assert!(
        stage
            .simulator
            .calls()
            .iter()
            .all(|call| call.conversation_id.is_none())
    );
    assert_eq!(
        stage.simulator.calls().last().unwrap().outcome,
        Outcome::Cut
    );
    assert!(stage.receiver.received().is_empty());
}

#[tokio::test]
async fn calls_placed_behind_a_bad_answer_are_played_and_name_their_conversation() {
    for (number, status) in [
        ("+15550100151", Some(503)),
        ("+15550100161", None),
        ("+15550100190", Some(200)),
    ] {
        let stage = Stage::new().await;
        assert_eq!(
            stage.call(number).await.ok().map(|answer| answer.status),
            status,
            "{number}"
        );
        stage.simulator.wait_idle().await;
        let id = stage.last_conversation();
        assert_eq!(stage.simulator.status(&id), Some(Status::Done), "{number}");
        let turns = stage.receiver.turns();
        assert!(
            turns.len() == 7 && turns.iter().all(|turn| turn.json["conversation_id"] == id),
            "{number}"
        );
        assert_eq!(stage.receiver.events().len(), 1, "{number}");
    }
}

#[tokio::test]
async fn success_without_an_id() {
    let stage = Stage::new().await;
    let answered = stage.call("+15550100190").await.unwrap();
    assert!(answered.json["success"] == true && answered.json["conversation_id"].is_null());
}

#[tokio::test]
async fn too_slow_plays_meanwhile() {
    let stage = Stage::with(brisk(), |_| 201).await;
    let call = stage.call("+15550100170");
    let answered = async {
        let answered = call.await.unwrap();
        assert_eq!(
            stage.receiver.turns().len(),
            7,
            "the conversation ran while the request was open"
        );
        answered
    };
    let before = Instant::now();
    let answered = answered.await;
    assert!(before.elapsed() >= Duration::from_millis(200));
    assert!(
        stage
            .receiver
            .turns()
            .iter()
            .all(|turn| turn.json["conversation_id"] == answered.json["conversation_id"])
    );
}

#[tokio::test]
async fn a_caller_that_gives_up_is_noted_and_the_call_goes_on() {
    let stage = Stage::new().await;
    let waited = tokio::time::timeout(Duration::from_millis(100), stage.call("+15550100170")).await;
    assert!(waited.is_err());
    stage.simulator.wait_idle().await;
    assert_eq!(stage.receiver.turns().len(), 7);
    // The stand-in notices the closed connection in its own time.
    while stage.simulator.calls()[0].outcome == Outcome::Open {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.simulator.calls()[0].outcome, Outcome::Abandoned);
}

#[tokio::test]
async fn slow_is_answered_before_anybody_speaks() {
    let config = Config {
        grace: Duration::from_millis(300),
        ..brisk()
    };
    let stage = Stage::with(config, |_| 201).await;
    let before = Instant::now();
    stage.call("+15550100171").await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(50));
    assert!(stage.receiver.received().is_empty());
    stage.simulator.wait_idle().await;
    assert_eq!(stage.receiver.turns().len(), 7);
}

#[tokio::test]
async fn open_requests_are_counted() {
    let stage = Stage::with(
        Config {
            slow: Duration::from_secs(1),
            ..brisk()
        },
        |_| 201,
    )
    .await;
    let slow = || stage.call("+15550100171");
    let _ = tokio::join!(slow(), slow(), slow());
    assert_eq!(
        (stage.simulator.max_open(), stage.simulator.requests_total()),
        (3, 3)
    );
    stage.simulator.wait_idle().await;
    stage.simulator.reset_max_open();
    stage.call("+15551234567").await.unwrap();
    assert_eq!(stage.simulator.max_open(), 1);
}
