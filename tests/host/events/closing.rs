//! `post_call_transcription` means the end of a conversation, unless it says that the conversation
//! still runs. Then it finishes nothing, and waits for the end.

use serde_json::{Value, json};

use crate::support::events::{
    Books, DAY, HOUR, MINUTE, STARTED, conversation, empty_world, transcription, world_with_calls,
};
use crate::support::world::{PLACE, World, place_body, sid};

fn closing(status: &Value) -> Value {
    let mut data = conversation(7, &[(1, "A:Hello"), (4, "D:Hi")]);
    data["status"] = status.clone();
    transcription(data)
}

fn payloads(world: &World) -> Value {
    world
        .database
        .value("SELECT count(payload) FROM elevenlabs_events")
}

#[tokio::test]
async fn a_closing_event_without_a_status_ends_its_call() {
    let mut without = closing(&Value::Null);
    without["data"].as_object_mut().unwrap().remove("status");
    for event in [
        without,
        closing(&Value::Null),
        closing(&json!("")),
        closing(&json!(7)),
        closing(&json!("completed")),
    ] {
        let world = world_with_calls(&[7]).await;
        assert_eq!(world.deliver(&event).await, "applied");
        assert_eq!(world.call(&sid(7), "status"), "completed");
        assert_eq!(world.words(7).await, ["A:Hello", "D:Hi"]);
        assert_eq!(world.deliver(&event).await, "already_applied");
    }
}

#[tokio::test]
async fn a_report_of_a_running_conversation_waits_until_evidence_of_the_end_came() {
    for status in ["initiated", "in-progress", "processing"] {
        let world = world_with_calls(&[7]).await;
        Books::open(&world, []);
        let running = closing(&json!(status));
        for _ in 0..2 {
            assert_eq!(world.deliver(&running).await, "kept");
        }
        world.runtime.advance(MINUTE);
        world.reconcile().await;
        assert_eq!(world.outcomes(), ["kept"]);
        assert_eq!(payloads(&world), 1);
        assert_eq!(world.call(&sid(7), "status"), "in_progress");
        // The end comes as another event.
        let mut end = closing(&json!("done"));
        end["event_timestamp"] = json!(STARTED + 300);
        assert_eq!(world.deliver(&end).await, "applied");
        world.runtime.advance(MINUTE);
        world.reconcile().await;
        assert_eq!(world.outcomes(), ["applied", "applied"]);
        assert_eq!(world.call(&sid(7), "status"), "completed");
        assert_eq!(world.call(&sid(7), "transcript_revision"), 1);
    }
}

#[tokio::test]
async fn a_report_of_a_running_conversation_links_its_call_and_waits() {
    let world = empty_world();
    let running = closing(&json!("in-progress"));
    assert_eq!(world.deliver(&running).await, "kept");
    world.post(PLACE, &place_body(&[7])).await;
    assert_eq!(world.outcomes(), ["kept"]);
    // The dial's answer was lost, but the report names the call.
    world.database.execute(
        "UPDATE calls SET conversation_id = NULL, status = 'failed', failure_reason = 'outcome_unknown'",
    );
    assert_eq!(world.deliver(&running).await, "kept");
    assert_eq!(world.call(&sid(7), "conversation_id"), "conv_7");
    assert_eq!(world.call(&sid(7), "status"), "in_progress");
    // The end comes because ElevenLabs is asked.
    Books::open(&world, [conversation(7, &[(1, "A:Hello")])]);
    for _ in 0..2 {
        world.runtime.advance(HOUR);
        world.reconcile().await;
    }
    assert_eq!(world.call(&sid(7), "status"), "completed");
    assert_eq!(world.outcomes(), ["applied"]);
}

#[tokio::test]
async fn a_report_of_a_running_conversation_whose_end_never_comes_expires_without_its_payload() {
    let world = empty_world();
    Books::open(&world, []);
    assert_eq!(world.deliver(&closing(&json!("in-progress"))).await, "kept");
    world.runtime.advance(7 * DAY + 1);
    world.reconcile().await;
    assert_eq!(world.outcomes(), ["expired"]);
    assert_eq!(payloads(&world), 0);
}

#[tokio::test]
async fn an_event_that_is_ignored_keeps_no_payload() {
    let world = world_with_calls(&[7]).await;
    let mut other = conversation(7, &[(1, "A:Another")]);
    other["conversation_id"] = json!("conv_blank");
    assert_eq!(world.deliver(&transcription(other)).await, "ignored");
    assert_eq!(world.outcomes(), ["ignored"]);
    assert_eq!(payloads(&world), 0);
}
