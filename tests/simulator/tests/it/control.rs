//! The stand-in's own resources, and its life.

use crate::{Stage, quick};
use elevenlabs_simulator::{Config, Simulator, numbers};

#[tokio::test]
async fn the_journal_from_outside() {
    let stage = Stage::new().await;
    stage.call("+15551234567").await.unwrap();
    stage.call("+15550100100").await.unwrap();
    stage.simulator.wait_idle().await;
    let journal = stage.get("/_simulator/calls").await.json;
    assert_eq!(
        (
            &journal["requests_total"],
            &journal["under_way"],
            &journal["open"]
        ),
        (&2.into(), &0.into(), &0.into())
    );
    let first = &journal["calls"][0];
    assert_eq!(
        (&first["behaviour"], &first["route"]),
        (&"answered".into(), &"twilio".into())
    );
    assert_eq!(
        first["outcome"],
        serde_json::json!({ "kind": "answered", "status": 200 })
    );
    let conversation = &first["conversation"];
    assert_eq!(
        (&conversation["status"], &conversation["spoken"]),
        (&"done".into(), &7.into())
    );
    let turn = &conversation["transcript"][1];
    assert_eq!(
        (&turn["speaker"], &turn["message"]),
        (&"user".into(), &"Yes.".into())
    );
    assert_eq!(turn["answers"], serde_json::json!([201]));
    assert!(journal["calls"][1]["conversation"].is_null());

    let deliveries = stage.get("/_simulator/deliveries").await.json;
    assert_eq!(deliveries["deliveries"].as_array().unwrap().len(), 8);
    assert_eq!(
        deliveries["deliveries"][7]["kind"],
        "post_call_transcription"
    );
}

#[tokio::test]
async fn numbers_and_health_need_no_key() {
    let stage = Stage::new().await;
    let url = stage.simulator.url();
    let health = stage
        .client
        .get(format!("{url}/_simulator/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    let listed = stage.get("/_simulator/numbers").await.json;
    assert_eq!(
        listed["numbers"].as_array().unwrap().len(),
        numbers::NUMBERS.len()
    );
    assert_eq!(listed["every_other"]["name"], "answered");
}

#[tokio::test]
async fn held_events_can_be_asked_for() {
    let stage = Stage::new().await;
    stage.play("+15550100202").await;
    let id = stage.last_conversation();
    let delivered = stage
        .post(&format!("/_simulator/deliver/{id}"), String::new())
        .await
        .unwrap();
    assert_eq!(
        (delivered.status, &delivered.json["status"]),
        (200, &201.into())
    );
    assert_eq!(stage.receiver.events().len(), 1);
    let unknown = stage
        .post("/_simulator/deliver/conv_none", String::new())
        .await
        .unwrap();
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn without_a_worker_nothing_hangs() {
    let simulator = Simulator::start("127.0.0.1:0", quick()).await.unwrap();
    let url = format!("{}{}", simulator.url(), crate::TWILIO);
    let request = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(url)
        .header("xi-api-key", crate::KEY);
    request
        .body(crate::body("+15551234567").to_string())
        .send()
        .await
        .unwrap();
    simulator.wait_idle().await;
    assert!(
        simulator
            .deliveries()
            .iter()
            .all(|delivery| delivery.status.is_none())
    );
    assert_eq!(simulator.deliveries().len(), 8);
}

#[tokio::test]
async fn shutdown_ends_what_is_under_way() {
    let config = Config {
        pace: std::time::Duration::from_secs(60),
        ..quick()
    };
    let stage = Stage::with(config, |_| 201).await;
    stage.call("+15551234567").await.unwrap();
    let url = stage.simulator.url();
    stage.simulator.shutdown().await;
    assert!(
        stage
            .client
            .get(format!("{url}/_simulator/health"))
            .send()
            .await
            .is_err()
    );
}
