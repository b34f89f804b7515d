//! How turns reach the worker.

use crate::{Stage, quick};
use elevenlabs_simulator::{Config, DeliveryKind, Retry};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn texts(stage: &Stage) -> Vec<String> {
    let turns = stage.receiver.turns();
    turns
        .iter()
        .map(|turn| turn.json["message"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn usually_in_order_after_the_answer() {
    let config = Config {
        webhook_token: Some("turn-token".into()),
        ..quick()
    };
    let stage = Stage::with(config, |_| 201).await;
    stage.play("+15551234567").await;
    let turns = stage.receiver.turns();
    assert_eq!(turns.len(), 7);
    let first = &turns[0];
    assert_eq!(first.headers["authorization"], "Bearer turn-token");
    assert_eq!(first.headers["content-type"], "application/json");
    assert!(!first.headers.contains_key("elevenlabs-signature"));
    assert_eq!(first.json["call_sid"], "EL_7_2025-11-21T10:30:00Z");
    assert_eq!(
        (&first.json["speaker"], &turns[1].json["speaker"]),
        (&"agent".into(), &"user".into())
    );
    assert!(first.json.get("conversation_id").is_none());
    let timestamps: Vec<_> = turns
        .iter()
        .map(|turn| turn.json["timestamp"].as_str().unwrap())
        .collect();
    assert!(
        timestamps.is_sorted() && timestamps.iter().all(|t| t.len() == 24 && t.ends_with('Z')),
        "{timestamps:?}"
    );
    let texts = texts(&stage);
    assert!(texts[0].contains("Ada Díaz") && texts[2].contains("drove 12 h without a break"));
    assert_eq!(texts.iter().filter(|text| *text == "Yes.").count(), 2);
    assert!(texts.iter().any(|text| !text.is_ascii()));
    let kept = stage
        .simulator
        .conversation(&stage.last_conversation())
        .unwrap();
    assert!(kept.iter().all(|turn| turn.answers == [201]));
}

#[tokio::test]
async fn the_first_turn_may_precede_the_answer() {
    let stage = Stage::new().await;
    let answered = stage.call("+15550100180").await.unwrap();
    let turns = stage.receiver.turns();
    assert!(!turns.is_empty(), "posted before the request was answered");
    assert_eq!(
        turns[0].json["conversation_id"],
        answered.json["conversation_id"]
    );
    stage.simulator.wait_idle().await;
    assert_eq!(stage.receiver.turns().len(), 7);
}

#[tokio::test]
async fn the_first_turn_may_precede_the_answer_without_naming_its_conversation() {
    let posted = AtomicUsize::new(0);
    let stage = Stage::with(quick(), move |request| {
        match posted.fetch_add(1, Ordering::SeqCst) {
            0..3 if request.path.ends_with("transcription") => 400,
            _ => 201,
        }
    })
    .await;
    stage.call("+15550100181").await.unwrap();
    assert!(!stage.receiver.turns().is_empty());
    stage.simulator.wait_idle().await;
    let attempts = stage.attempts(DeliveryKind::Turn);
    assert_eq!(
        &attempts[..4],
        &[
            (1, Some(400)),
            (2, Some(400)),
            (3, Some(400)),
            (4, Some(201))
        ]
    );
    assert_eq!(attempts.len(), 10);
    assert!(
        stage
            .receiver
            .turns()
            .iter()
            .all(|turn| turn.json.get("conversation_id").is_none())
    );
}

#[tokio::test]
async fn at_once_and_three_times() {
    let stage = Stage::new().await;
    stage.play("+15550100182").await;
    assert_eq!(texts(&stage).len(), 7);

    let stage = Stage::new().await;
    stage.play("+15550100183").await;
    let mut counts = HashMap::new();
    for turn in stage.receiver.turns() {
        *counts.entry(turn.bytes).or_insert(0) += 1;
    }
    assert!(counts.len() == 7 && counts.values().all(|count| *count == 3));
}

#[tokio::test]
async fn turns_can_be_lost() {
    for (number, arrived) in [
        ("+15550100205", 0),
        ("+15550100206", 4),
        ("+15550100213", 0),
    ] {
        let stage = Stage::new().await;
        let read = stage.play(number).await;
        assert_eq!(stage.receiver.turns().len(), arrived, "{number}");
        assert!(
            read["transcript"].as_array().unwrap().len() >= 7,
            "{number}"
        );
        assert_eq!(stage.receiver.events().len(), 1, "{number}");
    }
}

#[tokio::test]
async fn one_turn_or_two() {
    let stage = Stage::new().await;
    let read = stage.play("+15550100188").await;
    assert_eq!(
        (stage.receiver.turns().len(), &read["status"]),
        (1, &"done".into())
    );
    assert_eq!(read["metadata"]["phone_call"]["call_result"], "voicemail");

    let stage = Stage::new().await;
    let read = stage.play("+15550100189").await;
    assert_eq!(
        (stage.receiver.turns().len(), &read["status"]),
        (2, &"failed".into())
    );
    assert!(
        read["metadata"]["error"]["code"].is_number()
            && read["metadata"]["error"]["reason"].is_string()
    );
}

#[tokio::test]
async fn never_ending() {
    let stage = Stage::new().await;
    let read = stage.play("+15550100209").await;
    assert_eq!(
        (stage.receiver.turns().len(), &read["status"]),
        (7, &"in-progress".into())
    );
    assert!(stage.receiver.events().is_empty());
}

#[tokio::test]
async fn repeated_where_that_may_help() {
    let count = AtomicUsize::new(0);
    let config = Config {
        post_call_events: false,
        retry: Retry {
            tries: 3,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(2),
        },
        ..quick()
    };
    // First turn: 503, 429, 201. Second: 400. Third: three times 500. The rest: 201.
    let answers = [503, 429, 201, 400, 500, 500, 500];
    let stage = Stage::with(config, move |_| {
        answers
            .get(count.fetch_add(1, Ordering::SeqCst))
            .copied()
            .unwrap_or(201)
    })
    .await;
    stage.play("+15551234567").await;
    let attempts = stage.attempts(DeliveryKind::Turn);
    let expected = [
        (1, 503),
        (2, 429),
        (3, 201),
        (1, 400),
        (1, 500),
        (2, 500),
        (3, 500),
        (1, 201),
    ];
    assert_eq!(
        &attempts[..8],
        &expected.map(|(attempt, status)| (attempt, Some(status)))
    );
    assert_eq!(attempts.len(), 11);
    let turns = stage
        .simulator
        .conversation(&stage.last_conversation())
        .unwrap();
    assert_eq!(turns[0].answers, [503, 429, 201]);
    assert!(stage.receiver.events().is_empty());
}

#[tokio::test]
async fn a_worker_that_is_down_is_tried_again() {
    let config = Config {
        post_call_events: false,
        retry: Retry {
            tries: 2,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(1),
        },
        ..quick()
    };
    let stage = Stage::with(config, |_| 201).await;
    // Port 1 of loopback has no listener.
    stage.simulator.set_worker_url("http://127.0.0.1:1/");
    stage.play("+15551234567").await;
    let attempts = stage.attempts(DeliveryKind::Turn);
    assert_eq!(attempts.len(), 14);
    assert!(attempts.iter().all(|(_, status)| status.is_none()));
}
