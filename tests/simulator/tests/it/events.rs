//! The events after a call.

use crate::receiver::Received;
use crate::{SIP, Stage, body, quick};
use elevenlabs_simulator::{Config, DeliveryKind, signature_header};
use std::time::{Duration, Instant};

const SECRET: &str = "wsec_dev";

fn is_signed(event: &Received) -> bool {
    let header = event.headers["elevenlabs-signature"].to_str().unwrap();
    let time = header
        .strip_prefix("t=")
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    header == signature_header(SECRET, time, &event.bytes)
}

#[tokio::test]
async fn usually_one_signed_event_equal_to_what_can_be_read() {
    let stage = Stage::new().await;
    let read = stage.play("+15551234567").await;
    let events = stage.receiver.events();
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert!(is_signed(event));
    assert!(!event.headers.contains_key("authorization"));
    assert_eq!(event.json["type"], "post_call_transcription");
    assert!(event.json["event_timestamp"].is_i64());
    assert_eq!(event.json["data"], read);
    assert_eq!(stage.receiver.received().len(), 8, "the event comes last");
    assert_eq!(stage.receiver.received()[7].path, event.path);

    let said: Vec<_> = stage
        .receiver
        .turns()
        .iter()
        .map(|turn| turn.json["message"].clone())
        .collect();
    let items: Vec<_> = read["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["message"].clone())
        .collect();
    assert_eq!(said, items);
}

#[tokio::test]
async fn none_where_they_are_switched_off_and_unsigned_without_a_secret() {
    let off = Config {
        post_call_events: false,
        ..quick()
    };
    let stage = Stage::with(off, |_| 201).await;
    assert_eq!(stage.play("+15551234567").await["status"], "done");
    assert!(stage.receiver.events().is_empty());

    let unsigned = Config {
        webhook_secret: None,
        ..quick()
    };
    let stage = Stage::with(unsigned, |_| 201).await;
    stage.play("+15551234567").await;
    assert!(
        !stage.receiver.events()[0]
            .headers
            .contains_key("elevenlabs-signature")
    );
}

#[tokio::test]
async fn failures_to_reach_anybody() {
    for (number, reason, result) in [
        ("+15550100186", "busy", "busy"),
        ("+15550100187", "no-answer", "no_answer"),
    ] {
        let stage = Stage::with(quick(), |_| 500).await;
        let read = stage.play(number).await;
        assert_eq!(read["status"], "failed");
        assert_eq!(read["metadata"]["phone_call"]["call_result"], result);
        assert!(read["metadata"]["accepted_time_unix_secs"].is_null());
        let events = stage.receiver.events();
        assert_eq!(events.len(), 1, "this kind is not repeated, even on 500");
        let data = &events[0].json["data"];
        assert_eq!(events[0].json["type"], "call_initiation_failure");
        assert_eq!(
            (&data["failure_reason"], &data["metadata"]["type"]),
            (&reason.into(), &"twilio".into())
        );
        assert_eq!(data["metadata"]["body"]["CallStatus"], reason);
        assert!(data.get("user_id").is_none() && stage.receiver.turns().is_empty());

        stage.post(SIP, body(number).to_string()).await.unwrap();
        stage.simulator.wait_idle().await;
        let metadata = stage.receiver.events()[1].json["data"]["metadata"].clone();
        assert_eq!(metadata["type"], "sip");
        assert!(
            metadata["body"]["sip_status_code"].is_i64()
                && metadata["body"]["error_reason"].is_string()
        );
    }
}

#[tokio::test]
async fn twice_byte_for_byte() {
    let stage = Stage::new().await;
    stage.play("+15550100200").await;
    let events = stage.receiver.events();
    assert_eq!((events.len(), &events[0].bytes), (2, &events[1].bytes));
}

#[tokio::test]
async fn before_the_answer() {
    let stage = Stage::new().await;
    let answered = stage.call("+15550100201").await.unwrap();
    let events = stage.receiver.events();
    assert_eq!(events.len(), 1, "delivered before the request was answered");
    assert_eq!(
        events[0].json["data"]["conversation_id"],
        answered.json["conversation_id"]
    );
    stage.simulator.wait_idle().await;
    assert!(stage.receiver.turns().is_empty());
}

#[tokio::test]
async fn never_until_asked_for() {
    for number in [
        "+15550100202",
        "+15550100209",
        "+15550100214",
        "+15550100215",
    ] {
        let stage = Stage::new().await;
        stage.play(number).await;
        assert!(stage.receiver.events().is_empty(), "{number}");
        let delivery = stage
            .simulator
            .deliver_now(&stage.last_conversation())
            .await
            .unwrap();
        assert_eq!(
            (delivery.kind, delivery.status),
            (DeliveryKind::PostCallTranscription, Some(201))
        );
        assert_eq!(
            stage.receiver.events()[0].json["data"]["status"],
            "done",
            "{number}"
        );
    }
    assert!(
        Stage::new()
            .await
            .simulator
            .deliver_now("conv_none")
            .await
            .is_none()
    );
}

#[tokio::test]
async fn late() {
    let late = Duration::from_millis(80);
    let stage = Stage::with(Config { late, ..quick() }, |_| 201).await;
    let before = Instant::now();
    stage.play("+15550100203").await;
    assert!(before.elapsed() >= late);
    assert_eq!(stage.receiver.events().len(), 1);
}

#[tokio::test]
async fn before_the_last_turns() {
    let stage = Stage::new().await;
    let read = stage.play("+15550100204").await;
    let kinds: Vec<_> = stage
        .receiver
        .received()
        .iter()
        .map(|request| request.path.ends_with("post-call"))
        .collect();
    assert_eq!(
        kinds,
        [false, false, false, false, false, true, false, false]
    );
    assert_eq!(stage.receiver.events()[0].json["data"], read);
}

#[tokio::test]
async fn edited_transcript() {
    let stage = Stage::new().await;
    let read = stage.play("+15550100207").await;
    let turns = stage.receiver.turns();
    let items = read["transcript"].as_array().unwrap();
    assert_eq!(items.len(), turns.len());
    for (item, turn) in items.iter().zip(&turns) {
        assert_ne!(item["message"], turn.json["message"]);
    }
    let cut = &items[4];
    assert_eq!(
        (&cut["interrupted"], &cut["role"]),
        (&true.into(), &"agent".into())
    );
    let full = cut["original_message"].as_str().unwrap();
    assert!(cut["message"].as_str().unwrap().len() < full.len());
    assert_eq!(turns[4].json["message"].as_str().unwrap().trim(), full);
}

#[tokio::test]
async fn wrong_signature_first() {
    let stage = Stage::with(quick(), |event| {
        if event.path.ends_with("post-call") && !is_signed(event) {
            401
        } else {
            200
        }
    })
    .await;
    stage.play("+15550100208").await;
    assert_eq!(
        stage.attempts(DeliveryKind::PostCallTranscription),
        [(1, Some(401)), (1, Some(200))]
    );
}

#[tokio::test]
async fn untidy() {
    let stage = Stage::new().await;
    stage.play("+15550100210").await;
    let data = stage.receiver.events()[0].json["data"].clone();
    assert!(data["metadata"]["cost"].is_f64() && data["metadata"]["warnings"].is_null());
    let items = data["transcript"].as_array().unwrap();
    assert_eq!(items.len(), 9);
    assert_eq!(
        items
            .iter()
            .filter(|item| item["message"].is_null())
            .count(),
        2
    );
    assert!(items.iter().all(|item| item["time_in_call_secs"].is_f64()));
}

#[tokio::test]
async fn among_others() {
    let stage = Stage::new().await;
    stage.play("+15550100211").await;
    let events = stage.receiver.events();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event.json["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "conversation_mood_changed",
            "post_call_transcription",
            "post_call_audio"
        ]
    );
    assert!(events.iter().all(is_signed));
    assert!(
        !events[2].length_known && events[1].length_known,
        "audio comes without a length"
    );
}

#[tokio::test]
async fn without_variables_and_huge() {
    let stage = Stage::new().await;
    stage.play("+15550100212").await;
    let data = &stage.receiver.events()[0].json["data"];
    assert_eq!(
        data["conversation_initiation_client_data"]["dynamic_variables"],
        serde_json::json!({})
    );

    let stage = Stage::new().await;
    stage.play("+15550100213").await;
    let event = &stage.receiver.events()[0];
    assert!(event.bytes.len() > 2 * 1024 * 1024);
    assert_eq!(
        event.json["data"]["transcript"].as_array().unwrap().len(),
        3000
    );
}
